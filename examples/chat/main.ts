/**
 * Main: starts the chat and says where it is.
 *
 *     npm run example:chat                  on a temporary data directory
 *     npm run example:chat -- <directory>   on one that is kept
 */
import {DEMO_USERS} from './backend.ts';
import {startChat} from './chat.ts';

const PORT = 8090;

const [directory] = process.argv.slice(2);
const chat = await startChat({...(directory === undefined ? undefined : {directory}), port: PORT}).catch(
  async error => {
    if (error.code !== 'EADDRINUSE') throw error;
    return await startChat({...(directory === undefined ? undefined : {directory}), port: 0});
  },
);
console.log(`The chat is at ${chat.url}, its database at ${chat.databaseUrl}.`);
for (const {user, password} of DEMO_USERS) console.log(`  Sign in as ${user} with ${password}`);
console.log('Open it in two windows. Ctrl-C ends it.');

let isStopping = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (isStopping) return;
    isStopping = true;
    void chat.stop().then(() => process.exit(0));
  });
}
