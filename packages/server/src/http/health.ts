/**
 * Health: is the server alive, is it ready, what does it measure, and the view of a cluster of one that the command line tool asks for.
 *
 * Probes of containers come from elsewhere and carry no credentials, so `/healthz` and `/readyz` answer everybody, with as little as can be said.
 */
import type {IncomingMessage, ServerResponse} from 'node:http';
import {hostname} from 'node:os';
import {memoryUsage} from 'node:process';
import {sendJson} from './answer.ts';
import {checkLocal, checkOrigin} from './guard.ts';
import {metricsText} from './metrics.ts';
import {headOf} from './node-exchange.ts';
import type {RouteContext} from './routes.ts';

export function health(_request: IncomingMessage, response: ServerResponse, context: RouteContext): void {
  const {options, headers, isClosing} = context;
  const status = isClosing() ? 'stopping' : 'healthy';
  sendJson(
    response,
    isClosing() ? 503 : 200,
    JSON.stringify({status, version: options.version, api_version: 'v1', build_date: options.buildDate}),
    headers,
  );
}

/** It runs; whoever gets no answer may restart it. */
export function alive(_request: IncomingMessage, response: ServerResponse, {headers}: RouteContext): void {
  sendJson(response, 200, '{"status":"ok"}', headers);
}

/**
 * It serves what is asked. A log that failed needs a restart, which is told here; a full disk does not, and reads go on meanwhile.
 */
export function ready(_request: IncomingMessage, response: ServerResponse, context: RouteContext): void {
  const {headers, isClosing, options} = context;
  const hasFailed = options.measures?.().stats['log_state'] === 'failed';
  const status = isClosing() ? 'stopping' : hasFailed ? 'read_only' : 'ready';
  sendJson(response, status === 'ready' ? 200 : 503, JSON.stringify({status}), headers);
}

/** Throws REMOTE_ACCESS_DENIED for whoever may not read them. */
export function metrics(request: IncomingMessage, response: ServerResponse, context: RouteContext): void {
  const {options, traffic, headers} = context;
  const head = headOf(request, context);
  if (!options.metricsReaders.has(head.client.address)) checkLocal(head);
  checkOrigin(head, options.cors);
  const text = metricsText({traffic, measures: options.measures?.(), version: options.version});
  response.writeHead(200, {
    'content-type': 'text/plain; version=0.0.4; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

/** One node leads everything there is; the fields are those of a cluster, so that clients need to know one shape only. */
export function clusterHealth(
  request: IncomingMessage,
  response: ServerResponse,
  {options, startMs, headers}: RouteContext,
): void {
  const uptimeSeconds = Math.floor((options.clock.monotonicMs() - startMs) / 1000);
  const node = {
    node_id: 1,
    role: 'leader',
    status: 'active',
    api_addr: `http://${request.headers.host}`,
    is_self: true,
    is_leader: true,
    replication_lag: 0,
    catchup_progress_pct: null,
    hostname: hostname(),
    memory_usage_mb: Math.round(memoryUsage.rss() / 1048576),
    cpu_usage_percent: null,
    uptime_seconds: uptimeSeconds,
    uptime_human: humanDuration(uptimeSeconds),
  };
  const body = {
    status: 'healthy',
    version: options.version,
    build_date: options.buildDate,
    is_cluster_mode: false,
    cluster_id: 'cluster',
    node_id: 1,
    is_leader: true,
    total_groups: 1,
    groups_leading: 1,
    current_term: 1,
    last_applied: null,
    millis_since_quorum_ack: null,
    nodes: [node],
  };
  sendJson(response, 200, JSON.stringify(body), headers);
}

/** The two largest units: `3d 4h`, `1m 30s`, `0s`. */
function humanDuration(seconds: number): string {
  const units: [size: number, letter: string][] = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'm'],
    [1, 's'],
  ];
  const first = units.findIndex(([size]) => seconds >= size);
  if (first === -1) return '0s';
  let rest = seconds;
  const parts = units.slice(first, first + 2).map(([size, letter]) => {
    const count = Math.floor(rest / size);
    rest %= size;
    return `${count}${letter}`;
  });
  return parts.join(' ');
}
