/**
 * Information: the rows of `information_schema`, made from the catalog for one session.
 *
 * Law: a table that the session may not read is in none of them.
 */
import {AGGREGATES} from '../expr/aggregates.ts';
import {FUNCTIONS, type FunctionFacts} from '../expr/functions.ts';
import {WINDOW_FUNCTIONS} from '../expr/window-functions.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {tableText} from '../model/names.ts';
import {type Schema, TABLE_KINDS} from '../model/schema.ts';
import {sqlName} from '../model/type-table.ts';
import type {View} from '../model/view.ts';
import {SYSTEM_TABLES} from '../system/index.ts';
import {
  INFORMATION_COLUMNS,
  INFORMATION_NAMESPACE,
  INFORMATION_SCHEMATA,
  INFORMATION_TABLES,
  INFORMATION_VIEWS,
  KEY_COLUMN_USAGE,
  PARAMETERS,
  ROUTINES,
  TABLE_CONSTRAINTS,
} from '../system/information.ts';
import type {Catalog} from './catalog.ts';
import {shownColumns} from './shown-columns.ts';

/** The catalog's name, as clients know it. */
export const CATALOG_NAME = 'kalam';

type Rows = Generator<readonly Value[]>;

/** Tables of `information_schema`, which the catalog does not list. */
export const INFORMATION: readonly Schema[] = SYSTEM_TABLES.map(({schema}) => schema)
  .filter(({name}) => name.namespace === INFORMATION_NAMESPACE)
  .sort((a, b) => (a.name.table < b.name.table ? -1 : 1));

/** Those that the session may read, and views, by namespace and name. */
export type Visible = readonly (Schema | View)[];

export function visibleTables(catalog: Catalog, mayRead: (schema: Schema) => boolean): Visible {
  const text = (one: Schema | View) => tableText(one.name);
  const all = [...[...catalog.tables(), ...INFORMATION].filter(mayRead), ...catalog.views()];
  return all.sort((a, b) => (text(a) < text(b) ? -1 : 1));
}

function place({name}: Schema | View) {
  return {table_catalog: CATALOG_NAME, table_schema: name.namespace, table_name: name.table};
}

function yesOrNo(fact: boolean): string {
  return fact ? 'YES' : 'NO';
}

export function* tables(visible: Visible): Rows {
  for (const one of visible) {
    const {createdAt, updatedAt, name} = one;
    const table = one.kind === 'view' ? undefined : one;
    const isFlushed = table !== undefined && TABLE_KINDS[table.kind].isFlushed;
    yield INFORMATION_TABLES.toValues({
      ...place(one),
      table_type: table === undefined ? 'VIEW' : 'BASE TABLE',
      table_id: `${name.namespace}:${name.table}`,
      created_at: createdAt,
      updated_at: updatedAt,
      schema_version: table?.version ?? 1,
      storage_id: table?.options.storageId ?? null,
      use_user_storage: table?.kind === 'user' ? false : null,
      deleted_retention_hours: isFlushed ? table.options.deletedRetentionHours : null,
      ttl_seconds: table?.options.ttlSeconds ?? null,
      is_insertable_into: yesOrNo(table !== undefined && table.kind !== 'system'),
    });
  }
}

export function* columns(visible: Visible): Rows {
  for (const one of visible) {
    for (const column of shownColumns(one)) {
      const type = sqlName(column.type);
      yield INFORMATION_COLUMNS.toValues({
        ...place(one),
        column_name: column.name,
        ordinal_position: column.ordinal,
        column_default: column.default,
        is_nullable: yesOrNo(column.isNullable),
        data_type: type,
        character_maximum_length: null,
        character_octet_length: null,
        ...numericFacts(column.type),
        datetime_precision: isTimed(column.type) ? 6 : column.type.name === 'date' ? 0 : null,
        interval_type: null,
        is_primary_key: column.isPrimaryKey,
        udt_name: type,
      });
    }
  }
}

const BITS: Partial<Record<DataType['name'], number>> = {smallint: 16, int: 32, bigint: 64, float: 24, double: 53};

function numericFacts(type: DataType) {
  if (type.name === 'decimal')
    return {numeric_precision: type.precision, numeric_precision_radix: 10, numeric_scale: type.scale};
  const bits = BITS[type.name] ?? null;
  const isInteger = bits !== null && type.name !== 'float' && type.name !== 'double';
  const radix = bits === null ? null : 2;
  return {numeric_precision: bits, numeric_precision_radix: radix, numeric_scale: isInteger ? 0 : null};
}

