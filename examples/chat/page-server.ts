/**
 * Page server: gives browsers the page and the client as plain modules, and takes the few requests that need the backend.
 */
import {once} from 'node:events';
import {readFile} from 'node:fs/promises';
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {join, normalize} from 'node:path';
import {fileURLToPath} from 'node:url';
import {type Backend, Refused} from './backend.ts';

export interface PageServerOptions {
  readonly backend: Backend;
  /** Of the database, for the pages. */
  readonly databaseUrl: string;
  /** Where the built client lies. */
  readonly clientDirectory: string;
  /** 0 = any free one. */
  readonly port: number;
}

export interface PageServer {
  readonly url: string;
  close(): Promise<void>;
}

const PAGE = fileURLToPath(new URL('page', import.meta.url));
const BODY_BYTES_MAX = 16_384;
const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

type Fields = Readonly<Record<string, unknown>>;

export async function startPageServer(options: PageServerOptions): Promise<PageServer> {
  const server = createServer((request, response) => {
    answer(request, response, options).catch(error => {
      const status = error instanceof Refused ? error.status : 502;
      if (status === 502) console.error(error);
      send(
        response,
        status,
        'application/json',
        JSON.stringify({message: status === 502 ? 'The database failed.' : error.message}),
      );
    });
  });
  server.listen(options.port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, options: PageServerOptions): Promise<void> {
  const path = new URL(request.url ?? '/', 'http://host').pathname;
  if (request.method === 'POST') {
    await act(path, request, options.backend);
    return send(response, 200, 'application/json', '{}');
  }
  if (request.method !== 'GET') throw new Refused(405, 'Use GET or POST.');
  if (path === '/config.json')
    return send(response, 200, 'application/json', JSON.stringify({url: options.databaseUrl}));
  await sendFile(response, path, options.clientDirectory);
}

async function act(path: string, request: IncomingMessage, backend: Backend): Promise<void> {
  const fields = await readFields(request);
  if (path === '/sign-up') return backend.signUp(textOf(fields, 'user'), textOf(fields, 'password'));
  const user = await backend.userOf(request.headers.authorization ?? '');
  switch (path) {
    case '/messages':
      return backend.post(user, {id: textOf(fields, 'id'), room: textOf(fields, 'room'), body: textOf(fields, 'body')});
    case '/rooms':
      return backend.openRoom(user, textOf(fields, 'name'));
    case '/typing':
      return backend.typing(user, textOf(fields, 'room'));
    default:
      throw new Refused(404, 'There is nothing here.');
  }
}

/** Only JSON: a form of another site's page cannot send that without asking. */
async function readFields(request: IncomingMessage): Promise<Fields> {
  if (request.headers['content-type'] !== 'application/json') throw new Refused(415, 'Send JSON.');
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > BODY_BYTES_MAX) throw new Refused(413, 'That is too long.');
  }
  try {
    return JSON.parse(text) as Fields;
  } catch {
    throw new Refused(400, 'That is not JSON.');
  }
}

function textOf(fields: Fields, name: string): string {
  const value = fields?.[name];
  if (typeof value !== 'string') throw new Refused(400, `${name} must be a text.`);
  return value;
}

async function sendFile(response: ServerResponse, path: string, clientDirectory: string): Promise<void> {
  const name = normalize(path === '/' ? '/index.html' : path);
  const file = name.startsWith('/client/') ? join(clientDirectory, name.slice('/client'.length)) : join(PAGE, name);
  const type = TYPES[/\.(\w+)$/.exec(file)?.[1] ?? ''];
  const bytes = type === undefined ? undefined : await readFile(file).catch(() => undefined);
  if (bytes === undefined) throw new Refused(404, 'There is nothing here.');
  send(response, 200, type!, bytes);
}

function send(response: ServerResponse, status: number, type: string, body: string | Buffer): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}
