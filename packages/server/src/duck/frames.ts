/**
 * Frames: how the server and a child speak over their socket pair.
 *
 *     u32 bytes that follow │ u8 kind │ payload
 *
 *     server → child   head (a RequestHead), rows (u32 relation, packed rows), go │ cancel
 *     child → server   ready │ rows (JSON texts, one a line), then done or failed (JSON)
 *
 * Laws: one request at a time; a child answers every go and every cancel of a request with exactly one done or failed. What comes from a child is
 * read as plain text and JSON, never as objects of the serializer.
 */
import type {Socket} from 'node:net';
import {assert} from '../std/assert.ts';
import type {DuckRequest, Relation} from './duck.ts';
import type {ListedFile} from './file-check.ts';

export const FRAME = {head: 1, rows: 2, go: 3, cancel: 4, ready: 5, answer: 6, done: 7, failed: 8} as const;
export type FrameKind = (typeof FRAME)[keyof typeof FRAME];

/** Larger ones are a broken stream. Packed rows come in chunks far below; one row may be 16 MB, and so a little more. */
const FRAME_BYTES_MAX = 640 * 1024 * 1024;
const HEAD_BYTES = 5;

/** A request without its hot rows. */
export interface RequestHead extends Omit<DuckRequest, 'relations'> {
  readonly relations: readonly RelationHead[];
  /** Files that were not checked yet. */
  readonly unchecked: readonly ListedFile[];
}

export type RelationHead = Omit<Relation, 'hot'>;

export interface Done {
  readonly isTruncated: boolean;
  readonly residentBytes: number;
}

/** What a child is started with. */
export interface ChildSettings {
  readonly memoryBytes: number;
  readonly threads: number;
  /** Files outside of these are out of reach. */
  readonly directories: readonly string[];
  readonly tempDirectory: string | undefined;
  readonly programModule: string | undefined;
}

/** False when the socket wants to be waited for. */
export function sendFrame(socket: Socket, kind: FrameKind, ...parts: readonly Uint8Array[]): boolean {
  const length = parts.reduce((sum, part) => sum + part.length, 1);
  assert(length <= FRAME_BYTES_MAX, 'a frame is bounded');
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head.writeUInt32LE(length);
  head[4] = kind;
  let isTaken = socket.write(head);
  for (const part of parts) isTaken = socket.write(part);
  return isTaken;
}

export class FrameReader {
  readonly #visit: (kind: FrameKind, payload: Buffer) => void;
  readonly #head = Buffer.alloc(HEAD_BYTES);
  #headLength = 0;
  #body: Buffer | undefined;
  #bodyLength = 0;

  constructor(visit: (kind: FrameKind, payload: Buffer) => void) {
    this.#visit = visit;
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#headLength < HEAD_BYTES) {
        const taken = chunk.copy(this.#head, this.#headLength, at);
        this.#headLength += taken;
        at += taken;
        if (this.#headLength < HEAD_BYTES) return;
      }
      const length = this.#head.readUInt32LE() - 1;
      assert(length >= 0 && length < FRAME_BYTES_MAX, 'a frame is bounded');
      if (this.#body === undefined && chunk.length - at >= length) {
        this.#give(chunk.subarray(at, at + length));
        at += length;
        continue;
      }
      this.#body ??= Buffer.allocUnsafeSlow(length);
      const taken = chunk.copy(this.#body, this.#bodyLength, at);
      this.#bodyLength += taken;
      at += taken;
      if (this.#bodyLength === length) this.#give(this.#body);
    }
    if (this.#headLength === HEAD_BYTES && this.#head.readUInt32LE() === 1) this.#give(Buffer.alloc(0));
  }

  #give(payload: Buffer): void {
    this.#headLength = 0;
    this.#body = undefined;
    this.#bodyLength = 0;
    this.#visit(this.#head[4] as FrameKind, payload);
  }
}
