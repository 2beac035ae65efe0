import assert from 'node:assert/strict';
import {test} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import {setFlagsFromString} from 'node:v8';
import {runInNewContext} from 'node:vm';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {columnOf, schemaOf} from '../../src/cold/test-rows.ts';
import {ask, hotRows, type OpenDuck, processorMs, relationOf, tempFolder, testDuck, watchMemory} from './kit.ts';

const MEGABYTE = 1024 ** 2;
const TEXT = {name: 'text'} as const;
const common = testDuck();

/** Minutes of work that DuckDB stops when it is asked to. */
const LONG = 'SELECT count(*) AS n FROM range(100000000000) t(i) WHERE i * 7 % 11 = 3';
/** Long work within one call, which no interrupt reaches. */
const DEAF = "SELECT levenshtein(repeat('a', 200000 + i), repeat('b', 200000)) AS n FROM range(1) t(i)";
/** Time of the machine, not of the code: others work on it too. */
const SLACK_MS = 8000;

async function elapsed(work: Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work;
  return performance.now() - startMs;
}

async function until(isDone: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 1000 && !isDone(); i++) await sleep(20);
  assert(isDone(), what);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function assertAnswers({duck}: OpenDuck): Promise<void> {
  assert.deepEqual((await ask(duck, 'SELECT 42::BIGINT AS n')).rows, ['["42"]']);
}

/** The pid of the only child, once the query is at work in it. */
async function started({duck}: OpenDuck, work: Promise<unknown>): Promise<number> {
  work.catch(() => {});
  await until(() => duck.stats().pids.length > 0, 'a child was started');
  const [pid] = duck.stats().pids;
  // The start takes less of the processor than this.
  await until(() => processorMs(pid!) > 1000, 'the child works');
  return pid!;
}

test('cancel: a query that can be interrupted ends at once, with the reason, and the child goes on', async () => {
  const open = testDuck({killAfterMs: 20_000});
  const abort = new AbortController();
  const reason = new DbError('STATEMENT_TIMEOUT', 'The statement ran longer than 1 s.');
  const work = ask(open.duck, LONG, {signal: abort.signal});
  await started(open, work);
  abort.abort(reason);
  assert((await elapsed(assert.rejects(work, error => error === reason))) < SLACK_MS);
  await assertAnswers(open);
  const {childrenStarted, childrenKilled} = open.duck.stats();
  assert.deepEqual({childrenStarted, childrenKilled}, {childrenStarted: 1, childrenKilled: 0});
});

test('cancel: a reason that is none of ours becomes STATEMENT_TIMEOUT', async () => {
  const open = testDuck();
  const abort = new AbortController();
  const work = ask(open.duck, LONG, {signal: abort.signal});
  await started(open, work);
  abort.abort();
  await assert.rejects(work, {code: 'STATEMENT_TIMEOUT'});
});

test('cancel: a query that hears no interrupt is killed with its child, and the next one gets another', async () => {
  const open = testDuck({killAfterMs: 300});
  const abort = new AbortController();
  const work = ask(open.duck, DEAF, {signal: abort.signal});
  const pid = await started(open, work);
  abort.abort();
  assert((await elapsed(assert.rejects(work, {code: 'STATEMENT_TIMEOUT'}))) < 300 + SLACK_MS);
  assert.equal(isAlive(pid), false);
  await assertAnswers(open);
  assert.equal(open.duck.stats().childrenKilled, 1);
});

test('cancel: a child that is stopped altogether is killed', async () => {
  const open = testDuck({killAfterMs: 300});
  const abort = new AbortController();
  const work = ask(open.duck, LONG, {signal: abort.signal});
  const pid = await started(open, work);
  process.kill(pid, 'SIGSTOP');
  abort.abort();
  await assert.rejects(work, {code: 'STATEMENT_TIMEOUT'});
  assert.equal(isAlive(pid), false);
});

