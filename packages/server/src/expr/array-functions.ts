/** Functions of arrays, which are JSON, in the function table. */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {castValue} from '../model/values.ts';
import type {FunctionFacts} from './functions.ts';
import {isJsonArray, isJsonObject, JSON_TYPE, type Json, jsonText, parseJson} from './json.ts';
import {meet} from './json-changes.ts';
import {valueJson} from './json-functions.ts';
import {BOOLEAN, INT, TEXT} from './numbers.ts';
import {type ComparisonOperator, comparator, orderTest} from './operators.ts';
import {bounded} from './text-limit.ts';

const OPERATORS: ReadonlySet<string> = new Set(['=', '<>', '<', '<=', '>', '>=']);

export const ARRAY_FUNCTIONS: readonly FunctionFacts[] = [
  compareEach('COMPARE_ANY', true, 'Does the comparison hold for an element? `x = ANY (array)`.', [
    "2 = ANY ('[1,2,3]'::JSON)",
    'true',
  ]),
  compareEach('COMPARE_ALL', false, 'Does the comparison hold for every element? `x > ALL (array)`.', [
    "2 > ALL ('[1,2,3]'::JSON)",
    'false',
  ]),
  {
    name: 'CARDINALITY',
    args: ['json'],
    result: INT,
    eval: ([array]) => elementsOf(array).length,
    doc: 'Number of elements.',
    example: ['CARDINALITY(ARRAY[5, 6, 7])', '3'],
  },
  {
    name: 'ARRAY_LENGTH',
    args: ['json', 'int'],
    optional: 1,
    result: INT,
    eval: ([array, dimension = 1]) => {
      const {length} = elementsOf(array);
      return dimension !== 1 || length === 0 ? null : length;
    },
    doc: 'Number of elements; NULL if there is none.',
    example: ['ARRAY_LENGTH(ARRAY[5, 6, 7], 1)', '3'],
  },
  {
    name: 'ARRAY_APPEND',
    args: ['json', 'any'],
    isStrict: false,
    result: JSON_TYPE,
    eval: ([array, value], _env, [, type]) => joined([...jsonsOf(array), valueJson(type!, value!)]),
    doc: 'The array with a value behind its elements; NULL is the empty array.',
    example: ["ARRAY_APPEND(ARRAY['a'], 'b')", '["a","b"]'],
  },
  {
    name: 'ARRAY_PREPEND',
    args: ['any', 'json'],
    isStrict: false,
    result: JSON_TYPE,
    eval: ([value, array], _env, [type]) => joined([valueJson(type!, value!), ...jsonsOf(array)]),
    doc: 'The array with a value before its elements; NULL is the empty array.',
    example: ['ARRAY_PREPEND(1, ARRAY[2, 3])', '[1,2,3]'],
  },
  {
    name: 'ARRAY_CAT',
    args: ['json', 'json'],
    isStrict: false,
    result: JSON_TYPE,
    eval: ([a, b]) => (a === null && b === null ? null : joined([...jsonsOf(a), ...jsonsOf(b)])),
    doc: 'The elements of both; NULL is the empty array.',
    example: ['ARRAY_CAT(ARRAY[1], ARRAY[2, 3])', '[1,2,3]'],
  },
  {
    name: 'ARRAY_REMOVE',
    args: ['json', 'any'],
    isStrict: false,
    result: JSON_TYPE,
    eval: ([array, value], _env, [, type]) => {
      if (array === null) return null;
      return joined(
        elementsOf(array)
          .filter(element => !isElement(element, value!, type!))
          .map(element => JSON.stringify(element)),
      );
    },
    doc: 'The array without the elements of that value.',
    example: ['ARRAY_REMOVE(ARRAY[1, 2, 1], 1)', '[2]'],
  },
  {
    name: 'ARRAY_CONTAINS',
    aliases: ['ARRAY_HAS'],
    args: ['json', 'any'],
    result: BOOLEAN,
    eval: ([array, wanted], _env, [, type]) =>
      elementsOf(array).some(element => orderOf(element, wanted!, type!) === 0),
    doc: 'Is there an element of that value?',
    example: ['ARRAY_CONTAINS(ARRAY[1, 2], 2)', 'true'],
  },
  {
    name: 'ARRAY_HAS_ANY',
    args: ['json', 'json'],
    result: BOOLEAN,
    eval: ([a, b]) => meet(elementsOf(a), elementsOf(b)),
    doc: 'The operator `&&`: is there a number, text or truth value in both?',
    example: ['ARRAY[1, 2] && ARRAY[2, 3]', 'true'],
  },
  {
    name: 'ARRAY_REPLACE',
    args: ['json', 'any', 'any'],
    isStrict: false,
    result: JSON_TYPE,
    eval: ([array, from, to], _env, [, fromType, toType]) => {
      if (array === null) return null;
      const instead = valueJson(toType!, to!);
      return joined(elementsOf(array).map(one => (isElement(one, from!, fromType!) ? instead : JSON.stringify(one))));
    },
    doc: 'The array with one value in place of another.',
    example: ['ARRAY_REPLACE(ARRAY[1, 2, 1], 1, 9)', '[9,2,9]'],
  },
  {
    name: 'ARRAY_POSITIONS',
    args: ['json', 'any'],
    isStrict: false,
    result: JSON_TYPE,
    eval: ([array, value], _env, [, type]) => {
      if (array === null) return null;
      const places = elementsOf(array).flatMap((one, i) => (isElement(one, value!, type!) ? [String(i + 1)] : []));
      return joined(places);
    },
    doc: 'Places of the elements of that value, from 1.',
    example: ["ARRAY_POSITIONS(ARRAY['a', 'b', 'a'], 'a')", '[1,3]'],
  },
  {
    name: 'ARRAY_TO_STRING',
    args: ['json', 'text', 'text'],
    optional: 1,
    result: TEXT,
    eval: ([array, separator, instead]) => {
      const texts = elementsOf(array).map(element => jsonText(element) ?? (instead as string | undefined));
      return bounded(texts.filter(text => text !== undefined).join(separator as string));
    },
    doc: 'Elements as one text; nulls are left out, or written as the third argument.',
    example: ["ARRAY_TO_STRING(ARRAY[1, NULL, 3], ',', '*')", '1,*,3'],
  },
  {
    name: 'STRING_TO_ARRAY',
    args: ['text', 'text', 'text'],
    optional: 1,
    isStrict: false,
    result: JSON_TYPE,
    eval: ([text, separator, asNull]) => (text === null ? null : splitText(text as string, separator!, asNull)),
    doc: 'The parts of a text as an array; without a separator (NULL) its characters. Parts like the third argument are null.',
    example: ["STRING_TO_ARRAY('a,b,,c', ',', '')", '["a","b",null,"c"]'],
  },
  {
    name: 'JSON_ENTRIES',
    args: ['json'],
    result: JSON_TYPE,
    eval: ([object]) => {
      const found = parseJson(object as string);
      if (!isJsonObject(found)) throw fail.execution('this JSON is no object');
      return bounded(JSON.stringify(Object.entries(found)));
    },
    doc: 'Keys and values of an object, as an array of pairs.',
    example: [`JSON_ENTRIES('{"a":1,"b":2}')`, '[["a",1],["b",2]]'],
  },
  {
    name: 'JSON_JOINED',
    args: ['json'],
    result: TEXT,
    eval: ([array]) => {
      const elements = elementsOf(array);
      return elements.length === 0 ? null : bounded(elements.map(element => JSON.stringify(element)).join(PARTING));
    },
    doc: 'Elements as JSON texts, U+001F between them; NULL if there is none. What JSON_ARRAY_ELEMENTS and its like call.',
    example: [`LENGTH(JSON_JOINED('[1,"b"]'))`, '5'],
  },
  {
    name: 'ARRAY_POSITION',
    args: ['json', 'any'],
    result: INT,
    eval: ([array, wanted], _env, [, type]) => {
      const index = elementsOf(array).findIndex(element => orderOf(element, wanted!, type!) === 0);
      return index < 0 ? null : index + 1;
    },
    doc: 'Place of the first element of that value, from 1.',
    example: ["ARRAY_POSITION(ARRAY['a', 'b'], 'b')", '2'],
  },
];

