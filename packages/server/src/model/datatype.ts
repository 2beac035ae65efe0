/**
 * Data types: the one table of what a column can hold, and the values in memory.
 *
 * A value in memory has one JavaScript form per type; 64-bit integers and decimals are exact:
 *     boolean              boolean
 *     smallint int date    number (integers; date = days since 1970-01-01)
 *     float double         number (finite)
 *     bigint               bigint
 *     timestamp datetime   bigint, microseconds since the epoch, UTC
 *     time                 bigint, microseconds since midnight
 *     decimal              bigint, unscaled: 12.30 with scale 2 is 1230n
 *     text json file       string
 *     uuid                 string, 36 characters, lower case
 *     bytes                Uint8Array
 *     embedding            Uint8Array, the elements as little-endian 32-bit floats
 *     null of any type     null
 */
export type Value = null | boolean | number | bigint | string | Uint8Array;

export type TypeName =
  | 'boolean'
  | 'smallint'
  | 'int'
  | 'bigint'
  | 'float'
  | 'double'
  | 'decimal'
  | 'text'
  | 'timestamp'
  | 'datetime'
  | 'date'
  | 'time'
  | 'json'
  | 'bytes'
  | 'uuid'
  | 'file'
  | 'embedding';

export type DataType =
  | {readonly name: Exclude<TypeName, 'decimal' | 'embedding'>}
  | {readonly name: 'decimal'; readonly precision: number; readonly scale: number}
  | {readonly name: 'embedding'; readonly dimension: number};
