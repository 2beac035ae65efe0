import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {createHot} from '../hot/hot-store.ts';
import type {Log} from '../log/log.ts';
import {memoryLogState, openMemoryLog} from '../log/memory-log.ts';
import type {Incarnation} from '../model/names.ts';
import {encodeRow} from '../model/row-codec.ts';
import {SimClock} from '../std/sim-clock.ts';
import {META} from '../system/meta.ts';
import {Commit, type WriteBatch, type WriteRow} from './commit.ts';
import {Manifests} from './manifests.ts';

const FIRST = 100 as Incarnation;
const OTHER = 99 as Incarnation;

async function open(
  state: ReturnType<typeof memoryLogState>,
  clock: SimClock,
  newest: number = FIRST,
): Promise<Commit> {
  const commit = new Commit({
    hot: createHot(),
    manifests: new Manifests(),
    clock,
    listener() {},
    onApplied() {},
    newestIncarnation: () => newest,
  });
  const log = await openMemoryLog(state)(0n, batch => commit.replay(batch.bytes, batch.lastSeq));
  await commit.start(log, FIRST);
  return commit;
}

test('an id that was shown never comes again, however many were taken since the ceiling ran out and whatever dies then', async () => {
  const state = memoryLogState();
  const clock = new SimClock();
  const commit = await open(state, clock);
  await clock.advance(3_600_000);
  let newest = 0n;
  for (let i = 0; i < 3 * 4096; i++) {
    const id = commit.nextId();
    assert.ok(id > newest, 'ids grow');
    newest = id;
  }
  await commit.secureIds();
  const again = await open(state, clock);
  assert.ok(again.nextId() > newest);
});

test('ids below the ceiling wait for nothing', async () => {
  const commit = await open(memoryLogState(), new SimClock());
  commit.nextId();
  assert.equal(commit.secureIds(), undefined);
});

test('a seq is above every seq of an earlier life, even if the clock went back', async () => {
  const state = memoryLogState();
  const clock = new SimClock();
  const commit = await open(state, clock);
  await clock.advance(1000);
  const before = await commit.write({});
  const after = await (await open(state, new SimClock())).write({});
  assert.ok(after > before);
});

test('nothing is appended behind the drop of its table', async () => {
  const commit = await open(memoryLogState(), new SimClock());
  await commit.write({rows: [rowOf('a')]});
  const dropped = commit.write({drop: FIRST});
  await assert.rejects(commit.write({rows: [rowOf('b')]}), /dropped while the statement ran/);
  await dropped;
});

test('no row of an old schema version is appended behind the record of a new one: it waits for that, and is to be decided again', async () => {
  const commit = await open(memoryLogState(), new SimClock());
  const order: string[] = [];
  const altered = commit.write({rows: [rowOf('schema', OTHER)], alters: FIRST}).then(() => order.push('altered'));
  const late = commit.write({rows: [rowOf('a')]}).catch(error => order.push(error.code));
  const elsewhere = commit.write({rows: [rowOf('a', OTHER)]}).then(() => order.push('elsewhere'));
  await Promise.all([altered, late, elsewhere]);
  assert.deepEqual(order.toSorted(), ['WRITE_CONFLICT', 'altered', 'elsewhere']);
  assert.ok(order.indexOf('altered') < order.indexOf('WRITE_CONFLICT'));
  await commit.write({rows: [rowOf('a')]});
});

test('a witness is told of every row of its table in the turn of the append, until it is released', async () => {
  const commit = await open(memoryLogState(), new SimClock());
  const seen: number[] = [];
  const release = commit.addWitness(FIRST, row => seen.push(row.length) > 1);
  const all = commit.addWitness(FIRST, () => true);
  const written = [commit.write({rows: [rowOf('a'), rowOf('b')]}), commit.write({rows: [rowOf('c', OTHER)]})];
  assert.equal(seen.length, 2);
  const refusing = {rows: [rowOf('d')], beforeAppend: () => assert.fail('this one is not appended')};
  assert.throws(() => commit.write(refusing));
  release();
  await Promise.all([...written, commit.write({rows: [rowOf('e')]})]);
  assert.equal(seen.length, 2);
  all();
});

test('a volatile row that the coming schema version would refuse is refused once its record is appended', async () => {
  const commit = await open(memoryLogState(), new SimClock());
  const put = (key: string) => {
    const {scope, row} = rowOf(key);
    commit.writeVolatile({scope, rows: [row], keyOf: () => Buffer.from(key), beforeApply() {}});
  };
  let isRight = false;
  const release = commit.addWitness(FIRST, () => isRight);
  put('a');
  const altered = commit.write({rows: [rowOf('schema', OTHER)], alters: FIRST});
  assert.throws(() => put('b'), {code: 'WRITE_CONFLICT'});
  isRight = true;
  put('c');
  await altered;
  release();
  put('d');
});

test('a drop that the log refused ends nothing: the table is written as before', async () => {
  const clock = new SimClock();
  const hot = createHot({});
  const commit = new Commit({
    hot,
    manifests: new Manifests(),
    clock,
    listener() {},
    onApplied() {},
    newestIncarnation: () => FIRST,
  });
  const log = await openMemoryLog(memoryLogState())(0n, () => {});
  let isFull = false;
  const append = (...args: Parameters<Log['append']>) => {
    if (isFull) throw new DbError('DISK_FULL', 'There is no space, not even for urgent records.');
    log.append(...args);
  };
  await commit.start(Object.create(log, {append: {value: append}}) as Log, FIRST);
  await commit.write({rows: [rowOf('a')]});
  isFull = true;
  await assert.rejects(commit.write({drop: FIRST}), {code: 'DISK_FULL'});
  isFull = false;
  await commit.write({rows: [rowOf('b')]});
  assert.equal(hot.rowCount(), 2);
});

const NEVER_GIVEN = (FIRST + 1) as Incarnation;
const damages: [what: string, batch: WriteBatch][] = [
  ['row', {rows: [rowOf('a', NEVER_GIVEN)]}],
  ['remove', {removes: [{scope: {incarnation: NEVER_GIVEN, owner: null}, key: Buffer.from('a')}]}],
  ['drop', {drop: NEVER_GIVEN}],
];

for (const [what, batch] of damages) {
  test(`a ${what} record of a table life that was never given out is damage, named with its seq; a ceiling gives it out`, async () => {
    const state = memoryLogState();
    const clock = new SimClock();
    const commit = await open(state, clock, NEVER_GIVEN);
    await commit.write({rows: [rowOf('a')]});
    const seq = await commit.write(batch);
    await assert.rejects(open(state, clock, FIRST), {
      code: 'DATA_CORRUPTED',
      message: new RegExp(`seq ${seq} holds a ${what} record of table life 101, but none above 100 was ever given out`),
    });
    await open(state, clock, NEVER_GIVEN);
    const ceiled = memoryLogState();
    const before = await open(ceiled, clock, NEVER_GIVEN);
    before.nextIncarnation();
    before.nextIncarnation();
    await clock.advance(3_600_000);
    await before.write({});
    await before.write(batch);
    await open(ceiled, clock, 0);
  });
}

function rowOf(key: string, incarnation: Incarnation = FIRST): WriteRow {
  const row = encodeRow(META.schema, META.toValues({key, value: ''}), 0);
  return {scope: {incarnation, owner: null}, key: Buffer.from(key), row};
}
