/**
 * S3 blob: objects of an S3-compatible service, by signed HTTP requests.
 *
 *     put      HEAD (the name is free) → PUT with If-None-Match, or parts of 8 MiB → one complete request
 *     read     GET with a range        list   pages of 1000        remove   one DELETE each, a few at once
 *
 * Laws: an object is seen whole under its name or not at all: the service makes it so. A request is tried again with growing pauses when the service is
 * busy, fails, or cannot be reached; never when it refuses. A put that was tried again accepts the object that its own earlier try left. No
 * message names a credential.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import {AwsClient} from 'aws4fetch';
import {assert} from '../std/assert.ts';
import type {Clock} from '../std/clock.ts';
import type {Blob} from './blob.ts';
import {checkObjectPath, checkPrefix, missingObject, shortObject} from './object-path.ts';

const PART_BYTES = 8 * 1024 * 1024;
const PARTS_AT_ONCE = 4;
const REMOVES_AT_ONCE = 8;
const TRIES = 4;
const FIRST_PAUSE_MS = 100;
const TIMEOUT_MS = 60_000;
const BUSY = new Set([408, 429, 500, 502, 503, 504]);

export interface S3Options {
  readonly bucket: string;
  /** Put before every path; '' or without slashes at its ends. */
  readonly prefix: string;
  readonly region: string;
  /** Base URL of the service, for path-style requests; undefined = Amazon's, by host name. */
  readonly endpoint: string | undefined;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
  readonly clock: Clock;
  readonly pauseMs?: number;
  readonly timeoutMs?: number;
  /** Signs and sends; for simulations. */
  readonly fetch?: S3Fetch;
}

export type S3Fetch = (
  url: string,
  request: {readonly method: string; readonly headers: Record<string, string>; readonly signal: AbortSignal} & (
    | {readonly body: NonNullable<RequestInit['body']>}
    | object
  ),
) => Promise<Pick<Response, 'status' | 'headers' | 'arrayBuffer'>>;

interface Ask {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  readonly query?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array | string;
  /** Statuses the caller makes sense of, besides 2xx. */
  readonly expects?: readonly number[];
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
  /** It is not the first try's answer. */
  readonly isRepeated: boolean;
}

