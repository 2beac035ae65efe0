/**
 * Start of accounts: whether this server may listen where it is told to, and root's password from the settings.
 *
 *     loopback                          development sign-in until root has a password
 *     elsewhere, root has a password    accounts
 *     elsewhere, allow_remote_setup     health, status and setup alone, until root has a password
 *     elsewhere, neither                no start
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import {type Auth, checkSecret, isWeakSecret} from './auth/auth.ts';
import type {Config} from './config.ts';
import {isLoopback} from './http/client.ts';
import {issuerWarnings, trustedIssuers} from './issuer-options.ts';

interface Logger {
  info(text: string): void;
  warn(text: string): void;
}

/** Of what signs tokens, before the database is opened. Throws INVALID_INPUT. */
export function checkSigners(config: Config, logger: Logger): void {
  for (const text of issuerWarnings(trustedIssuers(config))) logger.warn(text);
  const secret = config['auth.jwt_secret'];
  if (secret === '') return;
  checkSecret(secret, isLoopback(config['server.host']));
  if (isWeakSecret(secret)) logger.warn('auth.jwt_secret is short or an example: whoever guesses it is anybody.');
}

/** Before anybody is served. Throws INVALID_INPUT or WEAK_PASSWORD. */
export async function startAccounts(config: Config, {users, sessions}: Auth, logger: Logger): Promise<void> {
  const password = config['auth.root_password'];
  if (password !== '' && !(await users.giveRootPassword(password)))
    logger.info('Root has a password already; auth.root_password is not looked at.');
  const host = config['server.host'];
  if (!sessions.accounts.needsSetup || isLoopback(host) || config['auth.allow_remote_setup']) return;
  throw new DbError(
    'INVALID_INPUT',
    `server.host ${host} can be reached from other machines, and root has no password. Set KALAMDB_ROOT_PASSWORD, or KALAMDB_ALLOW_REMOTE_SETUP=true to set it up from there, or listen on 127.0.0.1.`,
  );
}

/** What people are told of it when the server starts: how sign-in works, and what to try. */
export function describeAccounts({sessions}: Auth, url: string): string[] {
  if (sessions.isDevelopment) {
    return [
      'Sign-in: development. X-USER-ID names the caller (role dba); without it the caller is root (role system).',
      tryCurl(`${url}/v1/api/sql`, '{"sql":"SELECT 1 AS one"}', 'X-USER-ID: ana'),
    ];
  }
  if (sessions.accounts.needsSetup) {
    return [
      'Sign-in: none yet. POST /v1/api/auth/setup gives root a password and makes the first dba.',
      tryCurl(`${url}/v1/api/auth/setup`, '{"user":"ana","password":"…","root_password":"…"}'),
    ];
  }
  return [
    'Sign-in: accounts. POST /v1/api/auth/login gives a token, sent as Authorization: Bearer.',
    tryCurl(`${url}/v1/api/auth/login`, '{"user":"root","password":"…"}'),
  ];
}

function tryCurl(url: string, body: string, ...headers: string[]): string {
  const options = ['Content-Type: application/json', ...headers].map(header => `-H '${header}' `);
  return `Try: curl -s ${url} ${options.join('')}-d '${body}'`;
}
