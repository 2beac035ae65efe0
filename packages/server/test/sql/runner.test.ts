/** The runner itself: what it reads, and that it tells wrong answers from right ones. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {ResultColumn} from '@kalamdb/protocol/values.ts';
import type {Engine, Outcome} from './engine.ts';
import {runScript} from './runner.ts';
import {parseScript} from './script.ts';
import {hashLine} from './values.ts';

const column = (name: string, data_type: ResultColumn['data_type'], index: number): ResultColumn => ({
  name,
  data_type,
  index,
});

const PAIRS: Outcome = {
  kind: 'rows',
  columns: [column('id', 'BigInt', 0), column('name', 'Text', 1)],
  rows: [
    ['2', 'b'],
    ['1', null],
    ['3', ''],
  ],
};

/** An engine that knows a few texts. */
function fakeEngine(): Engine & {readonly seen: string[]} {
  const seen: string[] = [];
  const answers: {[sql: string]: Outcome} = {
    pairs: PAIRS,
    insert: {kind: 'done', count: 2},
    bad: {kind: 'error', message: 'INVALID_SQL no such thing'},
    ones: {kind: 'rows', columns: [column('n', 'Int', 0)], rows: [[1], [1], [1]]},
    moments: {
      kind: 'rows',
      columns: [column('t', 'Timestamp', 0), column('d', 'Date', 1), column('m', 'Time', 2), column('b', 'Bytes', 3)],
      rows: [[1_577_934_245_500_000, 18_262, 3_723_000_001, [1, 255] as unknown as string]],
    },
  };
  return {
    seen,
    names: ['fake'],
    execute: (sql, user) => {
      seen.push(`${user}: ${sql}`);
      return Promise.resolve(answers[sql] ?? {kind: 'done', count: 0});
    },
    flush: () => Promise.resolve(void seen.push('flush')),
    compact: () => Promise.resolve(void seen.push('compact')),
    restart: () => Promise.resolve(void seen.push('restart')),
    close: () => Promise.resolve(),
  };
}

const right: [why: string, script: string][] = [
  ['a statement that succeeds', 'statement ok\nanything'],
  ['a count', 'statement count 2\ninsert'],
  ['a failure', 'statement error\nbad'],
  ['a failure by its code', 'statement error INVALID_SQL .*such\nbad'],
  ['a failure as a query', 'query error such thing\nbad'],
  ['rows, one by line', 'query IT\npairs\n----\n2\tb\n1\tNULL\n3\t(empty)'],
  ['values, one by line', 'query IT\npairs\n----\n2\nb\n1\nNULL\n3\n(empty)'],
  ['sorted rows', 'query IT rowsort\npairs\n----\n1\tNULL\n2\tb\n3\t(empty)'],
  ['sorted values', 'query IT valuesort\npairs\n----\n(empty)\n1\n2\n3\nNULL\nb'],
  ['exact columns', 'columns id:BigInt name:Text\nquery IT\npairs\n----\n2\tb\n1\tNULL\n3\t(empty)'],
  ['moments and bytes', 'query TTTT\nmoments\n----\n2020-01-02 03:04:05.5\t2020-01-01\t01:02:03.000001\t\\x01ff'],
  ['a hash', `hash-threshold 2\n\nquery I\nones\n----\n${hashLine(['1', '1', '1'])}`],
  ['labels that agree', 'query I nosort x\nones\n----\n1\n1\n1\n\nquery I nosort x\nones\n----\n1\n1\n1'],
  ['what is skipped', 'skipif fake\nstatement ok\nbad\n\nonlyif other\nstatement ok\nbad'],
  ['what is only for this engine', 'onlyif fake\nstatement error\nbad'],
  ['nothing behind halt', 'statement ok\nx\n\nhalt\n\nstatement ok\nbad'],
  ['comments and empty lines', '# a\n\n\n# b\nstatement ok\n# c\nx\n'],
];

for (const [why, script] of right) {
  test(`right: ${why}`, async () => assert.deepEqual((await runScript(script, fakeEngine())).failures, []));
}

const wrong: [why: string, script: string, failure: RegExp][] = [
  ['a failure that should be none', 'statement ok\nbad', /line 1: failed: INVALID_SQL/],
  ['a success that should be none', '\nstatement error\nx', /line 2: succeeded/],
  ['another failure', 'statement error other\nbad', /failed otherwise/],
  ['another count', 'statement count 3\ninsert', /2 rows instead of 3/],
  ['another value', 'query I\nones\n----\n1\n2\n1', /expected: 1 \| 2 \| 1/],
  ['a row less', 'query I\nones\n----\n1\n1', /actual: {3}1 \| 1 \| 1/],
  ['a row more', 'query I\nones\n----\n1\n1\n1\n1', /expected/],
  ['another order', 'query IT\npairs\n----\n1\tNULL\n2\tb\n3\t(empty)', /actual: {3}2\tb/],
  ['another type', 'query T\nones\n----\n1\n1\n1', /types I instead of T/],
  ['a column more', 'query II\nones\n----\n1\n1\n1', /types I instead of II/],
  ['other names', 'columns n:BigInt\nquery I\nones\n----\n1\n1\n1', /columns n:Int instead of n:BigInt/],
  ['no rows at all', 'query I\ninsert\n----\n', /has no rows/],
  ['a query that fails', 'query I\nbad\n----\n', /failed: INVALID_SQL/],
  ['another hash', 'hash-threshold 2\n\nquery I\nones\n----\n3 values hashing to 00', /expected/],
  ['a query without its answer', 'query I\nones', /without ----/],
  [
    'labels that differ',
    'query I nosort x\nones\n----\n1\n1\n1\n\nquery IT nosort x\npairs\n----\n2\tb\n1\tNULL\n3\t(empty)',
    /label x/,
  ],
];

for (const [why, script, failure] of wrong) {
  test(`wrong: ${why}`, async () => {
    const {failures} = await runScript(script, fakeEngine());
    assert.equal(failures.length, 1, failures.join('\n'));
    assert.match(failures[0]!, failure);
  });
}

const malformed: [script: string, message: RegExp][] = [
  ['statement maybe\nx', /line 1: statement is followed by/],
  ['statement ok', /line 1: a record without SQL/],
  ['query X\nx\n----', /letters I, T and R/],
  ['query I fastsort\nx\n----', /unknown sort mode/],
  ['\n\nfrobnicate', /line 3: unknown record/],
  ['skipif', /skipif takes one name/],
];

for (const [script, message] of malformed) {
  test(`malformed: ${JSON.stringify(script)}`, () => assert.throws(() => parseScript(script), message));
}

test('user, flush, compact and restart reach the engine in their order; counts tell what was run', async () => {
  const engine = fakeEngine();
  const script = 'statement ok\na\n\nuser ana\nflush\ncompact\nrestart\n\nquery I\nones\n----\n1\n1\n1';
  assert.deepEqual(await runScript(script, engine), {failures: [], statements: 1, queries: 1});
  assert.deepEqual(engine.seen, ['root: a', 'flush', 'compact', 'restart', 'ana: ones']);
});
