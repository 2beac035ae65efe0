/**
 * Body: the bytes of a request, bounded, and the statement they carry.
 *
 * Laws: no body larger than the limit is ever held, whatever Content-Length says. All bodies being read together stay under a budget.
 * Bytes that are not UTF-8 and texts that are not well-formed are refused, never repaired: a repaired text would be stored as something else.
 * Numbers in `params` keep their source text, so that 64-bit integers and decimals stay exact.
 */
import type {IncomingMessage, ServerResponse} from 'node:http';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Param} from '../expr/expr.ts';

export interface BodyLimits {
  readonly bodyBytesMax: number;
  readonly parametersMax: number;
  readonly parameterBytesMax: number;
}

export interface SqlBody {
  readonly sql: string;
  readonly params: readonly Param[];
  readonly namespace: string | undefined;
}

const SQL_BYTES_MAX = 1024 * 1024;
const DEPTH_MAX = 64;
/** How long a caller whose body was refused may go on sending before the connection is cut. */
const DISCARD_MS = 2000;

/** Bytes of all bodies in flight. */
export class BodyBudget {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  take(bytes: number): void {
    if (this.#bytes + bytes > this.#bytesMax) {
      throw new DbError('MEMORY_LIMIT', `Request bodies in flight would exceed ${this.#bytesMax} bytes; try again.`);
    }
    this.#bytes += bytes;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** Throws BODY_TOO_LARGE, MEMORY_LIMIT, or INVALID_INPUT for bytes that are not UTF-8. */
export async function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  limits: BodyLimits,
  budget: BodyBudget,
): Promise<string> {
  const announced = Number(request.headers['content-length'] ?? 0);
  const {bodyBytesMax} = limits;
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    if (announced > bodyBytesMax) throw tooLarge(announced, bodyBytesMax);
    if (request.headers.expect !== undefined) response.writeContinue();
    await new Promise<void>((resolve, reject) => {
      request.on('data', (chunk: Buffer) => {
        try {
          if (bytes + chunk.length > bodyBytesMax) throw tooLarge(bytes + chunk.length, bodyBytesMax);
          budget.take(chunk.length);
          bytes += chunk.length;
          chunks.push(chunk);
        } catch (error) {
          request.removeAllListeners('data').resume();
          reject(error);
        }
      });
      request.on('end', resolve);
      request.on('error', cause => reject(cutOff(cause)));
      request.on('close', () => {
        if (!request.complete) reject(cutOff());
      });
    });
    return decode(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes));
  } finally {
    budget.give(bytes);
  }
}

/** The answer is on its way; a caller that is still sending gets a moment to see it. */
export function discardRest(request: IncomingMessage): void {
  request.resume();
  const timer = setTimeout(() => {
    if (!request.complete) request.socket.destroy();
  }, DISCARD_MS);
  request.once('close', () => clearTimeout(timer));
}

function tooLarge(bytes: number, bytesMax: number): DbError {
  return new DbError('BODY_TOO_LARGE', `The request body has ${bytes} bytes or more; the limit is ${bytesMax} bytes.`);
}

function cutOff(cause?: unknown): DbError {
  return new DbError('INVALID_INPUT', 'The connection closed before the body was complete.', {cause});
}

const strictUtf8 = new TextDecoder('utf-8', {fatal: true});

function decode(bytes: Buffer): string {
  try {
    return strictUtf8.decode(bytes);
  } catch (cause) {
    throw invalid('it is not valid UTF-8', cause);
  }
}

/** Throws INVALID_INPUT, INVALID_SQL or INVALID_PARAMETER. */
export function parseSqlBody(text: string, limits: BodyLimits): SqlBody {
  const body = parseJson(text);
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw invalid('an object was expected');
  const {sql, params, namespace_id: namespace} = body as Record<string, unknown>;
  if (sql === undefined) throw invalid('field `sql` is missing');
  if (typeof sql !== 'string') throw invalid('field `sql` must be a string');
  if (!sql.isWellFormed()) throw invalid('field `sql` holds half a character (a lone surrogate)');
  checkSqlLength(sql);
  if (namespace !== undefined && namespace !== null && typeof namespace !== 'string') {
    throw invalid('field `namespace_id` must be a string');
  }
  if (params !== undefined && params !== null && !Array.isArray(params))
    throw invalid('field `params` must be an array');
  return {
    sql,
    params: params?.length ? toParams(params, text, limits) : [],
    namespace: namespace ?? undefined,
  };
}

