/**
 * JSON changes: what PostgreSQL's operators of jsonb make of documents, by path. Pure; documents are never changed, only made anew along the path.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import {isJsonArray, isJsonObject, isRawNumber, type Json, type JsonObject, parseJson} from './json.ts';
import {clip} from './numbers.ts';

/** A path as text: `{a,0,"b c"}`, or a JSON array of keys and indexes. */
export function parsePath(text: string): string[] {
  const trimmed = text.trim();
  if (trimmed.startsWith('[')) {
    const list = parseJson(trimmed);
    if (isJsonArray(list) && list.every(step => typeof step === 'string' || typeof step === 'number'))
      return list.map(String);
  }
  if (!trimmed.startsWith('{') || !trimmed.endsWith('}'))
    throw fail.execution(`malformed path '${clip(text)}': write '{key,0}' or a JSON array`);
  const inside = trimmed.slice(1, -1);
  if (inside.trim() === '') return [];
  const steps: string[] = [];
  let at = 0;
  for (;;) {
    ELEMENT.lastIndex = at;
    const found = ELEMENT.exec(inside);
    if (found === null) throw fail.execution(`malformed path '${clip(text)}'`);
    steps.push(found[1] === undefined ? found[2]!.trim() : found[1].replace(/\\(.)/gs, '$1'));
    at = ELEMENT.lastIndex;
    if (at >= inside.length) return steps;
    if (inside[at] !== ',') throw fail.execution(`malformed path '${clip(text)}'`);
    at++;
  }
}

const ELEMENT = /\s*(?:"((?:[^"\\]|\\.)*)"\s*|([^",{}\\]+))/sy;

/** A step of a text path: an index where the document is an array. */
export function pathStep(document: Json | undefined, step: string): Json | undefined {
  if (isJsonArray(document)) return INDEX.test(step) ? document.at(Number(step)) : undefined;
  return isJsonObject(document) && Object.hasOwn(document, step) ? document[step] : undefined;
}

const INDEX = /^-?\d{1,9}$/;

export type Change = 'set' | 'setIfThere' | 'insertBefore' | 'insertAfter' | 'delete';

/** The document with the value set, inserted or (undefined) deleted at the path. */
export function changed(document: Json, path: readonly string[], value: Json | undefined, change: Change): Json {
  if (!isJsonArray(document) && !isJsonObject(document)) {
    throw fail.execution(change === 'delete' ? 'cannot delete path in scalar' : 'cannot set path in scalar');
  }
  if (path.length === 0) return document;
  return changedAt(document, path, 0, value, change);
}

function changedAt(
  document: Json,
  path: readonly string[],
  depth: number,
  value: Json | undefined,
  change: Change,
): Json {
  if (isJsonArray(document)) return changedArray(document, path, depth, value, change);
  return isJsonObject(document) ? changedObject(document, path, depth, value, change) : document;
}

function changedObject(
  document: JsonObject,
  path: readonly string[],
  depth: number,
  value: Json | undefined,
  change: Change,
): Json {
  const key = path[depth]!;
  const isThere = Object.hasOwn(document, key);
  if (depth < path.length - 1) {
    return isThere ? withKey(document, key, changedAt(document[key]!, path, depth + 1, value, change)) : document;
  }
  if (change === 'delete' || value === undefined) return withoutKey(document, key);
  if (isThere && change.startsWith('insert'))
    throw fail.execution('cannot replace existing key; JSONB_SET replaces the value of a key');
  return isThere || change !== 'setIfThere' ? withKey(document, key, value) : document;
}

function changedArray(
  document: readonly Json[],
  path: readonly string[],
  depth: number,
  value: Json | undefined,
  change: Change,
): Json {
  const step = path[depth]!;
  if (!INDEX.test(step))
    throw fail.execution(`path element at position ${depth + 1} is not an integer: "${clip(step)}"`);
  const given = Number(step);
  const index = given < 0 ? document.length + given : given;
  const isThere = index >= 0 && index < document.length;
  if (depth < path.length - 1) {
    return isThere ? document.with(index, changedAt(document[index]!, path, depth + 1, value, change)) : document;
  }
  if (change === 'delete' || value === undefined) return isThere ? document.toSpliced(index, 1) : document;
  if (isThere) {
    if (change === 'insertBefore') return document.toSpliced(index, 0, value);
    return change === 'insertAfter' ? document.toSpliced(index + 1, 0, value) : document.with(index, value);
  }
  if (change === 'setIfThere') return document;
  return index < 0 ? [value, ...document] : [...document, value];
}

