/**
 * Format: replies as text. Pure.
 *
 *     table      aligned columns, numbers to the right        csv    RFC 4180, a header per result
 *     expanded   one line per column                          json   the reply as it came
 */
import type {DataTypeJson, ResultColumn} from '@kalamdb/protocol/values.ts';
import type {Cell, Reply, Result} from './server.ts';

export const FORMATS = ['table', 'json', 'csv'] as const;
export type Format = (typeof FORMATS)[number];

export interface FormatOptions {
  readonly format: Format;
  readonly isExpanded: boolean;
  /** Adds who ran it and how long the server took. */
  readonly isTimed: boolean;
}

/** Wider cells are cut in tables, never elsewhere. */
const CELL_WIDTH_MAX = 100;
const RIGHT_ALIGNED: ReadonlySet<string> = new Set(['SmallInt', 'Int', 'BigInt', 'Float', 'Double', 'Decimal']);
const MICROS_PER_MS = 1000;
const MS_PER_DAY = 86_400_000;

/** Ends in a line break, or is empty. */
export function formatReply(reply: Reply, options: FormatOptions): string {
  if (options.format === 'json') return `${JSON.stringify(reply, undefined, 2)}\n`;
  if (options.format === 'csv') return reply.results.map(csvResult).filter(Boolean).join('\n');
  const results = reply.results.map(result => tableResult(result, options));
  const asUser = reply.results[0]?.as_user;
  const footer = [asUser === undefined ? '' : `As: ${asUser}\n`, `Took: ${reply.took.toFixed(3)} ms\n`].join('');
  return `${results.join('\n')}${options.isTimed ? `\n${footer}` : ''}`;
}

function tableResult({schema, rows, row_count, message, truncated}: Result, {isExpanded}: FormatOptions): string {
  if (schema === undefined) return `${message ?? `${row_count} row(s)`}\n`;
  const cells = (rows ?? []).map(row => row.map((cell, i) => cellText(cell, schema[i]!.data_type)));
  const body = isExpanded ? expanded(schema, cells) : aligned(schema, cells);
  const count = `(${row_count} row${row_count === 1 ? '' : 's'})`;
  const cut = truncated === true ? ' There are more: give a LIMIT.' : '';
  return `${body}${count}${cut}\n`;
}

function aligned(schema: readonly ResultColumn[], rows: readonly (readonly string[])[]): string {
  const shown = rows.map(row => row.map(cell => cut(oneLine(cell))));
  const widths = schema.map(({name}, i) => Math.max(width(name), ...shown.map(row => width(row[i]!))));
  const isRight = schema.map(({data_type}) => RIGHT_ALIGNED.has(typeName(data_type)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => ` ${padded(cell, widths[i]!, isRight[i]!)} `)
      .join('|')
      .trimEnd();
  const header = schema
    .map(({name}, i) => ` ${padded(name, widths[i]!, false)} `)
    .join('|')
    .trimEnd();
  const rule = widths.map(columns => '-'.repeat(columns + 2)).join('+');
  return [header, rule, ...shown.map(line)].map(text => `${text}\n`).join('');
}

function expanded(schema: readonly ResultColumn[], rows: readonly (readonly string[])[]): string {
  const most = Math.max(0, ...schema.map(({name}) => width(name)));
  return rows
    .map((row, index) => {
      const lines = row.map((cell, i) => `${padded(schema[i]!.name, most, false)} | ${cell}\n`);
      return `-[ row ${index + 1} ]${'-'.repeat(Math.max(0, most - 6))}\n${lines.join('')}`;
    })
    .join('');
}

function csvResult({schema, rows, message}: Result): string {
  if (schema === undefined) return message === undefined ? '' : `${csvCell(message)}\n`;
  const lines = (rows ?? []).map(row =>
    row.map((cell, i) => (cell === null ? '' : csvCell(cellText(cell, schema[i]!.data_type)))).join(','),
  );
  return [schema.map(({name}) => csvCell(name)).join(','), ...lines].map(line => `${line}\n`).join('');
}

/** An empty text is quoted, so that it is not NULL. */
function csvCell(text: string): string {
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A cell as people read it: moments as ISO 8601 in UTC, bytes as hexadecimal digits. */
export function cellText(cell: Cell, type: DataTypeJson): string {
  if (cell === null) return 'NULL';
  switch (typeName(type)) {
    case 'Timestamp':
    case 'DateTime':
      return typeof cell === 'number' ? momentText(BigInt(cell)) : String(cell);
    case 'Date':
      return typeof cell === 'number' ? dayText(cell) : String(cell);
    case 'Time':
      return typeof cell === 'number' ? timeText(cell) : String(cell);
    case 'Bytes':
      return Array.isArray(cell) ? `\\x${Buffer.from(cell as number[]).toString('hex')}` : String(cell);
    default:
      return typeof cell === 'object' ? JSON.stringify(cell) : String(cell);
  }
}

function typeName(type: DataTypeJson): string {
  return typeof type === 'string' ? type : Object.keys(type)[0]!;
}

/** Microseconds since 1970. Beyond what a date object holds, the number itself. */
function momentText(micros: bigint): string {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const date = new Date(Number((micros - fraction) / BigInt(MICROS_PER_MS)));
  if (Number.isNaN(date.getTime())) return String(micros);
  const digits = fraction === 0n ? '' : `.${String(fraction).padStart(6, '0').replace(/0+$/, '')}`;
  return `${date.toISOString().slice(0, -5)}${digits}Z`;
}

function dayText(days: number): string {
  const date = new Date(days * MS_PER_DAY);
  return Number.isNaN(date.getTime()) ? String(days) : date.toISOString().replace(/T.*/, '');
}

function timeText(micros: number): string {
  return momentText(BigInt(micros)).replace(/^.*T/, '').replace(/Z$/, '');
}

function oneLine(text: string): string {
  return text.replaceAll('\r', '\\r').replaceAll('\n', '\\n').replaceAll('\t', '\\t');
}

function cut(text: string): string {
  const characters = [...text];
  return characters.length <= CELL_WIDTH_MAX ? text : `${characters.slice(0, CELL_WIDTH_MAX - 1).join('')}…`;
}

/** Characters, not bytes; wide ones count as one. */
function width(text: string): number {
  return [...text].length;
}

function padded(text: string, columns: number, isRight: boolean): string {
  const blanks = ' '.repeat(Math.max(0, columns - width(text)));
  return isRight ? blanks + text : text + blanks;
}
