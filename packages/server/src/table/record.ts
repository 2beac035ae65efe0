/**
 * Record: the closed union of what a log batch, and a checkpoint, can hold.
 *
 *     row       one version of one row          publish   a manifest delta; the scope's hot versions ≤ flushedThrough are gone
 *     remove    a system row is gone            drop      one table life is over
 *     manifest  a whole one, in checkpoints     ceiling   seqs and incarnations up to here are reserved
 *
 * A checkpoint is the same records again, written from the state they led to, so there is one way to fold them.
 * Laws: a row record's header (incarnation, owner, key) reads without a schema. Unknown kinds are damage, never skipped.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import {type Manifest, manifestOf} from '../cold/manifest.ts';
import {deltaFromBytes, deltaFromJson, deltaToBytes, type ManifestDelta} from '../cold/manifest-delta.ts';
import type {Incarnation, Owner, ScopeKey, Seq} from '../model/names.ts';
import type {RowBytes} from '../model/row.ts';
import {writeText, writeU16, writeU32} from '../std/bytes.ts';

export type LogRecord =
  | {readonly kind: 'row'; readonly scope: ScopeKey; readonly key: Uint8Array; readonly row: RowBytes}
  | {readonly kind: 'remove'; readonly scope: ScopeKey; readonly key: Uint8Array}
  | {readonly kind: 'publish'; readonly delta: ManifestDelta}
  | {readonly kind: 'manifest'; readonly manifest: Manifest}
  | {readonly kind: 'drop'; readonly incarnation: Incarnation}
  | {readonly kind: 'ceiling'; readonly seq: Seq; readonly incarnation: Incarnation};

const ROW = 1;
const REMOVE = 2;
/** Of release 0.1.0: JSON, whole manifests of checkpoints too. Only read. */
const PUBLISH_JSON = 3;
const DROP = 4;
const CEILING = 5;
const PUBLISH = 6;
const MANIFEST = 7;
const NO_KEY = new Uint8Array(0);
const NO_OWNER = 0xffff;
/** Of one UTF-16 unit. */
const UTF8_BYTES_MAX = 3;

