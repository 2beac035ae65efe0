/**
 * Runner: runs the records of a script against an engine and tells every record that was answered otherwise.
 *
 * Law: an answer is right only if the count of columns, the class of their types, every value and, unless the record sorts, their order are.
 */
import type {DataTypeJson} from '@kalamdb/protocol/values.ts';
import {type Engine, type Outcome, typeLetter} from './engine.ts';
import {parseScript, type ScriptRecord} from './script.ts';
import {hashLine, sortedRows, valueTexts} from './values.ts';

export interface ScriptResult {
  /** `line 12: …`, one text per record that failed. */
  readonly failures: readonly string[];
  readonly statements: number;
  readonly queries: number;
}

type Query = Extract<ScriptRecord, {kind: 'query'}>;
type Statement = Extract<ScriptRecord, {kind: 'statement'}>;

interface State {
  user: string;
  hashThreshold: number;
  readonly labels: Map<string, string>;
}

export async function runScript(text: string, engine: Engine): Promise<ScriptResult> {
  const failures: string[] = [];
  const state: State = {user: 'root', hashThreshold: 0, labels: new Map()};
  let [statements, queries] = [0, 0];
  for (const record of parseScript(text)) {
    if (!isFor(record, engine)) continue;
    if (record.kind === 'halt') break;
    if (record.kind === 'statement') statements++;
    if (record.kind === 'query') queries++;
    const problem = await runRecord(record, engine, state);
    if (problem !== undefined) failures.push(`line ${record.line}: ${problem}`);
  }
  return {failures, statements, queries};
}

export function isFor(record: ScriptRecord, engine: Engine): boolean {
  const isNamed = (name: string) => engine.names.includes(name);
  return !record.skipIf.some(isNamed) && record.onlyIf.every(isNamed);
}

async function runRecord(record: ScriptRecord, engine: Engine, state: State): Promise<string | undefined> {
  switch (record.kind) {
    case 'statement':
      return checkStatement(record, await engine.execute(record.sql, state.user));
    case 'query':
      return checkQuery(record, await engine.execute(record.sql, state.user), state);
    case 'user':
      state.user = record.user;
      return undefined;
    case 'hash-threshold':
      state.hashThreshold = record.values;
      return undefined;
    case 'flush':
    case 'compact':
    case 'restart':
      await engine[record.kind]();
      return undefined;
    case 'halt':
      return undefined;
    default:
      return record satisfies never;
  }
}

function checkStatement({sql, expect}: Statement, outcome: Outcome): string | undefined {
  if (expect.kind === 'error') {
    if (outcome.kind !== 'error') return `succeeded and should have failed: ${sql}`;
    if (expect.pattern === undefined || expect.pattern.test(outcome.message)) return undefined;
    return `failed otherwise than ${expect.pattern}: ${outcome.message}`;
  }
  if (outcome.kind === 'error') return `failed: ${outcome.message}\n  ${sql}`;
  if (expect.count === undefined) return undefined;
  const count = outcome.kind === 'done' ? outcome.count : outcome.rows.length;
  return count === expect.count ? undefined : `${count} rows instead of ${expect.count}: ${sql}`;
}

function checkQuery(record: Query, outcome: Outcome, state: State): string | undefined {
  const {sql, types, sort, label, columns} = record;
  if (record.expected === undefined) return `a query without ---- and its answer: ${sql}`;
  if (outcome.kind === 'error') return `failed: ${outcome.message}\n  ${sql}`;
  if (outcome.kind === 'done') return `has no rows: ${sql}`;
  const letters = outcome.columns.map(column => typeLetter(column.data_type)).join('');
  if (letters !== types) return `columns of types ${letters} instead of ${types}: ${sql}`;
  const named = outcome.columns.map(column => `${column.name}:${typeText(column.data_type)}`).join(' ');
  if (columns !== undefined && named !== columns) return `columns ${named} instead of ${columns}: ${sql}`;
  const rows = sortedRows(valueTexts(outcome.columns, outcome.rows), sort);
  const values = rows.flat();
  const known = label === undefined ? undefined : state.labels.get(label);
  if (label !== undefined) state.labels.set(label, hashLine(values));
  if (known !== undefined && known !== hashLine(values)) return `another answer than label ${label} had: ${sql}`;
  const isHashed = state.hashThreshold > 0 && values.length > state.hashThreshold;
  const actual = isHashed && /values hashing to/.test(record.expected[0] ?? '') ? [hashLine(values)] : values;
  const expected = expectedValues(record.expected, types.length);
  if (actual.length === expected.length && actual.every((value, i) => value === expected[i])) return undefined;
  return `${sql}\n  expected: ${shown(record.expected)}\n  actual:   ${shown(rows.map(row => row.join('\t')))}`;
}

/** `BigInt`, `Decimal(10,2)`, `Embedding(3)` */
function typeText(type: DataTypeJson): string {
  if (typeof type === 'string') return type;
  if ('Embedding' in type) return `Embedding(${type.Embedding})`;
  return `Decimal(${type.Decimal.precision},${type.Decimal.scale})`;
}

/** A tab shows that lines are rows; else each line is one value. */
function expectedValues(lines: readonly string[], width: number): string[] {
  const isByRow = width > 1 && lines.some(line => line.includes('\t'));
  return isByRow ? lines.flatMap(line => line.split('\t')) : [...lines];
}

function shown(lines: readonly string[]): string {
  const some = lines.slice(0, 20).join(' | ');
  return lines.length <= 20 ? some : `${some} … (${lines.length} lines)`;
}
