/**
 * Pipeline: the requests of each connection that node:http read, one after the other, however many were sent at once.
 *
 * Laws: a request runs when the one before it has its answer. What is said about bytes that are no request comes behind the answers to the whole
 * requests before them. Who sends more requests than can wait, without reading answers, is cut off.
 */
import type {IncomingMessage, ServerResponse} from 'node:http';
import type {Socket} from 'node:net';

const WAITING_MAX = 1000;

interface Line {
  waiting: number;
  /** Settles when the newest request has its answer. */
  last: Promise<void> | undefined;
  newest: Pair | undefined;
  before: Pair | undefined;
  /** A request came whose answer closes the connection. */
  isOver: boolean;
}

interface Pair {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

export class Pipeline {
  readonly #lines = new WeakMap<Socket, Line>();

  /** `work` never rejects. */
  run(pair: Pair, work: () => Promise<void> | void): void {
    const {socket} = pair.request;
    const line = this.#lineOf(socket);
    if (line.isOver) return;
    if (line.waiting >= WAITING_MAX) {
      socket.destroy();
      return;
    }
    line.before = line.newest;
    line.newest = pair;
    line.waiting++;
    const turn = async () => {
      if (!socket.destroyed) await work();
      if (--line.waiting === 0) line.last = undefined;
    };
    line.last = line.last === undefined ? turn() : line.last.then(turn);
    // It had its answer at once.
    if (line.waiting === 0) line.last = undefined;
  }

  /** Whether a request of the connection waits for its answer. */
  isBusy(socket: Socket): boolean {
    return (this.#lines.get(socket)?.waiting ?? 0) > 0;
  }

  /** The same for a request whose answer closes the connection: what comes behind it is not looked at. */
  runLast(pair: Pair, work: () => Promise<void> | void): void {
    this.run(pair, work);
    this.#lineOf(pair.request.socket).isOver = true;
  }

  /** Calls `refuse` when the whole requests that came before have been answered; at once, if there are none. Not behind the last answer. */
  afterWhole(socket: Socket, refuse: () => void): void {
    const line = this.#lines.get(socket);
    if (line?.isOver) return;
    const whole = line?.newest?.request.complete ? line.newest : line?.before;
    if (whole === undefined || whole.response.writableFinished || whole.response.destroyed) refuse();
    else whole.response.once('close', refuse);
  }

  #lineOf(socket: Socket): Line {
    let line = this.#lines.get(socket);
    if (line === undefined) {
      line = {waiting: 0, last: undefined, newest: undefined, before: undefined, isOver: false};
      this.#lines.set(socket, line);
    }
    return line;
  }
}
