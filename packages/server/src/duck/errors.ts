/**
 * Errors: what DuckDB says, as our codes and sentences. Pure.
 *
 * With `errors_as_json` DuckDB tells a kind and a sentence. Runtime errors of a query become the error that our own executor throws for the
 * same mistake; only the sentence tells which. What points at our own SQL is INTERNAL_ERROR. Law: no text of DuckDB reaches a client; what
 * was not foreseen goes to the log in full.
 */
import {type DbError, ERRORS, type ErrorCode, fail} from '@kalamdb/protocol/errors.ts';
import type {DataType} from '../model/datatype.ts';
import {cannotCast} from '../model/type-table.ts';

export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  /** DuckDB's own words, for the log. */
  readonly log?: string;
  /** The child is not good for another query. */
  readonly isFatal?: boolean;
  /** A damaged file could be the cause. */
  readonly mayBeFile?: boolean;
}

/** Generated SQL calls `error(…)` with such a text to fail as our own executor would. */
export function raisedText(error: DbError): string {
  return `${RAISED}${error.code}:${error.message}`;
}

const RAISED = 'kalamdb-error:';

/** Of a text that DuckDB threw. `memoryBytes` is the limit the query ran under. */
export function failureOf(text: string, memoryBytes: number): Failure {
  const {kind, sentence} = parsed(text);
  switch (kind) {
    case 'out of range':
      return known(outOfRange(sentence) ?? noReal(sentence), text);
    case 'conversion':
      return known(badCast(sentence), text);
    case 'invalid input':
      return raisedError(sentence) ?? known(severalRows(sentence), text);
    case 'out of memory':
      return {...memoryFailure(memoryBytes), log: text};
    case 'interrupt':
      return {code: 'STATEMENT_TIMEOUT', message: 'The statement was stopped.'};
    case 'internal':
      if (sentence.startsWith(UNMADE_JOIN)) return {...NOT_IMPLEMENTED, log: text, isFatal: true};
      return {...OWN_FAULT, log: text, isFatal: true};
    case 'fatal':
      return {...OWN_FAULT, log: text, isFatal: true};
    case 'parser':
    case 'syntax':
    case 'binder':
    case 'catalog':
    case 'permission':
    case 'invalid configuration':
      return {...OWN_FAULT, log: text};
    case 'not implemented':
      return {...NOT_IMPLEMENTED, log: text};
    default:
      return {...UNFORESEEN, log: text, mayBeFile: true};
  }
}

/** DuckDB 1.5 made a join of a subquery that depends on the row around it, and lost a column. */
const UNMADE_JOIN = 'Failed to bind column reference ';

/** The kind in lower case. Some texts have it before the JSON too; a few are no JSON. */
function parsed(text: string): {kind: string; sentence: string} {
  const brace = text.indexOf('{"exception_type"');
  if (brace < 0) {
    const [prefix, kind] = /^([A-Za-z ]+?) ?Error: /.exec(text) ?? ['', ''];
    return {kind: kind!.toLowerCase(), sentence: text.slice(prefix.length)};
  }
  try {
    const json = JSON.parse(text.slice(brace)) as {exception_type: string; exception_message: string};
    return {kind: json.exception_type.toLowerCase(), sentence: json.exception_message.replace(FROM_COLUMN, '')};
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return {kind: '', sentence: text};
  }
}

const FROM_COLUMN = / when casting from source column [^\n]*$/;

function memoryFailure(memoryBytes: number): Failure & {isFatal: true} {
  const megabytes = Math.floor(memoryBytes / 1024 ** 2);
  const message = `The query needs more than ${megabytes} MB of memory; let it read or keep fewer rows.`;
  return {code: 'LIMIT_EXCEEDED', message, isFatal: true};
}

export const OWN_FAULT: Failure = {
  code: 'INTERNAL_ERROR',
  message: 'The query was not made well; details are in the log.',
};
const {code: NOT_SUPPORTED, message: NOT_IMPLEMENTED_TEXT} = fail.notSupported(
  'a subquery that depends on the row around it, of this shape; write it as a join',
);
const NOT_IMPLEMENTED: Failure = {code: NOT_SUPPORTED, message: NOT_IMPLEMENTED_TEXT};
const {message: UNFORESEEN_TEXT} = fail.execution('the query met a value that it cannot work with');
const UNFORESEEN: Failure = {code: 'SQL_EXECUTION_ERROR', message: UNFORESEEN_TEXT};

function known(error: DbError | undefined, text: string): Failure {
  return error === undefined ? {...UNFORESEEN, log: text, mayBeFile: true} : {code: error.code, message: error.message};
}

