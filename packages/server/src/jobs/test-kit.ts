/** For tests: a clock that stands still until it is told to go on, and a store in memory that can be slow or fail. */
import type {Clock, Ids} from '../std/clock.ts';
import type {JobLogger, JobRecord, JobStore} from './job.ts';

export class StillClock implements Clock {
  #now = 1_700_000_000_000;
  readonly #sleepers = new Set<{at: number; wake: () => void}>();

  nowMs(): number {
    return this.#now;
  }

  monotonicMs(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = {at: this.#now + ms, wake: resolve};
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', () => {
        if (this.#sleepers.delete(sleeper)) reject(signal.reason);
      });
    });
  }

  /** Lets `ms` go by, waking sleepers at their times and letting each finish what it does. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      const next = [...this.#sleepers].filter(one => one.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#sleepers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.wake();
    }
    this.#now = end;
    await settled();
  }

  get sleeperCount(): number {
    return this.#sleepers.size;
  }
}

/** Until everything that needs no clock has been done. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise(resolve => setImmediate(resolve));
}

export class MemoryStore implements JobStore {
  readonly rows = new Map<string, JobRecord>();
  /** Every status that was stored, as `id status`. */
  readonly history: string[] = [];
  /** Called before a row is stored; throws to fail, and delays it by its promise. */
  before: (record: JobRecord) => Promise<void> | void = () => undefined;
  readonly removes: number[] = [];

  load(): JobRecord[] {
    return [...this.rows.values()];
  }

  async write(record: JobRecord): Promise<void> {
    await this.before(record);
    this.rows.set(record.job_id, record);
    this.history.push(`${record.job_id} ${record.status}`);
  }

  async remove(jobIds: string[]): Promise<void> {
    this.removes.push(jobIds.length);
    for (const id of jobIds) this.rows.delete(id);
  }

  statuses(jobId: string): string[] {
    const all = this.history.filter(line => line.startsWith(jobId)).map(line => line.slice(jobId.length + 1));
    return all.filter((status, i) => status !== all[i - 1]);
  }
}

export function countingIds(): Ids {
  let next = 0;
  return {
    bytes(count) {
      const bytes = Buffer.alloc(count);
      if (count === 6) bytes.writeUIntBE(++next, 0, 6);
      return bytes;
    },
  };
}

export class KeptLog implements JobLogger {
  readonly lines: string[] = [];

  warn(text: string): void {
    this.lines.push(`warn ${text}`);
  }

  error(text: string): void {
    this.lines.push(`error ${text}`);
  }
}