test('cancel: before the start nothing is started', async () => {
  const {duck} = testDuck();
  await assert.rejects(ask(duck, LONG, {signal: AbortSignal.abort()}), {code: 'STATEMENT_TIMEOUT'});
  assert.equal(duck.stats().childrenStarted, 0);
});

test('cancel: while the query waits for its turn it goes at once, and the order of the others stays', async () => {
  const open = testDuck({maxChildren: 1});
  const stop = new AbortController();
  const first = ask(open.duck, LONG, {signal: stop.signal});
  await started(open, first);
  const ends: string[] = [];
  const second = new AbortController();
  const waiting = ask(open.duck, LONG, {signal: second.signal});
  const third = assertAnswers(open).then(() => ends.push('third'));
  const fourth = assertAnswers(open).then(() => ends.push('fourth'));
  assert.equal(open.duck.stats().waiting, 3);
  second.abort();
  await assert.rejects(waiting, {code: 'STATEMENT_TIMEOUT'});
  assert.equal(open.duck.stats().waiting, 2);
  stop.abort();
  await assert.rejects(first, {code: 'STATEMENT_TIMEOUT'});
  await Promise.all([third, fourth]);
  assert.deepEqual(ends, ['third', 'fourth']);
});

test('cancel: while hot rows are still being sent', async () => {
  const open = testDuck();
  const schema = schemaOf([columnOf(1, 'k', {name: 'int'})]);
  const abort = new AbortController();
  const hot = (async function* () {
    yield* hotRows(schema, [{values: [1]}]);
    await assertAnswers(open);
    abort.abort();
    yield* hotRows(schema, [{values: [2]}]);
  })();
  const relations = [relationOf(schema, {hot})];
  await assert.rejects(ask(open.duck, 'SELECT count(*) AS n FROM t1', {relations, signal: abort.signal}), {
    code: 'STATEMENT_TIMEOUT',
  });
  await assertAnswers(open);
  assert.equal(open.duck.stats().childrenKilled, 0);
});

test('a child that is killed from outside fails its query with an error that can be retried, and the next one works', async () => {
  const open = testDuck();
  const work = ask(open.duck, LONG);
  process.kill(await started(open, work), 'SIGKILL');
  await assert.rejects(work, {code: 'QUERY_UNAVAILABLE', message: /ended before it answered; try again/});
  await assertAnswers(open);
  assert.equal(open.duck.stats().childrenLost, 1);
  assert.match(open.warnings.join('\n'), /SIGKILL/);
});

test('an idle child that is killed from outside is not given a query', async () => {
  const open = testDuck();
  await assertAnswers(open);
  const [pid] = open.duck.stats().pids;
  process.kill(pid!, 'SIGKILL');
  await until(() => open.duck.stats().children === 0, 'the loss was seen');
  await assertAnswers(open);
});

const caps: [why: string, maxRows: number, rowCount: number, isTruncated: boolean][] = [
  ['fewer rows than the most', 10, 9, false],
  ['as many rows as the most', 9, 9, false],
  ['one row more', 8, 8, true],
  ['none is wanted', 0, 0, true],
];
for (const [why, maxRows, rowCount, isTruncated] of caps) {
  test(`rows are cut and the answer says so: ${why}`, async () => {
    const {duck} = common;
    const answer = await ask(duck, 'SELECT i::BIGINT AS n FROM range(9) t(i)', {maxRows});
    assert.equal(answer.rows.length, rowCount);
    assert.equal(answer.isTruncated, isTruncated);
  });
}

test('rows are cut at the border of a chunk, and a query without end stops there', async () => {
  const {duck} = common;
  const answer = await ask(duck, 'SELECT i::BIGINT AS n FROM range(100000000000) t(i)', {maxRows: 4096});
  assert.deepEqual([answer.rows.length, answer.rows.at(-1), answer.isTruncated], [4096, '["4095"]', true]);
});

