/** Column definitions of CREATE TABLE and ALTER TABLE ADD: from syntax to schema, with every check a name, type, key or default needs. */
import {fail} from '@kalamdb/protocol/errors.ts';
import {compileExpr} from '../expr/compile.ts';
import type {DataType} from '../model/datatype.ts';
import {checkName, RESERVED_COLUMNS} from '../model/names.ts';
import type {Column, ColumnDefault} from '../model/schema.ts';
import {resolveType, sameType, sqlName} from '../model/type-table.ts';
import {castValue} from '../model/values.ts';
import type {ColumnDef, Expr} from '../parser/ast.ts';
import type {ColumnList} from '../parser/column-def.ts';

type NewColumn = Omit<Column, 'id'>;
type DefaultFunction = Extract<ColumnDefault, {kind: 'function'}>['name'];

const DEFAULT_FUNCTIONS: Readonly<Record<DefaultFunction, readonly DataType['name'][]>> = {
  NOW: ['timestamp', 'datetime'],
  CURRENT_TIMESTAMP: ['timestamp', 'datetime'],
  SNOWFLAKE_ID: ['bigint'],
  UUID_V7: ['text', 'uuid'],
  ULID: ['text'],
  CURRENT_USER: ['text'],
};

export function columnsOf(list: ColumnList, kind: 'user' | 'shared'): {columns: NewColumn[]; primaryKey: number} {
  if (list.columns.length === 0)
    throw fail.invalidSql('Invalid CREATE TABLE statement: Table must have at least one column');
  const key = primaryKeyName(list, kind);
  const columns = list.columns.map(def => columnOf(def, def.name.name === key));
  const seen = new Set<string>();
  for (const {name} of columns) {
    if (seen.has(name)) {
      throw fail.invalidSql(
        `Invalid CREATE TABLE statement: Duplicate column name '${name}'. Column names are case-insensitive.`,
      );
    }
    seen.add(name);
  }
  return {columns, primaryKey: columns.findIndex(column => column.name === key)};
}

function primaryKeyName(list: ColumnList, kind: 'user' | 'shared'): string {
  const names = [
    ...list.columns.filter(def => def.isPrimaryKey).map(def => def.name.name),
    ...list.primaryKey.map(name => name.name),
  ];
  if (names.length === 0)
    throw fail.invalidOperation(`${kind === 'user' ? 'User' : 'Shared'} tables require a PRIMARY KEY column`);
  if (names.length > 1) throw fail.invalidSql('Invalid CREATE TABLE statement: Multiple PRIMARY KEY definitions found');
  if (!list.columns.some(def => def.name.name === names[0])) {
    throw fail.invalidSql(`Invalid CREATE TABLE statement: PRIMARY KEY column '${names[0]}' not found in column list`);
  }
  return names[0]!;
}

export function columnOf(def: ColumnDef, isPrimaryKey: boolean): NewColumn {
  const {name} = def.name;
  if (RESERVED_COLUMNS.has(name)) throw fail.invalidOperation(`Column name '${name}' is reserved and cannot be used`);
  checkName(name, `Invalid column name '${name}'`);
  if (isPrimaryKey && def.isExplicitNull)
    throw fail.invalidOperation(`Column '${name}' is a PRIMARY KEY and cannot be nullable`);
  if (def.isUnique && !isPrimaryKey)
    throw fail.notSupported(`UNIQUE on column '${name}': only the PRIMARY KEY is unique`);
  const declared = resolveType(def.type.name, def.type.args);
  // Generated keys are 64 bits wide: SERIAL and AUTO_INCREMENT columns of a narrower integer type become BIGINT.
  const isNarrow = declared.name === 'int' || declared.name === 'smallint';
  const type: DataType = def.isAutoIncrement && isNarrow ? {name: 'bigint'} : declared;
  return {name, type, isNullable: !isPrimaryKey && !def.isNotNull, default: defaultOf(def, type), initial: null};
}

function defaultOf(def: ColumnDef, type: DataType): ColumnDefault {
  if (def.isAutoIncrement) return defaultCall('SNOWFLAKE_ID', def.name.name, type);
  const expr = def.default;
  if (expr === undefined) return {kind: 'none'};
  if (expr.kind === 'call') {
    if (expr.args.length > 0 || expr.isStar)
      throw fail.invalidOperation(`DEFAULT ${expr.name}() of column '${def.name.name}' takes no arguments`);
    return defaultCall(expr.name, def.name.name, type);
  }
  return {kind: 'literal', value: literalValue(expr, def.name.name, type)};
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
  const typed = compileExpr(expr, {sources: [], text: ''});
  if (typed.constant === undefined) {
    throw fail.invalidOperation(
      `DEFAULT of column '${column}' must be a literal or one of ${Object.keys(DEFAULT_FUNCTIONS).join(', ')}`,
    );
  }
  const {value} = typed.constant;
  return value === null || sameType(typed.type, type) ? value : castValue(value, typed.type, type);
}