function isTimed({name}: DataType): boolean {
  return name === 'timestamp' || name === 'datetime' || name === 'time';
}

export function* schemata(catalog: Catalog): Rows {
  const names = [...catalog.namespaces().map(({name}) => name), INFORMATION_NAMESPACE].sort();
  for (const name of names) {
    yield INFORMATION_SCHEMATA.toValues({
      catalog_name: CATALOG_NAME,
      schema_name: name,
      schema_owner: null,
      default_character_set_catalog: null,
      default_character_set_schema: null,
      default_character_set_name: null,
      sql_path: null,
    });
  }
}

/** What a view reads is told to admins alone: it may name tables that others do not see. */
export function* views(catalog: Catalog, isAdmin: boolean): Rows {
  for (const view of catalog.views()) {
    const definition = isAdmin ? view.text : null;
    yield INFORMATION_VIEWS.toValues({
      ...place(view),
      definition,
      view_definition: definition,
      is_updatable: 'NO',
      is_insertable_into: 'NO',
    });
  }
}

function* keys(visible: Visible) {
  for (const one of visible) {
    const key = one.kind === 'view' ? undefined : one.columns[one.primaryKey];
    if (key === undefined) continue;
    const {table_schema, table_name} = place(one);
    const constraint = {
      constraint_catalog: CATALOG_NAME,
      constraint_schema: table_schema,
      constraint_name: `${table_name}_pkey`,
    };
    yield {...constraint, ...place(one), column_name: key.name};
  }
}

export function* tableConstraints(visible: Visible): Rows {
  const facts = {constraint_type: 'PRIMARY KEY', is_deferrable: 'NO', initially_deferred: 'NO', enforced: 'YES'};
  for (const key of keys(visible)) yield TABLE_CONSTRAINTS.toValues({...key, ...facts});
}

export function* keyColumnUsage(visible: Visible): Rows {
  const facts = {ordinal_position: 1, position_in_unique_constraint: null};
  for (const key of keys(visible)) yield KEY_COLUMN_USAGE.toValues({...key, ...facts});
}

export function* routines(): Rows {
  for (const [name, {result, changes, doc, example}] of FUNCTIONS) {
    const type = typeof result === 'function' ? null : sqlName(result);
    yield routine(name, 'SCALAR', doc, {type, isDeterministic: changes === undefined, example: example[0]});
  }
  for (const {name, doc} of AGGREGATES.values()) yield routine(name, 'AGGREGATE', doc);
  for (const {name, doc} of WINDOW_FUNCTIONS.values()) yield routine(name, 'WINDOW', doc);
}

function routine(
  given: string,
  kind: 'SCALAR' | 'AGGREGATE' | 'WINDOW',
  doc: string,
  facts: {type: string | null; isDeterministic: boolean; example: string | null} = {
    type: null,
    isDeterministic: true,
    example: null,
  },
): readonly Value[] {
  const name = given.toLowerCase();
  return ROUTINES.toValues({
    specific_catalog: CATALOG_NAME,
    specific_schema: null,
    specific_name: name,
    routine_catalog: CATALOG_NAME,
    routine_schema: null,
    routine_name: name,
    routine_type: 'FUNCTION',
    is_deterministic: facts.isDeterministic,
    data_type: facts.type,
    function_type: kind,
    description: doc,
    syntax_example: facts.example,
  });
}

export function* parameters(): Rows {
  for (const [name, facts] of FUNCTIONS) {
    yield* parametersOf(name, facts, 0);
    if (facts.forText !== undefined) yield* parametersOf(name, facts.forText, 1);
  }
}

function* parametersOf(name: string, {args, isVariadic = false}: FunctionFacts, form: number): Rows {
  for (const [i, type] of args.entries()) {
    yield PARAMETERS.toValues({
      specific_catalog: CATALOG_NAME,
      specific_schema: null,
      specific_name: name.toLowerCase(),
      ordinal_position: i + 1,
      parameter_mode: 'IN',
      parameter_name: null,
      data_type: SEVERAL_TYPES.has(type) ? null : sqlName({name: type === 'array' ? 'json' : type} as DataType),
      parameter_default: null,
      is_variadic: isVariadic && i === args.length - 1,
      rid: form,
    });
  }
}

/** Of arguments, as the table of functions names them. */
const SEVERAL_TYPES: ReadonlySet<FunctionFacts['args'][number]> = new Set(['any', 'number', 'moment', 'integer']);
