/**
 * Back-off: how long a caller waits after wrong passwords.
 *
 *     one name from one address      5 wrong ones ─ 1 minute ─ each further one doubles it ─ at most 15 minutes
 *     any names from one address     50 wrong ones ─ the same
 *
 * Laws: nothing that one address does makes another wait, so no stranger locks a user out of where they are. It is the same for names without an
 * account. It is forgotten after 15 quiet minutes, by a sign-in, and by a restart; it is bounded, and what failed longest ago goes first.
 */
import type {Clock} from '../std/clock.ts';
import {Lru} from '../std/lru.ts';

interface Failures {
  count: number;
  lastMs: number;
  /** Until then no password is looked at. */
  untilMs: number;
}

const PER_NAME = 5;
const PER_ADDRESS = 50;
const FIRST_MS = 60_000;
const LONGEST_MS = 15 * 60_000;
const MEMORY_BYTES = 4 * 1024 * 1024;
const ENTRY_BYTES = 128;

export class BackOff {
  readonly #clock: Clock;
  readonly #failures = new Lru<string, Failures>(MEMORY_BYTES);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds for which no password of the name is looked at from this address; 0: it is. */
  waitMs(name: string, address: string): number {
    const now = this.#clock.monotonicMs();
    const untilMs = keys(name, address).map(([key]) => this.#failures.get(key)?.untilMs ?? 0);
    return Math.max(0, ...untilMs.map(until => until - now));
  }

  /** A wrong password. True if from now on they wait. */
  fail(name: string, address: string): boolean {
    return keys(name, address)
      .map(([key, most]) => this.#count(key, most))
      .some(Boolean);
  }

  succeed(name: string, address: string): void {
    this.#failures.delete(keys(name, address)[0]![0]);
  }

  #count(key: string, most: number): boolean {
    const now = this.#clock.monotonicMs();
    const known = this.#failures.get(key);
    const isFresh = known !== undefined && now < Math.max(known.lastMs, known.untilMs) + LONGEST_MS;
    const count = (isFresh ? known.count : 0) + 1;
    const waitMs = count < most ? 0 : Math.min(FIRST_MS * 2 ** (count - most), LONGEST_MS);
    this.#failures.set(
      key,
      {count, lastMs: now, untilMs: waitMs === 0 ? 0 : now + waitMs},
      key.length * 2 + ENTRY_BYTES,
    );
    return waitMs > 0;
  }
}

/** User ids hold no NUL. */
function keys(name: string, address: string): [key: string, most: number][] {
  return [
    [`${name}\0${address}`, PER_NAME],
    [address, PER_ADDRESS],
  ];
}
