import assert from 'node:assert/strict';
import {test} from 'node:test';
import {createHot} from '../hot/hot-store.ts';
import {memoryLogState, openMemoryLog} from '../log/memory-log.ts';
import type {Incarnation} from '../model/names.ts';
import {SimClock} from '../std/sim-clock.ts';
import {Commit} from './commit.ts';
import {Manifests} from './manifests.ts';

const FIRST = 100 as Incarnation;

async function open(state: ReturnType<typeof memoryLogState>, clock: SimClock): Promise<Commit> {
  const commit = new Commit({
    hot: createHot({clock}),
    manifests: new Manifests(),
    clock,
    listener() {},
    onApplied() {},
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
