/**
 * Fake world: clock, timers, chance, sockets and requests that move only when a test says so.
 */
import type {ClientMessage} from '@kalamdb/protocol/messages.ts';
import type {Environment, FetchRequest, FetchResponse, SocketLike} from '../src/std/environment.ts';

interface Answer {
  readonly status: number;
  /** Sent as JSON unless it is a text. */
  readonly body: unknown;
}

interface Timer {
  readonly dueMs: number;
  readonly run: () => void;
}

export class FakeWorld implements Environment {
  now = 1_800_000_000_000;
  chance = 0;
  readonly sockets: FakeSocket[] = [];
  readonly requests: {readonly url: string; readonly request: FetchRequest}[] = [];
  /** Answers requests. Throw to be out of reach. */
  answer: (url: string, request: FetchRequest) => Answer | Promise<Answer> = () => {
    throw new TypeError('fetch failed');
  };
  onsocket: ((socket: FakeSocket) => void) | undefined;
  readonly #timers = new Set<Timer>();
  readonly #watchers = new Set<(isOnline: boolean) => void>();

  nowMs = () => this.now;
  random = () => this.chance;

  setTimer = (delayMs: number, run: () => void) => {
    const timer = {dueMs: this.now + delayMs, run};
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  };

  fetch = async (url: string, request: FetchRequest): Promise<FetchResponse> => {
    this.requests.push({url, request});
    const {status, body} = await this.answer(url, request);
    return {status, text: async () => (typeof body === 'string' ? body : JSON.stringify(body))};
  };

  openSocket = (url: string): SocketLike => {
    const socket = new FakeSocket(url);
    this.sockets.push(socket);
    this.onsocket?.(socket);
    return socket;
  };

  watchNetwork = (listener: (isOnline: boolean) => void) => {
    this.#watchers.add(listener);
    return () => void this.#watchers.delete(listener);
  };

  get socket(): FakeSocket {
    return this.sockets.at(-1)!;
  }

  get timerCount(): number {
    return this.#timers.size;
  }

  /** Delay until the next timer. */
  get nextTimerMs(): number | undefined {
    const due = [...this.#timers].map(timer => timer.dueMs);
    return due.length === 0 ? undefined : Math.min(...due) - this.now;
  }

  network(isOnline: boolean): void {
    for (const watcher of this.#watchers) watcher(isOnline);
  }

  /** Time passes; timers run when they are due, and what they lead to. */
  async pass(ms: number): Promise<void> {
    const endMs = this.now + ms;
    for (;;) {
      const next = [...this.#timers].filter(({dueMs}) => dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.now = Math.max(this.now, next.dueMs);
      next.run();
      await settle();
    }
    this.now = endMs;
    await settle();
  }
}

export class FakeSocket implements SocketLike {
  readonly url: string;
  binaryType = 'blob';
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly sent: ClientMessage[] = [];
  /** The server's ear. */
  onsent: ((message: ClientMessage) => void) | undefined;
  /** By the client. */
  isClosed = false;

  constructor(url: string) {
    this.url = url;
  }

  send(text: string): void {
    const message = JSON.parse(text) as ClientMessage;
    this.sent.push(message);
    this.onsent?.(message);
  }

  close(): void {
    this.isClosed = true;
  }

  open(): void {
    this.onopen?.({} as never);
  }

  say(message: object | string | ArrayBuffer): void {
    const data = typeof message === 'string' || message instanceof ArrayBuffer ? message : JSON.stringify(message);
    this.onmessage?.({data} as never);
  }

  /** Opens and takes the token. */
  welcome(): void {
    this.open();
    this.say(WELCOME);
  }

  lose(code = 1006): void {
    this.onclose?.({code, reason: ''} as never);
  }

  /** Messages of one type, in order. */
  sentOf<Type extends ClientMessage['type']>(type: Type): Extract<ClientMessage, {type: Type}>[] {
    return this.sent.filter((message): message is Extract<ClientMessage, {type: Type}> => message.type === type);
  }
}

export const WELCOME = {
  type: 'auth_success',
  user: 'ana',
  role: 'user',
  protocol: {serialization: 'json', compression: 'gzip'},
};

/** Lets all promises that can go on do so. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise(resolve => setImmediate(resolve));
}
