/** Column definitions of CREATE TABLE and ALTER TABLE ADD: from syntax to schema, with every check a name, type, key or default needs. */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {NewTable} from '../catalog/ddl.ts';
import {compileExpr} from '../expr/compile.ts';
import {clip} from '../expr/numbers.ts';
import {someExpr} from '../expr/walk.ts';
import type {DataType} from '../model/datatype.ts';
import {fits} from '../model/evolution.ts';
import {checkName, RESERVED_COLUMNS} from '../model/names.ts';
import type {Column, ColumnDefault} from '../model/schema.ts';
import {resolveType, sameType, sqlName} from '../model/type-table.ts';
import {castValue, valueText} from '../model/values.ts';
import type {ColumnDef, Expr} from '../parser/ast.ts';
import type {ColumnList} from '../parser/column-def.ts';
import {placed} from './define.ts';

type NewColumn = Omit<Column, 'id'>;
type DefaultFunction = Extract<ColumnDefault, {kind: 'function'}>['name'];

const DEFAULT_FUNCTIONS: Readonly<Record<DefaultFunction, readonly DataType['name'][]>> = {
  NOW: ['timestamp', 'datetime'],
  CURRENT_TIMESTAMP: ['timestamp', 'datetime'],
  CURRENT_DATE: ['date'],
  SNOWFLAKE_ID: ['bigint'],
  UUID_V7: ['text', 'uuid'],
  GEN_RANDOM_UUID: ['uuid', 'text'],
  ULID: ['text'],
  CURRENT_USER: ['text'],
};

/** `context` holds the statement's text, for the place of errors. */
export function columnsOf(
  list: ColumnList,
  kind: NewTable['kind'],
  context: {readonly text: string},
): {columns: NewColumn[]; primaryKey: number} {
  if (list.columns.length === 0)
    throw fail.invalidSql('Invalid CREATE TABLE statement: Table must have at least one column');
  const key = primaryKeyName(list, kind, context);
  const seen = new Set<string>();
  const columns = list.columns.map(def =>
    placed(context, def, () => {
      const {name, text} = def.name;
      if (!/^\w*$/.test(name)) {
        throw fail.invalidSql(
          `Invalid CREATE TABLE statement: Invalid column name '${text}'. Only alphanumeric characters and underscores are allowed.`,
        );
      }
      if (seen.has(name)) {
        throw fail.invalidSql(
          `Invalid CREATE TABLE statement: Duplicate column name '${text}'. Column names are case-insensitive.`,
        );
      }
      seen.add(name);
      return columnOf(def, name === key, context);
    }),
  );
  return {columns, primaryKey: columns.findIndex(column => column.name === key)};
}

/** Undefined for a stream without a key. */
function primaryKeyName(
  list: ColumnList,
  kind: NewTable['kind'],
  context: {readonly text: string},
): string | undefined {
  const names = [...list.columns.filter(def => def.isPrimaryKey).map(def => def.name), ...list.primaryKey];
  const [key, second] = names;
  if (key === undefined && kind === 'stream') return undefined;
  if (key === undefined)
    throw fail.invalidOperation(`${kind === 'user' ? 'User' : 'Shared'} tables require a PRIMARY KEY column`);
  return placed(context, second ?? key, () => {
    if (second !== undefined)
      throw fail.invalidSql('Invalid CREATE TABLE statement: Multiple PRIMARY KEY definitions found');
    if (list.columns.some(def => def.name.name === key.name)) return key.name;
    throw fail.invalidSql(`Invalid CREATE TABLE statement: PRIMARY KEY column '${key.name}' not found in column list`);
  });
}

