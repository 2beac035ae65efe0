/**
 * Metrics: what `/metrics` tells, as a table; `docs/reference/metrics.md` is written from it.
 *
 * The text is that of Prometheus (exposition format 0.0.4). Names and labels are fixed here; no caller's text ever becomes one. What the
 * database measures of itself comes by the names of `system.stats`.
 */
import {cpuUsage, memoryUsage} from 'node:process';
import type {Histogram} from '../std/histogram.ts';
import type {Measures} from './engine.ts';
import type {Traffic} from './traffic.ts';

export interface MetricSource {
  readonly traffic: Traffic;
  readonly measures: Measures | undefined;
  readonly version: string;
}

type LabelledHistogram = readonly [labels: Sample[0], histogram: Histogram];

export type Sample = readonly [labels: Readonly<Record<string, string | number>>, value: number | bigint];

export interface Metric {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly about: string;
  /** Of every sample. */
  readonly labels?: readonly string[];
  /** Samples, or the histogram, or one for each label; nothing where there is no database behind. */
  read(from: MetricSource): Iterable<Sample | LabelledHistogram> | Histogram | undefined;
}

const one = (value: number | bigint): Sample[] => [[{}, value]];

const gauge = (name: string, about: string, read: (from: MetricSource) => number | bigint): Metric => ({
  ...{name, type: 'gauge', about},
  read: from => one(read(from)),
});
const counter = (name: string, about: string, read: (from: MetricSource) => number | bigint): Metric => ({
  ...gauge(name, about, read),
  type: 'counter',
});

/** A row of `system.stats`; `factor` makes the unit of it. */
function stat(type: 'counter' | 'gauge', name: string, row: string, about: string, factor = 1): Metric {
  const read = ({measures}: MetricSource) => {
    const value = measures?.stats[row];
    if (value === undefined) return undefined;
    return one(typeof value === 'bigint' ? value : Number(value) * factor);
  };
  return {name, type, about, read};
}