/** Appends records to one growing buffer. `bytes()` is a view of it, valid until the next append or `clear`. */
export class RecordWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(initialBytes = 1024) {
    this.#buffer = Buffer.allocUnsafe(initialBytes);
  }

  /** Returns where the row's bytes lie, so that its seq can be written once it is known. */
  row(scope: ScopeKey, key: Uint8Array, row: RowBytes): number {
    this.#header(ROW, scope, key, 4 + row.length);
    writeU32(this.#buffer, this.#length, row.length);
    const at = this.#length + 4;
    row.buffer.copy(this.#buffer, at, row.offset, row.offset + row.length);
    this.#length = at + row.length;
    return at;
  }

  remove(scope: ScopeKey, key: Uint8Array): void {
    this.#header(REMOVE, scope, key, 0);
  }

  publish(delta: ManifestDelta): void {
    this.#ofScope(PUBLISH, delta.scope, deltaToBytes(delta));
  }

  manifest({scope, bytes}: Manifest): void {
    this.#ofScope(MANIFEST, scope, bytes);
  }

  drop(incarnation: Incarnation): void {
    this.#reserve(5);
    this.#length = this.#buffer.writeUInt8(DROP, this.#length);
    this.#length = this.#buffer.writeUInt32LE(incarnation, this.#length);
  }

  ceiling(seq: Seq, incarnation: Incarnation): void {
    this.#reserve(13);
    this.#length = this.#buffer.writeUInt8(CEILING, this.#length);
    this.#length = this.#buffer.writeBigInt64LE(seq, this.#length);
    this.#length = this.#buffer.writeUInt32LE(incarnation, this.#length);
  }

  get length(): number {
    return this.#length;
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  #ofScope(kind: number, scope: ScopeKey, bytes: Buffer): void {
    this.#header(kind, scope, NO_KEY, 4 + bytes.length);
    writeU32(this.#buffer, this.#length, bytes.length);
    this.#length += 4 + bytes.copy(this.#buffer, this.#length + 4);
  }

  #header(kind: number, scope: ScopeKey, key: Uint8Array, more: number): void {
    const {incarnation, owner} = scope;
    this.#reserve(9 + (owner?.length ?? 0) * UTF8_BYTES_MAX + key.length + more);
    const buffer = this.#buffer;
    buffer[this.#length] = kind;
    writeU32(buffer, this.#length + 1, incarnation);
    let at = this.#length + 7;
    const ownerBytes = owner === null ? NO_OWNER : writeText(buffer, at, owner);
    writeU16(buffer, at - 2, ownerBytes);
    if (owner !== null) at += ownerBytes;
    writeU16(buffer, at, key.length);
    at += 2;
    buffer.set(key, at);
    this.#length = at + key.length;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

/** Reads the records of one batch in order. Keys and rows are views into `bytes`. Throws DATA_CORRUPTED on anything unknown. */
export class RecordReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#buffer = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.#at >= this.#buffer.length;
  }

  next(): LogRecord {
    const kind = this.#buffer[this.#take(1)];
    switch (kind) {
      case ROW: {
        const {scope, key} = this.#header();
        const length = this.#buffer.readUInt32LE(this.#take(4));
        return {kind: 'row', scope, key, row: {buffer: this.#buffer, offset: this.#take(length), length}};
      }
      case REMOVE:
        return {kind: 'remove', ...this.#header()};
      case PUBLISH_JSON:
        return {kind: 'publish', delta: deltaFromJson(this.#sized().toString())};
      case PUBLISH: {
        const {scope} = this.#header();
        return {kind: 'publish', delta: deltaFromBytes(scope, this.#sized())};
      }
      case MANIFEST: {
        const {scope} = this.#header();
        return {kind: 'manifest', manifest: manifestOf(scope, this.#sized())};
      }
      case DROP:
        return {kind: 'drop', incarnation: this.#incarnation()};
      case CEILING:
        return {kind: 'ceiling', seq: this.#buffer.readBigInt64LE(this.#take(8)), incarnation: this.#incarnation()};
      default:
        throw new DbError(
          'DATA_CORRUPTED',
          `The log holds a record of unknown kind ${kind}; it was written by a newer release or is damaged.`,
        );
    }
  }

  #header(): {scope: ScopeKey; key: Uint8Array} {
    const incarnation = this.#incarnation();
    const ownerLength = this.#buffer.readUInt16LE(this.#take(2));
    const scope =
      ownerLength === NO_OWNER
        ? {incarnation, owner: null}
        : scopeOf(incarnation, this.#buffer, this.#take(ownerLength), ownerLength);
    const keyLength = this.#buffer.readUInt16LE(this.#take(2));
    const {buffer, byteOffset} = this.#buffer;
    return {scope, key: new Uint8Array(buffer, byteOffset + this.#take(keyLength), keyLength)};
  }

  #sized(): Buffer {
    const length = this.#buffer.readUInt32LE(this.#take(4));
    const at = this.#take(length);
    return this.#buffer.subarray(at, at + length);
  }

  #incarnation(): Incarnation {
    return this.#buffer.readUInt32LE(this.#take(4)) as Incarnation;
  }

  #take(length: number): number {
    const at = this.#at;
    if (at + length > this.#buffer.length)
      throw new DbError('DATA_CORRUPTED', 'A log record ends beyond its batch; run fsck.');
    this.#at = at + length;
    return at;
  }
}

const SCOPES_KEPT = 1024;

/**
 * Scopes met before, at the hash of their bytes; another one with the same hash takes the place. A log speaks of few scopes at a time, and a text
 * made of the same bytes again and again would cost more than all else in a record, here and as a key of maps.
 */
const scopesMet = new Array<{readonly scope: ScopeKey; readonly owner: Uint8Array} | undefined>(SCOPES_KEPT);

function scopeOf(incarnation: Incarnation, buffer: Buffer, at: number, length: number): ScopeKey {
  let hash: number = incarnation;
  for (let i = at; i < at + length; i++) hash = Math.imul(hash ^ buffer[i]!, 0x01000193);
  const place = (hash >>> 8) % SCOPES_KEPT;
  const met = scopesMet[place];
  if (met !== undefined && met.scope.incarnation === incarnation && isSame(met.owner, buffer, at, length)) {
    return met.scope;
  }
  const owner = Uint8Array.prototype.slice.call(buffer, at, at + length);
  const scope = {incarnation, owner: buffer.toString('utf8', at, at + length) as Owner};
  scopesMet[place] = {scope, owner};
  return scope;
}

function isSame(owner: Uint8Array, buffer: Buffer, at: number, length: number): boolean {
  if (owner.length !== length) return false;
  for (let i = 0; i < length; i++) if (owner[i] !== buffer[at + i]) return false;
  return true;
}
