/**
 * Traffic: what the edge counts of itself. Counting a request costs an increment and no memory.
 */
import {Histogram} from '../std/histogram.ts';
import type {Refusal} from './refusal.ts';

/** From 100 microseconds, which a row in memory takes, to the longest statement. */
const STATEMENT_SECONDS = [
  ...[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
];
const DELAY_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const STATUS_MAX = 599;
const DELAY_EVERY_MS = 100;

export class Traffic {
  readonly statementSeconds = new Histogram(STATEMENT_SECONDS);
  readonly loopDelaySeconds = new Histogram(DELAY_SECONDS);
  readonly refused: Record<Refusal['code'], number> = {
    RATE_LIMIT_EXCEEDED: 0,
    IP_BANNED: 0,
    TOO_MANY_CONNECTIONS: 0,
    BODY_TOO_LARGE: 0,
  };
  /** Statements refused by the limit of their user. */
  usersRefused = 0;
  connectionsOpen = 0;
  connectionsTaken = 0;
  connectionsDropped = 0;
  /** By path: how many answers had each status. */
  readonly #answers = new Map<string, Float64Array>();

  /** `path` is that of a route, never what a caller sent. */
  count(path: string, status: number): void {
    let statuses = this.#answers.get(path);
    if (statuses === undefined) {
      statuses = new Float64Array(STATUS_MAX + 1);
      this.#answers.set(path, statuses);
    }
    statuses[status]!++;
  }

  *answers(): Generator<{path: string; status: number; count: number}> {
    for (const [path, statuses] of this.#answers) {
      for (const [status, count] of statuses.entries()) if (count > 0) yield {path, status, count};
    }
  }

  /** Measures how late timers are, until the returned function is called. */
  watchLoop(nowMs: () => number): () => void {
    let dueMs = nowMs() + DELAY_EVERY_MS;
    const timer = setInterval(() => {
      const now = nowMs();
      this.loopDelaySeconds.observe(Math.max(0, now - dueMs) / 1000);
      dueMs = now + DELAY_EVERY_MS;
    }, DELAY_EVERY_MS);
    timer.unref();
    return () => clearInterval(timer);
  }
}
