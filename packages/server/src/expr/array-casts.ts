/**
 * Array casts: `'{1,2}'::INT[]` and `$1::TEXT[]`. There is no array type: what comes of them is JSON, an array of values of the type.
 *
 * A text that begins with `{` is read as PostgreSQL reads array literals, of one dimension; others are JSON.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {castValue} from '../model/values.ts';
import {fold, implicitly, tried} from './coerce.ts';
import type {TypedExpr} from './expr.ts';
import {isJsonArray, isJsonObject, JSON_TYPE, type Json, jsonText, parseJson} from './json.ts';
import {valueJson} from './json-functions.ts';
import {BOOLEAN, clip, literalType, numberAs, TEXT} from './numbers.ts';
import {bounded} from './text-limit.ts';

const SEVERAL_DIMENSIONS = 'arrays of more than one dimension; JSON holds them';

/** Undefined: it is neither a text nor JSON. */
export function castToArray(operand: TypedExpr, element: DataType, isTry: boolean): TypedExpr | undefined {
  const isJson = operand.open === undefined && operand.type.name === 'json';
  const source = isJson ? operand : implicitly(operand, TEXT);
  if (source === undefined) return undefined;
  const convert = (text: Value) => arrayOf(text as string, element);
  const evaluate: TypedExpr['eval'] = (row, env) => {
    const text = source.eval(row, env);
    if (text === null) return null;
    return isTry ? tried(() => convert(text)) : convert(text);
  };
  return fold(JSON_TYPE, evaluate, [source]);
}

/** Where an array is expected, a text in braces is one of texts. */
export function asArray(given: TypedExpr): TypedExpr | undefined {
  const {open} = given;
  if (open?.kind === 'string' && isInBraces(open.text)) return fold(JSON_TYPE, () => textArray(open.text), []);
  const json = implicitly(given, JSON_TYPE);
  if (open?.kind !== 'param' || json === undefined) return json;
  const evaluate: TypedExpr['eval'] = (row, env) => {
    const param = env.params[open.index - 1];
    return typeof param === 'string' && isInBraces(param) ? textArray(param) : json.eval(row, env);
  };
  return fold(JSON_TYPE, evaluate, [json]);
}

function isInBraces(text: string): boolean {
  return text.trimStart().startsWith('{');
}

function textArray(text: string): string {
  return JSON.stringify(parseArray(text));
}

function arrayOf(text: string, element: DataType): string {
  if (isInBraces(text)) {
    const texts = parseArray(text);
    return joined(
      texts.map(one => (one === null ? null : castValue(one, TEXT, element))),
      element,
    );
  }
  const list = parseJson(text);
  if (!isJsonArray(list)) throw malformed(text);
  return joined(
    list.map(one => elementOf(one, element)),
    element,
  );
}

function joined(values: readonly Value[], type: DataType): string {
  return bounded(`[${values.map(value => valueJson(type, value)).join(',')}]`);
}

function elementOf(element: Json, type: DataType): Value {
  if (element === null) return null;
  if (type.name === 'json') return JSON.stringify(element);
  if (isJsonArray(element) || isJsonObject(element)) throw fail.notSupported(SEVERAL_DIMENSIONS);
  if (typeof element === 'string') return castValue(element, TEXT, type);
  if (typeof element === 'boolean') return castValue(element, BOOLEAN, type);
  const digits = jsonText(element)!;
  const literal = literalType(digits.replace('-', ''));
  return castValue(numberAs(digits, literal), literal, type);
}

const BLANKS = /\s*/y;
/** What one element is up to its end; a backslash takes the next character as it is. No part can end in two ways, so the time is that of the length. */
const QUOTED = /"((?:[^"\\]|\\.)*)"/sy;
const BARE = /(?:[^",{}\\]|\\.)+/sy;

/** Elements as texts; NULL unquoted is null. */
function parseArray(text: string): (string | null)[] {
  const trimmed = text.trim();
  if (!trimmed.endsWith('}')) throw malformed(text);
  const inside = trimmed.slice(1, -1);
  if (inside.trim() === '') return [];
  if (inside.trimStart().startsWith('{')) throw fail.notSupported(SEVERAL_DIMENSIONS);
  const elements: (string | null)[] = [];
  let at = 0;
  const taken = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(inside);
    if (found !== null) at = pattern.lastIndex;
    return found;
  };
  do {
    taken(BLANKS);
    const quoted = taken(QUOTED);
    const bare = quoted === null ? taken(BARE)?.[0].trimEnd() : undefined;
    taken(BLANKS);
    if ((quoted ?? bare) === undefined || (at < inside.length && inside[at] !== ',')) throw malformed(text);
    const isNull = bare !== undefined && /^null$/i.test(bare);
    elements.push(isNull ? null : (bare ?? quoted![1]!).replace(/\\(.)/gs, '$1'));
    at += 1;
  } while (at <= inside.length);
  return elements;
}

function malformed(text: string) {
  return fail.execution(`malformed array literal: "${clip(text)}"`);
}
