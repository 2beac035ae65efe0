/**
 * Wiring: the parts of a client, put together.
 */
import {Auth, type AuthProvider, type Credentials, Tokens} from './auth.ts';
import type {BinarySerialization} from './connection.ts';
import {KalamError} from './error.ts';
import {Http} from './http.ts';
import {type Environment, systemEnvironment} from './std/environment.ts';
import {type ConnectionEvents, Subscriptions} from './subscriptions.ts';

export interface ClientOptions {
  /** Of the server: `http://127.0.0.1:8080`. */
  url: string;
  /** Asked for credentials when there is no token that is good. */
  authProvider?: AuthProvider;
  /** In place of a provider. Default: no sign-in. */
  auth?: Credentials;
  authProviderMaxAttempts?: number;
  authProviderInitialBackoffMs?: number;
  authProviderMaxBackoffMs?: number;
  /** For names of tables without one, in statements over HTTP. */
  namespace?: string;
  requestTimeoutMs?: number;
  disableCompression?: boolean;
  /** Of what the server says on the socket: `msgpack` of `@kalamdb/client/msgpack`. Default: JSON. */
  serialization?: BinarySerialization;
  /** False: `initialize` connects. Default: the first subscription does. */
  wsLazyConnect?: boolean;
  /** 0 = none; the server ends connections that say nothing for longer than its setting allows. */
  pingIntervalMs?: number;
  onConnect?: () => void;
  onDisconnect?: (error?: KalamError) => void;
  onError?: (error: KalamError) => void;
  onReceive?: (text: string) => void;
  onSend?: (text: string) => void;
  /** Of the official SDK, for programs that give them: there is nothing to load here, and nothing is logged. */
  wasmUrl?: unknown;
  logLevel?: string;
  /** Clock, chance, sockets and requests, where they are not those of the page or process. */
  environment?: Partial<Environment>;
}

export interface Parts {
  readonly provider: AuthProvider;
  readonly http: Http;
  readonly tokens: Tokens;
  readonly subscriptions: Subscriptions;
}

/** Throws INVALID_ARGUMENT for an address that is none. */
export function wire(options: ClientOptions, events: ConnectionEvents): Parts {
  const {auth = Auth.none(), authProvider: provider = () => auth} = options;
  const environment = {...systemEnvironment(), ...options.environment};
  const url = serverUrl(options.url);
  const http = new Http(environment, {
    url,
    timeoutMs: options.requestTimeoutMs ?? 35_000,
    namespace: options.namespace,
  });
  const tokens = new Tokens(environment, http, {
    provider,
    attemptsMax: options.authProviderMaxAttempts ?? 3,
    backoff: {
      initialMs: options.authProviderInitialBackoffMs ?? 250,
      maxMs: options.authProviderMaxBackoffMs ?? 2000,
    },
  });
  const isCompressed = options.disableCompression !== true;
  const settings = {
    url: `${url.replace(/^http/, 'ws')}/v1/ws${isCompressed ? '' : '?compress=false'}`,
    isCompressed,
    serialization: options.serialization,
    reconnects: true,
    backoff: {initialMs: 1000, maxMs: 30_000},
    attemptsMax: undefined,
    pingIntervalMs: options.pingIntervalMs ?? 5000,
  };
  return {provider, http, tokens, subscriptions: new Subscriptions(environment, tokens, settings, events)};
}

function serverUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new KalamError('INVALID_ARGUMENT', `'${text}' is not the address of a server: use http://host:port.`, {
      cause,
    });
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new KalamError('INVALID_ARGUMENT', `'${text}' is not the address of a server: use http: or https:.`);
  return url.origin + url.pathname.replace(/\/+$/, '');
}