/** What parts elements: no JSON text holds it as it is. */
const PARTING = '\u001f';

function jsonsOf(array: Value | undefined): string[] {
  return array === null ? [] : elementsOf(array).map(element => JSON.stringify(element));
}

function joined(elements: readonly string[]): string {
  return bounded(`[${elements.join(',')}]`);
}

export function elementsOf(array: Value | undefined): readonly Json[] {
  const found = parseJson(array as string);
  if (isJsonArray(found)) return found;
  throw fail.execution('this JSON is no array');
}

/** NULL compared with nothing at all is decided, too. */
function compareEach(name: string, isAny: boolean, doc: string, example: FunctionFacts['example']): FunctionFacts {
  return {
    name,
    args: ['any', 'text', 'array'],
    isStrict: false,
    result: BOOLEAN,
    eval: ([value, op, array], _env, [type]) => {
      if (array === null) return null;
      if (!OPERATORS.has(op as string)) throw fail.execution(`${name}() takes a comparison`);
      const elements = elementsOf(array);
      if (value === null) return elements.length === 0 ? !isAny : null;
      const test = orderTest(op as ComparisonOperator);
      let isUnknown = false;
      for (const element of elements) {
        const order = orderOf(element, value!, type!);
        if (order === undefined) isUnknown = true;
        else if (test(order) === isAny) return isAny;
      }
      return isUnknown ? null : !isAny;
    },
    doc,
    example,
  };
}

/** NULL is an element that is null. */
function isElement(element: Json, value: Value, type: DataType): boolean {
  return value === null ? element === null : orderOf(element, value, type) === 0;
}

/** Of a value to an element, which takes its type; undefined for null. */
function orderOf(element: Json, value: Value, type: DataType): number | undefined {
  if (element === null) return undefined;
  const compare = comparator(type, type);
  if (compare === undefined) throw fail.execution('values of this type have no order');
  return compare(value, elementAs(element, type));
}

/** In memory form, as the type; throws if it is none of it. */
export function elementAs(element: Json, type: DataType): Value {
  if (type.name === 'json') return JSON.stringify(element);
  if (typeof element === 'boolean' && type.name === 'boolean') return element;
  if (typeof element === 'string') return castValue(element, TEXT, type);
  return castValue(jsonText(element), TEXT, type);
}

function splitText(text: string, separator: Value, asNull: Value | undefined): string {
  const parts =
    text === '' ? [] : separator === null ? [...text] : separator === '' ? [text] : text.split(separator as string);
  return JSON.stringify(parts.map(part => (part === asNull ? null : part)));
}
