/**
 * Chat: starts all that the example needs, and ends it.
 *
 *     database (a process of its own) ─ backend: tables, accounts ─ page server: page, client
 */
import {randomBytes} from 'node:crypto';
import {mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {buildClient} from '../../scripts/build-client.ts';
import {Server} from '../server.ts';
import {Backend} from './backend.ts';
import {startPageServer} from './page-server.ts';

export interface ChatOptions {
  /** Kept, with the secrets of the example; without one all is gone at the end. */
  readonly directory?: string;
  /** 0 = any free one. */
  readonly port: number;
}

export interface Chat {
  /** Of the page. */
  readonly url: string;
  readonly databaseUrl: string;
  readonly database: Server;
  stop(): Promise<void>;
}

export async function startChat({directory, port}: ChatOptions): Promise<Chat> {
  const isTemporary = directory === undefined;
  const home = directory ?? (await mkdtemp(join(tmpdir(), 'kalamdb-chat-')));
  await mkdir(home, {recursive: true});
  const {rootPassword, servicePassword} = await secretsOf(home);
  const database = new Server({directory: home, isTemporary, env: {KALAMDB_ROOT_PASSWORD: rootPassword}});
  const clientDirectory = await mkdtemp(join(tmpdir(), 'kalamdb-chat-client-'));
  try {
    await database.start();
    await buildClient(clientDirectory);
    const backend = new Backend({url: database.url, rootPassword, servicePassword});
    await backend.prepare();
    const pages = await startPageServer({backend, databaseUrl: database.url, clientDirectory, port});
    return {
      url: pages.url,
      databaseUrl: database.url,
      database,
      async stop() {
        await pages.close();
        await backend.close();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }

  async function end(): Promise<void> {
    await database.stop();
    await database.remove();
    await rm(clientDirectory, {recursive: true, force: true});
  }
}

interface Secrets {
  readonly rootPassword: string;
  readonly servicePassword: string;
}

/** Made once for each directory, and readable by its owner alone. */
async function secretsOf(home: string): Promise<Secrets> {
  const path = join(home, 'chat-secrets.json');
  const known = await readFile(path, 'utf8').catch(() => undefined);
  if (known !== undefined) return JSON.parse(known) as Secrets;
  const secret = () => randomBytes(24).toString('base64url');
  const secrets = {rootPassword: secret(), servicePassword: secret()};
  await writeFile(path, JSON.stringify(secrets), {mode: 0o600});
  return secrets;
}
