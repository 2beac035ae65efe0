/** Byte fields: fields one after the other in a buffer, written and read. Integers are little endian; a varint (LEB128) is a safe integer ≥ 0. */
import {assert} from './assert.ts';
import {writeU32, writeWide} from './bytes.ts';

export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(initialBytes: number) {
    this.#buffer = Buffer.allocUnsafe(initialBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** A view of what was written, valid until the next append. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Room that is filled in later; returns where it begins. */
  skip(bytes: number): number {
    const at = this.#length;
    this.#reserve(bytes);
    this.#length += bytes;
    return at;
  }

  setU32(at: number, value: number): void {
    writeU32(this.#buffer, at, value);
  }

  u8(value: number): void {
    const at = this.skip(1);
    this.#buffer[at] = value;
  }

  u32(value: number): void {
    const at = this.skip(4);
    writeU32(this.#buffer, at, value);
  }

  u48(value: number): void {
    const at = this.skip(6);
    this.#buffer.writeUIntLE(value, at, 6);
  }

  i64(value: bigint): void {
    const at = this.skip(8);
    writeWide(this.#buffer, at, value);
  }

  varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'a varint is a safe integer from 0 up');
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) this.u8((rest % 128) | 0x80);
    this.u8(rest);
  }

  /** With their length before them. */
  sized(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  /** UTF-8 with its length before it. */
  text(text: string): void {
    this.sized(Buffer.from(text));
  }

  raw(bytes: Uint8Array): void {
    const at = this.skip(bytes.length);
    this.#buffer.set(bytes, at);
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

/** Reads the same fields, in the order they were written. Throws RangeError where bytes end too soon. */
export class ByteReader {
  readonly #buffer: Buffer;
  at: number;

  constructor(buffer: Buffer, at: number) {
    this.#buffer = buffer;
    this.at = at;
  }

  u8(): number {
    return this.#buffer[this.#take(1)]!;
  }

  u32(): number {
    this.at += 4;
    return this.#buffer.readUInt32LE(this.at - 4);
  }

  u48(): number {
    this.at += 6;
    return this.#buffer.readUIntLE(this.at - 6, 6);
  }

  i64(): bigint {
    this.at += 8;
    return this.#buffer.readBigInt64LE(this.at - 8);
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  /** A view. */
  sized(): Buffer {
    const length = this.varint();
    const at = this.#take(length);
    return this.#buffer.subarray(at, at + length);
  }

  /** Over a field with its length before it. */
  pass(): void {
    this.#take(this.varint());
  }

  text(): string {
    const length = this.varint();
    const at = this.#take(length);
    return this.#buffer.toString('utf8', at, at + length);
  }

  #take(bytes: number): number {
    const {at} = this;
    if (at + bytes > this.#buffer.length) throw new RangeError('the bytes end inside a field');
    this.at = at + bytes;
    return at;
  }
}
