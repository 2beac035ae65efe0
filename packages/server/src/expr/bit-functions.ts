/** Functions of the bits of integers, which operators call. Results have the wider type of both sides; shifts that of their left one. */
import type {DataType, Value} from '../model/datatype.ts';
import type {FunctionFacts} from './functions.ts';
import {isInteger} from './numbers.ts';

const WIDTHS: Readonly<Partial<Record<DataType['name'], number>>> = {smallint: 16, int: 32, bigint: 64};

export const BIT_FUNCTIONS: readonly FunctionFacts[] = [
  both('BITAND', (a, b) => a & b, 'Bits that both have; `a & b`.', ['12 & 10', '8']),
  both('BITOR', (a, b) => a | b, 'Bits that one has; `a | b`.', ['12 | 10', '14']),
  both('BITXOR', (a, b) => a ^ b, 'Bits that one has and the other has not; `a # b`.', ['12 # 10', '6']),
  {
    name: 'BITNOT',
    args: ['integer'],
    result: ([type]) => type!,
    returns: 'as its argument',
    eval: ([value], _env, _types, result) => fitting(~BigInt(value as bigint), result),
    doc: 'Bits it has not; `~ a`.',
    example: ['~ 12', '-13'],
  },
  shift('BITSHIFTLEFT', (a, count) => a << count, 'Bits moved up; `a << n`. What leaves the type is lost.', [
    '1 << 4',
    '16',
  ]),
  shift('BITSHIFTRIGHT', (a, count) => a >> count, 'Bits moved down, the sign kept; `a >> n`.', ['-17 >> 2', '-5']),
];

function both(
  name: string,
  apply: (a: bigint, b: bigint) => bigint,
  doc: string,
  example: FunctionFacts['example'],
): FunctionFacts {
  return {
    name,
    args: ['integer', 'integer'],
    result: ([a, b]) => (widthOf(a!) >= widthOf(b!) ? a! : b!),
    returns: 'the wider of both',
    eval: ([a, b], _env, _types, result) => fitting(apply(BigInt(a as bigint), BigInt(b as bigint)), result),
    doc,
    example,
  };
}

/** As the machines that PostgreSQL runs on: of the count only the bits that number the places of the type, of a SMALLINT those of an INT. */
function shift(
  name: string,
  apply: (a: bigint, count: bigint) => bigint,
  doc: string,
  example: FunctionFacts['example'],
): FunctionFacts {
  return {
    name,
    args: ['integer', 'int'],
    result: ([type]) => type!,
    returns: 'as its first argument',
    eval: ([value, count], _env, _types, result) => {
      const places = Math.max(widthOf(result), 32);
      return fitting(apply(BigInt(value as bigint), BigInt((count as number) & (places - 1))), result);
    },
    doc,
    example,
  };
}

function widthOf(type: DataType): number {
  return isInteger(type) ? WIDTHS[type.name]! : 0;
}

function fitting(value: bigint, type: DataType): Value {
  const fits = BigInt.asIntN(widthOf(type), value);
  return type.name === 'bigint' ? fits : Number(fits);
}
