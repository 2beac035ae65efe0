/**
 * CORS: which pages may ask, and read answers in a browser.
 *
 *     pages of this machine, and of `publicOrigin`     always
 *     origins in `allowedOrigins`                      also with credentials, if `allowCredentials`
 *     `*` in it                                        every page, without credentials
 *
 * Pages of the server's own address name it in Origin and in Host alike. A name could be bound anew to that address by whoever owns it, and would
 * then be in both too; so that is believed of addresses alone, and a server with a name is told it by `publicOrigin`.
 * Each origin is named by itself, never as `*`. Programs outside of browsers send no Origin and are not asked for one.
 * Law: a preflight is answered before sign-in and before any limit, since browsers send it without credentials.
 */
import type {IncomingHttpHeaders, IncomingMessage, ServerResponse} from 'node:http';
import {isIP} from 'node:net';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {isLoopback} from './client.ts';

export interface CorsOptions {
  readonly allowedOrigins: readonly string[];
  readonly allowedMethods: readonly string[];
  /** `*`: whatever is asked for. */
  readonly allowedHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly maxAgeSeconds: number;
  readonly allowCredentials: boolean;
  /** Where the server is reached from outside; '' = nobody said. */
  readonly publicOrigin: string;
}

const TOKENS = /^[\w!#$%&'*+.^`|~-]+(?:\s*,\s*[\w!#$%&'*+.^`|~-]+)*$/;
const REQUESTED_LENGTH_MAX = 1024;

export class Cors {
  readonly #options: CorsOptions;
  readonly #listed: ReadonlySet<string>;
  readonly #isOpen: boolean;

  /** Throws INVALID_INPUT for a public origin that is none. */
  constructor(options: CorsOptions) {
    this.#options = options;
    const {publicOrigin, allowedOrigins} = options;
    checkPublicOrigin(publicOrigin);
    this.#listed = new Set([...allowedOrigins, publicOrigin].filter(origin => origin !== '*' && origin !== ''));
    this.#isOpen = options.allowedOrigins.includes('*');
  }

  /** '' = nobody said. */
  get publicOrigin(): string {
    return this.#options.publicOrigin;
  }

  /** Of a request's Origin, and the Host it was sent to. */
  isAllowed(origin: string, host: string | undefined): boolean {
    return this.#isOpen || this.#listed.has(origin) || isLocalOrigin(origin) || isOwnAddress(origin, host);
  }

  /** Names the origin in whatever the answer will be, an error included. */
  nameOrigin({headers: {origin, host}}: IncomingMessage, response: ServerResponse): void {
    if (origin === undefined) return;
    const {allowCredentials, exposeHeaders} = this.#options;
    response.setHeader('vary', 'Origin');
    if (!this.isAllowed(origin, host)) return;
    response.setHeader('access-control-allow-origin', origin);
    if (allowCredentials && this.#listed.has(origin)) response.setHeader('access-control-allow-credentials', 'true');
    if (exposeHeaders.length > 0) response.setHeader('access-control-expose-headers', exposeHeaders.join(', '));
  }

  /** OPTIONS of a path that exists; `headers` hold the methods it has. */
  answerOptions(
    {headers: asked}: IncomingMessage,
    response: ServerResponse,
    headers: Readonly<Record<string, string>> & {readonly allow: string},
  ): void {
    if (asked.origin !== undefined && asked['access-control-request-method'] !== undefined) {
      const {allowedMethods, maxAgeSeconds} = this.#options;
      response.setHeader('access-control-allow-methods', allowedMethods.join(', '));
      response.setHeader('access-control-allow-headers', this.#headersFor(asked));
      response.setHeader('access-control-max-age', String(maxAgeSeconds));
    }
    response.writeHead(204, {...headers, allow: `${headers.allow}, OPTIONS`}).end();
  }

  #headersFor(asked: IncomingHttpHeaders): string {
    const {allowedHeaders} = this.#options;
    const wanted = asked['access-control-request-headers'];
    const isEcho = allowedHeaders.includes('*') && typeof wanted === 'string' && wanted.length <= REQUESTED_LENGTH_MAX;
    if (isEcho && TOKENS.test(wanted)) return wanted;
    return allowedHeaders.filter(name => name !== '*').join(', ');
  }
}

function checkPublicOrigin(text: string): void {
  if (text === '' || (originHost(text) !== '' && URL.canParse(text) && new URL(text).origin === text)) return;
  throw new DbError(
    'INVALID_INPUT',
    `server.public_origin must be http:// or https:// and a host, without a path, not ${JSON.stringify(text)}.`,
  );
}

export function isLocalOrigin(origin: string): boolean {
  return isLoopback(hostName(originHost(origin)));
}

function isOwnAddress(origin: string, host: string | undefined): boolean {
  return (
    host !== undefined &&
    originHost(origin) === host.toLowerCase() &&
    isIP(hostName(host).replace(/^\[(.*)\]$/, '$1')) !== 0
  );
}

/** `https://a.example:1` → `a.example:1`; '' for `null` and other schemes. */
function originHost(origin: string): string {
  return /^https?:\/\/(.+)$/i.exec(origin)?.[1]?.toLowerCase() ?? '';
}

/** Without its port; '' if it is no host. */
export function hostName(host: string): string {
  return /^(\[[^\]]*\]|[^:]*)(?::\d{1,5})?$/.exec(host)?.[1] ?? '';
}
