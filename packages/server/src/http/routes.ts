/**
 * Routes: every path the server knows, as a table.
 */
import type {IncomingMessage, ServerResponse} from 'node:http';
import {type Headers, sendJson} from './answer.ts';
import {login, logout, me, refresh, setup, status} from './auth-routes.ts';
import {checkLocal} from './guard.ts';
import {alive, clusterHealth, health, metrics, ready} from './health.ts';
import {headOf, NodeExchange} from './node-exchange.ts';
import type {ServerState} from './server.ts';
import {answerSql} from './sql-route.ts';

export const SQL_PATH = '/v1/api/sql';
const LIVE_PATH = '/v1/ws';

/** What a handler works with besides its request. */
export interface RouteContext extends ServerState {
  readonly requestId: string;
  /** What every answer to this request carries. */
  readonly headers: Headers;
}

export type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  context: RouteContext,
) => void | Promise<void>;

interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly handler: Handler;
}

const ROUTES: readonly Route[] = [
  {method: 'GET', path: '/', handler: pointer},
  {method: 'GET', path: '/health', handler: localOnly('Health endpoint', health)},
  {method: 'GET', path: '/healthz', handler: alive},
  {method: 'GET', path: '/readyz', handler: ready},
  {method: 'GET', path: '/metrics', handler: metrics},
  {method: 'GET', path: '/v1/api/healthcheck', handler: localOnly('Health endpoint', health)},
  {method: 'GET', path: '/v1/api/cluster/health', handler: localOnly('Cluster health', clusterHealth)},
  {method: 'POST', path: SQL_PATH, handler: sql},
  {method: 'GET', path: LIVE_PATH, handler: upgradeRequired},
  {method: 'POST', path: '/v1/api/auth/login', handler: login},
  {method: 'POST', path: '/v1/api/auth/refresh', handler: refresh},
  {method: 'POST', path: '/v1/api/auth/logout', handler: logout},
  {method: 'GET', path: '/v1/api/auth/me', handler: me},
  {method: 'GET', path: '/v1/api/auth/status', handler: status},
  {method: 'POST', path: '/v1/api/auth/setup', handler: setup},
];

const byPath = new Map<string, ReadonlyMap<string, Handler>>();
for (const {path} of ROUTES) {
  const handlers = new Map(
    ROUTES.filter(route => route.path === path).map(({method, handler}) => [method as string, handler]),
  );
  const get = handlers.get('GET');
  if (get !== undefined) handlers.set('HEAD', get);
  byPath.set(path, handlers);
}

/** Whether errors there have the form of the sign-in routes. */
export function isAuthPath(url: string): boolean {
  return url.startsWith('/v1/api/auth/');
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}

/** The path of the route, for counting: a path that does not exist is `other`, so that nobody makes new ones. */
export function routeLabel(url: string): string {
  const path = pathOf(url);
  return byPath.has(path) ? path : 'other';
}

/** The handler, the methods that would have been right, or undefined for an unknown path. */
export function findRoute(method: string, url: string): Handler | {allow: string} | undefined {
  const handlers = byPath.get(pathOf(url));
  if (handlers === undefined) return undefined;
  return handlers.get(method) ?? {allow: [...handlers.keys()].join(', ')};
}

/** Whether a request that asks for another protocol asks for the one there is. */
export function isLiveUpgrade({method, url = '', headers}: IncomingMessage): boolean {
  return method === 'GET' && pathOf(url) === LIVE_PATH && headers.upgrade?.toLowerCase() === 'websocket';
}

function upgradeRequired(_request: IncomingMessage, response: ServerResponse, {headers}: RouteContext): void {
  const body = {error: 'Upgrade required: live queries are served over WebSocket.'};
  sendJson(response, 426, JSON.stringify(body), {upgrade: 'websocket', ...headers, connection: 'upgrade'});
}

function sql(request: IncomingMessage, response: ServerResponse, context: RouteContext): Promise<void> {
  return new Promise(resolve => answerSql(new NodeExchange(request, response, context), context, resolve));
}

/** A person who opened the address in a browser, or a program that looks around. */
function pointer(request: IncomingMessage, response: ServerResponse, context: RouteContext): void {
  checkLocal(headOf(request, context));
  const {options, headers} = context;
  const body = {name: 'KalamDB', version: options.version, sql: 'POST /v1/api/sql', health: 'GET /health'};
  sendJson(response, 200, JSON.stringify(body), headers);
}

function localOnly(what: string, handler: Handler): Handler {
  return (request, response, context) => {
    const head = headOf(request, context);
    if (!head.client.isLocal) {
      const body = {error: `Access denied. ${what} is localhost-only.`};
      return sendJson(response, 403, JSON.stringify(body), context.headers);
    }
    checkLocal(head);
    return handler(request, response, context);
  };
}
