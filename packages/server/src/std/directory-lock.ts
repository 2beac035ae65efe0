/**
 * Directory lock: one server per data directory.
 *
 * A socket file in the directory is bound for as long as the process lives; the kernel closes it however the process ends. A second server
 * finds the file, connects, and is refused if somebody answers; a file nobody answers on was left by a dead process and is replaced.
 */
import {open, rm} from 'node:fs/promises';
import {createConnection, createServer} from 'node:net';

export type Unlock = () => Promise<void>;

/** Returns undefined if a living process holds the directory. */
export async function lockDirectory(directory: string): Promise<Unlock | undefined> {
  // Socket paths are limited to about 100 bytes; through the open directory the path is short wherever it lies.
  const handle = await open(directory, 'r');
  const path = process.platform === 'linux' ? `/proc/self/fd/${handle.fd}/lock.sock` : `${directory}/lock.sock`;
  for (let attempt = 0; attempt < 2; attempt++) {
    const unlock = await bind(path);
    if (unlock !== undefined) {
      return async () => {
        await unlock();
        await handle.close();
      };
    }
    if (await answers(path)) break;
    await rm(path, {force: true});
  }
  await handle.close();
  return undefined;
}

function bind(path: string): Promise<Unlock | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen(path, () => {
      server.unref();
      resolve(() => new Promise(done => server.close(() => done())));
    });
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = createConnection(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
