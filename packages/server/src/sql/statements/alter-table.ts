/** ALTER TABLE … ADD [COLUMN] and DROP [COLUMN]. */
import {fail} from '@kalamdb/protocol/errors.ts';
import {RESERVED_COLUMNS, tableText} from '../../model/names.ts';
import {DELETED_COLUMN, SEQ_COLUMN} from '../../model/schema.ts';
import {sqlName} from '../../model/type-table.ts';
import type {ColumnDef, TableRef} from '../../parser/ast.ts';
import {parseColumnDef} from '../../parser/column-def.ts';
import {columnOf} from '../columns.ts';
import {defineStatement, done, resolveName} from '../define.ts';

type Action = {readonly kind: 'add'; readonly column: ColumnDef} | {readonly kind: 'drop'; readonly column: string};

export const addDropColumn = defineStatement<{ref: TableRef; action: Action}>({
  name: 'ALTER TABLE',
  heads: ['ALTER TABLE', 'ALTER USER TABLE', 'ALTER SHARED TABLE', 'ALTER STREAM TABLE'],
  access: 'any',
  takesParams: false,
  parse(cursor) {
    cursor.expectKeywords('ALTER');
    if (!cursor.acceptKeyword('USER') && !cursor.acceptKeyword('SHARED')) cursor.acceptKeyword('STREAM');
    cursor.expectKeywords('TABLE');
    const ref = cursor.tableRef();
    let action: Action;
    if (cursor.acceptKeyword('ADD')) {
      cursor.acceptKeyword('COLUMN');
      action = {kind: 'add', column: parseColumnDef(cursor)};
    } else if (cursor.acceptKeyword('DROP')) {
      cursor.acceptKeyword('COLUMN');
      action = {kind: 'drop', column: cursor.name().name};
    } else {
      throw fail.notSupported(
        'ALTER TABLE operations other than ADD COLUMN and DROP COLUMN are not part of this release',
      );
    }
    if (!cursor.atEnd()) throw fail.invalidSql('Only one ALTER TABLE operation is supported per statement');
    return {ref, action};
  },
  async run({ref, action}, context) {
    const {catalog, ddl} = context.services;
    const name = resolveName(context, ref);
    const schema = catalog.find(name);
    if (schema === undefined) throw fail.notFound(`Table '${name.table}' not found in namespace '${name.namespace}'`);
    if (schema.kind === 'system') throw fail.invalidOperation(`Cannot alter system table '${tableText(name)}'`);
    if (context.session.role !== 'dba' && context.session.role !== 'system')
      throw fail.unauthorized('Insufficient privileges to alter table');
    if (action.kind === 'drop') {
      if (action.column === SEQ_COLUMN || action.column === DELETED_COLUMN) {
        throw fail.invalidOperation(`Cannot drop column '${action.column}': system column cannot be modified`);
      }
      const next = await ddl.dropColumn(schema, action.column);
      return done(
        context,
        `Table ${tableText(name)} altered successfully: DROP COLUMN ${action.column} (version ${next.version})`,
      );
    }
    const added = addedColumn(action.column);
    const next = await ddl.addColumn(schema, added);
    return done(
      context,
      `Table ${tableText(name)} altered successfully: ADD COLUMN ${added.name} ${sqlName(added.type)} (version ${next.version})`,
    );
  },
});

/** Rows written before read the default as it is now: a literal, or null. */
function addedColumn(def: ColumnDef) {
  const {name} = def.name;
  if (RESERVED_COLUMNS.has(name))
    throw fail.invalidOperation(`Cannot add column '${name}': reserved system column name`);
  if (def.isPrimaryKey)
    throw fail.invalidOperation(`Cannot add column '${name}' as PRIMARY KEY: a table has exactly one`);
  const column = columnOf(def, false);
  const initial = column.default.kind === 'literal' ? column.default.value : null;
  if (!column.isNullable && initial === null) {
    throw fail.invalidOperation(
      `Cannot add column '${name}' as NOT NULL without a literal DEFAULT: existing rows need a value`,
    );
  }
  return {...column, initial};
}
