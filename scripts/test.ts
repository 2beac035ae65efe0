/**
 * Test: runs the tests in one process and tells only what failed, what was skipped, and the runner's own count.
 *
 *     node scripts/test.ts                all: beside the sources, and the longer ones in packages/<name>/test and examples
 *     node scripts/test.ts --fast         only those beside the sources
 *     node scripts/test.ts <glob> …       only these
 */

import {run} from 'node:test';
import {inspect} from 'node:util';

/** A test that hangs is a failure, not a run without end. */
const TEST_TIMEOUT_MS = 120_000;
/** The runner ends when nothing is left to wait for: a test that waits for what never comes, or leaves a socket open, would keep it for good. */
const SILENCE_MS = 150_000;
/** Files that are named may be run at any size: a test in them may take as long as its own limit says, and is silent meanwhile. */
const SILENCES_OF_A_NAMED_TEST = 24;
const FAST = ['packages/*/src/**/*.test.ts', 'scripts/*.test.ts'];
const LONG = ['packages/*/test/**/*.test.ts', 'examples/**/*.test.ts'];

const given = process.argv.slice(2).filter(argument => argument !== '--fast');
const isFast = process.argv.includes('--fast');
const globPatterns = given.length > 0 ? given : isFast ? FAST : [...FAST, ...LONG];

const skipped = new Map<string, number>();
const counts: string[] = [];
let failed = 0;

const events = run({globPatterns, isolation: 'none', timeout: TEST_TIMEOUT_MS});

const running = new Set<string>();
let silences = 0;
const silence = setTimeout(() => {
  if (given.length > 0 && running.size > 0 && ++silences < SILENCES_OF_A_NAMED_TEST) {
    silence.refresh();
    return;
  }
  const left = running.size > 0 ? [...running].join('\n') : process.getActiveResourcesInfo().join(', ');
  console.error(`✖ nothing happened for ${(Math.max(silences, 1) * SILENCE_MS) / 1000} s; not ended: ${left}`);
  process.exit(1);
}, SILENCE_MS).unref();

events.on('test:dequeue', ({name, file, line}) => {
  heard();
  running.add(`${name} (${file ?? ''}:${line ?? ''})`);
});
events.on('test:complete', ({name, file, line}) => {
  heard();
  running.delete(`${name} (${file ?? ''}:${line ?? ''})`);
});
events.on('test:fail', ({name, file, line, details}) => {
  if (details.type === 'suite') return;
  failed++;
  console.error(`✖ ${name} (${file ?? ''}:${line ?? ''})\n${inspect(details.error.cause ?? details.error)}\n`);
});
events.on('test:pass', ({skip}) => {
  if (skip === undefined || skip === false) return;
  const reason = skip === true || skip === '' ? 'no reason given' : skip;
  skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
});
events.on('test:diagnostic', ({message, nesting}) => {
  if (nesting === 0) counts.push(message);
});
events.on('end', () => {
  for (const [reason, count] of skipped) console.log(`Skipped ${count}: ${reason}`);
  if (counts.length > 0) console.log(counts.map(text => `ℹ ${text}`).join('\n'));
  process.exit(failed > 0 || counts.includes('tests 0') ? 1 : 0);
});
events.resume();

function heard(): void {
  silences = 0;
  silence.refresh();
}
