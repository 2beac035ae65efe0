/**
 * Compression: long answers of the SQL route as gzip (RFC 1952), for callers that take it.
 *
 *     gzip header + slice, deflated + slice, deflated + … + empty last block, checksum and length of all
 *
 * Each slice ends on a byte and refers to none before it, so nothing is kept between two slices: a slow reader costs what it costs without.
 *
 * Laws: short answers are left as they are, at the price of one comparison. Nothing is deflated on the event loop, and a few at a time in all, so that
 * threads are left for the disk. When too many answers are under way the next ones go out as they are. Answers that hold secrets beside
 * words of the caller (those of the sign-in routes) never come here: the length of a compressed text tells of what it repeats (BREACH).
 */
import {promisify} from 'node:util';
import {constants, crc32, deflateRaw} from 'node:zlib';
import type {Headers} from './answer.ts';

/** In UTF-16 units, as whoever asks has it at hand. */
const COMPRESSED_LENGTH_MIN = 1024;
/** Deflated at the same time; the pool has more threads than that (`main.mjs`). */
const AT_ONCE = 2;
/** Answers under way, each with one slice in memory. */
const ANSWERS_MAX = 256;
const OPTIONS = {level: constants.Z_BEST_SPEED, finishFlush: constants.Z_SYNC_FLUSH, chunkSize: 64 * 1024};
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
/** No bytes, and no block behind it. */
const LAST_BLOCK = [3, 0];
const TRAILER_BYTES = LAST_BLOCK.length + 8;

export const GZIP_HEADERS: Headers = {'content-encoding': 'gzip', vary: 'Accept-Encoding'};

const deflateElsewhere = promisify<Buffer, typeof OPTIONS, Buffer>(deflateRaw);

export class Compression {
  readonly #isOn: boolean;
  #answers = 0;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor({isOn}: {isOn: boolean}) {
    this.#isOn = isOn;
  }

  /** Undefined: it is to go out as it is. What is given must be read to its end, or returned from. */
  tryGzip(texts: string | Iterable<string>, acceptEncoding: string | undefined): AsyncGenerator<Buffer> | undefined {
    if (typeof texts === 'string' && texts.length <= COMPRESSED_LENGTH_MIN) return undefined;
    if (!this.#isOn || this.#answers >= ANSWERS_MAX || !acceptsGzip(acceptEncoding)) return undefined;
    return this.#gzip(typeof texts === 'string' ? [texts] : texts);
  }

  async *#gzip(texts: Iterable<string>): AsyncGenerator<Buffer> {
    let checksum = 0;
    let length = 0;
    let last: Buffer = HEADER;
    this.#answers++;
    try {
      for (const text of texts) {
        const bytes = Buffer.from(text);
        checksum = crc32(bytes, checksum);
        length += bytes.length;
        const deflated = await this.#deflate(bytes);
        if (last !== HEADER) yield last;
        last = last === HEADER ? Buffer.concat([HEADER, deflated]) : deflated;
      }
      yield Buffer.concat([last, trailer(checksum, length)]);
    } finally {
      this.#answers--;
    }
  }

  async #deflate(bytes: Buffer): Promise<Buffer> {
    if (this.#running >= AT_ONCE) await new Promise<void>(resolve => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await deflateElsewhere(bytes, OPTIONS);
    } finally {
      const next = this.#waiting.shift();
      // Its place goes to whoever waits.
      if (next === undefined) this.#running--;
      else next();
    }
  }
}

function trailer(checksum: number, length: number): Buffer {
  const bytes = Buffer.alloc(TRAILER_BYTES);
  bytes.set(LAST_BLOCK);
  bytes.writeUInt32LE(checksum, LAST_BLOCK.length);
  bytes.writeUInt32LE(length % 2 ** 32, LAST_BLOCK.length + 4);
  return bytes;
}

/** RFC 9110, 12.5.3: gzip is named with a weight above 0 and not below that of the plain answer, or `*` stands for it. */
export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  if (acceptEncoding === undefined) return false;
  const weights = new Map<string, number>();
  for (const part of acceptEncoding.toLowerCase().split(',')) {
    const [coding = '', ...parameters] = part.split(';').map(word => word.trim());
    weights.set(coding, weightOf(parameters));
  }
  const gzip = weights.get('gzip') ?? weights.get('x-gzip') ?? weights.get('*') ?? 0;
  return gzip > 0 && gzip >= (weights.get('identity') ?? 0);
}

/** What cannot be understood is 0: a plain answer is right for everybody. */
function weightOf([parameter, ...more]: readonly string[]): number {
  if (parameter === undefined) return 1;
  const weight = /^q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.exec(parameter)?.[1];
  return weight === undefined || more.length > 0 ? 0 : Number(weight);
}
