/**
 * Main: what `npm start` runs. It looks at the version of Node, then loads the server proper, `server-main.ts`.
 *
 * Sources run unbuilt, and stripping the types of all files takes longer than everything else a start on little data does. So what Node made
 * of them is kept beside the package; Node itself sees when a file has changed. Where nothing can be kept, the start is slower and that is all.
 * This file is plain JavaScript: one file with types is enough for Node to load all that strips them, some 15 MiB. Every Node there is can read it, so
 * that an old one says that it is too old and nothing else: what only newer ones have is asked for later.
 */
import {fileURLToPath} from 'node:url';

const NODE_MAJOR_MIN = 24;
/** Calls to the disk at once. A flush keeps several waiting for their syncs, and no sync of the log may wait for a free thread behind them. */
const DISK_THREADS = 12;
const CACHE_DIRECTORY = fileURLToPath(new URL('../.cache', import.meta.url));

if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  process.stderr.write(`KalamDB needs Node.js ${NODE_MAJOR_MIN} or newer; this is ${process.version}.\n`);
  process.exitCode = 1;
} else {
  const {enableCompileCache, flushCompileCache} = await import('node:module');
  // Before the first of them, which makes the threads.
  process.env.UV_THREADPOOL_SIZE ??= String(DISK_THREADS);
  enableCompileCache(CACHE_DIRECTORY);
  await import('./server-main.ts');
  // Node would write it at the exit, but a server that is killed has none.
  flushCompileCache();
}
