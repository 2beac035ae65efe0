/**
 * Type table: how each data type is spelled, shown and laid out. Everything that lists types reads it from here.
 *
 * Laws: a spelling belongs to one type. `sqlName` of a type, parsed and resolved again, is the same type.
 */

import {type DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {DataTypeJson} from '@kalamdb/protocol/values.ts';
import type {DataType, TypeName} from './datatype.ts';

export interface TypeFacts {
  /** Upper case words joined by one space, as the parser gives them. */
  readonly spellings: readonly string[];
  readonly sqlName: string;
  readonly json: Extract<DataTypeJson, string> | 'Decimal' | 'Embedding';
  /** Bytes of the binary value in a row's fixed-width area; 0 = only the JSON fragment holds it. */
  readonly fixedBytes: number;
  /** For the reference: the form in JSON, and that of a text. */
  readonly wire: string;
  readonly input: string;
}

export const TYPES = {
  boolean: {
    spellings: ['BOOLEAN', 'BOOL'],
    sqlName: 'BOOLEAN',
    json: 'Boolean',
    fixedBytes: 1,
    wire: '`true`, `false`',
    input: 'true, t, yes, on, 1 … and their opposites',
  },
  smallint: {
    spellings: ['SMALLINT', 'INT2', 'SMALLSERIAL', 'SERIAL2'],
    sqlName: 'SMALLINT',
    json: 'SmallInt',
    fixedBytes: 2,
    wire: 'number',
    input: 'whole number, ±2^15',
  },
  int: {
    spellings: ['INT', 'INTEGER', 'INT4', 'MEDIUMINT', 'SERIAL', 'SERIAL4', 'SIGNED'],
    sqlName: 'INT',
    json: 'Int',
    fixedBytes: 4,
    wire: 'number',
    input: 'whole number, ±2^31',
  },
  bigint: {
    spellings: ['BIGINT', 'INT8', 'INT64', 'BIGSERIAL', 'SERIAL8'],
    sqlName: 'BIGINT',
    json: 'BigInt',
    fixedBytes: 8,
    wire: 'string of digits',
    input: 'whole number, ±2^63',
  },
  float: {
    spellings: ['FLOAT', 'REAL', 'FLOAT4'],
    sqlName: 'FLOAT',
    json: 'Float',
    fixedBytes: 4,
    wire: 'number',
    input: 'number, 6 to 9 digits; `FLOAT(25)` to `FLOAT(53)` is DOUBLE',
  },
  double: {
    spellings: ['DOUBLE', 'DOUBLE PRECISION', 'FLOAT8', 'FLOAT64'],
    sqlName: 'DOUBLE',
    json: 'Double',
    fixedBytes: 8,
    wire: 'number',
    input: 'number, 15 to 17 digits',
  },
  decimal: {
    spellings: ['DECIMAL', 'NUMERIC', 'DEC'],
    sqlName: 'DECIMAL',
    json: 'Decimal',
    fixedBytes: 16,
    wire: 'string with exactly the scale’s digits',
    input: 'number of at most 38 digits; rounded half away from zero',
  },
  text: {
    spellings: [
      ...['TEXT', 'STRING', 'VARCHAR', 'CHAR', 'CHARACTER', 'CHARACTER VARYING', 'CHAR VARYING', 'NVARCHAR', 'CLOB'],
      ...['CHARACTER LARGE OBJECT', 'CHAR LARGE OBJECT', 'ARRAY', 'ENUM', 'SET', 'STRUCT'],
    ],
    sqlName: 'TEXT',
    json: 'Text',
    fixedBytes: 0,
    wire: 'string',
    input: 'any text',
  },
  timestamp: {
    spellings: ['TIMESTAMP', 'TIMESTAMP WITH TIME ZONE', 'TIMESTAMP WITHOUT TIME ZONE', 'TIMESTAMPTZ'],
    sqlName: 'TIMESTAMP',
    json: 'Timestamp',
    fixedBytes: 8,
    wire: 'number, µs since 1970',
    input: '`YYYY-MM-DD[ T]HH:MM[:SS[.f]][Z|±hh[:mm]]`, kept as UTC',
  },
  datetime: {
    spellings: ['DATETIME'],
    sqlName: 'DATETIME',
    json: 'DateTime',
    fixedBytes: 8,
    wire: 'number, µs since 1970',
    input: 'as TIMESTAMP',
  },
  date: {
    spellings: ['DATE'],
    sqlName: 'DATE',
    json: 'Date',
    fixedBytes: 4,
    wire: 'number, days since 1970',
    input: '`YYYY-MM-DD`',
  },
  time: {
    spellings: ['TIME', 'TIME WITHOUT TIME ZONE'],
    sqlName: 'TIME',
    json: 'Time',
    fixedBytes: 8,
    wire: 'number, µs since midnight',
    input: '`HH:MM[:SS[.f]]`',
  },
  json: {
    spellings: ['JSON', 'JSONB'],
    sqlName: 'JSON',
    json: 'Json',
    fixedBytes: 0,
    wire: 'JSON text as a string',
    input: 'JSON text; arrays and objects as parameters',
  },
  bytes: {
    spellings: ['BYTES', 'BINARY', 'VARBINARY', 'BLOB', 'BYTEA'],
    sqlName: 'BYTES',
    json: 'Bytes',
    fixedBytes: 0,
    wire: 'array of byte numbers',
    input: "`X'01ff'`, `\\x01ff`, or a text’s UTF-8",
  },
  uuid: {
    spellings: ['UUID'],
    sqlName: 'UUID',
    json: 'Uuid',
    fixedBytes: 0,
    wire: 'string, lower case',
    input: 'any form of 32 hexadecimal digits',
  },
  file: {
    spellings: ['FILE'],
    sqlName: 'FILE',
    json: 'File',
    fixedBytes: 0,
    wire: 'JSON text as a string',
    input: 'JSON text of a file reference',
  },
  embedding: {
    spellings: ['EMBEDDING'],
    sqlName: 'EMBEDDING',
    json: 'Embedding',
    fixedBytes: 0,
    wire: 'array of numbers',
    input: '`EMBEDDING(n)`: JSON array of n numbers, also `ARRAY[…]` and an array as a parameter; null is 0',
  },
} as const satisfies Record<TypeName, TypeFacts>;

const DECIMAL_PRECISION_MAX = 38;
const EMBEDDING_DIMENSION_MAX = 8192;
const FLOAT_BITS_MAX = 53;
const SINGLE_BITS_MAX = 24;
const DECIMAL_BARE = {name: 'decimal', precision: 38, scale: 10} as const;

/** Types of other servers, and what holds their values here. None of them is taken, though some end in `TEXT`. */
const INSTEAD: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ...{TINYINT: 'SMALLINT', INT1: 'SMALLINT', UNSIGNED: 'BIGINT', FLOAT32: 'FLOAT', MONEY: 'DECIMAL', BIT: 'BYTES'},
    ...{
      TINYTEXT: 'TEXT',
      MEDIUMTEXT: 'TEXT',
      LONGTEXT: 'TEXT',
      XML: 'TEXT',
      INET: 'TEXT',
      CIDR: 'TEXT',
      HSTORE: 'JSON',
    },
    ...{TIMETZ: 'TIME', 'TIME WITH TIME ZONE': 'TIME', INTERVAL: 'BIGINT for microseconds', VECTOR: 'EMBEDDING'},
  }),
);

