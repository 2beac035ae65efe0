import assert from 'node:assert/strict';
import {Writable} from 'node:stream';
import {describe, it} from 'node:test';
import {setImmediate as turn} from 'node:timers/promises';
import {LiveWriter} from './live-writer.ts';

/** A socket that takes what it is given when it is told to. */
class Far extends Writable {
  readonly writes: string[] = [];
  isSlow = false;
  #taken: (() => void) | undefined;

  constructor() {
    super({highWaterMark: 10});
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.writes.push(chunk.toString());
    if (this.isSlow) this.#taken = done;
    else done();
  }

  take(): void {
    this.isSlow = false;
    this.#taken?.();
  }
}

function make(): {far: Far; writer: LiveWriter; drained: () => number; broken: unknown[]} {
  const far = new Far();
  let count = 0;
  const broken: unknown[] = [];
  const events = {
    onDrained: () => {
      count++;
    },
    onBroken: (error: unknown) => void broken.push(error),
  };
  return {far, writer: new LiveWriter(far as never, events), drained: () => count, broken};
}

const frame = (text: string) => [Buffer.from(text)];

describe('the writer of a live connection', () => {
  it('makes one write of all frames of a call', () => {
    const {far, writer} = make();
    writer.send([frame('a'), [Buffer.from('b'), Buffer.from('c')], frame('d')], 4);
    assert.deepEqual(far.writes, ['abcd']);
  });

  it('keeps the order of calls, whichever frame is ready first', async () => {
    const {far, writer} = make();
    const late = Promise.withResolvers<Buffer[]>();
    const later = Promise.withResolvers<Buffer[]>();
    writer.send([frame('1'), late.promise, frame('3')], 300);
    writer.send([later.promise], 100);
    writer.send([frame('5')], 1);
    later.resolve(frame('4'));
    await turn();
    assert.equal(far.writes.join(''), '1');
    late.resolve(frame('2'));
    await turn();
    assert.equal(far.writes.join(''), '12345');
  });

  it('counts what is not ready as queued, and tells when it is not any more', async () => {
    const {writer, drained} = make();
    const late = Promise.withResolvers<Buffer[]>();
    writer.send([late.promise], 1000);
    assert.equal(writer.queuedBytes, 1000);
    late.resolve(frame('x'));
    await turn();
    assert.equal(writer.queuedBytes, 0);
    assert.equal(drained(), 1, 'though the socket was never full');
  });

  it('tells of a full socket when that has taken everything', async () => {
    const {far, writer, drained} = make();
    far.isSlow = true;
    writer.send([frame('x'.repeat(100))], 100);
    assert.equal(writer.queuedBytes, 100);
    await turn();
    assert.equal(drained(), 0);
    far.take();
    await turn();
    assert.deepEqual([writer.queuedBytes, drained()], [0, 1]);
  });

  it('ends behind what waits', async () => {
    const {far, writer} = make();
    const late = Promise.withResolvers<Buffer[]>();
    writer.send([late.promise], 10);
    let isIdle = false;
    writer.whenIdle(() => {
      isIdle = true;
    });
    assert.equal(isIdle, false);
    late.resolve(frame('last'));
    await turn();
    assert.deepEqual([far.writes, isIdle], [['last'], true]);
  });

  it('tells of a frame that cannot be made, and holds nothing for ever', async () => {
    const {writer, broken} = make();
    const late = Promise.withResolvers<Buffer[]>();
    writer.send([late.promise, Promise.reject(new Error('no')), frame('b')], 10);
    await turn();
    late.resolve(frame('a'));
    await turn();
    assert.equal(broken.length, 1);
    assert.equal(writer.queuedBytes, 0);
  });
});
