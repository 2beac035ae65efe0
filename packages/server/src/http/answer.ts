/**
 * Answer: the envelopes of the SQL route, written as bytes.
 *
 * Rows arrive as JSON texts and are joined, never parsed or stringified again. A small answer is one buffer with its length; a large one goes
 * out in slices, each encoded when the socket has taken the one before, so that a slow reader costs one slice of memory.
 */
import type {ServerResponse} from 'node:http';
import type {Writable} from 'node:stream';
import {type DbError, ERRORS, messageFor} from '@kalamdb/protocol/errors.ts';
import type {ResultColumn} from '@kalamdb/protocol/values.ts';
import type {StatementResult} from './engine.ts';

/** In UTF-16 units. */
const SLICE_LENGTH = 256 * 1024;
/** A caller that takes nothing of an answer for so long is cut off. */
export const STALLED_MS = 30_000;

/** One text, or slices if it is long. */
export function successJson(results: readonly StatementResult[], tookMs: number): string | Iterable<string> {
  let length = 0;
  for (const result of results) for (const row of result.rows ?? []) length += row.length;
  if (length > SLICE_LENGTH) return slices(results, tookMs);
  const parts = results.map(result => {
    const {rows} = result;
    return rows === undefined ? '{' + tail(result) : head(result) + rows.join(',') + '],' + tail(result);
  });
  return `{"status":"success","results":[${parts.join(',')}],"took":${milliseconds(tookMs)}}`;
}

function* slices(results: readonly StatementResult[], tookMs: number): Generator<string> {
  let slice = '{"status":"success","results":[';
  for (const [i, result] of results.entries()) {
    if (i > 0) slice += ',';
    slice += result.rows === undefined ? '{' : head(result);
    for (const [rowIndex, row] of (result.rows ?? []).entries()) {
      slice += rowIndex === 0 ? row : ',' + row;
      if (slice.length < SLICE_LENGTH) continue;
      yield slice;
      slice = '';
    }
    slice += (result.rows === undefined ? '' : '],') + tail(result);
  }
  yield `${slice}],"took":${milliseconds(tookMs)}}`;
}

function head(result: StatementResult): string {
  return `{"schema":${schemaJson(result.columns ?? [])},"rows":[`;
}

function tail(result: StatementResult): string {
  const message = result.message === undefined ? '' : `"message":${JSON.stringify(result.message)},`;
  const truncated = result.isTruncated ? '"truncated":true,' : '';
  return `"row_count":${result.rowCount},${message}${truncated}"as_user":${JSON.stringify(result.asUser)}}`;
}

/** A reused plan hands in the same columns each time. */
const schemaTexts = new WeakMap<readonly ResultColumn[], string>();

function schemaJson(columns: readonly ResultColumn[]): string {
  let text = schemaTexts.get(columns);
  if (text === undefined) {
    text = JSON.stringify(columns);
    schemaTexts.set(columns, text);
  }
  return text;
}

/** `details` is the failed statement, for admins only. `position` is where in the request's `sql` the error lies, if it is anywhere. */
export function errorJson(error: DbError, isForAdmin: boolean, tookMs: number): string {
  const details = isForAdmin ? error.details : undefined;
  const position = error.position && {line: error.position.line, column: error.position.column};
  const body = {
    status: 'error',
    results: [],
    took: milliseconds(tookMs),
    error: {code: error.code, message: messageFor(error, isForAdmin), details, position},
  };
  return JSON.stringify(body);
}

export function statusOf(error: DbError): number {
  return ERRORS[error.code].status;
}

function milliseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

export type Headers = Readonly<Record<string, string>>;

/** Of every answer: it is what its type says, and nobody in between keeps it. */
export const SAFE_HEADERS: Headers = {'x-content-type-options': 'nosniff', 'cache-control': 'no-store'};
/** Of every 429 in the envelope of the SQL route. */
export const RETRY_HEADERS: Headers = {'retry-after': '1'};

/** As a text, which Node joins with the head: one write of one piece. Headers set before `writeHead` would be checked and stored twice. */
export function sendJson(response: ServerResponse, status: number, text: string, headers: Headers): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

/** Resolves when the last slice was handed to the socket, or the caller is gone. A caller that takes nothing for too long is cut off. */
export async function sendSlices(
  response: ServerResponse,
  slices: Iterable<string> | AsyncIterable<Buffer>,
  {vary, ...headers}: Headers,
): Promise<void> {
  // Beside what it varies by already.
  if (vary !== undefined) response.appendHeader('vary', vary);
  response.writeHead(200, {'content-type': 'application/json', ...headers});
  for await (const slice of slices) {
    if (response.destroyed) return;
    if (!response.write(typeof slice === 'string' ? Buffer.from(slice) : slice) && !(await drained(response))) {
      response.destroy();
      return;
    }
  }
  response.end();
}

/** False when it took nothing for too long, or is closed. */
export function drained(stream: Writable): Promise<boolean> {
  return new Promise(resolve => {
    const settle = (isDrained: boolean) => {
      clearTimeout(timer);
      stream.off('drain', onDrain).off('close', onClose);
      resolve(isDrained);
    };
    const onDrain = () => settle(true);
    const onClose = () => settle(false);
    const timer = setTimeout(onClose, STALLED_MS);
    stream.once('drain', onDrain).once('close', onClose);
  });
}
