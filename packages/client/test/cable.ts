/**
 * Cable: a TCP proxy that can be pulled out, so that one side of a connection loses the network while the other does not.
 */
import {once} from 'node:events';
import {type AddressInfo, connect, createServer, type Socket} from 'node:net';

export interface Cable {
  readonly port: number;
  /** Open connections break, and no new ones are made, until it is in again. */
  pull(): void;
  /** Open connections stay and carry nothing any more, as when a network vanishes without a word. */
  hush(): void;
  plug(): void;
  close(): Promise<void>;
}

export async function layCable(toPort: number): Promise<Cable> {
  const sockets = new Set<Socket>();
  let isIn = true;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  };
  const server = createServer(near => {
    keep(near);
    if (!isIn) {
      near.destroy();
      return;
    }
    const far = connect(toPort, '127.0.0.1');
    keep(far);
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    near.pipe(far);
    far.pipe(near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const pull = () => {
    isIn = false;
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    pull,
    hush() {
      isIn = false;
      for (const socket of sockets) {
        socket.unpipe();
        socket.resume();
      }
    },
    plug() {
      isIn = true;
    },
    async close() {
      pull();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}
