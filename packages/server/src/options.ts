/**
 * Options: every setting as one row of facts, by its path in server.toml. The part before the first dot is the category. Values, checks, the
 * reference and what people are shown of a setting are read from here.
 */

import {DAY_S, GIB, MIB, type OptionFacts} from './option-facts.ts';
import {ACCESS_OPTIONS} from './options-access.ts';
import {LIVE_OPTIONS} from './options-live.ts';

export const OPTIONS = {
  'server.host': {
    env: 'KALAMDB_SERVER_HOST',
    default: '127.0.0.1',
    about: 'Address to listen on; one that others can reach needs a password of root, or auth.allow_remote_setup.',
  },
  'server.port': {env: 'KALAMDB_SERVER_PORT', default: 8080, range: [1, 65_535], about: 'Port of the HTTP API.'},
  'server.public_origin': {
    env: 'KALAMDB_SERVER_PUBLIC_ORIGIN',
    default: '',
    about: 'Where the server is reached from outside, such as https://db.example.org; its pages are let in.',
  },
  'server.direct_requests': {
    default: 'on',
    oneOf: ['on', 'off'],
    about:
      'Reads the usual SQL request straight from its socket; off = every request goes through node:http, which is slower.',
  },
  'server.compress_answers': {
    default: true,
    about:
      'Whether answers to SQL of more than a kilobyte are sent as gzip to callers that take it; false where a proxy does that.',
  },
  'storage.data_path': {env: 'KALAMDB_DATA_DIR', default: './data', about: 'Directory of all data.'},
  'storage.durability': {
    default: 'D2',
    oneOf: ['D2', 'D1', 'D0'],
    about: 'When a write is answered: D2 after it is on disk, D1 after the operating system has it, D0 from memory.',
  },
  'storage.commit_delay_micros': {
    default: 400,
    unit: 'µs',
    range: [0, 2000],
    about:
      'How long a sync waits for writers who were just answered and may come again; only at D2, with up to 16 of them.',
  },
  'storage.shared_tables_template': {
    default: '{namespace}/{tableName}',
    about: 'Path of the segments of a shared table.',
  },
  'storage.user_tables_template': {
    default: '{namespace}/{tableName}/{userId}',
    about: "Path of the segments of one user's table.",
  },
  'storage.cache_bytes': {
    default: GIB,
    unit: 'bytes',
    range: [0, 1024 * GIB],
    about: 'Local copies of segments of one remote storage.',
  },
  'logging.level': {
    env: 'KALAMDB_LOG_LEVEL',
    default: 'info',
    oneOf: ['error', 'warn', 'info', 'debug', 'trace'],
    about: 'Least important messages that are written.',
  },
  'logging.format': {
    default: 'compact',
    oneOf: ['compact', 'json'],
    about: 'compact = lines for people, json = one object per line.',
  },
  'logging.recent_messages': {
    default: 1000,
    range: [0, 100_000],
    about: 'The newest messages of the log that system.server_logs shows; each takes some kilobytes of memory at most.',
  },
  'logging.slow_query_threshold_ms': {
    default: 1200,
    unit: 'ms',
    range: [0, 3_600_000],
    about: 'Statements that take longer are logged.',
  },
  'limits.default_query_limit': {
    default: 50,
    unit: 'rows',
    range: [0, 1_000_000],
    about: 'Rows of a SELECT without LIMIT; 0 = no default.',
  },
  'limits.max_query_limit': {
    default: 1000,
    unit: 'rows',
    range: [0, 1_000_000],
    about: 'Most rows of any SELECT; 0 = no maximum.',
  },
  'flush.default_row_limit': {
    default: 10_000,
    unit: 'rows',
    range: [1, 999_999],
    about: 'Rows in memory that start a flush of a table.',
  },
  'flush.check_interval_seconds': {
    default: 5,
    unit: 's',
    range: [0, DAY_S],
    about: 'How often flush policies are looked at; 0 = never.',
  },
  'flush.small_scope_age_seconds': {
    default: 300,
    unit: 's',
    range: [1, DAY_S],
    about: 'Small scopes are flushed at this age.',
  },
  'compaction.check_interval_seconds': {
    default: 60,
    unit: 's',
    range: [0, DAY_S],
    about: 'How often tables are looked at for compaction; 0 = never by itself.',
  },
  'compaction.min_segments': {
    default: 4,
    range: [2, 64],
    about: 'Small segments of about the same size in one scope that are merged by themselves.',
  },
  'compaction.dead_percent': {
    default: 20,
    range: [0, 99],
    about: 'Segments with a larger share of dead rows are rewritten by themselves.',
  },
  'memory.soft_limit_bytes': {
    default: 512 * MIB,
    unit: 'bytes',
    range: [16 * MIB, 1024 * GIB],
    about: 'Bytes of rows in memory and of manifests that cause early flushes.',
  },
  'memory.hard_limit_bytes': {
    default: GIB,
    unit: 'bytes',
    range: [16 * MIB, 1024 * GIB],
    about: 'Bytes of both at which writes that add rows are refused.',
  },
  'checkpoint.log_bytes': {
    default: 256 * MIB,
    unit: 'bytes',
    range: [MIB, 64 * GIB],
    about: 'Log written between two checkpoints.',
  },
  'analytic.max_processes': {
    default: 2,
    range: [1, 64],
    about: 'Processes of DuckDB at once, for joins, windows, subqueries and large scans; further queries wait.',
  },
  'analytic.memory_limit_bytes': {
    default: GIB,
    unit: 'bytes',
    range: [64 * MIB, 1024 * GIB],
    about: 'Memory of DuckDB in each of them.',
  },
  'analytic.idle_seconds': {
    default: 30,
    unit: 's',
    range: [1, DAY_S],
    about: 'A process without a query ends after this.',
  },
  'analytic.hand_over_rows': {
    default: 50_000,
    unit: 'rows',
    range: [0, 1_000_000_000],
    about: 'A scan of one table that reads more flushed rows than this runs on DuckDB.',
  },
  ...LIVE_OPTIONS,
  'stream.default_max_buffer': {
    default: 10_000,
    unit: 'rows',
    range: [1, 1_000_000],
    about: 'Rows one user may have in a stream table; the oldest make room for new ones.',
  },
  'stream.max_table_bytes': {
    default: 64 * MIB,
    unit: 'bytes',
    range: [MIB, 64 * GIB],
    about: 'Bytes of one stream table at which inserts are refused until rows expire.',
  },
  'stream.eviction_interval_seconds': {
    default: 60,
    unit: 's',
    range: [1, DAY_S],
    about: 'How often expired stream rows are freed.',
  },
  'jobs.max_concurrent': {default: 10, range: [1, 64], about: 'Jobs that run at once.'},
  'jobs.max_retries': {default: 3, range: [0, 100], about: 'Further attempts of a failed job.'},
  'jobs.retry_backoff_ms': {
    default: 100,
    unit: 'ms',
    range: [1, 3_600_000],
    about: 'Wait before the first retry; doubles each time.',
  },
  'jobs.keep_finished_days': {
    default: 30,
    unit: 'days',
    range: [0, 3650],
    about: 'How long finished jobs stay in system.jobs.',
  },
  'shutdown.flush.timeout': {
    default: 30,
    unit: 's',
    range: [0, 3600],
    about: 'How long a server that stops waits for jobs that run; those that are not done go on at the next start.',
  },
  'retention.default_deleted_retention_hours': {
    default: 168,
    unit: 'h',
    range: [0, 876_000],
    about: 'How long deleted rows are kept for catch-up.',
  },
  'retention.enable_dba_stats': {default: true, about: 'Whether figures of the server are sampled into dba.stats.'},
  'retention.dba_stats_retention_days': {
    default: 7,
    unit: 'days',
    range: [1, 3650],
    about: 'How long samples stay in dba.stats.',
  },
  ...ACCESS_OPTIONS,
} as const satisfies Record<string, OptionFacts>;

export type OptionKey = keyof typeof OPTIONS;
