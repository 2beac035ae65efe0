/** ALTER TABLE … ADD [COLUMN] and DROP [COLUMN]. */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {Altered} from '../../catalog/ddl.ts';
import {RESERVED_COLUMNS, tableText} from '../../model/names.ts';
import {DELETED_COLUMN, SEQ_COLUMN} from '../../model/schema.ts';
import {sqlName} from '../../model/type-table.ts';
import type {ColumnDef, TableRef} from '../../parser/ast.ts';
import {parseColumnDef} from '../../parser/column-def.ts';
import type {TokenCursor} from '../../parser/cursor.ts';
import {columnOf} from '../columns.ts';
import {defineStatement, done, placed, resolveName, type StatementContext} from '../define.ts';

type Action =
  | {readonly kind: 'add'; readonly column: ColumnDef; readonly ifNotExists: boolean}
  | {readonly kind: 'drop'; readonly column: string; readonly ifExists: boolean};

interface AlterTable {
  readonly ref: TableRef;
  readonly ifExists: boolean;
  readonly action: Action;
}

export const alterTable = defineStatement<AlterTable>({
  name: 'ALTER TABLE',
  heads: ['ALTER TABLE', 'ALTER USER TABLE', 'ALTER SHARED TABLE', 'ALTER STREAM TABLE'],
  access: 'any',
  takesParams: false,
  doc: {
    topic: 'Tables',
    syntax: [
      'ALTER TABLE [IF EXISTS] table ADD [COLUMN] [IF NOT EXISTS] column type [NOT NULL] [DEFAULT expr]',
      'ALTER TABLE [IF EXISTS] table DROP [COLUMN] [IF EXISTS] column',
    ],
    about: 'Changes the columns of a table; its rows are not written again. Each change is a new schema version.',
    example: "ALTER TABLE shop.items ADD COLUMN colour TEXT DEFAULT 'green'",
  },
  parse(cursor) {
    cursor.expectKeywords('ALTER');
    cursor.acceptOneOf('USER', 'SHARED', 'STREAM');
    cursor.expectKeywords('TABLE');
    const ifExists = cursor.ifExists();
    const ref = cursor.tableRef();
    const action = parseAction(cursor);
    if (cursor.isSymbol(',')) throw cursor.fail('Only one ALTER TABLE operation is supported per statement');
    return {ref, ifExists, action};
  },
  run: alter,
});

function parseAction(cursor: TokenCursor): Action {
  if (cursor.acceptKeyword('ADD')) {
    if (isConstraint(cursor)) throw cursor.notSupported('ALTER TABLE ADD CONSTRAINT');
    cursor.acceptKeyword('COLUMN');
    const ifNotExists = cursor.ifNotExists();
    const column = parseColumnDef(cursor, ['FIRST', 'AFTER']);
    if (cursor.isKeyword('FIRST') || cursor.isKeyword('AFTER'))
      throw cursor.fail('Column position modifiers (FIRST/AFTER) are not supported');
    return {kind: 'add', column, ifNotExists};
  }
  if (cursor.areKeywords('DROP', 'INDEX') || cursor.areKeywords('DROP', 'VECTOR', 'INDEX'))
    throw cursor.notSupported('ALTER TABLE DROP INDEX');
  if (cursor.acceptKeyword('DROP')) return parseDrop(cursor);
  for (const [words, name] of LATER) {
    if (cursor.areKeywords(...words)) throw cursor.notSupported(`ALTER TABLE ${name}`);
  }
  if (cursor.atEnd()) throw cursor.expected('ADD COLUMN or DROP COLUMN');
  throw cursor.fail('Unsupported ALTER TABLE operation');
}

/** Operations that the language has and this release does not run. */
const LATER: readonly [words: readonly string[], name: string][] = [
  [['MODIFY'], 'MODIFY COLUMN'],
  [['ALTER'], 'ALTER COLUMN'],
  [['RENAME', 'TO'], 'RENAME TO'],
  [['RENAME'], 'RENAME COLUMN'],
  [['SET', 'TBLPROPERTIES'], 'SET TBLPROPERTIES'],
  [['SET', 'ACCESS', 'LEVEL'], 'SET ACCESS LEVEL'],
  [['CREATE'], 'CREATE INDEX'],
];

function isConstraint(cursor: TokenCursor): boolean {
  const isKey = cursor.areKeywords('PRIMARY', 'KEY') || cursor.areKeywords('FOREIGN', 'KEY');
  const isCheck = (cursor.isKeyword('UNIQUE') || cursor.isKeyword('CHECK')) && cursor.isSymbol('(', 1);
  return isKey || isCheck || cursor.isKeyword('CONSTRAINT');
}

function parseDrop(cursor: TokenCursor): Action {
  if (cursor.isKeyword('CONSTRAINT')) throw cursor.notSupported('ALTER TABLE DROP CONSTRAINT');
  cursor.acceptKeyword('COLUMN');
  const ifExists = cursor.ifExists();
  const column = cursor.columnName().name;
  if (cursor.isKeyword('CASCADE') || cursor.isKeyword('RESTRICT'))
    throw cursor.fail('DROP COLUMN CASCADE/RESTRICT is not supported');
  if (cursor.isSymbol(',') && cursor.isName(1) && !cursor.isKeyword('ADD', 1) && !cursor.isKeyword('DROP', 1))
    throw cursor.fail('ALTER TABLE only supports dropping one column at a time');
  return {kind: 'drop', column, ifExists};
}

async function alter({ref, ifExists, action}: AlterTable, context: StatementContext) {
  const {catalog, ddl} = context.services;
  const name = resolveName(context, ref);
  const schema = catalog.find(name);
  if (schema === undefined) {
    if (ifExists) return done(context, `Table ${tableText(name)} does not exist (skipped)`);
    throw fail.notFound(`Table '${name.table}' not found in namespace '${name.namespace}'`);
  }
  if (schema.kind === 'system') throw fail.invalidOperation(`Cannot alter system table '${tableText(name)}'`);
  if (context.session.role !== 'dba' && context.session.role !== 'system')
    throw fail.unauthorized('Insufficient privileges to alter table');
  let altered: Altered;
  let what: string;
  if (action.kind === 'drop') {
    if (action.column === SEQ_COLUMN || action.column === DELETED_COLUMN)
      throw fail.invalidOperation(`Cannot drop column '${action.column}': system column cannot be modified`);
    altered = await ddl.dropColumn(schema, action.column, action.ifExists);
    what = `DROP COLUMN ${action.column}`;
  } else {
    const column = placed(context, action.column, () => addedColumn(action.column));
    altered = await ddl.addColumn(schema, column, action.ifNotExists);
    what = `ADD COLUMN ${column.name} ${sqlName(column.type)}`;
  }
  const {version} = altered.schema;
  return done(
    context,
    altered.isChanged
      ? `Table ${tableText(name)} altered successfully: ${what} (version ${version})`
      : `Table ${tableText(name)} unchanged: ${what} (version ${version} - no changes needed)`,
  );
}

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
