import assert from 'node:assert/strict';
import {test} from 'node:test';
import {readConfig, shownValue} from './config.ts';
import {OPTIONS} from './options.ts';
import {whyUnread} from './unread-options.ts';

const read = (text: string, env: Record<string, string> = {}) => readConfig({file: {name: 'server.toml', text}, env});

test('without file and environment every option has its default, which is itself valid', () => {
  const {config, warnings} = readConfig({env: {}});
  assert.deepEqual(warnings, []);
  for (const [key, facts] of Object.entries(OPTIONS)) assert.equal(config[key as keyof typeof OPTIONS], facts.default);
});

test('the section of accounts may have its other name', () => {
  const {config, warnings} = read('[authentication]\njwt_expiry_hours = 5\n');
  assert.deepEqual([config['auth.jwt_expiry_hours'], warnings], [5, []]);
});

test('the file wins over the default, the environment over the file', () => {
  const file = '[server]\nport = 9000\nhost = "::1"\n[storage]\ndata_path = "/var/k"\n';
  const {config} = read(file, {KALAMDB_SERVER_PORT: '9001', KALAMDB_LOG_LEVEL: 'debug'});
  assert.equal(config['server.port'], 9001);
  assert.equal(config['server.host'], '::1');
  assert.equal(config['storage.data_path'], '/var/k');
  assert.equal(config['logging.level'], 'debug');
});

const refusals: [why: string, text: string, env: Record<string, string>, message: RegExp][] = [
  [
    'a number out of range',
    '[server]\nport = 70000',
    {},
    /^server\.port in server\.toml must be a whole number from 1 to 65535, not 70000\.$/,
  ],
  ['port 0', '', {KALAMDB_SERVER_PORT: '0'}, /^environment variable KALAMDB_SERVER_PORT must be a whole number/],
  [
    'a number that is none',
    '',
    {KALAMDB_SERVER_PORT: '80x'},
    /KALAMDB_SERVER_PORT must be a whole number .* not "80x"/,
  ],
  ['an empty number', '', {KALAMDB_SERVER_PORT: ''}, /KALAMDB_SERVER_PORT/],
  ['a text for a number', '[server]\nport = "8080"', {}, /server\.port/],
  ['a fraction', '[flush]\ndefault_row_limit = 1.5', {}, /flush\.default_row_limit/],
  [
    'a word that is not offered',
    '[logging]\nlevel = "loud"',
    {},
    /must be one of error, warn, info, debug, trace, not "loud"/,
  ],
  ['an empty text', '[storage]\ndata_path = " "', {}, /storage\.data_path .* not empty/],
  ['a date for a text', '[storage]\ndata_path = 2026-01-01', {}, /storage\.data_path/],
  ['broken TOML', '[server\n', {}, /^server\.toml is not valid TOML: .*line 1/],
  [
    'limits that contradict',
    '[memory]\nsoft_limit_bytes = 2147483648',
    {},
    /soft_limit_bytes .* must not exceed memory\.hard_limit_bytes/,
  ],
];

for (const [why, text, env, message] of refusals) {
  test(`refused: ${why}`, () => {
    assert.throws(() => read(text, env), {code: 'INVALID_INPUT', message});
  });
}

const CORS = '[security.cors]\n';

test('lists are arrays in the file and cut at commas in the environment, without blanks and empty parts', () => {
  const key = 'security.cors.allowed_origins';
  assert.deepEqual(read(`${CORS}allowed_origins = ["https://a", "https://b"]`).config[key], ['https://a', 'https://b']);
  const env = {KALAMDB_SECURITY_CORS_ALLOWED_ORIGINS: ' https://a,, https://b '};
  assert.deepEqual(readConfig({env}).config[key], ['https://a', 'https://b']);
  assert.throws(() => read(`${CORS}allowed_origins = [1]`), {message: /allowed_origins .* a list of texts, not \[1\]/});
});

test('a setting with two variables takes the first that is set', () => {
  const key = 'security.trusted_proxy_ranges';
  const [first, second] = ['KALAMDB_SECURITY_TRUSTED_PROXY_RANGES', 'KALAMDB_TRUSTED_PROXY_RANGES'];
  assert.deepEqual(readConfig({env: {[second]: '10.0.0.1'}}).config[key], ['10.0.0.1']);
  assert.deepEqual(readConfig({env: {[second]: '10.0.0.1', [first]: '10.0.0.2'}}).config[key], ['10.0.0.2']);
});

test('yes and no are true and false, and nothing else is', () => {
  assert.equal(read(`${CORS}allow_credentials = false`).config['security.cors.allow_credentials'], false);
  assert.throws(() => read(`${CORS}allow_credentials = "no"`), {message: /must be true or false, not "no"/});
});

test('settings are shown as they could be written', () => {
  const {config} = read(`${CORS}allowed_origins = ["https://a", "https://b"]`);
  assert.equal(shownValue('security.cors.allowed_origins', config), 'https://a, https://b');
  assert.equal(shownValue('security.cors.allow_credentials', config), 'true');
  assert.equal(shownValue('server.port', config), '8080');
});

test('an unknown key is a warning that names the nearest known one', () => {
  const {warnings} = read('[server]\nprot = 1\n[zzz.yyy]\nfar_away_from_everything_known = true\n');
  assert.deepEqual(warnings, [
    'Unknown key server.prot in server.toml is ignored. Did you mean server.port?',
    'Unknown key zzz.yyy.far_away_from_everything_known in server.toml is ignored.',
  ]);
});

const UNREAD: [text: string, env: Record<string, string>, warning: string][] = [
  [
    '[user_management]\ncleanup_job_schedule = "0 2 * * *"',
    {},
    'The key user_management.cleanup_job_schedule in server.toml has no effect: every hour the accounts are removed whose time of grace is over; see user_management.deletion_grace_period_days.',
  ],
  [
    '[oauth.providers.google]\nclient_secret = "s3cret"',
    {},
    'The key oauth.providers.google.client_secret in server.toml has no effect: tokens are verified by the public keys of their issuer; no secret is needed, so better take it out.',
  ],
  ['[[cluster.peers]]\nnode_id = 2', {}, 'The key cluster.peers in server.toml has no effect: a server stands alone.'],
  [
    'transaction_timeout_secs = 300',
    {},
    'The key transaction_timeout_secs in server.toml has no effect: a transaction lives within one request; see execution.handler_timeout_seconds.',
  ],
  [
    '',
    {KALAMDB_PG_AUTH_TOKEN: 's3cret'},
    'The environment variable KALAMDB_PG_AUTH_TOKEN has no effect: a server stands alone.',
  ],
  [
    '',
    {KALAMDB_SERVER_PROT: '1', HOME: '/root'},
    'Unknown environment variable KALAMDB_SERVER_PROT is ignored. Did you mean KALAMDB_SERVER_PORT?',
  ],
];
for (const [text, env, warning] of UNREAD) {
  test(`what has no effect is told: ${text || Object.keys(env)[0]}`, () => {
    assert.deepEqual(read(text, env).warnings, [warning]);
  });
}

test('a key that is read is not told to be without effect', () => {
  assert.deepEqual(
    Object.keys(OPTIONS).filter(key => whyUnread(key) !== undefined),
    [],
  );
});
