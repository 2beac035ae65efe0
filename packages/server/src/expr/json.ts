/**
 * JSON values, kept as text: `->` gives JSON, `->>` text, `?` asks for a key. What is not there, or not JSON, is NULL.
 *
 * Numbers that JavaScript would write otherwise keep their digits. The document parsed last is remembered, since a row is often asked several
 * times in one statement; so no document is ever changed.
 */
import type {DataType, Value} from '../model/datatype.ts';
import type {Node} from '../parser/ast.ts';
import {failAt, openAs, settled} from './coerce.ts';
import type {ColumnScope, TypedExpr} from './expr.ts';
import {BOOLEAN, isInteger, isTextual, TEXT} from './numbers.ts';

/** A number with its digits; what `JSON.rawJSON` makes. */
export interface RawNumber {
  readonly rawJSON: string;
}

export type Json = null | boolean | number | string | RawNumber | readonly Json[] | JsonObject;
export type JsonObject = {readonly [key: string]: Json};

export const JSON_TYPE: DataType = {name: 'json'};
const REMEMBERED_CHARACTERS_MAX = 1 << 20;
/** Numbers that may lose digits: many of them, an exponent, or zeros at the end of a fraction. */
const INEXACT = /\d{16}|\d[eE]|\.\d*0(?!\d)|-0/;

/** Not yet in the types that TypeScript knows. */
const {rawJSON} = JSON as unknown as {rawJSON(text: string): RawNumber};

let lastText = '';
let lastDocument: Json | undefined;

/** undefined when the text is not JSON. The document must not be changed. */
export function parseJson(text: string): Json | undefined {
  if (text === lastText) return lastDocument;
  let document: Json | undefined;
  try {
    document = INEXACT.test(text) ? (JSON.parse(text, keepDigits) as Json) : (JSON.parse(text) as Json);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  if (text.length <= REMEMBERED_CHARACTERS_MAX) [lastText, lastDocument] = [text, document];
  return document;
}

function keepDigits(_key: string, value: unknown, context?: {source?: string}): unknown {
  const source = context?.source;
  return typeof value === 'number' && source !== undefined && String(value) !== source ? rawJSON(source) : value;
}

export function isRawNumber(value: Json | undefined): value is RawNumber {
  return typeof value === 'object' && value !== null && (JSON as unknown as RawTest).isRawJSON(value);
}

interface RawTest {
  isRawJSON(value: unknown): boolean;
}

export function isJsonArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isRawNumber(value);
}

/** One step down: a key of an object, an index of an array (negative from the end). undefined = not there. */
export function jsonStep(document: Json | undefined, step: Value): Json | undefined {
  if (step === null) return undefined;
  if (isJsonArray(document)) {
    if (typeof step !== 'number' && typeof step !== 'bigint') return undefined;
    return document.at(Number(step));
  }
  return typeof step === 'string' && isJsonObject(document) && Object.hasOwn(document, step)
    ? document[step]
    : undefined;
}

/** Scalars unquoted, the rest as JSON text; JSON null is NULL. */
export function jsonText(document: Json | undefined): string | null {
  if (document === undefined || document === null) return null;
  return typeof document === 'string' ? document : JSON.stringify(document);
}

type JsonOperator = '->' | '->>' | '?';

/** Left and right with their types, and what the operator does with two non-null values. */
export function compileJson(op: JsonOperator, left: TypedExpr, right: TypedExpr, node: Node, scope: ColumnScope) {
  const document = left.open === undefined ? left : openAs(left.open, TEXT);
  const step = settled(right, scope);
  if (!isTextual(document.type)) throw failAt(scope, node, `operator ${op} needs JSON on its left side`);
  if (!isTextual(step.type) && (op === '?' || !isInteger(step.type))) {
    throw failAt(scope, node, `operator ${op} needs a key${op === '?' ? '' : ' or an index'} on its right side`);
  }
  return {left: document, right: step, ...JSON_OPERATORS[op]};
}

const JSON_OPERATORS: Record<JsonOperator, {type: DataType; apply: (left: Value, right: Value) => Value}> = {
  '->': {
    type: JSON_TYPE,
    apply: (left, right) => {
      const found = jsonStep(parseJson(left as string), right);
      return found === undefined ? null : JSON.stringify(found);
    },
  },
  '->>': {type: TEXT, apply: (left, right) => jsonText(jsonStep(parseJson(left as string), right))},
  '?': {type: BOOLEAN, apply: (left, right) => hasKey(parseJson(left as string), right as string)},
};

/** Is there such a key of the object, such a text in the array, or is it the text? */
export function hasKey(document: Json | undefined, key: string): boolean {
  if (isJsonArray(document)) return document.includes(key);
  return isJsonObject(document) ? Object.hasOwn(document, key) : document === key;
}

export function jsonLength(document: Json | undefined): bigint | null {
  if (isJsonArray(document)) return BigInt(document.length);
  return isJsonObject(document) ? BigInt(Object.keys(document).length) : null;
}
