/**
 * A whole server in this process: real sockets in front of a real database, with the limits it is shipped with unless a test narrows one.
 */
import {request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders} from 'node:http';
import {readConfig} from '../../src/config.ts';
import type {DatabaseOptions} from '../../src/database.ts';
import {createHttpServer, type HttpLimits, type HttpServerOptions} from '../../src/http/server.ts';
import {httpOptions} from '../../src/http-options.ts';
import {systemClock} from '../../src/std/system-clock.ts';
import {openTestDatabase, type TestDatabase} from '../test-database.ts';

export const SHIPPED = httpOptions(readConfig({env: {}}).config);

export const LIMITS: HttpLimits = {...SHIPPED.limits, slowQueryMs: 60_000, keepAliveMs: 5000};

export interface TestServer {
  readonly port: number;
  readonly database: TestDatabase;
  /** Texts of what was logged at level error: each is a bug. */
  readonly bugs: readonly string[];
  stop(): Promise<void>;
}

export async function startServer(
  limits: Partial<HttpLimits> = {},
  changes: Partial<HttpServerOptions> = {},
  databaseChanges: Partial<DatabaseOptions> = {},
): Promise<TestServer> {
  const database = await openTestDatabase({defaultRows: 50, maxRows: 1000, ...databaseChanges});
  const bugs: string[] = [];
  const quiet = () => {};
  const logger = {
    debug: quiet,
    info: quiet,
    warn: quiet,
    error: (facts: object, text: string) => void bugs.push(`${text} ${String((facts as {err?: Error}).err?.stack)}`),
  };
  const server = createHttpServer({
    runSql: database.runSql,
    sessions: database.auth.sessions,
    live: database.live,
    auth: {
      ...{desk: database.auth.desk, users: database.auth.users},
      ...{allowRemoteSetup: false, isCookieSecure: true, passwordLengthMax: 256},
    },
    host: '127.0.0.1',
    port: 0,
    ...SHIPPED,
    measures: () => database.measures(),
    limits: {...LIMITS, ...limits},
    logger,
    version: '0.0.0',
    buildDate: 'today',
    clock: systemClock,
    ...changes,
  });
  const {port} = await server.listen();
  return {
    port,
    database,
    bugs,
    async stop() {
      await server.close();
      await database.stop();
    },
  };
}

export interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** One request on a connection of its own. Header texts go out as latin1, byte by byte. */
export function send(port: number, sent: Sent): Promise<Answer> {
  const {method = 'POST', path = '/v1/api/sql', headers = {'content-type': 'application/json'}, body = ''} = sent;
  return new Promise((resolve, reject) => {
    const request = httpRequest({host: '127.0.0.1', port, method, path, headers, agent: false}, response => {
      const chunks: Buffer[] = [];
      response.on('data', chunk => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({status: response.statusCode!, headers: response.headers, text: Buffer.concat(chunks).toString()}),
      );
    });
    request.on('error', reject);
    request.end(Buffer.from(body));
  });
}
