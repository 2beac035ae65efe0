/**
 * JSON functions of the function table: a document and a path of keys and indexes. What is missing or of another type is NULL.
 */
import type {DataType, Value} from '../model/datatype.ts';
import {toJson, valueText} from '../model/values.ts';
import type {FunctionFacts} from './functions.ts';
import {type Json, jsonLength, jsonStep, jsonText, parseJson} from './json.ts';
import {BIGINT, BOOLEAN, DOUBLE, TEXT} from './numbers.ts';

const JSON_TYPE: DataType = {name: 'json'};

export const JSON_FUNCTIONS: readonly FunctionFacts[] = [
  path('JSON_GET_JSON', JSON_TYPE, found => (found === undefined ? null : JSON.stringify(found)), 'Element as JSON.'),
  path('JSON_GET', JSON_TYPE, found => (found === undefined ? null : JSON.stringify(found)), 'Element as JSON.'),
  path(
    'JSON_GET_ARRAY',
    JSON_TYPE,
    found => (Array.isArray(found) ? JSON.stringify(found) : null),
    'Element if it is an array.',
  ),
  path('JSON_AS_TEXT', TEXT, jsonText, 'Element as text, scalars unquoted.'),
  path('JSON_GET_STR', TEXT, found => (typeof found === 'string' ? found : null), 'Element if it is a string.'),
  path(
    'JSON_GET_INT',
    BIGINT,
    found => (Number.isSafeInteger(found) ? BigInt(found as number) : null),
    'Element if it is an integer.',
  ),
  path('JSON_GET_FLOAT', DOUBLE, found => (typeof found === 'number' ? found : null), 'Element if it is a number.'),
  path('JSON_GET_BOOL', BOOLEAN, found => (typeof found === 'boolean' ? found : null), 'Element if it is a boolean.'),
  path('JSON_CONTAINS', BOOLEAN, found => found !== undefined, 'Is there such an element?'),
  path('JSON_LENGTH', BIGINT, jsonLength, 'Number of elements or keys.'),
  path('JSON_OBJECT_KEYS', JSON_TYPE, keysOf, 'Keys of an object as a JSON array.'),
  {
    name: 'JSON_FROM_SCALAR',
    args: ['any'],
    result: JSON_TYPE,
    // A number is a number in JSON, though the wire quotes the exact ones.
    eval: ([value], _env, [type]) =>
      type!.name === 'bigint' || type!.name === 'decimal' ? valueText(type!, value!) : toJson(type!, value!),
    doc: 'A value as JSON.',
  },
];

function path(name: string, result: DataType, read: (found: Json | undefined) => Value, doc: string): FunctionFacts {
  return {
    name,
    args: ['text', 'any'],
    optional: 1,
    isVariadic: true,
    result,
    eval: ([document, ...steps]) => {
      let found = parseJson(document as string);
      for (const step of steps) found = jsonStep(found, step);
      return read(found);
    },
    doc,
  };
}

function keysOf(found: Json | undefined): Value {
  if (found === undefined || found === null || typeof found !== 'object' || Array.isArray(found)) return null;
  return JSON.stringify(Object.keys(found));
}
