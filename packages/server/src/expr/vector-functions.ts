/** Functions of vectors in the function table. A vector is an EMBEDDING, a JSON array or a text of one. */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {sqlName} from '../model/type-table.ts';
import type {FunctionFacts} from './functions.ts';
import {isJsonArray, isRawNumber, parseJson} from './json.ts';
import {clip, isTextual} from './numbers.ts';

export const VECTOR_FUNCTIONS: readonly FunctionFacts[] = [
  {
    name: 'COSINE_DISTANCE',
    args: ['any', 'any'],
    result: {name: 'float'},
    eval: ([a, b], _env, [typeA, typeB]) => cosineDistance(vectorOf(a!, typeA!), vectorOf(b!, typeB!)),
    doc: '1 − the cosine between two vectors of one dimension; 1 when one of them is zero.',
    example: ["COSINE_DISTANCE(CAST('[1,0]' AS EMBEDDING(2)), '[0,2]')", '1'],
  },
];

function cosineDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length)
    throw fail.execution(`COSINE_DISTANCE() dimension mismatch: row has ${a.length}, query has ${b.length}`);
  let [product, squaresA, squaresB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i]! * b[i]!;
    squaresA += a[i]! * a[i]!;
    squaresB += b[i]! * b[i]!;
  }
  const norms = Math.sqrt(squaresA * squaresB);
  return norms === 0 ? 1 : Math.fround(1 - product / norms);
}

let lastText = '';
let lastVector: Float32Array = new Float32Array();

/** The vector written last is remembered: a query asks for the distance of one from all rows. */
function vectorOf(value: Value, type: DataType): Float32Array {
  if (type.name === 'embedding') return new Float32Array(Uint8Array.from(value as Uint8Array).buffer);
  if (!isTextual(type)) throw fail.execution(`COSINE_DISTANCE() cannot take an argument of type ${sqlName(type)}`);
  const text = value as string;
  if (text === lastText) return lastVector;
  const list = parseJson(text);
  const numbers = isJsonArray(list)
    ? list.map(one =>
        isRawNumber(one) ? Number(one.rawJSON) : typeof one === 'number' ? one : one === null ? 0 : Number.NaN,
      )
    : [Number.NaN];
  const vector = Float32Array.from(numbers);
  if (!vector.every(Number.isFinite)) throw fail.execution(`Unable to cast value '${clip(text)}' to a vector`);
  [lastText, lastVector] = [text, vector];
  return vector;
}
