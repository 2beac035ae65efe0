/**
 * Log: the one ordered, durable record of everything that was committed. Backends: files, memory.
 *
 *     append(a) ┐
 *     append(b) ├─ one block ─ write + fsync ─ done(a), done(b), done(c), in append order
 *     append(c) ┘
 * Laws: a batch lies in one block and is found again whole or not at all. `done` calls come in append order, without an error
 * only after the durability class's promise holds, and each exactly once. After a failed write or sync every waiting and every
 * later append fails (COMMIT_UNKNOWN for those whose bytes may have reached the disk, READ_ONLY for later ones) until the log is
 * opened anew. Batches replay in append order. The log knows nothing of what a batch means but its seqs. A caller leaves the bytes of a
 * batch alone until its `done`. When the disk turns out to be full while batches wait, they are answered DISK_FULL and never written;
 * none but an urgent one overtakes them.
 */
import type {Seq} from '../model/names.ts';
import type {Histogram} from '../std/histogram.ts';

/** What an acknowledged append survives: nothing, a crash of the process, a crash of the machine. */
export type Durability = 'D0' | 'D1' | 'D2';

/** One atomic batch. `lastSeq` is not below that of any earlier batch. */
export interface LogBatch {
  readonly bytes: Uint8Array;
  readonly lastSeq: Seq;
}

export interface LogStats {
  blocks: number;
  batches: number;
  syncs: number;
  /** Moving average of one fdatasync on the thread of the loop, in microseconds. */
  syncMicros: number;
  /** Of every sync since the log was opened. */
  syncSeconds: Histogram;
  segments: number;
  state: 'open' | 'full' | 'failed' | 'closed';
}

export interface Log {
  readonly maxBatchBytes: number;
  /**
   * Puts a batch into the group that is written next. Throws LIMIT_EXCEEDED if it is larger than `maxBatchBytes`, DISK_FULL when no
   * segment could be prepared (unless `urgent`: publish, delete and job records use the spare segment), READ_ONLY after a failure,
   * WRITE_QUEUE_FULL when more than `maxQueuedBytes` wait.
   */
  append(batch: LogBatch, done: (error: Error | undefined) => void, urgent?: boolean): void;
  /** Bytes appended since the log was opened; what the checkpoint rule looks at. */
  readonly appendedBytes: number;
  /**
   * Resolves when every batch appended so far is fsynced or refused, in every durability class. Called before any file is deleted. Throws
   * READ_ONLY if the log has failed or fails meanwhile.
   */
  sync(): Promise<void>;
  /** Syncs, then deletes the log segments all of whose batches have `lastSeq` ≤ `seq`, except the one being written. */
  release(seq: Seq): Promise<void>;
  stats(): LogStats;
  /** Writes and syncs what waits, then closes. */
  close(): Promise<void>;
}

/** Opening replays: every batch found after `from` (by lastSeq), in order, before the promise resolves. Throws DATA_CORRUPTED on damage. */
export type OpenLog = (from: Seq, visit: (batch: LogBatch) => void) => Promise<Log>;
