/**
 * Options: every setting as one row of facts, by its path in server.toml. The part before the first dot is the category. Values, checks, the
 * reference and what people are shown of a setting are read from here.
 */

import {DAY_S, GIB, KIB, MIB, type OptionFacts} from './option-facts.ts';
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
  'execution.handler_timeout_seconds': {
    default: 30,
    unit: 's',
    range: [1, 3600],
    about: 'Longest time of one request.',
  },
  'execution.max_parameters': {default: 50, range: [0, 10_000], about: 'Most parameters of one statement.'},
  'execution.max_parameter_size_bytes': {
    default: 512 * KIB,
    unit: 'bytes',
    range: [1, 64 * MIB],
    about: 'Largest parameter.',
  },
  'audit.retention_days': {
    default: 90,
    unit: 'days',
    range: [1, 3650],
    about: 'How long rows stay in system.audit_log.',
  },
  'audit.max_rows': {
    default: 100_000,
    unit: 'rows',
    range: [100, 10_000_000],
    about: 'Rows of system.audit_log at most, about half a kilobyte of memory each; the oldest go first.',
  },
  'user_management.deletion_grace_period_days': {
    default: 30,
    unit: 'days',
    range: [1, 36_500],
    about:
      'How long a dropped account and the rows of its own are kept; then a job removes both for good, and the id is free.',
  },
  'auth.jwt_secret': {
    env: 'KALAMDB_JWT_SECRET',
    default: '',
    isSecret: true,
    about: 'What tokens are signed with, 32 characters or more; empty = a random one, kept in the data directory.',
  },
  'auth.jwt_expiry_hours': {
    env: 'KALAMDB_JWT_EXPIRY_HOURS',
    default: 24,
    unit: 'h',
    range: [1, 8760],
    about: 'Life of an access token; a refresh token lives 7 times as long.',
  },
  'auth.root_password': {
    env: 'KALAMDB_ROOT_PASSWORD',
    default: '',
    isSecret: true,
    about: 'Password that root gets when the server starts and root has none.',
  },
  'auth.allow_remote_setup': {
    env: 'KALAMDB_ALLOW_REMOTE_SETUP',
    default: false,
    about: 'Whether callers from other machines may ask for the status of the setup, and do it.',
  },
  'auth.min_password_length': {default: 8, range: [1, 256], about: 'Characters of a new password at least.'},
  'auth.max_password_length': {default: 256, range: [8, 1024], about: 'Characters of a password at most.'},
  'auth.enforce_password_complexity': {
    default: false,
    about: 'Whether a new password needs letters of both cases, a digit and another character.',
  },
  'auth.argon2_memory_kib': {
    default: 19_456,
    range: [8, 1_048_576],
    about: 'Memory that hashing one password takes (KiB); older hashes are renewed at the next sign-in.',
  },
  'auth.argon2_passes': {default: 2, range: [1, 20], about: 'Passes of argon2id over that memory.'},
  'auth.passwords_at_once': {default: 1, range: [1, 16], about: 'Passwords hashed at the same time; the others wait.'},
  'auth.cookie_secure': {
    env: 'KALAMDB_COOKIE_SECURE',
    default: true,
    about: 'Whether cookies given out over https are marked Secure.',
  },
  'security.cors.allowed_origins': {
    env: 'KALAMDB_SECURITY_CORS_ALLOWED_ORIGINS',
    default: [],
    about:
      'Origins whose pages may ask, besides those of this machine and of the server itself; * = all, without credentials.',
  },
  'security.cors.allowed_methods': {
    default: ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'],
    about: 'Methods that pages may use.',
  },
  'security.cors.allowed_headers': {
    default: ['Authorization', 'Content-Type', 'Accept', 'Origin', 'X-Requested-With', 'X-Request-ID', 'X-USER-ID'],
    about: 'Headers that pages may send; * = all.',
  },
  'security.cors.expose_headers': {default: [], about: 'Headers of answers that pages may read.'},
  'security.cors.allow_credentials': {
    default: true,
    about: 'Whether listed origins may send cookies.',
  },
  'security.cors.max_age': {
    default: 3600,
    unit: 's',
    range: [0, DAY_S],
    about: 'How long browsers remember what pages may do.',
  },
  'security.trusted_proxy_ranges': {
    env: ['KALAMDB_SECURITY_TRUSTED_PROXY_RANGES', 'KALAMDB_TRUSTED_PROXY_RANGES'],
    default: [],
    about: 'Addresses and ranges of proxies whose X-Forwarded-For is believed, besides this machine.',
  },
  'metrics.allowed_ranges': {
    default: [],
    about: 'Addresses and ranges that may read /metrics, besides programs of this machine.',
  },
  'security.max_ws_message_size': {
    default: MIB,
    unit: 'bytes',
    range: [KIB, 64 * MIB],
    about: 'Largest message of a WebSocket client, inflated.',
  },
  'security.strict_ws_origin_check': {
    default: false,
    about: 'Refuses WebSocket connections without an Origin, which only browsers send.',
  },
  'security.max_request_body_size': {
    default: 10 * MIB,
    unit: 'bytes',
    range: [KIB, 256 * MIB],
    about: 'Largest request body.',
  },
  'performance.keepalive_timeout': {
    default: 75,
    unit: 's',
    range: [1, 3600],
    about: 'Idle time after which a connection is closed.',
  },
  'performance.max_connections': {default: 25_000, range: [1, 1_000_000], about: 'Connections at once.'},
  'performance.client_request_timeout': {
    default: 5,
    unit: 's',
    range: [1, 600],
    about: 'Time for the headers of a request to come, from their first byte; of a new connection from its start.',
  },
  'performance.request_timeout': {
    default: 60,
    unit: 's',
    range: [1, 3600],
    about: 'Time for a whole request to come, its body included.',
  },
  'performance.max_header_size': {
    default: 16 * KIB,
    unit: 'bytes',
    range: [KIB, 256 * KIB],
    about: 'Largest head of a request; it has at most 100 headers.',
  },
  'rate_limit.enable_connection_protection': {
    default: true,
    about: 'Whether requests, statements, sign-ins and connections are limited by address and user.',
  },
  'rate_limit.exempt_loopback': {
    default: true,
    about: 'Whether programs of this machine, asking without a proxy, are exempt from these limits.',
  },
  'rate_limit.max_requests_per_ip_per_sec': {
    default: 200,
    range: [1, 1_000_000],
    about: 'Requests of one address in a second.',
  },
  'rate_limit.max_queries_per_sec': {
    default: 100,
    range: [1, 1_000_000],
    about: 'Requests to the SQL route of one user in a second.',
  },
  'rate_limit.max_auth_requests_per_ip_per_sec': {
    env: 'KALAMDB_RATE_LIMIT_AUTH_REQUESTS_PER_IP_PER_SEC',
    default: 20,
    range: [1, 1_000_000],
    about: 'Requests to the sign-in routes of one address in a second.',
  },
  'rate_limit.max_connections_per_ip': {
    default: 100,
    range: [1, 1_000_000],
    about: 'Connections of one address at once; trusted proxies are not counted.',
  },
  'rate_limit.request_body_limit_bytes': {
    default: 10 * MIB,
    unit: 'bytes',
    range: [KIB, 256 * MIB],
    about: 'Largest body of any request, those of this machine included.',
  },
  'rate_limit.ban_after_violations': {
    default: 10,
    range: [0, 1_000_000],
    about: 'Requests refused by the limit of an address that make a ban; 0 = nobody is banned.',
  },
  'rate_limit.ban_duration_seconds': {
    default: 300,
    unit: 's',
    range: [1, DAY_S],
    about: 'Length of the first ban; that of the second is double, up to six times.',
  },
  'rate_limit.cache_ttl_seconds': {
    default: 600,
    unit: 's',
    range: [1, DAY_S],
    about: 'Violations of an address are forgotten after so long without another.',
  },
  'rate_limit.cache_max_entries': {
    default: 65_536,
    range: [1000, 10_000_000],
    about: 'Addresses, and users, whose use is remembered.',
  },
  'retention.default_deleted_retention_hours': {
    default: 168,
    unit: 'h',
    range: [0, 876_000],
    about: 'How long deleted rows are kept for catch-up.',
  },
} as const satisfies Record<string, OptionFacts>;

export type OptionKey = keyof typeof OPTIONS;
