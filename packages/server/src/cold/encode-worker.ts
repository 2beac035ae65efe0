/**
 * Encoder thread: one segment a message, one answer a message. Errors cross as code and text, since classes do not survive.
 */
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

function answerTo({id, input}: EncodeRequest): EncodeAnswer {
  try {
    return {id, encoded: encodeSegment(input)};
  } catch (error) {
    const code = error instanceof DbError ? error.code : 'INTERNAL_ERROR';
    return {id, code, message: error instanceof Error ? (error.stack ?? error.message) : String(error)};
  }
}

parentPort?.on('message', (request: EncodeRequest) => {
  const answer = answerTo(request);
  parentPort?.postMessage(answer, 'encoded' in answer ? [answer.encoded.bytes.buffer] : []);
});
