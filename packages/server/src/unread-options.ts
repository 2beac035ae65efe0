/**
 * Unread options: settings of KalamDB that this server takes note of and has no use for, each with the reason that the start tells. Files and
 * environments of such a server can be used as they are; nobody has to find out by trying what is without effect.
 */

interface Unread {
  /** Keys of server.toml and names of the environment; `*` stands for any part. */
  readonly names: readonly string[];
  readonly why: string;
}

const UNREAD: readonly Unread[] = [
  {
    names: [
      'server.workers',
      'performance.tokio_worker_threads',
      'performance.worker_max_blocking_threads',
      'KALAMDB_SERVER_WORKERS',
      'KALAMDB_TOKIO_WORKER_THREADS',
    ],
    why: 'one thread runs all statements',
  },
  {names: ['server.api_version'], why: 'paths begin with /v1'},
  {names: ['server.enable_http2'], why: 'the server speaks HTTP/1.1; a proxy in front of it may speak more'},
  {names: ['server.ui_path'], why: 'there are no admin pages yet'},
  {names: ['storage.rocksdb.*'], why: 'rows are kept in a log and in memory; see storage.durability and memory.*'},
  {names: ['storage.remote_timeouts.*', 'performance.client_disconnect_timeout'], why: 'these times are fixed'},
  {names: ['performance.backlog', 'execution.sql_plan_cache_*'], why: 'these sizes are fixed'},
  {names: ['datafusion.*'], why: 'wide queries run on DuckDB; see analytic.*'},
  {
    names: ['flush.default_time_interval'],
    why: 'tables without a policy are flushed by rows; see flush.small_scope_age_seconds and FLUSH_POLICY of a table',
  },
  {names: ['flush.flush_batch_size'], why: 'a flush takes what there is'},
  {names: ['manifest_cache.*'], why: 'manifests are in memory, within memory.*'},
  {names: ['stream.default_ttl_seconds'], why: 'each STREAM table says its TTL_SECONDS'},
  {
    names: ['topics.*', 'KALAMDB_TOPIC_*', 'KALAMDB_VISIBILITY_TIMEOUT_SECS'],
    why: 'there are no topics yet',
  },
  {names: ['files.*'], why: 'there are no FILE columns yet'},
  {
    names: ['limits.max_message_size'],
    why: 'see security.max_ws_message_size and security.max_request_body_size',
  },
  {
    names: ['logging.logs_path', 'logging.log_to_console', 'KALAMDB_LOGS_DIR', 'KALAMDB_LOG_TO_CONSOLE'],
    why: 'the log goes to the output of the process',
  },
  {names: ['logging.targets.*'], why: 'there is one level for all; see logging.level'},
  {names: ['logging.otlp.*', 'KALAMDB_OTLP_*'], why: 'no traces are sent; see /metrics'},
  {
    names: ['transaction_timeout_secs'],
    why: 'a transaction lives within one request; see execution.handler_timeout_seconds',
  },
  {names: ['max_transaction_buffer_bytes'], why: 'what a transaction may write is fixed'},
  {names: ['auth.bcrypt_cost'], why: 'new passwords are hashed by argon2id; see auth.argon2_*'},
  {
    names: ['oauth.providers.*.client_secret'],
    why: 'tokens are verified by the public keys of their issuer; no secret is needed, so better take it out',
  },
  {
    names: ['user_management.cleanup_job_schedule'],
    why: 'every hour the accounts are removed whose time of grace is over; see user_management.deletion_grace_period_days',
  },
  {names: ['jobs.wal_cleanup_interval_seconds'], why: 'the log is cut at checkpoints; see checkpoint.log_bytes'},
  {
    names: [
      'cluster.*',
      'rpc_tls.*',
      'auth.pg_auth_token',
      'KALAMDB_CLUSTER_*',
      'KALAMDB_NODE_ID',
      'KALAMDB_RPC_TLS_*',
      'KALAMDB_PG_AUTH_TOKEN',
    ],
    why: 'a server stands alone',
  },
];

const patterns = UNREAD.flatMap(({names, why}) =>
  names.map((name): [RegExp, string] => [new RegExp(`^${name.replaceAll('.', '\\.').replaceAll('*', '.*')}$`), why]),
);

/** Why it is not read; undefined for what is not known at all. */
export function whyUnread(name: string): string | undefined {
  return patterns.find(([pattern]) => pattern.test(name))?.[1];
}