/** Keys are defined, never assigned: `__proto__` is a key like any other. */
function objectOf(entries: Iterable<readonly [string, Json]>): JsonObject {
  return Object.fromEntries(entries);
}

function withKey(document: JsonObject, key: string, value: Json): JsonObject {
  return objectOf([...Object.entries(document), [key, value]]);
}

function withoutKey(document: JsonObject, key: string): JsonObject {
  return objectOf(Object.entries(document).filter(([name]) => name !== key));
}

/** `-` with a key or an index. */
export function without(document: Json, step: string | number): Json {
  if (isJsonArray(document)) {
    if (typeof step === 'string') return document.filter(item => item !== step);
    const index = step < 0 ? document.length + step : step;
    return index >= 0 && index < document.length ? document.toSpliced(index, 1) : document;
  }
  if (!isJsonObject(document)) throw fail.execution('cannot delete from scalar');
  if (typeof step === 'number') throw fail.execution('cannot delete from object using integer index');
  return withoutKey(document, step);
}

/** `||`: the keys of both, the later value of a key wins; anything else becomes one array. */
export function merged(left: Json, right: Json): Json {
  if (isJsonObject(left) && isJsonObject(right)) return objectOf([...Object.entries(left), ...Object.entries(right)]);
  return [...(isJsonArray(left) ? left : [left]), ...(isJsonArray(right) ? right : [right])];
}

/** `@>`: all of `part` stands in `whole` at the same place; order and repetitions in arrays do not count. An array holds a scalar of its own. */
export function holds(whole: Json, part: Json, isRoot = true): boolean {
  if (isJsonObject(part)) {
    if (!isJsonObject(whole)) return false;
    return Object.entries(part).every(([key, value]) => Object.hasOwn(whole, key) && holds(whole[key]!, value, false));
  }
  if (isJsonArray(part)) {
    if (!isJsonArray(whole)) return false;
    const scalars = new Set(whole.map(scalarKey));
    return part.every(item => {
      const key = scalarKey(item);
      return key === undefined ? whole.some(each => holds(each, item, false)) : scalars.has(key);
    });
  }
  if (isJsonArray(whole)) return isRoot && whole.some(each => scalarKey(each) === scalarKey(part));
  return scalarKey(whole) === scalarKey(part);
}

/** Is there a scalar that is an element of both? Nulls are none. */
export function meet(a: readonly Json[], b: readonly Json[]): boolean {
  const scalars = new Set(a.filter(item => item !== null).map(scalarKey));
  scalars.delete(undefined);
  return b.some(item => scalars.has(scalarKey(item)));
}

/** The same for equal scalars; undefined of arrays and objects. */
function scalarKey(value: Json): string | undefined {
  if (isRawNumber(value)) return `n${plainDigits(value.rawJSON)}`;
  if (typeof value === 'number') return `n${plainDigits(String(value))}`;
  return typeof value === 'object' && value !== null ? undefined : `${typeof value}${value}`;
}

/** 1.50, 15e-1 and 1.5 are one number: its digits without zeros at the ends, and where the point stands. */
function plainDigits(text: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(
    text,
  )!;
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const kept = digits.replace(/0+$/, '');
  if (kept === '') return '0';
  return `${sign}${kept}e${Number(exponent) - fraction.length + digits.length - kept.length}`;
}

/** Without the keys whose value is null. */
export function withoutNulls(document: Json): Json {
  if (isJsonArray(document)) return document.map(withoutNulls);
  if (!isJsonObject(document)) return document;
  const kept = Object.entries(document).filter(([, value]) => value !== null);
  return objectOf(kept.map(([key, value]) => [key, withoutNulls(value)]));
}
