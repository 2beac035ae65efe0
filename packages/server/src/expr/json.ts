/**
 * JSON operators over JSON kept as text: `->` gives JSON, `->>` text, `?` asks for a key. What is not there, or not JSON, is NULL.
 *
 * The document parsed last is remembered, since a row is often asked several times in one statement.
 */
import type {DataType, Value} from '../model/datatype.ts';
import type {Node} from '../parser/ast.ts';
import {failAt, openAs, settled} from './coerce.ts';
import type {ColumnScope, TypedExpr} from './expr.ts';
import {BOOLEAN, isInteger, isTextual, TEXT} from './numbers.ts';

export type Json = null | boolean | number | string | Json[] | {[key: string]: Json};

const JSON_TYPE: DataType = {name: 'json'};
const REMEMBERED_CHARACTERS_MAX = 1 << 20;

let lastText = '';
let lastDocument: Json | undefined;

/** undefined when the text is not JSON. The document must not be changed. */
export function parseJson(text: string): Json | undefined {
  if (text === lastText) return lastDocument;
  let document: Json | undefined;
  try {
    document = JSON.parse(text) as Json;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  if (text.length <= REMEMBERED_CHARACTERS_MAX) [lastText, lastDocument] = [text, document];
  return document;
}

/** One step down: a key of an object, an index of an array (negative from the end). undefined = not there. */
export function jsonStep(document: Json | undefined, step: Value): Json | undefined {
  if (document === null || typeof document !== 'object' || step === null) return undefined;
  if (Array.isArray(document)) {
    if (typeof step !== 'number' && typeof step !== 'bigint') return undefined;
    const index = Number(step);
    return document[index < 0 ? document.length + index : index];
  }
  return typeof step === 'string' && Object.hasOwn(document, step) ? document[step] : undefined;
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

function hasKey(document: Json | undefined, key: string): boolean {
  if (Array.isArray(document)) return document.includes(key);
  if (document !== null && typeof document === 'object') return Object.hasOwn(document, key);
  return document === key;
}

export function jsonLength(document: Json | undefined): bigint | null {
  if (document === null || typeof document !== 'object') return null;
  return BigInt(Array.isArray(document) ? document.length : Object.keys(document).length);
}