function raisedError(sentence: string): Failure | undefined {
  if (!sentence.startsWith(RAISED)) return undefined;
  const colon = sentence.indexOf(':', RAISED.length);
  const code = sentence.slice(RAISED.length, colon);
  return Object.hasOwn(ERRORS, code) ? {code: code as ErrorCode, message: sentence.slice(colon + 1)} : undefined;
}

const NAMES: Readonly<Record<string, DataType>> = {
  BOOL: {name: 'boolean'},
  INT16: {name: 'smallint'},
  INT32: {name: 'int'},
  INT64: {name: 'bigint'},
  FLOAT: {name: 'float'},
  DOUBLE: {name: 'double'},
  DATE: {name: 'date'},
  TIME: {name: 'time'},
  TIMESTAMP: {name: 'timestamp'},
  UUID: {name: 'uuid'},
  VARCHAR: {name: 'text'},
  BLOB: {name: 'bytes'},
};

function typeOf(name: string): DataType | undefined {
  const decimal = /^DECIMAL\((\d+),(\d+)\)$/.exec(name);
  return decimal === null ? NAMES[name] : {name: 'decimal', precision: Number(decimal[1]), scale: Number(decimal[2])};
}

const LEAST: Readonly<Record<string, string>> = {'32768': 'smallint', '2147483648': 'integer'};

function outOfRange(sentence: string): DbError | undefined {
  if (/^Overflow in negation/.test(sentence)) return fail.execution('bigint out of range');
  const type = /^Overflow in [a-z ]+ of (INT16|INT32|INT64|INT128|DECIMAL)/.exec(sentence)?.[1];
  const names = {INT16: 'smallint', INT32: 'integer', INT64: 'bigint', INT128: 'bigint', DECIMAL: 'decimal'} as const;
  if (type !== undefined) return fail.execution(`${names[type as keyof typeof names]} out of range`);
  // The least value of a type is the only one that these overflow at.
  const least = /^Overflow (?:on abs\(|in division of )-(\d+)/.exec(sentence)?.[1];
  if (least !== undefined) return fail.execution(`${LEAST[least] ?? 'bigint'} out of range`);
  return /timestamp|date|interval/i.test(sentence) ? fail.execution('timestamp out of range') : undefined;
}

function noReal(sentence: string): DbError | undefined {
  if (sentence.startsWith('cannot take square root')) {
    return fail.execution('cannot take square root of a negative number');
  }
  if (!sentence.startsWith('cannot take logarithm')) return undefined;
  return fail.execution('cannot take logarithm of zero or a negative number');
}

const STRING = /^Could not convert string (['"])([\s\S]*)\1 to ([A-Z0-9]+(?:\(\d+,\d+\))?)$/;
const NUMBER = /^Type ([A-Z0-9(),]+) with value (\S+) can't be cast [\s\S]* destination type ([A-Z0-9]+)$/;
const TO_DECIMAL = /^Could not (?:cast|convert) (?:value )?(\S+) to (DECIMAL\(\d+,\d+\))$/;
const DECIMAL_TO_DECIMAL = /^Casting value "(\S+)" to type (DECIMAL\(\d+,\d+\)) failed/;
const MOMENT = /^(?:invalid )?(date|timestamp|time) field (?:format|value out of range): "([\s\S]*?)"(?:, expected|$)/;

function badCast(sentence: string): DbError | undefined {
  const string = STRING.exec(sentence);
  // A UUID is read as a number of 128 bits.
  if (string !== null) return castError(string[2]!, string[3] === 'INT128' ? 'UUID' : string[3]!);
  const number = NUMBER.exec(sentence);
  if (number?.[1] === 'INT128' && number[3] === 'INT64') return fail.execution('bigint out of range');
  if (number !== null) return castError(number[2]!, number[3]!);
  const decimal = TO_DECIMAL.exec(sentence) ?? DECIMAL_TO_DECIMAL.exec(sentence);
  if (decimal !== null) return castError(decimal[1]!, decimal[2]!);
  const moment = MOMENT.exec(sentence);
  if (moment !== null) return castError(moment[2]!, moment[1]!.toUpperCase());
  return /timestamp range|out of range in timestamp/.test(sentence)
    ? fail.execution('timestamp out of range')
    : undefined;
}

function castError(value: string, typeName: string): DbError | undefined {
  const type = typeOf(typeName);
  return type === undefined ? undefined : cannotCast(value, type);
}

function severalRows(sentence: string): DbError | undefined {
  if (!sentence.startsWith('More than one row returned by a subquery')) return undefined;
  return fail.execution('more than one row returned by a subquery used as an expression');
}
