/**
 * MessagePack: reads what a server says in it, for programs that want shorter messages: `createClient({url, serialization: msgpack})`.
 *
 * An entry of its own, so that who speaks JSON does not load it. What the client says stays JSON, which servers read in either way.
 *
 * Laws: integers that no double holds are bigints. Maps have text keys. Extension types and bytes that follow a whole value are refused, as is whatever
 * ends too early.
 */
import type {BinarySerialization} from './connection.ts';

export const msgpack: BinarySerialization = {
  name: 'msgpack',
  decode(bytes) {
    const reader = new Reader(bytes);
    const value = reader.value();
    if (!reader.isAtEnd) throw new RangeError('bytes follow the message');
    return value;
  },
};

/** Longer texts are worth a call of the decoder. */
const SHORT_TEXT = 24;
const utf8 = new TextDecoder('utf-8', {fatal: true});

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  value(): unknown {
    const head = this.#view.getUint8(this.#at++);
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    if (head < 0x90) return this.#map(head & 0x0f);
    if (head < 0xa0) return this.#list(head & 0x0f);
    if (head < 0xc0) return this.#text(head & 0x1f);
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return this.#view.getFloat32(this.#skip(4));
      case 0xcb:
        return this.#view.getFloat64(this.#skip(8));
      case 0xcf:
        return exact(this.#view.getBigUint64(this.#skip(8)));
      case 0xd3:
        return exact(this.#view.getBigInt64(this.#skip(8)));
      case 0xd0:
        return this.#view.getInt8(this.#skip(1));
      case 0xd1:
        return this.#view.getInt16(this.#skip(2));
      case 0xd2:
        return this.#view.getInt32(this.#skip(4));
      default:
        return this.#sized(head);
    }
  }

  /** What begins with a length, or is one. */
  #sized(head: number): unknown {
    switch (head) {
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#unsigned(1 << (head - 0xcc));
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#slice(this.#unsigned(1 << (head - 0xc4)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#unsigned(1 << (head - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#list(this.#unsigned(2 << (head - 0xdc)));
      case 0xde:
      case 0xdf:
        return this.#map(this.#unsigned(2 << (head - 0xde)));
      default:
        throw new RangeError(`a value begins with ${head}`);
    }
  }

  #unsigned(size: number): number {
    const at = this.#skip(size);
    return size === 1 ? this.#view.getUint8(at) : size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #skip(size: number): number {
    const at = this.#at;
    if (size > this.#bytes.length - at) throw new RangeError('the message ends too early');
    this.#at += size;
    return at;
  }

  #slice(size: number): Uint8Array {
    const at = this.#skip(size);
    return this.#bytes.subarray(at, at + size);
  }

  #text(size: number): string {
    const bytes = this.#slice(size);
    if (size > SHORT_TEXT || bytes.some(byte => byte > 0x7f)) return utf8.decode(bytes);
    return String.fromCharCode(...bytes);
  }

  #list(size: number): unknown[] {
    const list: unknown[] = [];
    while (list.length < size) list.push(this.value());
    return list;
  }

  #map(size: number): Record<string, unknown> {
    const entries: [string, unknown][] = [];
    while (entries.length < size) {
      const name = this.value();
      if (typeof name !== 'string') throw new RangeError('a key is no text');
      entries.push([name, this.value()]);
    }
    // Unlike assignments, it makes members of all names.
    return Object.fromEntries(entries);
  }
}

function exact(integer: bigint): number | bigint {
  const number = Number(integer);
  return Number.isSafeInteger(number) ? number : integer;
}
