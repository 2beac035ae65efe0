/**
 * Complete: a tool for whoever writes scripts. It asks ours and PostgreSQL, tells where they differ from each other or from the script, and
 * writes the answer on which both agree behind a query that has no `----` yet.
 *
 *     node packages/server/test/sql/complete.ts <script.slt> …       with PGHOST, PGPORT, PGUSER of a server that may be used as one likes
 *
 * An answer that only one engine can give (skipif, onlyif) is written too and told, so that it is read again by a person.
 */
import {readFileSync, writeFileSync} from 'node:fs';
import {seededRandom} from '../../src/std/sim-clock.ts';
import {type Engine, type Outcome, openEngine, typeLetter} from './engine.ts';
import {postgresEngine} from './postgres.ts';
import {isFor} from './runner.ts';
import {parseScript, type ScriptRecord} from './script.ts';
import {sortedRows, valueTexts} from './values.ts';

type Query = Extract<ScriptRecord, {kind: 'query'}>;

for (const path of process.argv.slice(2)) await complete(path);

async function complete(path: string): Promise<void> {
  const text = readFileSync(path, 'utf8');
  const engines = [await openEngine('hot', seededRandom(1)), postgresEngine()];
  const answers = new Map<number, string[]>();
  let user = 'root';
  const tell = (record: ScriptRecord, message: string) => console.log(`${path}:${record.line} ${message}`);
  for (const record of parseScript(text)) {
    if (record.kind === 'halt') break;
    if (record.kind === 'user') user = record.user;
    if (record.kind === 'flush' || record.kind === 'compact' || record.kind === 'restart')
      for (const engine of engines) await engine[record.kind]();
    if (record.kind !== 'statement' && record.kind !== 'query') continue;
    const asked = engines.filter(engine => isFor(record, engine));
    const outcomes = await Promise.all(asked.map(engine => engine.execute(record.sql, user)));
    if (record.kind === 'query') fill(record, asked, outcomes, {answers, tell});
    else checkOutcomes(record, asked, outcomes, tell);
  }
  for (const engine of engines) await engine.close();
  if (answers.size > 0) writeFileSync(path, withAnswers(text, answers));
  console.log(`${path}: ${answers.size} answers written`);
}

type Tell = (record: ScriptRecord, message: string) => void;

function checkOutcomes(
  record: Extract<ScriptRecord, {kind: 'statement'}>,
  engines: readonly Engine[],
  outcomes: readonly Outcome[],
  tell: Tell,
): void {
  for (const [i, outcome] of outcomes.entries()) {
    const isError = outcome.kind === 'error';
    if (isError !== (record.expect.kind === 'error'))
      tell(record, `${engines[i]!.names[0]}: ${isError ? outcome.message : 'no error'}`);
  }
}

function fill(
  record: Query,
  engines: readonly Engine[],
  outcomes: readonly Outcome[],
  {answers, tell}: {answers: Map<number, string[]>; tell: Tell},
): void {
  const texts = outcomes.map(outcome => answerOf(record, outcome));
  const [ours, theirs] = texts;
  if (texts.length === 0) return;
  const isUnordered = texts.length === 2 && record.sort === 'nosort' && !/\border by\b/i.test(record.sql);
  const comparable = (lines: string[] | string) => (isUnordered && Array.isArray(lines) ? [...lines].sort() : lines);
  if (theirs !== undefined && JSON.stringify(comparable(ours!)) !== JSON.stringify(comparable(theirs))) {
    tell(record, `differs: ${record.sql}\n  ours:       ${shown(ours!)}\n  postgresql: ${shown(theirs)}`);
    return;
  }
  if (!Array.isArray(ours)) tell(record, `fails: ${ours}`);
  else if (record.expected === undefined) {
    answers.set(record.line, ours);
    if (texts.length === 1) tell(record, `only ${engines[0]!.names[0]}: ${shown(ours)}  <- ${record.sql}`);
  }
}

/** Lines as a script has them, or what went wrong. */
function answerOf(record: Query, outcome: Outcome): string[] | string {
  if (outcome.kind === 'error') return outcome.message;
  if (outcome.kind === 'done') return 'has no rows';
  const letters = outcome.columns.map(column => typeLetter(column.data_type)).join('');
  if (letters !== record.types) return `types ${letters}`;
  return sortedRows(valueTexts(outcome.columns, outcome.rows), record.sort).map(row => row.join('\t'));
}

function shown(answer: readonly string[] | string): string {
  return typeof answer === 'string' ? `! ${answer}` : answer.join(' | ');
}

/** Behind the last line of each record, which is the one before the next empty line. */
function withAnswers(text: string, answers: ReadonlyMap<number, readonly string[]>): string {
  const lines = text.split('\n');
  const done: string[] = [];
  let pending: readonly string[] | undefined;
  for (const [i, line] of lines.entries()) {
    if (pending !== undefined && line.trim() === '') {
      done.push('----', ...pending);
      pending = undefined;
    }
    done.push(line);
    pending = answers.get(i + 1) ?? pending;
  }
  if (pending !== undefined) done.push('----', ...pending);
  return done.join('\n');
}
