/**
 * Database options: the values of the settings as the plain options that rooms get.
 */
import {type Config, shownValue} from './config.ts';
import type {DatabaseOptions} from './database.ts';
import {isLoopback} from './http/client.ts';
import {provisionRole, trustedIssuers} from './issuer-options.ts';
import {OPTIONS, type OptionKey} from './options.ts';
import {fetchJson} from './std/fetch-json.ts';
import {realDisk} from './std/real-disk.ts';
import {systemClock, systemIds} from './std/system-clock.ts';

interface Log {
  readonly logger: DatabaseOptions['logger'];
  readonly recent: DatabaseOptions['logMessages'];
}

export function databaseOptions(config: Config, {logger, recent}: Log): DatabaseOptions {
  return {
    directory: config['storage.data_path'],
    disk: realDisk,
    clock: systemClock,
    ids: systemIds,
    durability: config['storage.durability'],
    commitDelayMs: config['storage.commit_delay_micros'] / 1000,
    isLocked: true,
    inlineEncoding: false,
    memorySoftBytes: config['memory.soft_limit_bytes'],
    memoryHardBytes: config['memory.hard_limit_bytes'],
    checkpointLogBytes: config['checkpoint.log_bytes'],
    defaultRows: config['limits.default_query_limit'],
    maxRows: config['limits.max_query_limit'],
    retentionHours: config['retention.default_deleted_retention_hours'],
    flushDefaultPolicy: {rows: config['flush.default_row_limit']},
    flushCheckMs: config['flush.check_interval_seconds'] * 1000,
    smallScopeAgeSeconds: config['flush.small_scope_age_seconds'],
    analytic: {
      maxChildren: config['analytic.max_processes'],
      memoryBytes: config['analytic.memory_limit_bytes'],
      idleMs: config['analytic.idle_seconds'] * 1000,
      handOverRows: config['analytic.hand_over_rows'],
    },
    compaction: {
      checkMs: config['compaction.check_interval_seconds'] * 1000,
      minSegments: config['compaction.min_segments'],
      deadPercent: config['compaction.dead_percent'],
    },
    jobs: {
      maxConcurrent: config['jobs.max_concurrent'],
      maxRetries: config['jobs.max_retries'],
      retryBackoffMs: config['jobs.retry_backoff_ms'],
      keepFinishedDays: config['jobs.keep_finished_days'],
    },
    stopJobsMs: config['shutdown.flush.timeout'] * 1000,
    streams: {
      scopeRowsMax: config['stream.default_max_buffer'],
      tableBytesMax: config['stream.max_table_bytes'],
      evictMs: config['stream.eviction_interval_seconds'] * 1000,
    },
    live: {
      subscriptionsMax: config['live.max_subscriptions'],
      connectionSubscriptionsMax: config['live.max_subscriptions_per_connection'],
      userSubscriptionsMax: config['rate_limit.max_subscriptions_per_user'],
      queuedBytesMax: config['live.max_queued_bytes'],
      slowMs: config['live.slow_connection_seconds'] * 1000,
      snapshotIdleMs: config['live.batch_timeout_seconds'] * 1000,
      historyRowsMax: config['live.history_rows'],
      historyMs: config['live.history_seconds'] * 1000,
      progressMs: config['live.progress_seconds'] * 1000,
    },
    storageCacheBytes: config['storage.cache_bytes'],
    sharedTemplate: config['storage.shared_tables_template'],
    userTemplate: config['storage.user_tables_template'],
    audit: {retentionDays: config['audit.retention_days'], rowsMax: config['audit.max_rows']},
    grace: {days: config['user_management.deletion_grace_period_days']},
    auth: authOptions(config),
    settings: settingsOf(config),
    logMessages: recent,
    logger,
  };
}

/** What `system.settings` shows. */
function settingsOf(config: Config): DatabaseOptions['settings'] {
  return (Object.keys(OPTIONS) as OptionKey[]).map(name => ({
    name,
    value: shownValue(name, config),
    description: OPTIONS[name].about,
    category: name.slice(0, name.indexOf('.')),
  }));
}

function authOptions(config: Config): DatabaseOptions['auth'] {
  const issuers = trustedIssuers(config);
  return {
    secret: config['auth.jwt_secret'] || undefined,
    isLocal: isLoopback(config['server.host']),
    accessTokenMs: config['auth.jwt_expiry_hours'] * 3_600_000,
    external: {issuers, provisionRole: provisionRole(config, issuers), fetchJson},
    idempotency: {
      keepMs: config['idempotency.keep_hours'] * 3_600_000,
      keysPerUserMax: config['idempotency.max_keys_per_user'],
      keysMax: config['idempotency.max_keys'],
    },
    passwords: {
      minLength: config['auth.min_password_length'],
      maxLength: config['auth.max_password_length'],
      isComplex: config['auth.enforce_password_complexity'],
      cost: {memoryKib: config['auth.argon2_memory_kib'], passes: config['auth.argon2_passes']},
      atOnce: config['auth.passwords_at_once'],
    },
  };
}