function checkSqlLength(sql: string): void {
  if (sql.length * 3 <= SQL_BYTES_MAX) return;
  const bytes = Buffer.byteLength(sql);
  if (bytes <= SQL_BYTES_MAX) return;
  throw new DbError('INVALID_SQL', `SQL query too long: ${bytes} bytes (maximum ${SQL_BYTES_MAX} bytes)`);
}

function parseJson(text: string): unknown {
  checkDepth(text);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid((cause as SyntaxError).message, cause);
  }
}

/** Depth of brackets outside strings. Strings are skipped by searching their end, since a body is mostly one long string. */
function checkDepth(text: string): void {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22:
        at = endOfString(text, at + 1);
        break;
      case 0x5b:
      case 0x7b:
        if (++depth > DEPTH_MAX) throw invalid(`it is nested deeper than ${DEPTH_MAX} levels`);
        break;
      case 0x5d:
      case 0x7d:
        depth--;
    }
  }
}

/** Position of the closing quote, or the end of the text. */
function endOfString(text: string, from: number): number {
  for (let quote = text.indexOf('"', from); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === 0x5c && quote - 1 - backslashes >= from) backslashes++;
    if (backslashes % 2 === 0) return quote;
  }
  return text.length;
}

function toParams(params: readonly unknown[], text: string, limits: BodyLimits): Param[] {
  if (params.length > limits.parametersMax) {
    throw new DbError(
      'INVALID_PARAMETER',
      `Parameter count exceeded: maximum ${limits.parametersMax} parameters allowed, got ${params.length}`,
    );
  }
  const numbers = params.some(value => typeof value === 'number') ? numberTexts(text) : [];
  return params.map((value, i) => {
    const param = typeof value === 'number' ? {number: numbers[i]!} : value;
    if (typeof value === 'number' && !Number.isFinite(value))
      throw badParam(i, `Unsupported number format: ${numbers[i]}`);
    if (Array.isArray(param)) throw badParam(i, 'Array parameters not yet supported');
    if (typeof value === 'object' && value !== null) throw badParam(i, 'Object parameters not yet supported');
    checkParamSize(param as Param, i, limits.parameterBytesMax);
    return param as Param;
  });
}

/** Source texts of the top-level numbers in `params`. Read in a second parse, since a reviver makes parsing several times slower. */
function numberTexts(text: string): string[] {
  const body = JSON.parse(text, function (this: unknown, _key: string, value: unknown, context?: {source?: string}) {
    return typeof value === 'number' ? context!.source : value;
  } as (key: string, value: unknown) => unknown) as {params: string[]};
  return body.params;
}

function checkParamSize(param: Param, index: number, bytesMax: number): void {
  const content = typeof param === 'string' ? param : typeof param === 'object' && param !== null ? param.number : '';
  if (!content.isWellFormed()) throw badParam(index, 'the text holds half a character (a lone surrogate)');
  if (content.length * 3 <= bytesMax) return;
  const bytes = Buffer.byteLength(content);
  if (bytes <= bytesMax) return;
  throw new DbError(
    'INVALID_PARAMETER',
    `Parameter size exceeded: parameter at index ${index} is ${bytes} bytes (max ${bytesMax} bytes)`,
  );
}

function badParam(index: number, why: string): DbError {
  return new DbError('INVALID_PARAMETER', `Parameter $${index + 1} invalid: ${why}`);
}

function invalid(why: string, cause?: unknown): DbError {
  return new DbError('INVALID_INPUT', `Invalid JSON payload: ${why}.`, {cause});
}