const tooLarge: [why: string, sql: string][] = [
  ['one long text', `SELECT repeat('x', ${3 * MEGABYTE}) AS x`],
  ['many short texts', "SELECT repeat('x', 100) || i AS x FROM range(100000) t(i)"],
  ['texts that grow when they are written as JSON', `SELECT repeat(chr(1), ${MEGABYTE / 2}) AS x`],
];
for (const [why, sql] of tooLarge) {
  test(`an answer beyond maxBytes is an error: ${why}`, async () => {
    const open = common;
    await assert.rejects(ask(open.duck, sql, {outputs: [TEXT], maxRows: 1_000_000, maxBytes: 2 * MEGABYTE}), {
      code: 'LIMIT_EXCEEDED',
      message: 'The answer holds more than 2 MB; add a LIMIT.',
    });
    await assertAnswers(open);
  });
}

/** Each takes gigabytes if nothing stops it. */
const blowUps: [why: string, sql: string][] = [
  ['one long text', "SELECT length(repeat('x', 3000000000 + i)) AS n FROM range(1) t(i)"],
  ['texts put together', "SELECT length(string_agg(repeat('x', 1000000), '')) AS n FROM range(4000) t(i)"],
  ['a list', 'SELECT len(list(i)) AS n FROM range(400000000) t(i)'],
  ['a padded text', "SELECT length(lpad('x', 2000000000, 'ab' || i)) AS n FROM range(1) t(i)"],
  [
    'a sort',
    'SELECT max(i) AS n FROM (SELECT i, row_number() OVER (ORDER BY hash(i)) AS r FROM range(100000000) t(i)) WHERE r > 5',
  ],
  ['a join', 'SELECT count(*) AS n FROM range(60000000) a(i) JOIN range(60000000) b(i) ON hash(a.i) = hash(b.i)'],
];
for (const [why, sql] of blowUps) {
  test(`memory: ${why} fails in the child alone, within the limit, and the next query works`, async () => {
    const open = testDuck({memoryBytes: 128 * MEGABYTE});
    const before = process.memoryUsage.rss();
    const peak = watchMemory(open);
    await assert.rejects(ask(open.duck, sql), (error: DbError) => {
      return ['LIMIT_EXCEEDED', 'QUERY_UNAVAILABLE'].includes(error.code);
    });
    assert(peak.stop() < 128 * MEGABYTE + 700 * MEGABYTE, 'the child stayed within its bound');
    assert(process.memoryUsage.rss() - before < 100 * MEGABYTE, 'the server took no part in it');
    await assertAnswers(open);
  });
}

test('spilling: with a directory for it a sort beyond memory succeeds', async () => {
  const open = testDuck({memoryBytes: 96 * MEGABYTE, tempDirectory: tempFolder()});
  const sql = `SELECT count(*) AS n FROM (SELECT x, row_number() OVER (ORDER BY x) AS r
    FROM (SELECT hash(i)::VARCHAR || repeat('x', 20) AS x FROM range(2000000) t(i))) WHERE r > 5`;
  assert.deepEqual((await ask(open.duck, sql)).rows, ['["1999995"]']);
});

test('hot rows of more than 64 MB stream through: the server holds a few chunks, the child all of them', async () => {
  const open = testDuck();
  const schema = schemaOf([columnOf(1, 'k', {name: 'int'}), columnOf(2, 'v', TEXT)]);
  const [rowCount, textLength] = [20_000, 5000];
  let chunkCount = 0;
  const hot = (async function* () {
    for (let k = 0; k < rowCount; k += 1000) {
      const rows = Array.from({length: 1000}, (_, i) => ({values: [k + i, 'x'.repeat(textLength)]}));
      for await (const chunk of hotRows(schema, rows)) {
        chunkCount++;
        yield chunk;
      }
    }
  })();
  const before = heldBytes();
  const answer = await ask(open.duck, 'SELECT count(*) AS n, sum(length("v"))::BIGINT AS s FROM t1', {
    relations: [relationOf(schema, {hot})],
    outputs: [{name: 'bigint'}, {name: 'bigint'}],
  });
  assert.deepEqual(answer.rows, [`["${rowCount}","${rowCount * textLength}"]`]);
  assert(chunkCount > 20, 'it took many chunks');
  assert(heldBytes() - before < 64 * MEGABYTE, 'chunks are not kept');
});

