/** ALTER TABLE: columns, defaults, nullability and options. */
import {fail} from '@kalamdb/protocol/errors.ts';
import {requireAlter} from '../../auth/roles.ts';
import {tableText} from '../../model/names.ts';
import type {Name, OptionItem, TableRef} from '../../parser/ast.ts';
import {parseColumnDef, plainColumn} from '../../parser/column-def.ts';
import type {TokenCursor} from '../../parser/cursor.ts';
import {parseDefaultExpression} from '../../parser/expression.ts';
import {newName} from '../../parser/new-name.ts';
import {parseTypeRef} from '../../parser/type-ref.ts';
import {type Action, changeOf} from '../alter-actions.ts';
import {auditTable, defineStatement, done, resolveName, type StatementContext} from '../define.ts';

interface AlterTable {
  readonly ref: TableRef;
  readonly ifExists: boolean;
  readonly action: Action;
}

export const alterTable = defineStatement<AlterTable>({
  name: 'ALTER TABLE',
  heads: ['ALTER TABLE', 'ALTER USER TABLE', 'ALTER SHARED TABLE', 'ALTER STREAM TABLE'],
  access: 'any',
  auditTarget: auditTable,
  takesParams: false,
  doc: {
    topic: 'Tables',
    syntax: [
      'ALTER TABLE [IF EXISTS] table ADD [COLUMN] [IF NOT EXISTS] column type [NOT NULL] [DEFAULT expr]',
      'ALTER TABLE [IF EXISTS] table DROP [COLUMN] [IF EXISTS] column',
      'ALTER TABLE [IF EXISTS] table RENAME [COLUMN] column TO name',
      'ALTER TABLE [IF EXISTS] table RENAME TO name',
      'ALTER TABLE [IF EXISTS] table MODIFY [COLUMN] column type [NOT NULL | NULL]',
      'ALTER TABLE [IF EXISTS] table ALTER [COLUMN] column [SET DATA] TYPE type',
      'ALTER TABLE [IF EXISTS] table ALTER [COLUMN] column {SET | DROP} NOT NULL',
      'ALTER TABLE [IF EXISTS] table ALTER [COLUMN] column {SET DEFAULT expr | DROP DEFAULT}',
      'ALTER TABLE [IF EXISTS] table SET TBLPROPERTIES (option = value, …)',
      'ALTER TABLE [IF EXISTS] table SET ACCESS LEVEL {PUBLIC | PRIVATE | RESTRICTED | DBA}',
      'options: ACCESS_LEVEL (SHARED), FLUSH_POLICY (USER, SHARED), DELETED_RETENTION_HOURS, TTL_SECONDS (STREAM)',
    ],
    about:
      'Changes a table; its rows are not written again. Each change is a new schema version. A type may become another one that every value fits, and NOT NULL is set when no row holds NULL: where the types alone do not tell, all rows are looked at, beside those who write.',
    example: [
      "ALTER TABLE shop.items ADD COLUMN colour TEXT DEFAULT 'green'",
      'ALTER TABLE shop.items RENAME COLUMN colour TO shade',
    ],
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
  for (const [words, name] of LATER) {
    if (cursor.areKeywords(...words)) throw cursor.notSupported(`ALTER TABLE ${name}`);
  }
  switch (cursor.acceptOneOf('ADD', 'DROP', 'MODIFY', 'ALTER', 'RENAME', 'SET')) {
    case 'ADD':
      return parseAdd(cursor);
    case 'DROP':
      return parseDrop(cursor);
    case 'MODIFY':
      return parseModify(cursor);
    case 'ALTER':
      return parseAlterColumn(cursor);
    case 'RENAME':
      return parseRename(cursor);
    case 'SET':
      return {kind: 'options', items: parseOptions(cursor)};
    default:
      if (cursor.atEnd()) throw cursor.expected('ADD, DROP, RENAME, MODIFY or ALTER COLUMN, or SET');
      throw cursor.fail('Unsupported ALTER TABLE operation');
  }
}

/** Operations that the language has and this release does not run. */
const LATER: readonly [words: readonly string[], name: string][] = [
  [['CREATE', 'INDEX'], 'CREATE INDEX'],
  [['CREATE', 'VECTOR', 'INDEX'], 'CREATE INDEX'],
  [['DROP', 'INDEX'], 'DROP INDEX'],
  [['DROP', 'VECTOR', 'INDEX'], 'DROP INDEX'],
  [['DROP', 'CONSTRAINT'], 'DROP CONSTRAINT'],
];

function parseAdd(cursor: TokenCursor): Action {
  if (isConstraint(cursor)) throw cursor.notSupported('ALTER TABLE ADD CONSTRAINT');
  cursor.acceptKeyword('COLUMN');
  const ifNotExists = cursor.ifNotExists();
  const column = parseColumnDef(cursor, ['FIRST', 'AFTER']);
  refusePosition(cursor);
  return {kind: 'add', column, ifNotExists};
}

function isConstraint(cursor: TokenCursor): boolean {
  const isKey = cursor.areKeywords('PRIMARY', 'KEY') || cursor.areKeywords('FOREIGN', 'KEY');
  const isCheck = (cursor.isKeyword('UNIQUE') || cursor.isKeyword('CHECK')) && cursor.isSymbol('(', 1);
  return isKey || isCheck || cursor.isKeyword('CONSTRAINT');
}

function refusePosition(cursor: TokenCursor): void {
  if (cursor.isKeyword('FIRST') || cursor.isKeyword('AFTER'))
    throw cursor.fail('Column position modifiers (FIRST/AFTER) are not supported');
}

function parseDrop(cursor: TokenCursor): Action {
  cursor.acceptKeyword('COLUMN');
  const ifExists = cursor.ifExists();
  const column = cursor.columnName();
  if (cursor.isKeyword('CASCADE') || cursor.isKeyword('RESTRICT'))
    throw cursor.fail('DROP COLUMN CASCADE/RESTRICT is not supported');
  if (cursor.isSymbol(',') && cursor.isName(1) && !cursor.isKeyword('ADD', 1) && !cursor.isKeyword('DROP', 1))
    throw cursor.fail('ALTER TABLE only supports dropping one column at a time');
  return {kind: 'drop', column, ifExists};
}

function parseModify(cursor: TokenCursor): Action {
  cursor.acceptKeyword('COLUMN');
  const column = parseColumnDef(cursor, ['FIRST', 'AFTER']);
  refusePosition(cursor);
  const hasMore = column.default !== undefined || column.isAutoIncrement || column.isPrimaryKey || column.isUnique;
  if (hasMore) {
    const hint = 'MODIFY COLUMN takes a type and NULL or NOT NULL; a default is set by ALTER COLUMN … SET DEFAULT';
    throw cursor.fail(hint, column.type.end);
  }
  return {kind: 'modify', column};
}

function parseAlterColumn(cursor: TokenCursor): Action {
  cursor.acceptKeyword('COLUMN');
  const column = cursor.columnName();
  if (cursor.acceptKeyword('TYPE') || cursor.keywords('SET', 'DATA', 'TYPE')) return parseRetype(cursor, column);
  const isSet = cursor.expectOneOf('TYPE', 'SET', 'DROP') === 'SET';
  if (cursor.keywords('NOT', 'NULL')) return {kind: 'nullable', column, isNullable: !isSet};
  if (!cursor.acceptKeyword('DEFAULT'))
    throw cursor.fail('Unsupported ALTER COLUMN operation; it is TYPE, NOT NULL or DEFAULT that can be changed');
  return {kind: 'default', column, expr: isSet ? parseDefaultExpression(cursor) : undefined};
}

/** PostgreSQL's way to say MODIFY. */
function parseRetype(cursor: TokenCursor, name: Name): Action {
  const type = parseTypeRef(cursor);
  if (cursor.isKeyword('USING'))
    throw cursor.notSupported('ALTER COLUMN … TYPE … USING: values are converted as CAST does');
  return {kind: 'modify', column: plainColumn(name, type)};
}

function parseRename(cursor: TokenCursor): Action {
  if (cursor.acceptKeyword('TO')) return {kind: 'renameTable', to: newName(cursor, 'a table name')};
  cursor.acceptKeyword('COLUMN');
  const column = cursor.columnName();
  cursor.expectKeyword('TO');
  return {kind: 'rename', column, to: newName(cursor, 'a column name')};
}

/** `TBLPROPERTIES (key = value, …)`, or `ACCESS LEVEL level` for the one that has words of its own. */
function parseOptions(cursor: TokenCursor): readonly OptionItem[] {
  if (cursor.acceptKeyword('TBLPROPERTIES')) return cursor.optionItems();
  const {start} = cursor;
  if (!cursor.keywords('ACCESS', 'LEVEL')) throw cursor.fail('Unsupported ALTER TABLE operation');
  const isQuoted = cursor.isString();
  const value = cursor.stringOrName('an access level');
  return [{key: 'ACCESS_LEVEL', value, isQuoted, start, end: cursor.previousEnd}];
}

async function alter({ref, ifExists, action}: AlterTable, context: StatementContext) {
  const {catalog, ddl} = context.services;
  const name = resolveName(context, ref);
  const schema = catalog.find(name);
  if (catalog.view(name) !== undefined)
    throw fail.invalidOperation(`${tableText(name)} is a view; use CREATE OR REPLACE VIEW`);
  if (schema === undefined) {
    if (ifExists) return done(context, `Table ${tableText(name)} does not exist (skipped)`);
    throw fail.noTable(`Table '${name.table}' not found in namespace '${name.namespace}'`);
  }
  if (schema.kind === 'system') throw fail.invalidOperation(`Cannot alter system table '${tableText(name)}'`);
  requireAlter(context.session, schema);
  const {alteration, text} = changeOf(action, schema, context);
  const altered = await ddl.alterTable(schema, alteration, context.signal);
  const {version} = altered.schema;
  return done(
    context,
    altered.isChanged
      ? `Table ${tableText(name)} altered successfully: ${text} (version ${version})`
      : `Table ${tableText(name)} unchanged: ${text} (version ${version} - no changes needed)`,
  );
}
