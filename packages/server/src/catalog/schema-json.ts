/**
 * How a schema version is stored in `system.schemas`: its columns as an ordered JSON array, its options as an object.
 *
 * Law: what `schemaFromRecord` reads is what `schemaToRecord` was given, for every release that wrote the row. Column order is array order.
 */

import type {DataType, TypeName, Value} from '../model/datatype.ts';
import type {Incarnation} from '../model/names.ts';
import type {Column, ColumnDefault, FlushPolicy, FormerType, Schema, TableKindName} from '../model/schema.ts';
import {typeJson} from '../model/type-table.ts';
import {fromJson, toJson} from '../model/values.ts';
import type {View} from '../model/view.ts';
import type {SchemaRecord} from '../system/schemas.ts';

interface ColumnJson {
  column_id: number;
  column_name: string;
  column_comment: string | null;
  data_type: TypeJson;
  /** For people. Rows written before there was `default_text` have that text as their Literal. */
  default_value: 'None' | {Literal: unknown} | {FunctionCall: {name: string; args: []}};
  ordinal_position: number;
  is_nullable: boolean;
  is_primary_key: boolean;
  is_partition_key: boolean;
  /** Wire text of a literal default. */
  default_text?: string;
  /** Wire text of what rows older than the column read as. */
  initial_default: string;
  /** Oldest first; absent while the type never changed. */
  former_types?: readonly {readonly data_type: TypeJson; readonly through_version: number}[];
}

type TypeJson = string | {Decimal: {precision: number; scale: number}} | {Embedding: number};

interface OptionsJson {
  table_type: string;
  storage_id: string;
  use_user_storage?: boolean;
  access_level?: string | null;
  flush_policy: FlushPolicyJson | null;
  compression: string;
  deleted_retention_hours: number;
  ttl_seconds?: number;
  eviction_strategy?: 'time_based';
  /** 0: the streams of the server share one limit. */
  max_stream_size_bytes?: 0;
  incarnation: number;
  folder?: string;
}

type FlushPolicyJson =
  | {type: 'row_limit'; row_limit: number}
  | {type: 'time_interval'; interval_seconds: number}
  | {type: 'combined'; row_limit: number; interval_seconds: number};

export function columnsToJson(schema: Schema): string {
  const columns = schema.columns.map(
    (column, i): ColumnJson => ({
      column_id: column.id,
      column_name: column.name,
      column_comment: column.comment ?? null,
      data_type: typeToJson(column.type),
      default_value: defaultToJson(column),
      ordinal_position: i + 1,
      is_nullable: column.isNullable,
      is_primary_key: i === schema.primaryKey,
      is_partition_key: false,
      ...(column.default.kind === 'literal' ? {default_text: toJson(column.type, column.default.value)} : {}),
      initial_default: toJson(column.type, column.initial),
      ...(column.formerTypes === undefined ? {} : {former_types: column.formerTypes.map(formerToJson)}),
    }),
  );
  return JSON.stringify(columns);
}

/** For people: the columns of a view, in the form of a table's. */
export function viewColumnsJson({columns}: View): string {
  const list = columns.map(
    ({name, type}, i): ColumnJson => ({
      column_id: i + 1,
      column_name: name,
      column_comment: null,
      data_type: typeJson(type) as ColumnJson['data_type'],
      default_value: 'None',
      ordinal_position: i + 1,
      is_nullable: true,
      is_primary_key: false,
      is_partition_key: false,
      initial_default: 'null',
    }),
  );
  return JSON.stringify(list);
}

export function optionsToJson(schema: Schema): string {
  const {options} = schema;
  const json: OptionsJson = {
    table_type: schema.kind.toUpperCase(),
    storage_id: options.storageId,
    ...(schema.kind === 'user' ? {use_user_storage: false} : {}),
    ...(schema.kind === 'shared' ? {access_level: options.accessLevel} : {}),
    flush_policy: policyToJson(options.flushPolicy),
    compression: 'snappy',
    deleted_retention_hours: options.deletedRetentionHours,
    ...(options.ttlSeconds === null ? {} : {ttl_seconds: options.ttlSeconds}),
    ...(schema.kind === 'stream' ? {eviction_strategy: 'time_based', max_stream_size_bytes: 0} : {}),
    incarnation: schema.incarnation,
    ...(schema.folder === undefined ? {} : {folder: schema.folder}),
  };
  return JSON.stringify(json);
}

