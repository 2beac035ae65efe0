/**
 * JSON functions of the function table: a document and a path of keys and indexes. What is missing or of another type is NULL.
 *
 * Arrays are JSON: `ARRAY[1, 2]` is JSON_BUILD_ARRAY(1, 2). Operators that the parser writes as calls say so in `doc`.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {toJson, valueText} from '../model/values.ts';
import type {FunctionFacts} from './functions.ts';
import {
  hasKey,
  isJsonArray,
  isJsonObject,
  isRawNumber,
  JSON_TYPE,
  type Json,
  jsonLength,
  jsonStep,
  jsonText,
  parseJson,
} from './json.ts';
import {changed, holds, merged, parsePath, pathStep, without, withoutNulls} from './json-changes.ts';
import {BIGINT, BOOLEAN, clip, DOUBLE, INT, TEXT} from './numbers.ts';
import {TEXT_CHARACTERS_MAX} from './text-limit.ts';

const BOUND = 'at most 16 MB';

export const JSON_FUNCTIONS: readonly FunctionFacts[] = [
  path(
    {name: 'JSON_GET_JSON', aliases: ['JSON_GET'], result: JSON_TYPE},
    found => (found === undefined ? null : JSON.stringify(found)),
    'Element as JSON; `->` is the same with one step.',
    [`JSON_GET_JSON('{"a":[1,2]}', 'a', 1)`, '2'],
  ),
  path(
    {name: 'JSON_GET_ARRAY', result: JSON_TYPE},
    found => (isJsonArray(found) ? JSON.stringify(found) : null),
    'Element if it is an array.',
    [`JSON_GET_ARRAY('{"a":[1]}', 'a')`, '[1]'],
  ),
  path(
    {name: 'JSON_AS_TEXT', result: TEXT},
    jsonText,
    'Element as text, scalars unquoted; `->>` is the same with one step.',
    [`JSON_AS_TEXT('{"a":"x"}', 'a')`, 'x'],
  ),
  path(
    {name: 'JSON_GET_STR', result: TEXT},
    found => (typeof found === 'string' ? found : null),
    'Element if it is a string.',
    [`JSON_GET_STR('{"a":"x"}', 'a')`, 'x'],
  ),
  path({name: 'JSON_GET_INT', result: BIGINT}, integerOfJson, 'Element if it is an integer.', [
    `JSON_GET_INT('{"a":5}', 'a')`,
    '5',
  ]),
  path(
    {name: 'JSON_GET_FLOAT', result: DOUBLE},
    found => (isRawNumber(found) ? finiteNumber(found.rawJSON) : typeof found === 'number' ? found : null),
    'Element if it is a number.',
    [`JSON_GET_FLOAT('{"a":1.5}', 'a')`, '1.5'],
  ),
  path(
    {name: 'JSON_GET_BOOL', result: BOOLEAN},
    found => (typeof found === 'boolean' ? found : null),
    'Element if it is a boolean.',
    [`JSON_GET_BOOL('{"a":true}', 'a')`, 'true'],
  ),
  path({name: 'JSON_CONTAINS', result: BOOLEAN}, found => found !== undefined, 'Is there such an element?', [
    `JSON_CONTAINS('{"a":1}', 'a')`,
    'true',
  ]),
  path({name: 'JSON_LENGTH', result: BIGINT}, jsonLength, 'Number of elements or keys.', [
    `JSON_LENGTH('{"a":[1,2]}', 'a')`,
    '2',
  ]),
  path(
    {name: 'JSON_OBJECT_KEYS', aliases: ['JSONB_OBJECT_KEYS'], result: JSON_TYPE},
    found => (isJsonObject(found) ? JSON.stringify(Object.keys(found)) : null),
    'Keys of an object as a JSON array.',
    [`JSON_OBJECT_KEYS('{"a":1,"b":2}')`, '["a","b"]'],
  ),
  {
    name: 'JSONB_TYPEOF',
    aliases: ['JSON_TYPEOF'],
    args: ['json'],
    result: TEXT,
    eval: ([document]) => typeName(read(document!)),
    doc: 'object, array, string, number, boolean or null.',
    example: [`JSONB_TYPEOF('[1]')`, 'array'],
  },
  {
    name: 'JSONB_ARRAY_LENGTH',
    aliases: ['JSON_ARRAY_LENGTH'],
    args: ['json'],
    result: INT,
    eval: ([document]) => {
      const list = read(document!);
      if (!isJsonArray(list)) throw fail.execution('cannot get array length of a non-array');
      return list.length;
    },
    doc: 'Number of elements of an array.',
    example: [`JSONB_ARRAY_LENGTH('[1,2]')`, '2'],
  },
  {
    name: 'JSONB_EXTRACT_PATH',
    aliases: ['JSON_EXTRACT_PATH'],
    args: ['json', 'text'],
    isVariadic: true,
    result: JSON_TYPE,
    eval: ([document, ...steps]) => element(document!, steps as string[]),
    doc: 'Element behind a path of texts; digits are the index of an array.',
    example: [`JSONB_EXTRACT_PATH('{"a":[1,2]}', 'a', '1')`, '2'],
  },
  {
    name: 'JSONB_EXTRACT_PATH_TEXT',
    aliases: ['JSON_EXTRACT_PATH_TEXT'],
    args: ['json', 'text'],
    isVariadic: true,
    result: TEXT,
    eval: ([document, ...steps]) => elementText(document!, steps as string[]),
    doc: 'The same as text, scalars unquoted.',
    example: [`JSONB_EXTRACT_PATH_TEXT('{"a":["x"]}', 'a', '0')`, 'x'],
  },
  {
    name: 'JSONB_AT',
    args: ['json', 'text'],
    result: JSON_TYPE,
    eval: ([document, at]) => element(document!, parsePath(at as string)),
    doc: 'The operator `#>`: the element behind a path such as `{a,0}`.',
    example: [`'{"a":[1,2]}' #> '{a,1}'`, '2'],
  },
  {
    name: 'JSONB_AT_TEXT',
    args: ['json', 'text'],
    result: TEXT,
    eval: ([document, at]) => elementText(document!, parsePath(at as string)),
    doc: 'The operator `#>>`: the same as text.',
    example: [`'{"a":["x"]}' #>> '{a,0}'`, 'x'],
  },
  {
    name: 'JSONB_CONTAINS',
    args: ['json', 'json'],
    result: BOOLEAN,
    eval: ([whole, part]) => holds(read(whole!), read(part!)),
    doc: 'The operator `@>`: does all of the second stand in the first?',
    example: [`'{"a":[1,2],"b":3}' @> '{"a":[2]}'`, 'true'],
  },
  {
    name: 'JSONB_CONTAINED',
    args: ['json', 'json'],
    result: BOOLEAN,
    eval: ([part, whole]) => holds(read(whole!), read(part!)),
    doc: 'The operator `<@`: does all of the first stand in the second?',
    example: [`'{"a":1}' <@ '{"a":1,"b":2}'`, 'true'],
  },
  {
    name: 'JSONB_EXISTS',
    args: ['json', 'text'],
    result: BOOLEAN,
    eval: ([document, key]) => hasKey(read(document!), key as string),
    doc: 'The operator `?`: is the text a key of the object or a text in the array?',
    example: [`JSONB_EXISTS('["a","b"]', 'b')`, 'true'],
  },
  {
    name: 'JSONB_EXISTS_ANY',
    args: ['json', 'text'],
    result: BOOLEAN,
    eval: ([document, keys]) => parsePath(keys as string).some(key => hasKey(read(document!), key)),
    doc: 'The operator `?|`: is one of the texts?',
    example: [`'{"a":1}' ?| ARRAY['a', 'b']`, 'true'],
  },
  {
    name: 'JSONB_EXISTS_ALL',
    args: ['json', 'text'],
    result: BOOLEAN,
    eval: ([document, keys]) => parsePath(keys as string).every(key => hasKey(read(document!), key)),
    doc: 'The operator `?&`: are all of the texts?',
    example: [`'{"a":1}' ?& ARRAY['a', 'b']`, 'false'],
  },
  {
    name: 'JSONB_CONCAT',
    args: ['json', 'json'],
    result: JSON_TYPE,
    eval: ([left, right]) => written(merged(read(left!), read(right!))),
    bound: BOUND,
    doc: 'The operator `||` of JSON: keys of both objects, or one array of both.',
    example: [`JSONB_CONCAT('{"a":1}', '{"b":2}')`, '{"a":1,"b":2}'],
  },
  {
    name: 'JSONB_DELETE',
    args: ['json', 'any'],
    result: JSON_TYPE,
    eval: ([document, step], _env, [, type]) => {
      if (typeof step === 'string') return written(without(read(document!), step));
      if (typeof step === 'number' || typeof step === 'bigint') return written(without(read(document!), Number(step)));
      throw fail.execution(`a ${type!.name} is neither a key nor an index`);
    },
    doc: 'The operator `-` of JSON: without a key, or without the element at an index.',
    example: [`JSONB_DELETE('{"a":1,"b":2}', 'a')`, '{"b":2}'],
  },
  {
    name: 'JSONB_DELETE_PATH',
    args: ['json', 'text'],
    result: JSON_TYPE,
    eval: ([document, at]) => written(changed(read(document!), parsePath(at as string), undefined, 'delete')),
    doc: 'The operator `#-`: without the element behind a path.',
    example: [`'{"a":[1,2]}' #- '{a,0}'`, '{"a":[2]}'],
  },
  {
    name: 'JSONB_SET',
    args: ['json', 'text', 'json', 'boolean'],
    optional: 1,
    result: JSON_TYPE,
    eval: ([document, at, value, mayAdd]) => {
      const change = mayAdd === false ? 'setIfThere' : 'set';
      return written(changed(read(document!), parsePath(at as string), read(value!), change));
    },
    bound: BOUND,
    doc: 'The document with the value at a path; added if it is missing, unless the last argument is FALSE.',
    example: [`JSONB_SET('{"a":[1,2]}', '{a,0}', '9')`, '{"a":[9,2]}'],
  },
  {
    name: 'JSONB_INSERT',
    args: ['json', 'text', 'json', 'boolean'],
    optional: 1,
    result: JSON_TYPE,
    eval: ([document, at, value, isAfter]) => {
      const change = isAfter === true ? 'insertAfter' : 'insertBefore';
      return written(changed(read(document!), parsePath(at as string), read(value!), change));
    },
    bound: BOUND,
    doc: 'The document with the value put before the element at a path, or behind it if the last argument is TRUE.',
    example: [`JSONB_INSERT('{"a":[1,2]}', '{a,1}', '9')`, '{"a":[1,9,2]}'],
  },
  {
    name: 'JSONB_STRIP_NULLS',
    aliases: ['JSON_STRIP_NULLS'],
    args: ['json'],
    result: JSON_TYPE,
    eval: ([document]) => written(withoutNulls(read(document!))),
    doc: 'Without the keys whose value is null.',
    example: [`JSONB_STRIP_NULLS('{"a":null,"b":[null]}')`, '{"b":[null]}'],
  },
  {
    name: 'JSONB_PRETTY',
    args: ['json'],
    result: TEXT,
    eval: ([document]) => bounded(pretty(read(document!), '')),
    bound: BOUND,
    doc: 'With line ends and four blanks for each level.',
    example: [`LENGTH(JSONB_PRETTY('[1]'))`, '9'],
  },
  {
    name: 'JSON_BUILD_OBJECT',
    aliases: ['JSONB_BUILD_OBJECT'],
    args: ['any', 'any'],
    optional: 2,
    isVariadic: true,
    isStrict: false,
    result: JSON_TYPE,
    eval: (values, _env, types) => bounded(builtObject(values, types)),
    bound: BOUND,
    doc: 'An object of keys and values in turn.',
    example: ["JSON_BUILD_OBJECT('a', 1, 'b', NULL)", '{"a":1,"b":null}'],
  },
  {
    name: 'JSON_BUILD_ARRAY',
    aliases: ['JSONB_BUILD_ARRAY'],
    args: ['any'],
    optional: 1,
    isVariadic: true,
    isStrict: false,
    result: JSON_TYPE,
    eval: (values, _env, types) => bounded(`[${values.map((value, i) => valueJson(types[i]!, value)).join(',')}]`),
    bound: BOUND,
    doc: 'An array of the arguments; `ARRAY[…]` is the same.',
    example: ["JSON_BUILD_ARRAY(1, 'a', NULL)", '[1,"a",null]'],
  },
  {
    name: 'TO_JSON',
    aliases: ['TO_JSONB'],
    args: ['any'],
    result: JSON_TYPE,
    eval: ([value], _env, [type]) => valueJson(type!, value!),
    doc: 'A value as JSON: numbers as numbers, moments as ISO texts.',
    example: ["TO_JSON(DATE '2024-02-29')", '"2024-02-29"'],
  },
  {
    name: 'JSON_FROM_SCALAR',
    args: ['any'],
    result: JSON_TYPE,
    // A number is a number in JSON, though the wire quotes the exact ones.
    eval: ([value], _env, [type]) =>
      type!.name === 'bigint' || type!.name === 'decimal' ? valueText(type!, value!) : toJson(type!, value!),
    doc: 'A value as JSON in its form on the wire; numbers are numbers.',
    example: ["JSON_FROM_SCALAR('a')", '"a"'],
  },
];

function path(
  {name, aliases = [], result}: {name: string; aliases?: readonly string[]; result: DataType},
  take: (found: Json | undefined) => Value,
  doc: string,
  example: FunctionFacts['example'],
): FunctionFacts {
  return {
    name,
    aliases,
    args: ['text', 'any'],
    optional: 1,
    isVariadic: true,
    result,
    eval: ([document, ...steps]) => {
      let found = parseJson(document as string);
      for (const step of steps) found = jsonStep(found, step);
      return take(found);
    },
    doc,
    example,
  };
}

/** Values of type JSON are JSON. */
function read(value: Value): Json {
  const document = parseJson(value as string);
  if (document === undefined) throw fail.execution(`invalid JSON '${clip(value as string)}'`);
  return document;
}

