/**
 * Key order: which of two rows comes first, as the server orders rows of a query without ORDER BY.
 *
 * Laws: 64-bit integers and decimals arrive as texts and compare as numbers, exactly. Texts compare by their UTF-8 bytes, which is the order
 * of code points and not that of UTF-16 units.
 */
import type {Cell, LiveRow} from '@kalamdb/protocol/messages.ts';
import type {ResultColumn} from '@kalamdb/protocol/values.ts';

export type Compare<Row> = (a: Row, b: Row) => number;

type CompareCells = (a: Cell, b: Cell) => number;

/** By the cells of these columns, the first one first. A column the schema does not name compares as text. */
export function keyOrder(columns: readonly string[], schema: readonly ResultColumn[]): Compare<LiveRow> {
  const parts = columns.map(name => [name, compareOf(schema.find(column => column.name === name)?.data_type)] as const);
  return (a, b) => {
    for (const [name, compare] of parts) {
      const order = compareNulls(a[name] ?? null, b[name] ?? null, compare);
      if (order !== 0) return order;
    }
    return 0;
  };
}

function compareOf(type: ResultColumn['data_type'] | undefined): CompareCells {
  if (type === 'BigInt' || (typeof type === 'object' && 'Decimal' in type)) return compareNumerals;
  if (type === 'Bytes' || (typeof type === 'object' && 'Embedding' in type)) return compareLists;
  return compareScalars;
}

/** NULL comes last. */
function compareNulls(a: Cell, b: Cell, compare: CompareCells): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return compare(a, b);
}

function compareScalars(a: Cell, b: Cell): number {
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b);
  return a! < b! ? -1 : a! > b! ? 1 : 0;
}

/** Numerals of one column: integers, or decimals of the same scale, so that the digits alone decide. */
function compareNumerals(a: Cell, b: Cell): number {
  const left = digits(a);
  const right = digits(b);
  return left < right ? -1 : left > right ? 1 : 0;
}

function digits(cell: Cell): bigint {
  return BigInt(String(cell).replace('.', ''));
}

function compareLists(a: Cell, b: Cell): number {
  const left = a as number[];
  const right = b as number[];
  for (let i = 0; i < left.length && i < right.length; i++) {
    if (left[i] !== right[i]) return left[i]! - right[i]!;
  }
  return left.length - right.length;
}

function compareTexts(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return codePointRank(left) - codePointRank(right);
  }
  return a.length - b.length;
}

/** UTF-16 puts surrogates, which stand for the highest code points, below U+E000 to U+FFFF. */
function codePointRank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