export function openS3Blob(options: S3Options): Blob {
  const service = new Service(options);
  const sizeOf = async (path: string): Promise<number | undefined> => {
    const {status, headers} = await service.ask({method: 'HEAD', path, expects: [404]});
    return status === 404 ? undefined : Number(headers.get('content-length'));
  };
  return {
    async put(path, bytes) {
      checkObjectPath(path);
      assert((await sizeOf(path)) === undefined, `an object name is used once: ${path}`);
      const {status, isRepeated} = await store(service, path, bytes, {'if-none-match': '*'});
      if (status !== 412) return;
      assert(isRepeated && (await sizeOf(path)) === bytes.length, `an object name is used once: ${path}`);
    },
    async replace(path, bytes) {
      checkObjectPath(path);
      await store(service, path, bytes, {});
    },
    async read(path, start, end) {
      checkObjectPath(path);
      if (start === end) return Buffer.alloc(0);
      const headers = {range: `bytes=${start}-${end - 1}`};
      const {status, body} = await service.ask({method: 'GET', path, headers, expects: [404, 416]});
      if (status === 404) throw missingObject(path);
      // A service that knows no ranges answers with the whole.
      const bytes = status === 200 ? body.subarray(start, end) : body;
      if (status === 416 || bytes.length < end - start) {
        throw shortObject(path, {end, size: (await sizeOf(path)) ?? 0});
      }
      return bytes;
    },
    file: async () => undefined,
    directory: undefined,
    size(path) {
      checkObjectPath(path);
      return sizeOf(path);
    },
    async remove(paths) {
      for (const path of paths) checkObjectPath(path);
      await eachOf(paths, REMOVES_AT_ONCE, path => service.ask({method: 'DELETE', path, expects: [404]}));
    },
    async list(prefix) {
      checkPrefix(prefix);
      return await listObjects(service, prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`);
    },
  };
}

async function store(
  service: Service,
  path: string,
  bytes: Uint8Array,
  condition: Record<string, string>,
): Promise<Answer> {
  if (bytes.length > PART_BYTES) return await storeInParts(service, path, bytes, condition);
  const put = {method: 'PUT', path, body: bytes} as const;
  const answer = await service.ask({...put, headers: condition, expects: [412, 501]});
  // Not every service knows the condition; the name was seen to be free.
  return answer.status === 501 ? await service.ask(put) : answer;
}

async function storeInParts(
  service: Service,
  path: string,
  bytes: Uint8Array,
  condition: Record<string, string>,
): Promise<Answer> {
  const started = await service.ask({method: 'POST', path, query: 'uploads='});
  const uploadId = textOf(started.body.toString(), 'UploadId');
  if (uploadId === undefined) throw service.failure('the answer to a new upload holds no UploadId');
  const query = `uploadId=${encodeURIComponent(uploadId)}`;
  try {
    const numbers = Array.from({length: Math.ceil(bytes.length / PART_BYTES)}, (_, i) => i + 1);
    const tags: string[] = [];
    await eachOf(numbers, PARTS_AT_ONCE, async number => {
      const body = bytes.subarray((number - 1) * PART_BYTES, number * PART_BYTES);
      const {headers} = await service.ask({method: 'PUT', path, query: `partNumber=${number}&${query}`, body});
      tags[number - 1] = headers.get('etag') ?? '';
    });
    const parts = tags.map((tag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${tag}</ETag></Part>`);
    const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
    const complete = {method: 'POST', path, query, body} as const;
    const answer = await service.ask({...complete, headers: condition, expects: [412, 501]});
    return answer.status === 501 ? await service.ask(complete) : answer;
  } catch (error) {
    // The parts cost space until the upload is given up. The first error is the one to report.
    await service.ask({method: 'DELETE', path, query, expects: [404]}).catch(() => undefined);
    throw error;
  }
}

async function listObjects(service: Service, prefix: string): Promise<string[]> {
  const paths: string[] = [];
  let token: string | undefined;
  do {
    const query = new URLSearchParams({'list-type': '2', 'encoding-type': 'url', prefix: service.keyOf(prefix)});
    if (token !== undefined) query.set('continuation-token', token);
    const {body} = await service.ask({method: 'GET', path: '', query: query.toString()});
    const xml = body.toString();
    // Asked for, so that any name fits into XML; a service that does not know it says so by silence.
    const isEncoded = textOf(xml, 'EncodingType') === 'url';
    for (const [, text] of xml.matchAll(/<Key>([^<]*)<\/Key>/g)) {
      const key = unescapeXml(text!);
      paths.push(service.pathOf(isEncoded ? decodeURIComponent(key.replaceAll('+', '%20')) : key));
    }
    token = textOf(xml, 'IsTruncated') === 'true' ? textOf(xml, 'NextContinuationToken') : undefined;
  } while (token !== undefined);
  return paths.sort();
}

/** Signs, sends, and tries again what may help. */
class Service {
  readonly #options: S3Options;
  readonly #fetch: S3Fetch;
  readonly #base: string;

  constructor(options: S3Options) {
    const {bucket, region, endpoint, accessKeyId, secretAccessKey, sessionToken} = options;
    this.#options = options;
    const client = new AwsClient({
      ...{accessKeyId, secretAccessKey, region, service: 's3', retries: 0},
      ...(sessionToken === undefined ? {} : {sessionToken}),
    });
    this.#fetch = options.fetch ?? ((url, request) => client.fetch(url, request));
    this.#base =
      endpoint === undefined
        ? `https://${bucket}.s3.${region}.amazonaws.com`
        : `${endpoint.replace(/\/+$/, '')}/${bucket}`;
  }

  keyOf(path: string): string {
    const {prefix} = this.#options;
    return prefix === '' ? path : `${prefix}/${path}`;
  }

  pathOf(key: string): string {
    return key.slice(this.keyOf('').length);
  }

  async ask(ask: Ask): Promise<Answer> {
    const {clock, pauseMs = FIRST_PAUSE_MS} = this.#options;
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#send(ask, attempt > 1).catch((error: Error) => error);
      const isLast = attempt === TRIES;
      if (answer instanceof Error) {
        if (isLast) throw this.failure(this.#reasonOf(answer), answer);
      } else if (!BUSY.has(answer.status) || isLast) {
        if (answer.status < 300 || ask.expects?.includes(answer.status) === true) return answer;
        throw this.#refusal(ask, answer);
      }
      await clock.sleep(Math.round(pauseMs * 2 ** (attempt - 1) * (0.5 + attempt / (2 * TRIES))));
    }
  }

  failure(reason: string, cause?: unknown): DbError {
    const {bucket} = this.#options;
    return new DbError('STORAGE_UNAVAILABLE', `The S3 storage of bucket '${bucket}' failed: ${reason}.`, {cause});
  }

  async #send({method, path, query, headers, body}: Ask, isRepeated: boolean): Promise<Answer> {
    const key = path === '' ? '' : `/${this.keyOf(path).split('/').map(encodeURIComponent).join('/')}`;
    const url = `${this.#base}${key}${query === undefined ? '' : `?${query}`}`;
    const [answered, late] = [new AbortController(), new AbortController()];
    const {clock} = this.#options;
    clock.sleep(this.#timeoutMs, answered.signal).then(
      () => late.abort(new DOMException('no answer', 'TimeoutError')),
      () => undefined,
    );
    try {
      const answer = await this.#fetch(url, {
        method,
        headers: headers ?? {},
        ...(body === undefined ? {} : {body: body as NonNullable<RequestInit['body']>}),
        signal: late.signal,
      });
      const bytes = Buffer.from(await answer.arrayBuffer());
      return {status: answer.status, headers: answer.headers, body: bytes, isRepeated};
    } finally {
      answered.abort();
    }
  }

  get #timeoutMs(): number {
    return this.#options.timeoutMs ?? TIMEOUT_MS;
  }

  #reasonOf(error: Error): string {
    const {cause} = error as {cause?: {code?: string; message?: string}};
    if (error.name === 'TimeoutError') return `no answer within ${this.#timeoutMs / 1000} s`;
    return `it cannot be reached (${cause?.code ?? cause?.message ?? error.message})`;
  }

  #refusal({method, path}: Ask, {status, body}: Answer): DbError {
    const code = textOf(body.toString(), 'Code');
    return this.failure(
      `${method} ${path === '' ? 'of the bucket' : `'${path}'`} was answered ${status} ${code ?? ''}`.trim(),
    );
  }
}

/** Calls `work` on each, at most `atOnce` at a time; the first failure ends it. */
async function eachOf<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < items.length) await work(items[next++]!);
  };
  await Promise.all(Array.from({length: Math.min(atOnce, items.length)}, worker));
}

/** Text of the first element of that name. The answers read here are flat and small. */
function textOf(xml: string, name: string): string | undefined {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return found === undefined ? undefined : unescapeXml(found);
}

function unescapeXml(text: string): string {
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replace(/&#x([0-9a-fA-F]{1,6});/g, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)))
    .replaceAll('&amp;', '&');
}
