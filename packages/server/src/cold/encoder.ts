/**
 * Encoder: keeps the encoding of segments off the event loop.
 *
 * One worker thread, started by the first segment, stopped when nothing came for a while; it never keeps the process alive. A thread
 * that dies fails what it was asked, and the next segment starts another. `inline` encodes on the calling thread, for simulations.
 */
import {Worker} from 'node:worker_threads';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {threadEnv} from '../std/compile-cache.ts';
import type {EncodeAnswer} from './encode-worker.ts';
import {type EncodedSegment, encodeSegment, type SegmentInput} from './segment-codec.ts';

const IDLE_MS = 10_000;
/** Segments handed over and not yet answered; each holds its rows in memory. */
const WAITING_MAX = 16;

export interface Encoder {
  /** Takes over `input.rows.bytes`. Aborting stops the waiting, not the work. */
  encode(input: SegmentInput, signal: AbortSignal): Promise<EncodedSegment>;
}

export function inlineEncoder(): Encoder {
  return {
    async encode(input, signal) {
      signal.throwIfAborted();
      return encodeSegment(input);
    },
  };
}

interface Waiting {
  resolve(encoded: EncodedSegment): void;
  reject(error: Error): void;
}

export function threadEncoder(): Encoder {
  const waiting = new Map<number, Waiting>();
  let worker: Worker | undefined;
  let idleTimer: NodeJS.Timeout | undefined;
  let lastId = 0;

  function start(): Worker {
    const file = import.meta.url.endsWith('.ts') ? './encode-worker.ts' : './encode-worker.js';
    const started = new Worker(new URL(file, import.meta.url), {env: threadEnv()});
    started.on('message', (answer: EncodeAnswer) => settle(answer));
    started.on('error', error => lose(started, error));
    started.on('exit', code => lose(started, new Error(`The encoder thread ended with code ${code}.`)));
    return started;
  }

  function settle(answer: EncodeAnswer): void {
    const asked = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (waiting.size === 0) rest();
    if ('encoded' in answer) asked?.resolve(answer.encoded);
    else asked?.reject(new DbError(answer.code, answer.message));
  }

  /** Nothing is waiting: the thread may go, and must not hold the process. */
  function rest(): void {
    worker?.unref();
    idleTimer = setTimeout(() => {
      void worker?.terminate();
      worker = undefined;
    }, IDLE_MS).unref();
  }

  function lose(lost: Worker, cause: unknown): void {
    if (worker !== lost) return;
    worker = undefined;
    const failed = [...waiting.values()];
    waiting.clear();
    for (const asked of failed)
      asked.reject(
        new DbError(
          'INTERNAL_ERROR',
          `The encoder thread died: ${cause instanceof Error ? cause.message : String(cause)}`,
          {cause},
        ),
      );
  }

  return {
    async encode(input, signal) {
      signal.throwIfAborted();
      if (waiting.size >= WAITING_MAX) {
        throw new DbError('LIMIT_EXCEEDED', `At most ${WAITING_MAX} segments wait for the encoder.`);
      }
      clearTimeout(idleTimer);
      worker ??= start();
      worker.ref();
      const id = ++lastId;
      const target = worker;
      const answer = answerOf(waiting, id, signal);
      target.postMessage({id, input}, [input.rows.bytes]);
      return answer;
    },
  };
}

/** Resolves when the thread answers; rejects at once when the signal fires. */
function answerOf(waiting: Map<number, Waiting>, id: number, signal: AbortSignal): Promise<EncodedSegment> {
  return new Promise((resolve, reject) => {
    const stopWaiting = (): void => reject(signal.reason);
    signal.addEventListener('abort', stopWaiting, {once: true});
    waiting.set(id, {
      resolve(encoded) {
        signal.removeEventListener('abort', stopWaiting);
        resolve(encoded);
      },
      reject(error) {
        signal.removeEventListener('abort', stopWaiting);
        reject(error);
      },
    });
  });
}
