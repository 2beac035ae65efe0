/**
 * PostgreSQL as an engine, spoken to by psql: a second opinion on what a script expects. No test needs it.
 *
 * The server is the one that the PG* variables of the environment name; its schemas are dropped and made by the scripts. Statements are turned
 * into its dialect word by word, so scripts that stay close to the standard run on both. Rows of a SELECT without ORDER BY have no order there.
 */
import {spawnSync} from 'node:child_process';
import type {DataTypeJson, ResultColumn} from '@kalamdb/protocol/values.ts';
import type {Cell} from '../test-database.ts';
import type {Engine, Outcome} from './engine.ts';

const MARK = '@@ types end here @@';
const NULL_TEXT = '\u0001';

export function postgresEngine(): Engine {
  for (const schema of ['app', 'other']) psql(`DROP SCHEMA IF EXISTS ${schema} CASCADE;`);
  return {
    names: ['postgresql'],
    execute: sql => Promise.resolve(execute(sql)),
    flush: () => Promise.resolve(),
    compact: () => Promise.resolve(),
    restart: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

function execute(sql: string): Outcome {
  const text = translated(sql);
  if (!/^\s*(?:select|with|values|\()|\breturning\b/i.test(text)) {
    const {output, error} = psql(`${text};`);
    if (error !== undefined) return {kind: 'error', message: error};
    return {kind: 'done', count: Number(/^(?:INSERT 0|UPDATE|DELETE) (\d+)$/m.exec(output)?.[1] ?? 0)};
  }
  const {output, error} = psql(`${text} \\gdesc\n\\echo ${MARK}\n${text};`);
  if (error !== undefined) return {kind: 'error', message: error};
  const [described = '', answer = ''] = output.split(`${MARK}\n`);
  const columns = described.split('\n').slice(0, -1).map(describedColumn);
  // Behind the rows of RETURNING stands what was done.
  const tagless = answer.replace(/(?:INSERT 0|UPDATE|DELETE) \d+\n$/, '');
  const lines = tagless === '' ? [] : tagless.slice(0, -1).split('\n');
  return {kind: 'rows', columns, rows: lines.map(line => cellsOf(line, columns))};
}

function psql(input: string): {output: string; error: string | undefined} {
  const args = ['-X', '-A', '-t', '-F', '\t', '-P', `null=${NULL_TEXT}`, '-v', 'ON_ERROR_STOP=1'];
  const {stdout, stderr, error, status} = spawnSync('psql', args, {input, encoding: 'utf8'});
  if (error !== undefined) throw error;
  if (status === 2) throw new Error(stderr);
  return {output: stdout, error: /^(?:psql:.*)?ERROR: +(.*)$/m.exec(stderr)?.[1]};
}

const WORDS: readonly [pattern: RegExp, replacement: string][] = [
  [/\b(CREATE|DROP) NAMESPACE\b/gi, '$1 SCHEMA'],
  [/\bCREATE (?:USER|SHARED) TABLE\b/gi, 'CREATE TABLE'],
  [/\bDOUBLE\b(?! PRECISION)/gi, 'DOUBLE PRECISION'],
  [/\bFLOAT\b/gi, 'REAL'],
  [/\bDATETIME\b/gi, 'TIMESTAMP'],
  [/\bBYTES\b/gi, 'BYTEA'],
  [/\bSTRING\b/gi, 'TEXT'],
];

/** Texts in quotes stay as they are, hexadecimal ones become bytes. */
function translated(sql: string): string {
  return sql
    .split(/((?:\b[XxEe])?'(?:[^']|'')*')/)
    .map((part, i) => {
      if (i % 2 === 0) return WORDS.reduce((text, [from, to]) => text.replace(from, to), part);
      return /^[Xx]/.test(part) ? `'\\x${part.slice(2)}::bytea` : part;
    })
    .join('');
}

function describedColumn(line: string, index: number): ResultColumn {
  const [name = '', type = ''] = line.split('\t');
  return {name, data_type: dataType(type), index};
}

function dataType(type: string): DataTypeJson {
  if (type.startsWith('numeric')) return {Decimal: {precision: 38, scale: 10}};
  if (type.startsWith('timestamp')) return 'Timestamp';
  if (type.startsWith('time')) return 'Time';
  return TYPES[type] ?? 'Text';
}

const TYPES: {readonly [type: string]: DataTypeJson} = {
  smallint: 'SmallInt',
  integer: 'Int',
  bigint: 'BigInt',
  real: 'Float',
  'double precision': 'Double',
  boolean: 'Boolean',
  date: 'Date',
  json: 'Json',
  bytea: 'Bytes',
  uuid: 'Uuid',
};

/** Back into the form of our wire, so that one writer of texts serves both. */
function cellsOf(line: string, columns: readonly ResultColumn[]): Cell[] {
  return line.split('\t').map((text, i): Cell => {
    if (text === NULL_TEXT) return null;
    switch (columns[i]?.data_type) {
      case 'Boolean':
        return text === 't';
      case 'Float':
      case 'Double':
        return Number(text);
      case 'Date':
        return Date.parse(`${text}T00:00:00Z`) / 86_400_000;
      case 'Timestamp':
        return micros(text.replace(' ', 'T').replace(/\+00$/, ''));
      case 'Time':
        return micros(`1970-01-01T${text}`);
      case 'Bytes':
        return [...Buffer.from(text.slice(2), 'hex')] as unknown as Cell;
      default:
        return text;
    }
  });
}

function micros(moment: string): number {
  const [second = '', fraction = ''] = moment.split('.');
  return Date.parse(`${second}Z`) * 1000 + Number(fraction.padEnd(6, '0'));
}
