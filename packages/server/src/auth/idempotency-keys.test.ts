import assert from 'node:assert/strict';
import {test} from 'node:test';
import {createHot} from '../hot/hot-store.ts';
import type {Seq, UserId} from '../model/names.ts';
import {SimClock} from '../std/sim-clock.ts';
import type {Commit, WriteBatch, WriteRow} from '../table/commit.ts';
import {IdempotencyKeys} from './idempotency-keys.ts';

const KEEP_MS = 1000;
const {signal} = new AbortController();
const request = (key: string) => ({userId: 'ana' as UserId, key, asked: ['DELETE …']});

/** Keys over a memory whose log is a list. */
function setUp() {
  const clock = new SimClock();
  const hot = createHot();
  const written: WriteBatch[] = [];
  const apply = ({scope, key, row}: WriteRow) => {
    hot.put({scope, key, row: {buffer: row, offset: 0, length: row.length}}, clock.nowMs());
  };
  const commit = {
    async write(batch: WriteBatch): Promise<Seq> {
      written.push(batch);
      for (const {scope, key} of batch.removes ?? []) hot.remove(scope, key);
      return 0n;
    },
  } as Commit;
  const limits = {keepMs: KEEP_MS, keysPerUserMax: 5000, keysMax: 5000};
  const keys = new IdempotencyKeys({hot, commit, clock, limits});
  const use = (key: string) =>
    keys.once(request(key), async keep => {
      apply(keep(['done']));
      return ['done'];
    });
  return {clock, hot, keys, written, use};
}

test('a key that is used again just now is not removed as the old one that it was', async () => {
  const {clock, keys, written, use} = setUp();
  await use('a');
  await use('b');
  clock.advance(KEEP_MS);
  await keys.once(request('a'), async () => await keys.removeExpired(signal));
  const removed = written.flatMap(({removes = []}) => removes.map(({key}) => Buffer.from(key).toString()));
  assert.deepEqual(removed, ['b']);
});

test('a key that was used again while others were removed stays', async () => {
  const {clock, hot, keys, written, use} = setUp();
  for (let i = 0; i < 1500; i++) await use(`k${String(i).padStart(4, '0')}`);
  clock.advance(KEEP_MS);
  const removing = keys.removeExpired(signal);
  // The first thousand are on their way to the log; this one is of the next.
  await use('k1400');
  await removing;
  assert.equal(written.length, 2);
  assert.equal(hot.rowCount(), 1);
  assert.deepEqual(await keys.once(request('k1400'), () => assert.fail('it is known')), ['done']);
});

test('before one has expired nothing is removed', async () => {
  const {clock, keys, written, use} = setUp();
  await use('a');
  clock.advance(KEEP_MS - 1);
  await keys.removeExpired(signal);
  assert.deepEqual(written, []);
});
