/**
 * Memory budget: when memory is short, and when writes are refused. Rows in memory and manifests of flushed ones count.
 *
 *     rows > what manifests leave of the soft limit    short: flushes are due, coldest rows first
 *     rows + manifests > the hard limit                full: writes that add rows are refused, and everything is flushed
 *
 * Laws: a flush frees more than the manifest of what it wrote takes, so flushing is never in vain; but it frees no manifests. Therefore rows keep a part
 * of the soft limit for themselves, however large manifests grow: else each row would be flushed by itself, into ever more segments. When manifests
 * alone fill the hard limit, compaction goes on, deletes and drops too, and who writes is told what the matter is.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Clock} from '../std/clock.ts';
import type {Hot} from './hot.ts';

const WAKE_MS = 250;
/** Of the soft limit: what rows may take whatever else there is. */
const ROWS_LEAST = 0.25;
/** A flush goes on down to this part of what is short, so that the next write does not ask for another. */
const ENOUGH = 0.75;

export interface MemoryBudgetOptions {
  readonly hot: Hot;
  readonly manifestBytes: () => number;
  readonly clock: Clock;
  readonly softBytes: number;
  readonly hardBytes: number;
}

export class MemoryBudget {
  readonly #options: MemoryBudgetOptions;
  #nextMs = 0;
  /** Wakes the flush schedule. */
  onHigh: () => void = () => {};

  constructor(options: MemoryBudgetOptions) {
    this.#options = options;
  }

  /** Called after every applied batch. A tick looks at every scope, so it is not asked for more often than it can help. */
  look(): void {
    const {hot, clock} = this.#options;
    if (hot.bytes() <= this.#rowsSoft() && !this.isFull) return;
    const now = clock.monotonicMs();
    if (now < this.#nextMs) return;
    this.#nextMs = now + WAKE_MS;
    this.onHigh();
  }

  /** Above the limit by dead space alone, evacuation is what helps, and nothing is short. */
  isShort(): boolean {
    return this.#options.hot.evacuatedBytes() > this.#rowsSoft();
  }

  /** Are writes refused? */
  get isFull(): boolean {
    const {hot, manifestBytes, hardBytes} = this.#options;
    return hot.bytes() + manifestBytes() > hardBytes;
  }

  /** Are flushes for memory due? */
  isFlushDue(): boolean {
    return this.isShort() || this.isFull;
  }

  /** Has one that is under way freed what is wanted? */
  isEnough(): boolean {
    const rowsSoft = this.#rowsSoft();
    const isLow = this.#options.hot.bytes() <= rowsSoft * ENOUGH || this.#options.hot.evacuatedBytes() <= rowsSoft;
    return isLow && !this.isFull;
  }

  /** What flushes have to free before it is enough. */
  wantedBytes(): number {
    const {hot, manifestBytes, hardBytes} = this.#options;
    const rows = hot.bytes();
    return Math.max(0, rows - this.#rowsSoft() * ENOUGH, rows + manifestBytes() - hardBytes);
  }

  /** Throws MEMORY_LIMIT when no more rows may be added. How much there is, which are the rows of all users, `system.stats` tells admins. */
  check(): void {
    if (!this.isFull) return;
    const {manifestBytes, hardBytes} = this.#options;
    const remedy =
      manifestBytes() > hardBytes / 2
        ? 'Most of it are manifests of flushed rows: compaction, dropping what is not needed or a higher memory.hard_limit_bytes makes room.'
        : 'Writes are refused until a flush frees memory. Try again shortly.';
    throw new DbError(
      'MEMORY_LIMIT',
      `Rows and manifests in memory are at their hard limit of ${hardBytes} bytes. ${remedy}`,
    );
  }

  #rowsSoft(): number {
    const {softBytes, manifestBytes} = this.#options;
    return Math.max(softBytes - manifestBytes(), softBytes * ROWS_LEAST);
  }
}
