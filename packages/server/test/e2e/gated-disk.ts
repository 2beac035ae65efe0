/**
 * Gated disk: the real one with a gate before segment files.
 *
 * Closed, whoever creates a segment stands still; broken, he fails. `holdRead` stops the next reader of a segment alone, so that others pass it.
 */
import {readdir} from 'node:fs/promises';
import type {Disk} from '../../src/std/disk.ts';
import {realDisk} from '../../src/std/real-disk.ts';
import {openTestDatabase, type TestDatabase} from '../test-database.ts';

export interface Gate {
  /** Whoever comes waits until `open`. */
  close(): void;
  open(): void;
  /** Whoever comes with `part` in the path fails with this message, until `open`. */
  break(message: string, part?: string): void;
  /** Resolves when somebody waits. */
  reached(): Promise<void>;
  /** The next reader of a segment waits until `go`. Read footers before: who waits for one holds up all others that want it. */
  holdRead(): {reached: Promise<void>; go(): void};
}

export function gatedDisk(): {disk: Disk; gate: Gate} {
  let closed: PromiseWithResolvers<void> | undefined;
  let arrival = Promise.withResolvers<void>();
  let failure: {message: string; part: string} | undefined;
  let reader: {arrival: PromiseWithResolvers<void>; leave: PromiseWithResolvers<void>} | undefined;
  const disk: Disk = {
    ...realDisk,
    async open(path, mode) {
      if (mode === 'create' && path.includes('.parquet')) {
        if (failure !== undefined && path.includes(failure.part)) throw new Error(failure.message);
        if (closed !== undefined) arrival.resolve();
        await closed?.promise;
      } else if (mode === 'read' && path.endsWith('.parquet') && reader !== undefined) {
        const held = reader;
        reader = undefined;
        held.arrival.resolve();
        await held.leave.promise;
      }
      return await realDisk.open(path, mode);
    },
  };
  const gate: Gate = {
    close() {
      closed = Promise.withResolvers();
      arrival = Promise.withResolvers();
    },
    open() {
      closed?.resolve();
      closed = undefined;
      failure = undefined;
    },
    break(message, part = '') {
      failure = {message, part};
    },
    reached: () => arrival.promise,
    holdRead() {
      const held = {arrival: Promise.withResolvers<void>(), leave: Promise.withResolvers<void>()};
      reader = held;
      return {reached: held.arrival.promise, go: () => held.leave.resolve()};
    },
  };
  return {disk, gate};
}

/** A database with namespace `app` and one table, on a gated disk. */
export async function withGatedDatabase(
  table: string,
  body: (db: TestDatabase, gate: Gate) => Promise<void>,
  changes: Parameters<typeof openTestDatabase>[0] = {},
): Promise<void> {
  const {disk, gate} = gatedDisk();
  const db = await openTestDatabase({disk, ...changes});
  try {
    await db.sql('CREATE NAMESPACE app');
    await db.sql(table);
    await body(db, gate);
  } finally {
    gate.open();
    await db.stop();
  }
}

/** Below the storage's base. */
export async function segmentFiles(db: TestDatabase): Promise<string[]> {
  return (await storedFiles(db)).filter(path => path.endsWith('.parquet'));
}

/** Every file and folder below the storage's base. */
export async function storedFiles(db: TestDatabase): Promise<string[]> {
  return (await readdir(`${db.directory}/storage`, {recursive: true})).sort();
}
