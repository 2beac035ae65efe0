/**
 * Wire: WebSockets for measuring, on plain sockets: it counts frames and looks at the first bytes of a payload, so that very many of them cost little.
 */
import {once} from 'node:events';
import {connect, type Socket} from 'node:net';

const EMPTY = Buffer.alloc(0);

export class WireSocket {
  readonly socket: Socket;
  /** Told of each payload; bytes are valid during the call. */
  onFrame: (payload: Buffer) => void = () => {};
  #rest: Buffer = EMPTY;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', bytes => this.#read(bytes as Buffer));
  }

  static async open(port: number, path: string, headers: Readonly<Record<string, string>> = {}): Promise<WireSocket> {
    const socket = connect({port, host: '127.0.0.1', noDelay: true});
    await once(socket, 'connect');
    const all = {
      Host: '127.0.0.1',
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      ...headers,
    };
    const lines = Object.entries({...all, 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA=='}).map(
      ([name, value]) => `${name}: ${value}`,
    );
    socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
    const rest = await answerOf(socket);
    const wire = new WireSocket(socket);
    if (rest.length > 0) wire.#read(rest);
    return wire;
  }

  send(text: string): void {
    const payload = Buffer.from(text);
    const head = Buffer.alloc(8);
    // A final text frame, masked with zeros.
    head[0] = 0x81;
    head[1] = 0x80 | 126;
    head.writeUInt16BE(payload.length, 2);
    this.socket.write(Buffer.concat([head, payload]));
  }

  /** The next payload that begins with the text. */
  async next(begin: string): Promise<string> {
    return await new Promise(resolve => {
      const before = this.onFrame;
      this.onFrame = payload => {
        if (payload.toString('latin1', 0, begin.length) !== begin) return;
        this.onFrame = before;
        resolve(payload.toString());
      };
    });
  }

  close(): void {
    this.socket.destroy();
  }

  #read(bytes: Buffer): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    for (;;) {
      if (all.length - at < 2) break;
      let length = all[at + 1]! & 127;
      let start = at + 2;
      if (length === 126) {
        if (all.length - at < 4) break;
        length = all.readUInt16BE(start);
        start += 2;
      } else if (length === 127) {
        if (all.length - at < 10) break;
        length = Number(all.readBigUInt64BE(start));
        start += 8;
      }
      if (all.length < start + length) break;
      // Control frames are no payload.
      if ((all[at]! & 8) === 0) this.onFrame(all.subarray(start, start + length));
      at = start + length;
    }
    this.#rest = at === all.length ? EMPTY : all.subarray(at);
  }
}

/** Reads up to the end of the handshake; returns what came behind it. */
async function answerOf(socket: Socket): Promise<Buffer> {
  let read = EMPTY;
  for (;;) {
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    read = Buffer.concat([read, bytes]);
    const end = read.indexOf('\r\n\r\n');
    if (end < 0) continue;
    socket.removeAllListeners('data');
    if (!read.toString('latin1', 0, end).startsWith('HTTP/1.1 101')) throw new Error(read.toString());
    return read.subarray(end + 4);
  }
}
