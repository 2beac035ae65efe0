/**
 * Schedule: calls `tick` again and again, never two at once.
 *
 *     wait everyMs (or until woken) → tick → wait …
 *
 * Laws: a tick begins only after the one before it has ended, however long that took. A tick that throws is logged and the next one comes.
 * After `stop` resolves no tick runs.
 */
import type {Clock} from '../std/clock.ts';
import type {JobLogger} from './job.ts';
import {pause} from './pause.ts';
import {causeText} from './retry.ts';

const EVERY_MS = 5000;

export interface Schedule {
  start(): void;
  /** Makes the next tick come at once: memory runs short. While a tick runs it makes another follow it. */
  wake(): void;
  /** Ends the loop; aborts the signal of a running tick and waits for it. */
  stop(): Promise<void>;
}

export function createSchedule(options: {
  clock: Clock;
  everyMs?: number;
  tick: (signal: AbortSignal) => Promise<void>;
  logger: JobLogger;
}): Schedule {
  const {clock, tick, logger} = options;
  const everyMs = options.everyMs ?? EVERY_MS;
  const stopping = new AbortController();
  let waiting = new AbortController();
  let loop: Promise<void> | undefined;

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await pause(clock, everyMs, waiting.signal);
      waiting = new AbortController();
      if (stopping.signal.aborted) return;
      try {
        await tick(stopping.signal);
      } catch (error) {
        logger.error(`A scheduled tick failed: ${causeText(error)}`);
      }
    }
  }

  return {
    start() {
      loop ??= run();
    },
    wake() {
      waiting.abort();
    },
    async stop() {
      stopping.abort();
      waiting.abort();
      await loop;
    },
  };
}
