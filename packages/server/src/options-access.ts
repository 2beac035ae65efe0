/** Settings of access: who may ask, how they are known, and how much of the server they get. */
import {DAY_S, KIB, MIB, type OptionFacts} from './option-facts.ts';
import {OAUTH_OPTIONS} from './options-oauth.ts';

export const ACCESS_OPTIONS = {
  ...OAUTH_OPTIONS,
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
  'idempotency.keep_hours': {
    default: 24,
    unit: 'h',
    range: [1, 720],
    about: 'How long the answer to a request with Idempotency-Key is kept.',
  },
  'idempotency.max_keys_per_user': {
    default: 10_000,
    range: [1, 1_000_000],
    about:
      'Keys of one user that are kept; each takes some hundred bytes of memory, with rows in the answer up to 9 KiB.',
  },
  'idempotency.max_keys': {default: 50_000, range: [1, 10_000_000], about: 'Keys of all users that are kept.'},
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
  'auth.jwt_trusted_issuers': {
    env: 'KALAMDB_JWT_TRUSTED_ISSUERS',
    default: [],
    about: 'Issuers of OpenID Connect whose tokens are taken, each by its whole URL, as in the claim `iss`.',
  },
  'auth.jwt_audiences': {
    default: [],
    about:
      'What tokens of those issuers must be for (claim `aud`), where no provider says it; empty = they may be for any application.',
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
    default: [
      'Authorization',
      'Content-Type',
      'Accept',
      'Origin',
      'X-Requested-With',
      'X-Request-ID',
      'X-USER-ID',
      'Idempotency-Key',
    ],
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
    default: 30,
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
} as const satisfies Record<string, OptionFacts>;
