/** Alter actions: what ALTER TABLE can say, and what each makes of a schema, with every check that names, types and defaults need. */
import {fail} from '@kalamdb/protocol/errors.ts';
import {
  type Alteration,
  addColumn,
  changeColumn,
  dropColumn,
  renameColumn,
  renameTable,
  setOptions,
} from '../catalog/alterations.ts';
import type {Value} from '../model/datatype.ts';
import {checkName, RESERVED_COLUMNS} from '../model/names.ts';
import {type Column, type ColumnDefault, DELETED_COLUMN, type Schema, SEQ_COLUMN} from '../model/schema.ts';
import {resolveType, sameType, sqlName} from '../model/type-table.ts';
import {castValue, compareValues} from '../model/values.ts';
import type {ColumnDef, Expr, Name, Node, OptionItem} from '../parser/ast.ts';
import {columnOf, defaultAs, defaultFor} from './columns.ts';
import {placed, type StatementContext} from './define.ts';
import {alteredOptions} from './table-options.ts';

export type Action =
  | {readonly kind: 'add'; readonly column: ColumnDef; readonly ifNotExists: boolean}
  | {readonly kind: 'drop'; readonly column: Name; readonly ifExists: boolean}
  | {readonly kind: 'rename'; readonly column: Name; readonly to: Name}
  | {readonly kind: 'renameTable'; readonly to: Name}
  /** Without NULL and NOT NULL it may be null as before. */
  | {readonly kind: 'modify'; readonly column: ColumnDef}
  | {readonly kind: 'nullable'; readonly column: Name; readonly isNullable: boolean}
  /** undefined: DROP DEFAULT. */
  | {readonly kind: 'default'; readonly column: Name; readonly expr: Expr | undefined}
  | {readonly kind: 'options'; readonly items: readonly OptionItem[]};

/** What is to be done, and how the answer tells of it. */
export interface Change {
  readonly alteration: Alteration;
  readonly text: string;
}

/** Errors name the column or option that the action is about, now and when the schema is changed. */
export function changeOf(action: Action, schema: Schema, context: StatementContext): Change {
  const node = subjectOf(action);
  if (node === undefined) return unplaced(action, schema, context);
  const {alteration, text} = placed(context, node, () => unplaced(action, schema, context));
  return {alteration: (current, columnId) => placed(context, node, () => alteration(current, columnId)), text};
}

function subjectOf(action: Action): Node | undefined {
  if (action.kind === 'options') return undefined;
  if (action.kind === 'renameTable') return action.to;
  return action.kind === 'add' || action.kind === 'modify' ? action.column.name : action.column;
}

function unplaced(action: Action, schema: Schema, context: StatementContext): Change {
  switch (action.kind) {
    case 'add': {
      const column = addedColumn(action.column, context);
      const text = `ADD COLUMN ${column.name} ${sqlName(column.type)}`;
      return {alteration: addColumn(column, action.ifNotExists), text};
    }
    case 'drop': {
      const {name} = action.column;
      refuseSystem(name, `Cannot drop column '${name}': system column cannot be modified`);
      return {alteration: dropColumn(name, action.ifExists), text: `DROP COLUMN ${name}`};
    }
    case 'rename':
      return renamed(action.column.name, action.to, context);
    case 'renameTable':
      return renamedTable(action.to.name, schema, context);
    case 'modify':
      return modified(action.column, context);
    case 'nullable':
      return nullable(action.column.name, action.isNullable);
    case 'default':
      return preset(action.column.name, action.expr, context);
    case 'options':
      return withOptions(action.items, schema);
    default:
      return action satisfies never;
  }
}

function refuseSystem(name: string, message: string): void {
  if (name === SEQ_COLUMN || name === DELETED_COLUMN) throw fail.invalidOperation(message);
}

function refuseAltered(name: string): void {
  refuseSystem(name, `Cannot modify column '${name}': system column cannot be altered`);
}

/** Rows written before read the default as it is at this moment, if it is one value for all of them; else null. */
function addedColumn(def: ColumnDef, context: StatementContext) {
  const {name} = def.name;
  if (RESERVED_COLUMNS.has(name))
    throw fail.invalidOperation(`Cannot add column '${name}': reserved system column name`);
  if (def.isPrimaryKey)
    throw fail.invalidOperation(`Cannot add column '${name}' as PRIMARY KEY: a table has exactly one`);
  const column = columnOf(def, false, context);
  const initial = initialOf(column.default, context);
  if (!column.isNullable && initial === null) {
    throw fail.invalidOperation(
      `Cannot add column '${name}' as NOT NULL without a literal DEFAULT: existing rows need a value`,
    );
  }
  return {...column, initial};
}

