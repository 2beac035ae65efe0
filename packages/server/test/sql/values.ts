/**
 * Values of an answer as the texts that stand in a script: moments as SQL writes them, bytes as hexadecimal digits, the rest as on the wire.
 */
import {createHash} from 'node:crypto';
import type {DataTypeJson, ResultColumn} from '@kalamdb/protocol/values.ts';
import type {Cell} from '../test-database.ts';
import type {SortMode} from './script.ts';

/** `(empty)` and `@` for control characters keep every value on one line. */
export function valueTexts(columns: readonly ResultColumn[], rows: readonly (readonly Cell[])[]): string[][] {
  return rows.map(row => row.map((cell, i) => valueText(columns[i]!.data_type, cell)));
}

function valueText(type: DataTypeJson, cell: Cell | readonly number[]): string {
  if (cell === null) return 'NULL';
  switch (type) {
    case 'Timestamp':
    case 'DateTime':
      return momentText(cell as number).replace('T', ' ');
    case 'Date':
      return momentText((cell as number) * 86_400e6).slice(0, -9);
    case 'Time':
      return momentText(cell as number).slice(11);
    case 'Bytes':
      return `\\x${Buffer.from(cell as unknown as number[]).toString('hex')}`;
    default:
      return cell === '' ? '(empty)' : String(cell).replace(/[\x00-\x1f\x7f]/g, '@');
  }
}

/** `2020-01-31T23:59:59.5`; years 0 to 9999 only. */
function momentText(micros: number): string {
  const rest = ((micros % 1e6) + 1e6) % 1e6;
  const second = new Date((micros - rest) / 1e3).toISOString().slice(0, 19);
  return rest === 0 ? second : `${second}.${String(rest).padStart(6, '0').replace(/0+$/, '')}`;
}

/** The values in the order that the sort mode asks for, row by row. */
export function sortedRows(rows: readonly (readonly string[])[], mode: SortMode): (readonly string[])[] {
  if (mode === 'nosort') return [...rows];
  if (mode === 'rowsort') return [...rows].sort((a, b) => byBytes(a.join('\t'), b.join('\t')));
  return rows
    .flat()
    .sort(byBytes)
    .map(value => [value]);
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** `30 values hashing to …`, the MD5 of all values, each with a line end behind it. */
export function hashLine(values: readonly string[]): string {
  const hash = createHash('md5');
  for (const value of values) hash.update(`${value}\n`);
  return `${values.length} values hashing to ${hash.digest('hex')}`;
}
