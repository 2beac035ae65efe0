/** Notify: PostgreSQL's LISTEN and NOTIFY, spoken on plain sockets: as much of its protocol as that takes. Without a password, as the bench starts it. */
import {once} from 'node:events';
import {connect, type Socket} from 'node:net';

const NOTIFICATION = 0x41;
const READY = 0x5a;

export class NotifyClient {
  readonly #socket: Socket;
  #rest = Buffer.alloc(0);
  onReady: () => void = () => {};
  onNotification: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', bytes => this.#read(bytes as Buffer));
  }

  static async open(port: number, user: string): Promise<NotifyClient> {
    const socket = connect({port, host: '127.0.0.1', noDelay: true});
    await once(socket, 'connect');
    const client = new NotifyClient(socket);
    const ready = new Promise<void>(resolve => {
      client.onReady = resolve;
    });
    const parameters = Buffer.from(`user\0${user}\0database\0postgres\0\0`);
    const head = Buffer.alloc(8);
    head.writeUInt32BE(8 + parameters.length, 0);
    head.writeUInt32BE(196_608, 4);
    socket.write(Buffer.concat([head, parameters]));
    await ready;
    return client;
  }

  query(sql: string): void {
    const text = Buffer.from(`${sql}\0`);
    const head = Buffer.alloc(5);
    head[0] = 0x51;
    head.writeUInt32BE(4 + text.length, 1);
    this.#socket.write(Buffer.concat([head, text]));
  }

  async done(sql: string): Promise<void> {
    const ready = new Promise<void>(resolve => {
      this.onReady = resolve;
    });
    this.query(sql);
    await ready;
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 5) {
      const length = 1 + this.#rest.readUInt32BE(1);
      if (this.#rest.length < length) return;
      const kind = this.#rest[0]!;
      this.#rest = this.#rest.subarray(length);
      if (kind === NOTIFICATION) this.onNotification();
      if (kind === READY) this.onReady();
    }
  }
}