/** Of the others, lengths, precisions and display widths are accepted. */
const WITHOUT_ARGUMENTS: ReadonlySet<TypeName> = new Set(['boolean', 'date', 'json', 'uuid', 'file']);

const BY_SPELLING: ReadonlyMap<string, TypeName> = new Map(
  (Object.keys(TYPES) as TypeName[]).flatMap(name => TYPES[name].spellings.map(spelling => [spelling, name] as const)),
);

/** The type that SQL spells so. Lengths of texts and precisions of times are accepted and not kept. */
export function resolveType(name: string, args: readonly string[]): DataType {
  const spelling = name.toUpperCase();
  const type = BY_SPELLING.get(spelling) ?? (isTextLike(spelling) ? 'text' : undefined);
  if (type === undefined) throw unsupported(name, spelling);
  if (args.length > 0 && WITHOUT_ARGUMENTS.has(type)) throw fail.invalidSql(`Type ${spelling} takes no arguments`);
  if (type === 'embedding') return embeddingType(args);
  if (type === 'decimal') return decimalType(args);
  if (spelling === 'FLOAT' && args.length === 1) return floatType(args[0]!);
  if (args.some(arg => arg.startsWith('-'))) throw fail.invalidSql(`Type ${spelling} takes no negative number`);
  return {name: type};
}

