/**
 * Body: the bytes of a request, bounded, and the statement they carry.
 *
 * Laws: no body larger than the limit is ever held, whatever Content-Length says. All bodies being read together stay under a budget.
 * Bytes that are not UTF-8 and texts that are not well-formed are refused, never repaired: a repaired text would be stored as something else.
 * Numbers in `params` keep their source text, so that 64-bit integers and decimals stay exact; so do arrays and objects, which are JSON.
 */
import {isAscii} from 'node:buffer';
import type {IncomingMessage, ServerResponse} from 'node:http';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Param} from '../expr/expr.ts';
import {elementTexts, isDeeper} from '../model/json-text.ts';

export interface BodyLimits {
  readonly bodyBytesMax: number;
  readonly parametersMax: number;
  readonly parameterBytesMax: number;
}

export interface SqlBody {
  readonly sql: string;
  readonly params: readonly Param[];
  /** What is wrong with them: told when the statements are known and allowed. */
  readonly badParams: DbError | undefined;
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
  const {bodyBytesMax} = limits;
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
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
    return decodeBody(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes));
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

/** What stands behind the first `from` bytes. Throws INVALID_INPUT for bytes that are not UTF-8. */
export function decodeBody(bytes: Buffer, from = 0): string {
  if (isAscii(bytes)) return bytes.toString('latin1', from);
  try {
    return strictUtf8.decode(bytes.subarray(from));
  } catch (cause) {
    throw invalid('it is not valid UTF-8', cause);
  }
}

/** Throws INVALID_INPUT or INVALID_SQL. */
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
  const named = namespace ?? undefined;
  if (params === undefined || params === null || params.length === 0)
    return {sql, params: [], badParams: undefined, namespace: named};
  try {
    return {sql, params: toParams(params, text, limits), badParams: undefined, namespace: named};
  } catch (error) {
    if (error instanceof DbError) return {sql, params: [], badParams: error, namespace: named};
    throw error;
  }
}

function checkSqlLength(sql: string): void {
  if (sql.length * 3 <= SQL_BYTES_MAX) return;
  const bytes = Buffer.byteLength(sql);
  if (bytes <= SQL_BYTES_MAX) return;
  throw new DbError('INVALID_SQL', `SQL query too long: ${bytes} bytes (maximum ${SQL_BYTES_MAX} bytes)`);
}

function parseJson(text: string): unknown {
  if (isDeeper(text, DEPTH_MAX)) throw invalid(`it is nested deeper than ${DEPTH_MAX} levels`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid((cause as SyntaxError).message, cause);
  }
}

function toParams(params: readonly unknown[], text: string, limits: BodyLimits): Param[] {
  if (params.length > limits.parametersMax) {
    throw new DbError(
      'INVALID_PARAMETER',
      `Parameter count exceeded: maximum ${limits.parametersMax} parameters allowed, got ${params.length}`,
    );
  }
  const isKept = (value: unknown) => typeof value === 'number' || (typeof value === 'object' && value !== null);
  const texts = params.some(isKept) ? elementTexts(text, 'params') : [];
  return params.map((value, i) => {
    const param = typeof value === 'number' ? {number: texts[i]!} : isKept(value) ? {json: texts[i]!} : value;
    if (typeof value === 'number' && !Number.isFinite(value))
      throw badParam(i, `Unsupported number format: ${texts[i]}`);
    checkParamSize(param as Param, i, limits.parameterBytesMax);
    return param as Param;
  });
}

function checkParamSize(param: Param, index: number, bytesMax: number): void {
  const content = contentOf(param);
  if (!content.isWellFormed()) throw badParam(index, 'the text holds half a character (a lone surrogate)');
  if (content.length * 3 <= bytesMax) return;
  const bytes = Buffer.byteLength(content);
  if (bytes <= bytesMax) return;
  throw new DbError(
    'INVALID_PARAMETER',
    `Parameter size exceeded: parameter at index ${index} is ${bytes} bytes (max ${bytesMax} bytes)`,
  );
}

function contentOf(param: Param): string {
  if (typeof param === 'string') return param;
  if (typeof param !== 'object' || param === null) return '';
  return 'json' in param ? param.json : param.number;
}

function badParam(index: number, why: string): DbError {
  return new DbError('INVALID_PARAMETER', `Parameter $${index + 1} invalid: ${why}`);
}

function invalid(why: string, cause?: unknown): DbError {
  return new DbError('INVALID_INPUT', `Invalid JSON payload: ${why}.`, {cause});
}
