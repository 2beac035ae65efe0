/**
 * Wire client: a WebSocket client that knows the protocol's frames and nothing else. What arrives waits in order until it is asked for.
 */
import assert from 'node:assert/strict';
import {gunzipSync} from 'node:zlib';
import {parseServerMessage, readServerMessage} from '@kalamdb/protocol/message-reader.ts';
import type {Serialization, ServerMessage} from '@kalamdb/protocol/messages.ts';
import {decode, encode} from '@msgpack/msgpack';
import {WebSocket} from 'ws';

const WAIT_MS = 10_000;

export interface Frame {
  readonly isBinary: boolean;
  readonly isGzipped: boolean;
  readonly bytes: Buffer;
}

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

export interface WireOptions {
  readonly headers?: Record<string, string>;
  /** With its question mark. */
  readonly query?: string;
  readonly autoPong?: boolean;
}

/** Of an upgrade that was refused. */
export class Refused extends Error {
  readonly status: number;
  readonly text: string;

  constructor(status: number, text: string) {
    super(`${status} ${text}`);
    this.status = status;
    this.text = text;
  }
}

export class WireClient {
  readonly ws: WebSocket;
  /** Of frames sent. */
  serialization: Serialization = 'json';
  /** The last frame that `next` gave. */
  frame: Frame | undefined;
  closed: Closed | undefined;
  readonly #arrived: Frame[] = [];
  #wake: (() => void) | undefined;

  private constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on('message', (data: Buffer, isBinary) => {
      const isGzipped = isBinary && data[0] === 0x1f && data[1] === 0x8b;
      this.#arrived.push({isBinary, isGzipped, bytes: isGzipped ? gunzipSync(data) : data});
      this.#wake?.();
    });
    ws.on('close', (code, reason) => {
      this.closed = {code, reason: reason.toString()};
      this.#wake?.();
    });
    ws.on('error', () => {});
  }

  /** Rejects with Refused. */
  static open(port: number, {headers = {}, query = '', autoPong = true}: WireOptions = {}): Promise<WireClient> {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/v1/ws${query}`, {headers, perMessageDeflate: false, autoPong});
    const client = new WireClient(ws);
    return new Promise((resolve, reject) => {
      ws.once('open', () => resolve(client));
      ws.once('error', reject);
      ws.once('unexpected-response', (_, response) => {
        let text = '';
        response.on('data', chunk => {
          text += chunk;
        });
        response.on('end', () => reject(new Refused(response.statusCode!, text)));
      });
    });
  }

  /** As user `user` of development sign-in, by the upgrade request. */
  static async as(user: string, port: number, options: WireOptions = {}): Promise<WireClient> {
    const client = await WireClient.open(port, {...options, headers: {...options.headers, 'x-user-id': user}});
    if (options.query?.includes('serialization=msgpack')) client.serialization = 'msgpack';
    const welcome = await client.next();
    assert.equal(welcome.type, 'auth_success', JSON.stringify(welcome));
    return client;
  }

  send(message: object): void {
    if (this.serialization === 'json') this.ws.send(JSON.stringify(message, (_, value) => rawIfBig(value)));
    else this.ws.send(encode(message, {useBigInt64: true}));
  }

  /** The next message. Rejects if none comes, or the connection is closed. */
  async next(): Promise<ServerMessage> {
    this.frame = await this.#frame();
    assert.ok(this.frame !== undefined, `closed: ${JSON.stringify(this.closed)}`);
    const {isBinary, bytes} = this.frame;
    const isPacked = isBinary && bytes[0] !== 0x7b;
    return isPacked ? readServerMessage(decode(bytes, {useBigInt64: true})) : parseServerMessage(bytes.toString());
  }

  /** How the connection ended, whatever came before. */
  async end(): Promise<Closed> {
    while ((await this.#frame()) !== undefined);
    return this.closed!;
  }

  /** Whether nothing arrives for so long. */
  async isSilent(ms: number): Promise<boolean> {
    if (this.#arrived.length === 0) await new Promise(resolve => setTimeout(resolve, ms));
    return this.#arrived.length === 0 && this.closed === undefined;
  }

  get arrivedCount(): number {
    return this.#arrived.length;
  }

  close(): void {
    this.ws.terminate();
  }

  async #frame(): Promise<Frame | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('nothing arrived')), WAIT_MS);
    });
    try {
      for (;;) {
        const frame = this.#arrived.shift();
        if (frame !== undefined || this.closed !== undefined) return frame;
        await Promise.race([
          late,
          new Promise<void>(resolve => {
            this.#wake = resolve;
          }),
        ]);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

const {rawJSON} = JSON as unknown as {rawJSON(text: string): object};

function rawIfBig(value: unknown): unknown {
  return typeof value === 'bigint' ? rawJSON(String(value)) : value;
}
