/**
 * System tables: what the server tells about itself, as declarations. Pure: who stores or computes the rows is wired above.
 *
 *     declaration ─┬─ Schema           what catalog, plans and docs read
 *                  └─ toValues, row    a record with the columns' names ↔ values by position
 *
 * A `stored` table has rows in the log like any other; a `computed` one has none, its rows are made when somebody reads.
 * Laws: incarnations (1..63) and column ids are permanent: a number once used by a release is never given another meaning. Columns are in
 * the order that `SELECT *` shows; new ones go last.
 */
import type {TypeName, Value} from '../model/datatype.ts';
import {FIRST_USER_INCARNATION, type Incarnation} from '../model/names.ts';
import type {Row} from '../model/row.ts';
import type {Column, Schema} from '../model/schema.ts';
import type {Role} from '../model/session.ts';

export const SYSTEM_NAMESPACE = 'system';

/** 2024-01-01, where the server's own time begins: system tables have no other day of birth. */
const CREATED_AT = 1_704_067_200_000_000n;

export interface SystemColumn {
  readonly id: number;
  readonly name: string;
  readonly type: Exclude<TypeName, 'decimal' | 'embedding'>;
  readonly isNullable: boolean;
  readonly doc: string;
}

interface TypeValues {
  boolean: boolean;
  smallint: number;
  int: number;
  date: number;
  float: number;
  double: number;
  bigint: bigint;
  timestamp: bigint;
  datetime: bigint;
  time: bigint;
  text: string;
  json: string;
  file: string;
  uuid: string;
  bytes: Uint8Array;
}

type ColumnValue<C extends SystemColumn> = C['isNullable'] extends false
  ? TypeValues[C['type']]
  : TypeValues[C['type']] | null;

/** One row by column names; timestamps are microseconds. */
export type SystemRecord<Columns extends readonly SystemColumn[]> = {
  readonly [C in Columns[number] as C['name']]: ColumnValue<C>;
};

interface Declaration<
  Name extends string,
  Kind extends 'stored' | 'computed',
  Columns extends readonly SystemColumn[],
> {
  /** `system` when none is given. */
  readonly namespace?: string;
  readonly name: Name;
  readonly incarnation: number;
  readonly kind: Kind;
  /** Hidden tables cannot be named by users. */
  readonly isVisible: boolean;
  readonly readers: readonly Role[];
  readonly doc: string;
  readonly columns: Columns;
  /** undefined: rows of a computed table that nothing but their order tells apart. */
  readonly primaryKey: Columns[number]['name'] | undefined;
}

export interface SystemTableOf<
  Name extends string,
  Kind extends 'stored' | 'computed',
  Columns extends readonly SystemColumn[],
> extends Declaration<Name, Kind, Columns> {
  readonly schema: Schema;
  /** Values in column order. */
  toValues(record: SystemRecord<Columns>): Value[];
  fromRow(row: Row): SystemRecord<Columns>;
}

/** A declaration whose columns are not known to the compiler. */
export type SystemTableFacts = Omit<
  SystemTableOf<string, 'stored' | 'computed', readonly SystemColumn[]>,
  'toValues' | 'fromRow'
>;

/** Record type of a declaration: `RecordOf<typeof USERS>`. */
export type RecordOf<Table> =
  Table extends SystemTableOf<string, 'stored' | 'computed', infer Columns> ? SystemRecord<Columns> : never;

/** Throws on a declaration that breaks the laws above: that is a bug, found when the module is loaded. */
export function defineSystemTable<
  const Name extends string,
  const Kind extends 'stored' | 'computed',
  const Columns extends readonly SystemColumn[],
>(table: Declaration<Name, Kind, Columns>): SystemTableOf<Name, Kind, Columns> {
  const schema = schemaOf(table);
  const names = table.columns.map(column => column.name);
  return {
    ...table,
    schema,
    toValues(record) {
      const values = record as Readonly<Record<string, Value>>;
      return names.map(name => values[name]!);
    },
    fromRow(row) {
      const record: Record<string, Value> = {};
      for (let i = 0; i < names.length; i++) record[names[i]!] = row.value(i);
      return record as SystemRecord<Columns>;
    },
  };
}

function schemaOf(table: Declaration<string, 'stored' | 'computed', readonly SystemColumn[]>): Schema {
  const primaryKey = table.columns.findIndex(column => column.name === table.primaryKey);
  checkDeclaration(table, primaryKey);
  return {
    incarnation: table.incarnation as Incarnation,
    name: {namespace: table.namespace ?? SYSTEM_NAMESPACE, table: table.name},
    kind: 'system',
    version: 1,
    columns: table.columns.map(columnOf),
    primaryKey,
    options: {storageId: 'local', flushPolicy: null, accessLevel: null, deletedRetentionHours: 0, ttlSeconds: null},
    createdAt: CREATED_AT,
    updatedAt: CREATED_AT,
  };
}

function columnOf(column: SystemColumn): Column {
  return {
    id: column.id,
    name: column.name,
    type: {name: column.type},
    isNullable: column.isNullable,
    default: {kind: 'none'},
    initial: null,
    comment: column.doc,
  };
}

function checkDeclaration(
  table: Declaration<string, 'stored' | 'computed', readonly SystemColumn[]>,
  primaryKey: number,
): void {
  const {name, incarnation, columns} = table;
  const check = (holds: boolean, law: string) => {
    if (!holds) throw new Error(`system table '${name}': ${law}`);
  };
  check(Number.isInteger(incarnation) && incarnation >= 1, 'its incarnation is a whole number from 1');
  check(incarnation < FIRST_USER_INCARNATION, `its incarnation is below ${FIRST_USER_INCARNATION}`);
  check(
    columns.every(column => Number.isInteger(column.id) && column.id >= 1),
    'column ids are whole numbers from 1',
  );
  check(new Set(columns.map(column => column.id)).size === columns.length, 'column ids are unique');
  check(new Set(columns.map(column => column.name)).size === columns.length, 'column names are unique');
  const isKeyless = table.kind === 'computed' && table.primaryKey === undefined;
  const isKeyed = primaryKey >= 0 && !columns[primaryKey]!.isNullable;
  check(isKeyless || isKeyed, 'its primary key is a column that is never null');
}