export function policyToJson(policy: FlushPolicy | null): FlushPolicyJson | null {
  if (policy === null) return null;
  const {rows, seconds} = policy;
  if (rows !== undefined && seconds !== undefined)
    return {type: 'combined', row_limit: rows, interval_seconds: seconds};
  if (rows !== undefined) return {type: 'row_limit', row_limit: rows};
  return {type: 'time_interval', interval_seconds: seconds!};
}

export function schemaFromRecord(record: SchemaRecord): Schema {
  const columns = JSON.parse(record.columns) as ColumnJson[];
  const options = JSON.parse(record.options!) as OptionsJson;
  return {
    incarnation: options.incarnation as Incarnation,
    name: {namespace: record.namespace_id, table: record.table_name},
    kind: record.table_type as TableKindName,
    version: record.schema_version,
    columns: columns.map(columnFromJson),
    primaryKey: columns.findIndex(column => column.is_primary_key),
    options: {
      storageId: options.storage_id,
      flushPolicy: policyFromJson(options.flush_policy),
      accessLevel: record.access_level as Schema['options']['accessLevel'],
      deletedRetentionHours: options.deleted_retention_hours,
      ttlSeconds: options.ttl_seconds ?? null,
    },
    ...(options.folder === undefined ? {} : {folder: options.folder}),
    createdAt: record.created_at,
    updatedAt: record.updated_at,
  };
}

function columnFromJson(json: ColumnJson): Column {
  const type = typeFromJson(json.data_type);
  return {
    id: json.column_id,
    name: json.column_name,
    type,
    isNullable: json.is_nullable,
    default: defaultFromJson(type, json),
    initial: fromJson(type, json.initial_default),
    ...(json.former_types === undefined ? {} : {formerTypes: json.former_types.map(formerFromJson)}),
    ...(json.column_comment === null ? {} : {comment: json.column_comment}),
  };
}

function formerToJson({type, throughVersion}: FormerType) {
  return {data_type: typeToJson(type), through_version: throughVersion};
}

function formerFromJson(json: ReturnType<typeof formerToJson>): FormerType {
  return {type: typeFromJson(json.data_type), throughVersion: json.through_version};
}

function typeToJson(type: DataType): TypeJson {
  return typeJson(type) as TypeJson;
}

export function typeFromJson(json: TypeJson): DataType {
  if (typeof json === 'string') return {name: json.toLowerCase() as Exclude<TypeName, 'decimal' | 'embedding'>};
  return 'Decimal' in json ? {name: 'decimal', ...json.Decimal} : {name: 'embedding', dimension: json.Embedding};
}

function defaultToJson(column: Column): ColumnJson['default_value'] {
  const {default: value} = column;
  if (value.kind === 'none') return 'None';
  if (value.kind === 'function') return {FunctionCall: {name: value.name, args: []}};
  return {Literal: JSON.parse(toJson(column.type, value.value))};
}

function defaultFromJson(type: DataType, {default_value: json, default_text: text}: ColumnJson): ColumnDefault {
  if (json === 'None') return {kind: 'none'};
  if ('FunctionCall' in json) {
    return {kind: 'function', name: json.FunctionCall.name as Extract<ColumnDefault, {kind: 'function'}>['name']};
  }
  return {kind: 'literal', value: fromJson(type, text ?? (json.Literal as string)) as Value};
}

function policyFromJson(json: FlushPolicyJson | null): FlushPolicy | null {
  if (json === null) return null;
  switch (json.type) {
    case 'row_limit':
      return {rows: json.row_limit};
    case 'time_interval':
      return {seconds: json.interval_seconds};
    case 'combined':
      return {rows: json.row_limit, seconds: json.interval_seconds};
    default:
      return json satisfies never;
  }
}