/** Of buffers that somebody still refers to: what is only waiting to be collected is collected first, and freed by the next collection at the latest. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  return process.memoryUsage().arrayBuffers;
}

test('one row of 16 MB goes in and comes out', async () => {
  const open = testDuck();
  const schema = schemaOf([columnOf(1, 'k', {name: 'int'}), columnOf(2, 'v', TEXT)]);
  const text = 'ü'.repeat(8_000_000);
  const answer = await ask(open.duck, 'SELECT "v" FROM t1', {
    relations: [relationOf(schema, {hot: hotRows(schema, [{values: [1, text]}])})],
    outputs: [TEXT],
  });
  assert.equal(answer.rows.length, 1);
  assert(answer.rows[0] === JSON.stringify([text]), 'the text is the same');
});

test('a child that cannot start is an error that can be retried, and the log tells why', async () => {
  const {duck, warnings} = testDuck({memoryBytes: Number.NaN});
  await assert.rejects(ask(duck, 'SELECT 1::BIGINT AS n'), {code: 'QUERY_UNAVAILABLE'});
  assert.match(warnings.join('\n'), /A query process ended with code 1\. \S/);
});

test('parallel queries: each gets its own answer, with no more children than allowed', async () => {
  const open = testDuck({maxChildren: 2});
  const schema = schemaOf([columnOf(1, 'k', {name: 'int'})]);
  const answers = await Promise.all(
    Array.from({length: 20}, (_, i) =>
      ask(open.duck, `SELECT count(*) AS n FROM t1 WHERE k <> $1`, {
        params: [{type: {name: 'int'}, value: i}],
        relations: [
          relationOf(schema, {
            hot: hotRows(
              schema,
              Array.from({length: i + 1}, (_, k) => ({values: [k]})),
            ),
          }),
        ],
      }),
    ),
  );
  assert.deepEqual(
    answers.map(({rows}) => rows[0]),
    Array.from({length: 20}, (_, i) => `["${i}"]`),
  );
  assert.equal(open.duck.stats().childrenStarted, 2);
});

test('the line of waiting queries has a bound', async () => {
  const open = testDuck({maxChildren: 1});
  const abort = new AbortController();
  const all = Array.from({length: 300}, () => ask(open.duck, LONG, {signal: abort.signal}));
  const ends = Promise.allSettled(all);
  await assert.rejects(all.at(-1)!, {code: 'QUERY_UNAVAILABLE', message: /256 queries wait/});
  abort.abort();
  await ends;
  assert.equal(open.duck.stats().waiting, 0);
  await assertAnswers(open);
});

test('an idle child ends, and the next query starts another', async () => {
  const open = testDuck({idleMs: 100});
  await assertAnswers(open);
  const [pid] = open.duck.stats().pids;
  await until(() => open.duck.stats().children === 0, 'the child ended');
  assert.equal(isAlive(pid!), false);
  await assertAnswers(open);
  const {childrenStarted, childrenLost, childrenKilled} = open.duck.stats();
  assert.deepEqual(
    {childrenStarted, childrenLost, childrenKilled},
    {childrenStarted: 2, childrenLost: 0, childrenKilled: 0},
  );
});

test('close: what runs and what waits is refused, and no process is left', async () => {
  const open = testDuck({maxChildren: 2});
  await Promise.all([assertAnswers(open), assertAnswers(open)]);
  const running = ask(open.duck, DEAF);
  const works = [running, ...Array.from({length: 3}, () => ask(open.duck, LONG))];
  await started(open, running);
  const {pids} = open.duck.stats();
  const refused = works.map(work => assert.rejects(work, {code: 'SHUTTING_DOWN'}));
  assert((await elapsed(open.duck.close())) < SLACK_MS);
  await Promise.all(refused);
  assert.deepEqual(pids.map(isAlive), [false, false]);
  await assert.rejects(ask(open.duck, LONG), {code: 'SHUTTING_DOWN'});
  await open.duck.close();
});
