/**
 * Simulated S3: an object service on no machine at all, which refuses, falls silent, and does things without saying so.
 *
 *     s3.mount()       the service as one life of the server sees it; requests of a life that ended are never answered
 *     s3.trouble = …   how often which fault comes; every fault is counted
 *     s3.kill()        the life ends: what was under way has happened or not, and nothing of it happens later
 *
 * Laws: an object is there whole or not at all. A put that names the condition never replaces an object. One seed gives one history: how long a
 * request takes and its fate come from the seed.
 */
import type {S3Fetch} from '../../src/blob/s3-blob.ts';
import {assert} from '../../src/std/assert.ts';

/** Chance of each fault, per request. */
export interface Trouble {
  /** Nothing is done, and said so: 503. */
  readonly refused: number;
  /** Nothing is done, and nothing said: the caller's time runs out. */
  readonly silent: number;
  /** It is done, and answered as if it had failed. */
  readonly lied: number;
  /** It is done, and the connection breaks before the answer. */
  readonly lost: number;
}

export const NO_TROUBLE: Trouble = {refused: 0, silent: 0, lied: 0, lost: 0};

/** Of one kind or of all: a service that is only slow to fail meets other code than one that lies. */
export function cloudTrouble(chance: number, random: () => number): Trouble {
  if (random() >= chance) return NO_TROUBLE;
  const some = () => (random() < 0.5 ? random() * 0.2 : 0);
  switch (Math.floor(random() * 4)) {
    case 0:
      return {...NO_TROUBLE, refused: 1};
    case 1:
      return {...NO_TROUBLE, lied: 0.5, lost: 0.5};
    case 2:
      return {...NO_TROUBLE, silent: 1};
    default:
      return {refused: some(), silent: some(), lied: some(), lost: some()};
  }
}

const ENDPOINT = 'http://s3.simulated';
const BUCKET = 'bucket';
export const CREATE_STORAGE = `CREATE STORAGE cloud TYPE s3 BUCKET '${BUCKET}' CREDENTIALS '{"access_key_id":"a","secret_access_key":"b"}' CONFIG '{"endpoint":"${ENDPOINT}","allow_http":true}'`;

type Request = Parameters<S3Fetch>[1];
type Answer = Awaited<ReturnType<S3Fetch>>;

/** What a request does, and what is then said. */
type Effect = () => Answer;

export class SimS3 {
  trouble: Trouble = NO_TROUBLE;
  faultCount = 0;
  /** Puts that were done and not answered so. */
  ambiguousPutCount = 0;
  readonly #objects = new Map<string, Buffer>();
  readonly #random: () => number;
  #life = 0;
  /** Of requests that are under way. */
  #effects = new Set<Effect>();

  constructor(random: () => number) {
    this.#random = random;
  }

  /** By their path in the bucket. */
  contents(): ReadonlyMap<string, Buffer> {
    return this.#objects;
  }

  mount(): S3Fetch {
    const life = this.#life;
    return async (url, request) => {
      if (this.#life !== life) return await new Promise(() => {});
      const effect = this.#effect(new URL(url), request);
      const fate = this.#random();
      const turns = this.#random() < 0.6 ? 1 : Math.floor(this.#random() * 12);
      this.#effects.add(effect);
      for (let i = 0; i < turns; i++) await this.#turn(life);
      this.#effects.delete(effect);
      return await this.#answer(effect, request, fate);
    };
  }

  kill(): void {
    this.#life++;
    const underWay = [...this.#effects];
    this.#effects = new Set();
    for (const effect of underWay) if (this.#random() < 0.5) effect();
  }

  async #turn(life: number): Promise<void> {
    await new Promise(resolve => setImmediate(resolve));
    if (this.#life !== life) await new Promise(() => {});
  }

  async #answer(effect: Effect, {method, signal}: Request, fate: number): Promise<Answer> {
    const {refused, silent, lied, lost} = this.trouble;
    const isFault = signal.aborted || fate < refused + silent + lied + lost;
    if (!isFault) return effect();
    this.faultCount++;
    // The caller's time was over before.
    if (signal.aborted && fate < 0.5) effect();
    signal.throwIfAborted();
    if (fate < refused) return answer(503, '<Error><Code>SlowDown</Code></Error>');
    if (fate < refused + silent) {
      return await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    }
    const {status} = effect();
    if (method === 'PUT' && status === 200) this.ambiguousPutCount++;
    if (fate < refused + silent + lied) return answer(500, '<Error><Code>InternalError</Code></Error>');
    throw Object.assign(new TypeError('fetch failed'), {cause: {code: 'ECONNRESET'}});
  }

  #effect({pathname, searchParams}: URL, request: Request): Effect {
    const path = decodeURIComponent(pathname.slice(`/${BUCKET}/`.length));
    const objects = this.#objects;
    switch (request.method) {
      case 'HEAD':
        return () => {
          const bytes = objects.get(path);
          return bytes === undefined ? answer(404) : answer(200, '', {'content-length': String(bytes.length)});
        };
      case 'GET':
        if (searchParams.has('list-type')) return () => listing(objects, searchParams.get('prefix') ?? '');
        return () => ranged(objects.get(path), request.headers['range']!);
      case 'PUT': {
        assert('body' in request, 'a put has a body');
        const bytes = Buffer.from(request.body as Uint8Array);
        return () => {
          if (request.headers['if-none-match'] === '*' && objects.has(path)) return answer(412);
          objects.set(path, bytes);
          return answer(200);
        };
      }
      case 'DELETE':
        return () => {
          objects.delete(path);
          return answer(204);
        };
      default:
        throw new TypeError(`the simulated service knows no ${request.method}`);
    }
  }
}

function ranged(bytes: Buffer | undefined, range: string): Answer {
  if (bytes === undefined) return answer(404);
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range)!;
  return Number(from) >= bytes.length ? answer(416) : answer(206, bytes.subarray(Number(from), Number(to) + 1));
}

function listing(objects: ReadonlyMap<string, Buffer>, prefix: string): Answer {
  const keys = [...objects.keys()].filter(key => key.startsWith(prefix)).sort();
  return answer(
    200,
    `<List>${keys.map(key => `<Key>${encodeURIComponent(key)}</Key>`)}<EncodingType>url</EncodingType></List>`,
  );
}

function answer(status: number, body: string | Buffer = '', headers: Record<string, string> = {}): Answer {
  const bytes = Uint8Array.from(Buffer.from(body));
  return {status, headers: new Headers(headers), arrayBuffer: async () => bytes.buffer};
}
