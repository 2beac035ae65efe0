/**
 * Group queue: the batches that wait to be written, in append order.
 *
 * Laws: a batch leaves from the head only. Once refused, a batch is never written, whatever space returns, and it is told when all
 * before it have been; urgent batches behind it stay.
 */

import {BATCH_HEADER_BYTES, blockBytes} from './block.ts';
import type {LogBatch} from './log.ts';

export interface Waiting {
  readonly batch: LogBatch;
  readonly done: (error: Error | undefined) => void;
  readonly isUrgent: boolean;
  isRefused: boolean;
}

export class GroupQueue {
  #waiting: Waiting[] = [];
  #bytes = 0;
  #addedCount = 0;
  #settledCount = 0;
  #refusedCount = 0;

  get head(): Waiting | undefined {
    return this.#waiting[0];
  }

  get count(): number {
    return this.#waiting.length;
  }

  /** Sum of the waiting batches, with their frames. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Batches ever added, and batches whose fate is known: written, refused or failed. */
  get addedCount(): number {
    return this.#addedCount;
  }

  get settledCount(): number {
    return this.#settledCount;
  }

  add(waiting: Waiting): void {
    this.#waiting.push(waiting);
    this.#bytes += weight(waiting);
    this.#addedCount++;
  }

  settle(count: number): void {
    this.#settledCount += count;
  }

  /** The batches of the next block: the head, and what still fits with it. */
  take(blockBytesMax: number): Waiting[] {
    let payload = 0;
    let count = 0;
    for (const {batch, isRefused} of this.#waiting) {
      if (isRefused) break;
      if (count > 0 && blockBytes(count + 1, payload + batch.bytes.length) > blockBytesMax) break;
      payload += batch.bytes.length;
      count++;
    }
    return this.#cut(count);
  }

  /** Refuses the head and every batch that is not urgent: it may have been built on one that is refused. */
  refuse(): void {
    for (const [i, waiting] of this.#waiting.entries()) {
      if (i > 0 && waiting.isUrgent) continue;
      if (!waiting.isRefused) this.#refusedCount++;
      waiting.isRefused = true;
    }
  }

  get hasRefused(): boolean {
    return this.#refusedCount > 0;
  }

  /** The refused batches that nothing waits before. */
  takeRefused(): Waiting[] {
    let count = 0;
    while (this.#waiting[count]?.isRefused) count++;
    this.#refusedCount -= count;
    return this.#settled(this.#cut(count));
  }

  empty(): Waiting[] {
    this.#refusedCount = 0;
    return this.#settled(this.#cut(this.#waiting.length));
  }

  #cut(count: number): Waiting[] {
    const group = count === this.#waiting.length ? this.#waiting : this.#waiting.splice(0, count);
    if (group === this.#waiting) this.#waiting = [];
    for (const waiting of group) this.#bytes -= weight(waiting);
    return group;
  }

  #settled(group: Waiting[]): Waiting[] {
    this.settle(group.length);
    return group;
  }
}

function weight({batch}: Waiting): number {
  return batch.bytes.length + BATCH_HEADER_BYTES;
}
