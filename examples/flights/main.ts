/**
 * Main: runs the example and prints what came of it.
 *
 *     node examples/flights/main.ts            starts a server of its own and kills it on the way
 *     node examples/flights/main.ts <url>      uses a running one: makes its tables in the namespace example anew
 *
 * Exit codes: 0 all answers agree, 1 they do not, or a statement was refused.
 */
import {type Round, runFlights, type Voice} from './flights.ts';

const PROGRESS_PARTS = 4;

const voice: Voice = {
  say: line => console.log(line),
  progress: process.stdout.isTTY ? rewriteLine : sayParts,
};

function rewriteLine(what: string, done: number, total: number, rate: number): void {
  process.stdout.write(`\r${progressText(what, done, total, rate)}${done === total ? '\n' : ''}`);
}

/** A file or pipe gets a line each quarter. */
function sayParts(what: string, done: number, total: number, rate: number): void {
  const key = `${what}/${Math.floor((done / total) * PROGRESS_PARTS)}`;
  if (told.has(key)) return;
  told.add(key);
  console.log(progressText(what, done, total, rate));
}

const told = new Set<string>();

function progressText(what: string, done: number, total: number, rate: number): string {
  const number = (value: number) => Math.round(value).toLocaleString('en').padStart(7);
  return `${what.padEnd(23)}${number(done)} of ${number(total)} rows ${number(rate)} rows/s`;
}

function printTable(rounds: readonly Round[]): void {
  const heads = ['question', 'rows', ...rounds.map(round => round.name)];
  const last = rounds.at(-1)!;
  const rows = last.answers.map(({about, rowCount}, i) => [
    about,
    rowCount.toLocaleString('en'),
    ...rounds.map(({answers}) => {
      const {difference, tookMs} = answers[i]!;
      return `${difference === undefined ? 'agree' : 'DIFFER'} ${tookMs.toFixed(0).padStart(5)} ms`;
    }),
  ]);
  const widths = heads.map((head, i) => Math.max(head.length, ...rows.map(row => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  console.log(`\n${[line(heads), line(widths.map(width => '─'.repeat(width))), ...rows.map(line)].join('\n')}\n`);
}

process.once('SIGINT', () => process.exit(130));
try {
  const rounds = await runFlights(voice, process.argv[2]);
  printTable(rounds);
  const answers = rounds.flatMap(({name, answers}) => answers.map(each => ({...each, name})));
  const wrong = answers.filter(({difference}) => difference !== undefined);
  for (const {name, about, difference} of wrong) console.error(`${name}, ${about}: ${difference}`);
  console.log(`${answers.length - wrong.length} of ${answers.length} answers agree with DuckDB.`);
  if (wrong.length > 0) process.exitCode = 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
