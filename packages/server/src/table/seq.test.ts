import assert from 'node:assert/strict';
import {test} from 'node:test';
import {SimClock} from '../std/sim-clock.ts';
import {SeqSource} from './seq.ts';

const WORKER_BITS = 0x3ffn << 12n;

function opened(clock: SimClock): SeqSource {
  const source = new SeqSource(clock);
  source.allowUpTo(source.wantedCeiling()!);
  return source;
}

test('seqs only grow: within a millisecond, over its end, and when the clock goes back', async () => {
  const clock = new SimClock();
  const source = opened(clock);
  let last = 0n;
  for (let i = 0; i < 30_000; i++) {
    if (i % 5000 === 0) clock.jump(i % 2 === 0 ? -3_600_000 : 7);
    const seq = source.next();
    assert.ok(seq > last, `${last} is followed by ${seq}`);
    assert.equal(seq & WORKER_BITS, 1n << 12n, 'the worker stays who he is');
    last = seq;
  }
});

test('a full millisecond goes on in the next one, without waiting', () => {
  const source = opened(new SimClock());
  const first = source.next();
  for (let i = 1; i < 4096; i++) assert.equal(source.next() >> 22n, first >> 22n);
  assert.equal(source.next() >> 22n, (first >> 22n) + 1n);
});

test('the clock is not followed beyond the ceiling in the log: only small steps, until there is a new one', async () => {
  const clock = new SimClock();
  const source = opened(clock);
  const before = source.next();
  await clock.advance(3_600_000);
  const unsure = source.next();
  const ceiling = source.wantedCeiling()!;
  assert.ok((unsure >> 22n) - (before >> 22n) <= 10_000n, 'not past what a restart would begin above');
  source.allowUpTo(ceiling);
  assert.ok((source.next() >> 22n) - (before >> 22n) >= 3_600_000n);
});

test('a start above the ceiling repeats nothing that was handed out before', async () => {
  const clock = new SimClock();
  const source = new SeqSource(clock);
  const ceiling = source.wantedCeiling()!;
  source.allowUpTo(ceiling);
  let newest = 0n;
  for (let i = 0; i < 5000; i++) newest = source.next();
  const again = new SeqSource(clock);
  again.raise(ceiling);
  assert.ok(again.next() > newest);
});