function isTextLike(spelling: string): boolean {
  return (spelling.endsWith('TEXT') || spelling.endsWith('STRING')) && !INSTEAD.has(spelling);
}

function unsupported(name: string, spelling: string): DbError {
  const instead = INSTEAD.get(spelling);
  return fail.invalidSql(`Unsupported custom data type '${name}'${instead === undefined ? '' : `; use ${instead}`}`);
}

/** A precision in bits, as in the standard. */
function floatType(bits: string): DataType {
  const precision = wholeNumber(bits);
  if (!(precision >= 1 && precision <= FLOAT_BITS_MAX))
    throw fail.invalidSql(`FLOAT precision must be between 1 and ${FLOAT_BITS_MAX}, got ${bits}`);
  return {name: precision <= SINGLE_BITS_MAX ? 'float' : 'double'};
}

function decimalType(args: readonly string[]): DataType {
  if (args.length === 0) return DECIMAL_BARE;
  if (args.length > 2) throw fail.invalidSql(`DECIMAL takes a precision and a scale, got ${args.length} arguments`);
  const precision = wholeNumber(args[0]!);
  if (!(precision >= 1 && precision <= DECIMAL_PRECISION_MAX)) {
    throw fail.invalidSql(`DECIMAL precision must be between 1 and ${DECIMAL_PRECISION_MAX}, got ${args[0]}`);
  }
  const scale = args.length === 2 ? wholeNumber(args[1]!) : 0;
  if (Number.isNaN(scale)) throw fail.invalidSql(`DECIMAL scale must be a whole number, got ${args[1]}`);
  if (scale > precision) throw fail.invalidSql(`DECIMAL scale (${args[1]}) cannot exceed precision (${precision})`);
  return {name: 'decimal', precision, scale};
}

function embeddingType(args: readonly string[]): DataType {
  if (args.length !== 1)
    throw fail.invalidSql('EMBEDDING type requires exactly one dimension parameter, e.g., EMBEDDING(384)');
  const dimension = wholeNumber(args[0]!);
  if (Number.isNaN(dimension))
    throw fail.invalidSql(`EMBEDDING dimension must be a positive integer, got '${args[0]}'`);
  if (dimension < 1) throw fail.invalidSql('EMBEDDING dimension must be at least 1');
  if (dimension > EMBEDDING_DIMENSION_MAX)
    throw fail.invalidSql(`EMBEDDING dimension must be at most ${EMBEDDING_DIMENSION_MAX} (found ${dimension})`);
  return {name: 'embedding', dimension};
}

function wholeNumber(text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
}

/** `DECIMAL(10, 2)`, `TEXT`. */
export function sqlName(type: DataType): string {
  if (type.name === 'decimal') return `DECIMAL(${type.precision}, ${type.scale})`;
  if (type.name === 'embedding') return `EMBEDDING(${type.dimension})`;
  return TYPES[type.name].sqlName;
}

export function typeJson(type: DataType): DataTypeJson {
  if (type.name === 'decimal') return {Decimal: {precision: type.precision, scale: type.scale}};
  if (type.name === 'embedding') return {Embedding: type.dimension};
  return TYPES[type.name].json;
}

/** The type that `typeJson` says so. */
export function typeOfJson(json: DataTypeJson): DataType {
  if (typeof json === 'string') return {name: NAMES_BY_JSON.get(json)!} as DataType;
  return 'Decimal' in json ? {name: 'decimal', ...json.Decimal} : {name: 'embedding', dimension: json.Embedding};
}

const NAMES_BY_JSON = new Map(Object.entries(TYPES).map(([name, {json}]) => [json as string, name]));

export function sameType(a: DataType, b: DataType): boolean {
  if (a.name === 'embedding' && b.name === 'embedding') return a.dimension === b.dimension;
  if (a.name !== 'decimal' || b.name !== 'decimal') return a.name === b.name;
  return a.precision === b.precision && a.scale === b.scale;
}

/** The error of a value that is not one of its type: names the value, cut short, and the type. */
export function cannotCast(text: string, type: DataType): DbError {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return fail.invalidOperation(`Unable to cast value '${shown}' to ${sqlName(type)}`);
}