function initialOf(preset: ColumnDefault, {services, session}: StatementContext): Value {
  if (preset.kind !== 'function') return preset.kind === 'literal' ? preset.value : null;
  switch (preset.name) {
    case 'NOW':
    case 'CURRENT_TIMESTAMP':
      return services.nowMicros();
    case 'CURRENT_DATE':
      return castValue(services.nowMicros(), {name: 'timestamp'}, {name: 'date'});
    case 'CURRENT_USER':
      return session.userId;
    default:
      return null;
  }
}

function renamed(from: string, {name: to, ...node}: Name, context: StatementContext): Change {
  refuseSystem(from, `Cannot rename column '${from}': system column cannot be modified`);
  placed(context, node, () => {
    if (RESERVED_COLUMNS.has(to))
      throw fail.invalidOperation(`Cannot rename column to '${to}': reserved system column name`);
    checkName(to, `Invalid column name '${to}'`);
  });
  const rename = renameColumn(from, to);
  const isTaken = ({columns}: Schema) => from !== to && columns.some(column => column.name === to);
  const alteration: Alteration = (current, columnId) =>
    isTaken(current) ? placed(context, node, () => rename(current, columnId)) : rename(current, columnId);
  return {alteration, text: `RENAME COLUMN ${from} TO ${to}`};
}

function renamedTable(to: string, {name: {namespace}}: Schema, {services: {catalog}}: StatementContext): Change {
  checkName(to, 'Name');
  const name = {namespace, table: to};
  const isTaken = () => catalog.find(name) !== undefined || catalog.view(name) !== undefined;
  return {alteration: renameTable(to, isTaken), text: `RENAME TO ${to}`};
}

function modified(def: ColumnDef, context: StatementContext): Change {
  const {name} = def.name;
  refuseAltered(name);
  const type = placed(context, def.type, () => resolveType(def.type.name, def.type.args));
  const alteration = changeColumn(name, (column, isPrimaryKey) => {
    if (def.isExplicitNull && isPrimaryKey) throw nullableKey(name);
    const isNullable = def.isExplicitNull || (column.isNullable && !def.isNotNull);
    if (sameType(column.type, type)) return column.isNullable === isNullable ? undefined : {...column, isNullable};
    return {...column, type, isNullable, default: defaultAs(column, type)};
  });
  return {alteration, text: `MODIFY COLUMN ${name} ${sqlName(type)}`};
}

function nullable(name: string, isNullable: boolean): Change {
  refuseAltered(name);
  const alteration = changeColumn(name, (column, isPrimaryKey) => {
    if (isNullable && isPrimaryKey) throw nullableKey(name);
    return column.isNullable === isNullable ? undefined : {...column, isNullable};
  });
  return {alteration, text: `ALTER COLUMN ${name} ${isNullable ? 'DROP' : 'SET'} NOT NULL`};
}

function nullableKey(name: string) {
  return fail.invalidOperation(`Column '${name}' is a PRIMARY KEY and cannot be nullable`);
}

function preset(name: string, expr: Expr | undefined, context: StatementContext): Change {
  refuseAltered(name);
  const alteration = changeColumn(name, column => {
    const next: ColumnDefault =
      expr === undefined ? {kind: 'none'} : placed(context, expr, () => defaultFor(expr, name, column.type));
    return isSameDefault(column, next) ? undefined : {...column, default: next};
  });
  const what = expr === undefined ? 'DROP DEFAULT' : `SET DEFAULT ${context.text.slice(expr.start, expr.end)}`;
  return {alteration, text: `ALTER COLUMN ${name} ${what}`};
}

function isSameDefault({type, default: before}: Column, next: ColumnDefault): boolean {
  if (before.kind === 'function') return next.kind === 'function' && before.name === next.name;
  if (before.kind === 'none' || next.kind !== 'literal') return before.kind === next.kind;
  if (before.value === null || next.value === null) return before.value === next.value;
  return compareValues(type, before.value, next.value) === 0;
}

function withOptions(items: readonly OptionItem[], {kind}: Schema): Change {
  if (items.length === 0) throw fail.invalidSql('ACCESS_LEVEL property is required for SET ACCESS LEVEL');
  const alteration = setOptions(current => alteredOptions(current, kind, items));
  const [first] = items;
  if (items.length === 1 && first!.key === 'ACCESS_LEVEL') {
    const level = first!.value.toLowerCase();
    return {alteration, text: `SET ACCESS LEVEL ${level.slice(0, 1).toUpperCase()}${level.slice(1)}`};
  }
  const list = items.map(({key, value}) => `${key} = '${value}'`);
  return {alteration, text: `SET TBLPROPERTIES (${list.join(', ')})`};
}
