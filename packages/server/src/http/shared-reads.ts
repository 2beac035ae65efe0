/**
 * Shared reads: connections whose reads all come into one buffer.
 *
 * For each read node:net allocates 64 KiB and gives back what was not filled, which costs more than to parse a small request. A socket that
 * connects can be told to read into a buffer of its owner's (`onread`); for one that was accepted node:net has no such door. So the handle of the
 * accepted socket is moved into a new socket that is told so. This file alone touches what node:net keeps for itself: docs/adr/0017.
 *
 * Laws: bytes are good during the call alone, so whoever keeps them copies them. While nobody takes them they are copied into the stream, so that
 * node:http and ws read the socket like any other.
 */
import {Socket, type SocketConstructorOpts} from 'node:net';

/** What node:net reads at once. */
const READ_BYTES = 64 * 1024;
const shared = Buffer.allocUnsafeSlow(READ_BYTES);

export interface SharedReads {
  readonly socket: Socket;
  /** Told of each read; undefined: the stream is. */
  onBytes: ((bytes: Buffer) => void) | undefined;
}

/** The accepted socket and its server, as node:net keeps them. */
interface Internals {
  _handle: unknown;
  /** Counts its connections until they are closed. */
  _server: unknown;
  server: unknown;
}

/** The same connection in another socket; the given one is not to be used any more. */
export function shareReads(accepted: Socket): SharedReads {
  const from = accepted as unknown as Internals;
  const reads: {socket: Socket; onBytes: SharedReads['onBytes']} = {socket: accepted, onBytes: undefined};
  // Closed already, before anybody looked.
  if (!from._handle) return reads;
  const callback = (count: number) => {
    const bytes = shared.subarray(0, count);
    if (reads.onBytes === undefined) return reads.socket.push(Buffer.from(bytes));
    reads.onBytes(bytes);
    return true;
  };
  const options = {handle: from._handle, allowHalfOpen: accepted.allowHalfOpen, onread: {buffer: shared, callback}};
  reads.socket = new Socket(options as unknown as SocketConstructorOpts);
  const to = reads.socket as unknown as Internals;
  to._server = from._server;
  to.server = from.server;
  from._handle = null;
  from._server = null;
  return reads;
}