function bounded(text: string): string {
  if (text.length > TEXT_CHARACTERS_MAX) throw fail.execution('the JSON is longer than 16 MB');
  return text;
}

function written(document: Json): string {
  return bounded(JSON.stringify(document));
}

function element(document: Value, steps: readonly string[]): string | null {
  const found = steps.reduce<Json | undefined>(pathStep, read(document));
  return found === undefined ? null : JSON.stringify(found);
}

function elementText(document: Value, steps: readonly string[]): string | null {
  return jsonText(steps.reduce<Json | undefined>(pathStep, read(document)));
}

function integerOfJson(found: Json | undefined): bigint | null {
  if (isRawNumber(found)) {
    if (!/^-?\d{1,19}$/.test(found.rawJSON)) return null;
    const value = BigInt(found.rawJSON);
    return BigInt.asIntN(64, value) === value ? value : null;
  }
  return Number.isSafeInteger(found) ? BigInt(found as number) : null;
}

function finiteNumber(text: string): number | null {
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

function typeName(document: Json): string {
  if (document === null) return 'null';
  if (isJsonArray(document)) return 'array';
  if (isRawNumber(document)) return 'number';
  return typeof document;
}

function pretty(document: Json, indent: string): string {
  const inner = `${indent}    `;
  const block = (open: string, lines: readonly string[], close: string) =>
    lines.length === 0 ? `${open}\n${indent}${close}` : `${open}\n${lines.join(',\n')}\n${indent}${close}`;
  if (isJsonArray(document)) {
    const lines = document.map(item => inner + pretty(item, inner));
    return block('[', lines, ']');
  }
  if (!isJsonObject(document)) return JSON.stringify(document);
  const lines = Object.entries(document).map(
    ([key, value]) => `${inner}${JSON.stringify(key)}: ${pretty(value, inner)}`,
  );
  return block('{', lines, '}');
}

function builtObject(values: readonly Value[], types: readonly DataType[]): string {
  if (values.length % 2 !== 0) throw fail.execution('argument list must have even number of elements');
  const members = new Map<string, string>();
  for (let i = 0; i < values.length; i += 2) {
    if (values[i] === null) throw fail.execution(`argument ${i + 1} cannot be null: object keys are texts`);
    members.set(valueText(types[i]!, values[i]!), valueJson(types[i + 1]!, values[i + 1]!));
  }
  return objectText(members);
}

function objectText(members: Iterable<readonly [key: string, json: string]>): string {
  return `{${Array.from(members, ([key, json]) => `${JSON.stringify(key)}:${json}`).join(',')}}`;
}

/** A value inside of JSON. */
export function valueJson(type: DataType, value: Value): string {
  if (value === null) return 'null';
  switch (type.name) {
    case 'json':
    case 'file':
      return value as string;
    case 'timestamp':
    case 'datetime':
      return `"${valueText(type, value).replace(' ', 'T')}"`;
    case 'date':
    case 'time':
      return `"${valueText(type, value)}"`;
    case 'bytes':
      return JSON.stringify(valueText(type, value));
    case 'bigint':
    case 'decimal':
      return valueText(type, value);
    default:
      return toJson(type, value);
  }
}