export const METRICS: readonly Metric[] = [
  {
    name: 'kalamdb_build_info',
    type: 'gauge',
    about: 'Always 1; the label holds the version.',
    labels: ['version'],
    read: ({version}) => [[{version}, 1]],
  },
  {
    name: 'kalamdb_http_requests_total',
    type: 'counter',
    about: 'Requests answered, by route and status; route "other" is any path that does not exist.',
    labels: ['route', 'status'],
    read: ({traffic}) => [...traffic.answers()].map(({path, status, count}): Sample => [{route: path, status}, count]),
  },
  {
    name: 'kalamdb_statement_seconds',
    type: 'histogram',
    about: 'Time of requests to the SQL route, from their head to their answer, failed ones included.',
    read: ({traffic}) => traffic.statementSeconds,
  },
  {
    name: 'kalamdb_sql_statement_seconds',
    type: 'histogram',
    about: 'Time of statements that ran, by kind, failed ones included; of a request each by itself.',
    labels: ['kind'],
    read: ({measures}) => measures && Array.from(measures.statements, ({kind, seconds}) => [{kind}, seconds] as const),
  },
  {
    name: 'kalamdb_http_refused_total',
    type: 'counter',
    about: 'Requests and connections refused by the limits of addresses, by code.',
    labels: ['code'],
    read: ({traffic}) => Object.entries(traffic.refused).map(([code, count]): Sample => [{code}, count]),
  },
  counter(
    'kalamdb_user_rate_limited_total',
    'Requests to the SQL route refused by the limit of their user.',
    ({traffic}) => traffic.usersRefused,
  ),
  gauge('kalamdb_connections', 'Open connections.', ({traffic}) => traffic.connectionsOpen),
  counter('kalamdb_connections_total', 'Connections taken since the start.', ({traffic}) => traffic.connectionsTaken),
  counter(
    'kalamdb_connections_dropped_total',
    'Connections dropped because there were performance.max_connections.',
    ({traffic}) => traffic.connectionsDropped,
  ),
  {
    name: 'kalamdb_event_loop_delay_seconds',
    type: 'histogram',
    about: 'How late a timer was, looked at ten times a second: time in which nobody was served.',
    read: ({traffic}) => traffic.loopDelaySeconds,
  },
  gauge('process_resident_memory_bytes', 'Memory of the process.', () => memoryUsage.rss()),
  counter('process_cpu_seconds_total', 'CPU time of the process, user and system.', () => {
    const {user, system} = cpuUsage();
    return (user + system) / 1e6;
  }),
  stat('counter', 'kalamdb_uptime_seconds', 'server_uptime_seconds', 'Seconds since the start.'),
  stat('gauge', 'kalamdb_live_connections', 'active_connections', 'Connections that may follow live queries.'),
  stat('gauge', 'kalamdb_live_queries', 'active_subscriptions', 'Live queries that are open.'),
  stat(
    'gauge',
    'kalamdb_live_queries_behind',
    'subscriptions_behind',
    'Live queries that are catching up, or wait for a slow reader.',
  ),
  stat('counter', 'kalamdb_commits_total', 'log_batches', 'Write batches committed since the start.'),
  stat('counter', 'kalamdb_log_blocks_total', 'log_blocks', 'Blocks written to the log: groups of commits.'),
  stat('counter', 'kalamdb_log_bytes_total', 'log_appended_bytes', 'Bytes appended to the log since the start.'),
  {
    name: 'kalamdb_log_sync_seconds',
    type: 'histogram',
    about: 'Time of one sync of the log.',
    read: ({measures}) => measures?.syncSeconds,
  },
  stat('gauge', 'kalamdb_log_segments', 'log_segments', 'Files of the log.'),
  {
    name: 'kalamdb_log_state',
    type: 'gauge',
    about:
      '1 for the state of the log: open; full = the disk is; failed = the server only reads until it is restarted.',
    labels: ['state'],
    read: ({measures}) =>
      measures && ['open', 'full', 'failed'].map(state => [{state}, Number(measures.stats['log_state'] === state)]),
  },
  stat('gauge', 'kalamdb_hot_rows', 'hot_rows', 'Rows in memory.'),
  stat('gauge', 'kalamdb_hot_bytes', 'hot_bytes', 'Bytes of rows in memory.'),
  stat(
    'gauge',
    'kalamdb_manifest_bytes',
    'cold_manifest_bytes',
    'Bytes of manifests, which the memory limits count too.',
  ),
  stat(
    'gauge',
    'kalamdb_memory_soft_limit_bytes',
    'memory_soft_limit_bytes',
    'Bytes of both at which early flushes begin.',
  ),
  stat(
    'gauge',
    'kalamdb_memory_hard_limit_bytes',
    'memory_hard_limit_bytes',
    'Bytes of both at which writes are refused.',
  ),
  {
    name: 'kalamdb_jobs',
    type: 'gauge',
    about: 'Active jobs, by type and status.',
    labels: ['type', 'status'],
    read: ({measures}) => measures?.jobs.active.map(({type, status, count}) => [{type, status}, count]),
  },
  {
    name: 'kalamdb_jobs_finished_total',
    type: 'counter',
    about: 'Jobs that ended since the start, by type and status.',
    labels: ['type', 'status'],
    read: ({measures}) => measures?.jobs.finished.map(({type, status, count}) => [{type, status}, count]),
  },
  stat('gauge', 'kalamdb_cold_segments', 'cold_segments', 'Segments.'),
  stat('gauge', 'kalamdb_cold_rows', 'cold_rows', 'Rows in segments, dead ones included.'),
  stat('gauge', 'kalamdb_cold_dead_rows', 'cold_dead_rows', 'Rows in segments that a newer version replaced.'),
  stat('gauge', 'kalamdb_cold_bytes', 'cold_bytes', 'Bytes of segments.'),
  stat('gauge', 'kalamdb_files_to_delete', 'files_to_delete', 'Files that wait to be deleted.'),
  stat('gauge', 'kalamdb_analytic_processes', 'analytic_processes', 'Processes of DuckDB.'),
  stat('counter', 'kalamdb_analytic_processes_started_total', 'analytic_processes_started', 'Such processes started.'),
  stat(
    'counter',
    'kalamdb_analytic_processes_killed_total',
    'analytic_processes_killed',
    'Such processes killed at the end of a statement’s time.',
  ),
  stat(
    'counter',
    'kalamdb_analytic_processes_lost_total',
    'analytic_processes_lost',
    'Such processes that ended by themselves.',
  ),
  stat('counter', 'kalamdb_analytic_queries_total', 'analytic_queries', 'Queries run by DuckDB.'),
  stat('gauge', 'kalamdb_analytic_queries_running', 'analytic_queries_running', 'Queries running there.'),
  stat('gauge', 'kalamdb_analytic_queries_waiting', 'analytic_queries_waiting', 'Queries waiting for one.'),
];

export function metricsText(from: MetricSource): string {
  let text = '';
  for (const metric of METRICS) {
    const found = metric.read(from);
    if (found === undefined) continue;
    text += `# HELP ${metric.name} ${metric.about}\n# TYPE ${metric.name} ${metric.type}\n`;
    const samples = 'bounds' in found ? [[{}, found] as const] : found;
    for (const [labels, value] of samples) {
      text += typeof value === 'object' ? histogramLines(metric.name, labels, value) : line(metric.name, labels, value);
    }
  }
  return text;
}

function line(name: string, labels: Sample[0], value: number | bigint): string {
  const parts = Object.entries(labels).map(([label, text]) => `${label}="${escaped(String(text))}"`);
  return `${name}${parts.length === 0 ? '' : `{${parts.join()}}`} ${value}\n`;
}

function histogramLines(name: string, labels: Sample[0], {bounds, counts, sum}: Histogram): string {
  let lines = '';
  let below = 0;
  for (const [i, count] of counts.entries()) {
    below += count;
    lines += line(`${name}_bucket`, {...labels, le: bounds[i] ?? '+Inf'}, below);
  }
  return lines + line(`${name}_sum`, labels, sum) + line(`${name}_count`, labels, below);
}

function escaped(text: string): string {
  return text.replace(/[\\"\n]/g, found => (found === '\n' ? '\\n' : `\\${found}`));
}
