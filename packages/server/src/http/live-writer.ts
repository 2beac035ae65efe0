/**
 * Live writer: frames to one socket, in order, in one write per call.
 *
 *     send ─ all there ─ one write
 *          └ some are being compressed by another thread ─ wait, and whatever comes after them waits too
 *
 * Laws: frames are written whole and in the order of `send`, so that frames which `ws` writes itself (close, pong) fall between two of them.
 * `queuedBytes` counts everything that was handed in and not taken by the kernel.
 */
import type {Duplex} from 'node:stream';

/** Frames with at least this many bytes are not copied together. */
const COPIED_BYTES_MAX = 256 * 1024;

export interface WriterEvents {
  /** Everything that was handed in has been taken, after a time in which not. */
  onDrained(): void;
  /** A frame could not be made. */
  onBroken(error: unknown): void;
}

export type Frame = Buffer[] | Promise<Buffer[]>;

export class LiveWriter {
  readonly #socket: Duplex;
  readonly #events: WriterEvents;
  /** The first of them is not ready. */
  #waiting: {frame: Frame; bytes: number}[] = [];
  #waitingBytes = 0;
  #isWaiting = false;
  #onIdle: (() => void) | undefined;

  constructor(socket: Duplex, events: WriterEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.on('drain', () => {
      if (!this.#isWaiting) events.onDrained();
    });
  }

  get queuedBytes(): number {
    return this.#waitingBytes + this.#socket.writableLength;
  }

  /** `bytes`: how much they are about, as long as they are not ready. Returns what was written, if that was one buffer. */
  send(frames: readonly Frame[], bytes: number): Buffer | undefined {
    if (!this.#isWaiting && frames.every(frame => !(frame instanceof Promise)))
      return this.#write(frames.length === 1 ? (frames[0] as Buffer[]) : (frames.flat() as Buffer[]));
    for (const frame of frames) {
      // That it failed is told when its turn comes.
      if (frame instanceof Promise) frame.catch(() => undefined);
      this.#waiting.push({frame, bytes: bytes / frames.length});
      this.#waitingBytes += bytes / frames.length;
    }
    if (!this.#isWaiting) void this.#drainWaiting();
    return undefined;
  }

  /** Calls back when everything was given to the socket, at once if nothing waits. */
  whenIdle(then: () => void): void {
    if (this.#isWaiting) this.#onIdle = then;
    else then();
  }

  async #drainWaiting(): Promise<void> {
    this.#isWaiting = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        const chunks = await next.frame;
        this.#waitingBytes = this.#waiting.length === 0 ? 0 : this.#waitingBytes - next.bytes;
        this.#write(chunks);
      }
    } catch (error) {
      this.#waiting = [];
      this.#waitingBytes = 0;
      this.#events.onBroken(error);
    }
    this.#isWaiting = false;
    this.#onIdle?.();
    // The socket tells of itself only if it was full.
    if (!this.#socket.writableNeedDrain) this.#events.onDrained();
  }

  #write(chunks: Buffer[]): Buffer | undefined {
    const socket = this.#socket;
    if (!socket.writable || chunks.length === 0) return undefined;
    let bytes = 0;
    for (const chunk of chunks) bytes += chunk.length;
    if (bytes <= COPIED_BYTES_MAX) {
      const whole = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes);
      socket.write(whole);
      return whole;
    }
    socket.cork();
    for (const chunk of chunks) socket.write(chunk);
    socket.uncork();
    return undefined;
  }
}