export function columnOf(def: ColumnDef, isPrimaryKey: boolean, context: {readonly text: string}): NewColumn {
  const {name} = def.name;
  if (RESERVED_COLUMNS.has(name)) throw fail.invalidOperation(`Column name '${name}' is reserved and cannot be used`);
  checkName(name, `Invalid column name '${name}'`);
  if (isPrimaryKey && def.isExplicitNull)
    throw fail.invalidOperation(`Column '${name}' is a PRIMARY KEY and cannot be nullable`);
  if (def.isUnique && !isPrimaryKey)
    throw fail.notSupported(`UNIQUE on column '${name}': only the PRIMARY KEY is unique`);
  const declared = placed(context, def.type, () => resolveType(def.type.name, def.type.args));
  if (declared.name === 'embedding' && isPrimaryKey)
    throw fail.invalidSql(`Column '${name}' of type ${sqlName(declared)} cannot be the PRIMARY KEY`);
  // Generated keys are 64 bits wide: SERIAL and AUTO_INCREMENT columns of a narrower integer type become BIGINT.
  const isNarrow = declared.name === 'int' || declared.name === 'smallint';
  const type: DataType = def.isAutoIncrement && isNarrow ? {name: 'bigint'} : declared;
  const preset = placed(context, def.default ?? def, () => defaultOf(def, type));
  return {name, type, isNullable: !isPrimaryKey && !def.isNotNull, default: preset, initial: null};
}

function defaultOf(def: ColumnDef, type: DataType): ColumnDefault {
  if (def.isAutoIncrement) return defaultCall('SNOWFLAKE_ID', def.name.name, type);
  return def.default === undefined ? {kind: 'none'} : defaultFor(def.default, def.name.name, type);
}

/** What stands behind DEFAULT. */
export function defaultFor(expr: Expr, column: string, type: DataType): ColumnDefault {
  if (expr.kind !== 'call') return {kind: 'literal', value: literalValue(expr, column, type)};
  if (expr.args.length > 0 || expr.isStar)
    throw fail.invalidOperation(`DEFAULT ${expr.name}() of column '${column}' takes no arguments`);
  return defaultCall(expr.name, column, type);
}

/** The default of a column whose type changes. */
export function defaultAs({name, type: from, default: preset}: Column, type: DataType): ColumnDefault {
  if (preset.kind === 'function') return defaultCall(preset.name, name, type);
  if (preset.kind === 'none' || fits(preset.value, from, type))
    return preset.kind === 'none' ? preset : {kind: 'literal', value: castValue(preset.value, from, type)};
  throw fail.invalidOperation(
    `DEFAULT of column '${name}': '${clip(valueText(from, preset.value))}' does not fit ${sqlName(type)}; change or drop it first`,
  );
}

function defaultCall(name: string, column: string, type: DataType): ColumnDefault {
  const types = DEFAULT_FUNCTIONS[name as DefaultFunction];
  if (types === undefined) {
    const known = Object.keys(DEFAULT_FUNCTIONS).join(', ');
    throw fail.invalidOperation(`Unknown DEFAULT function '${name}' for column '${column}'. Known functions: ${known}`);
  }
  if (!types.includes(type.name)) {
    throw fail.invalidOperation(
      `DEFAULT ${name}() of column '${column}' needs a column of type ${types.map(one => one.toUpperCase()).join(' or ')}, not ${sqlName(type)}`,
    );
  }
  return {kind: 'function', name: name as DefaultFunction};
}

function literalValue(expr: Expr, column: string, type: DataType) {
  const typed = someExpr([expr], one => one.kind === 'column') ? undefined : compileExpr(expr, {sources: [], text: ''});
  if (typed?.constant === undefined) {
    throw fail.invalidOperation(
      `DEFAULT of column '${column}' must be a literal or one of ${Object.keys(DEFAULT_FUNCTIONS).join(', ')}`,
    );
  }
  const {value} = typed.constant;
  if (value === null || sameType(typed.type, type)) return value;
  try {
    return castValue(value, typed.type, type);
  } catch (cause) {
    if (!(cause instanceof DbError)) throw cause;
    const text = clip(typed.digits ?? valueText(typed.type, value));
    const message = `Invalid operation: DEFAULT of column '${column}': '${text}' is no ${sqlName(type)}`;
    throw new DbError(cause.code, message, {cause});
  }
}
