/**
 * Encoder thread: one segment a message, one answer a message. Errors cross as code and text, since classes do not survive.
 */
import {flushCompileCache} from 'node:module';
import {setPriority} from 'node:os';
import {parentPort} from 'node:worker_threads';
import {DbError, type ErrorCode} from '@kalamdb/protocol/errors.ts';
import {type EncodedSegment, encodeSegment, type SegmentInput} from './segment-codec.ts';

export interface EncodeRequest {
  readonly id: number;
  readonly input: SegmentInput;
}

export type EncodeAnswer =
  | {readonly id: number; readonly encoded: EncodedSegment}
  | {readonly id: number; readonly code: ErrorCode; readonly message: string};

const NICE = 5;

function answerTo({id, input}: EncodeRequest): EncodeAnswer {
  try {
    const encoded = encodeSegment(input);
    return {id, encoded: {...encoded, bytes: owned(encoded.bytes)}};
  } catch (error) {
    const code = error instanceof DbError ? error.code : 'INTERNAL_ERROR';
    return {id, code, message: error instanceof Error ? (error.stack ?? error.message) : String(error)};
  }
}

/** Small buffers are views into a pool that may not leave its thread. */
function owned<Bytes extends Uint8Array>(bytes: Bytes): Bytes {
  return bytes.buffer.byteLength === bytes.byteLength ? bytes : (new Uint8Array(bytes) as Bytes);
}

parentPort?.on('message', (request: EncodeRequest) => {
  const answer = answerTo(request);
  parentPort?.postMessage(answer, 'encoded' in answer ? [answer.encoded.bytes.buffer] : []);
});

// On Linux this is the priority of this thread alone: where cores are few, statements come first. It still gets a quarter of a core nobody spares.
setPriority(NICE);

// Node would write it at the exit of the thread, but it is ended from outside.
flushCompileCache();
