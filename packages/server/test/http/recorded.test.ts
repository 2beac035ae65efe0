/** The wire as it was recorded, by one server from its first start on; each file of scenarios goes on where the one before ended. */
import {after, before, describe, test} from 'node:test';
import {TokenSigner} from '../../src/auth/token.ts';
import {TEST_OPTIONS} from '../test-database.ts';
import {type Kept, type Recorded, runRecorded} from './recorded.ts';
import {FIRST_RUN, HEALTH, SIGN_IN} from './recorded-auth.scenarios.ts';
import {SQL_ROUTE} from './recorded-sql.scenarios.ts';
import {startServer, type TestServer} from './server.ts';

const RECORDINGS: readonly [name: string, scenarios: readonly Recorded[]][] = [
  ['health', HEALTH],
  ['first run', FIRST_RUN],
  ['sign-in', SIGN_IN],
  ['statements', SQL_ROUTE],
];

describe('recorded', () => {
  let server: TestServer;
  const kept: Kept = new Map();
  before(async () => {
    server = await startServer();
    for (const [name, token] of Object.entries(forgedTokens())) kept.set(name, token);
  });
  after(() => server.stop());

  for (const [name, scenarios] of RECORDINGS) {
    for (const scenario of scenarios) test(`${name}: ${scenario.name}`, () => runRecorded(server, scenario, kept));
  }
});

/** Tokens that no sign-in gives. */
function forgedTokens(): Record<string, string> {
  const now = Math.floor(Date.now() / 1000);
  const forged = (secret: string, iat: number) =>
    new TokenSigner(secret).sign({sub: 'ana', role: 'user', token_type: 'access', email: null, iat, exp: iat + 3600});
  const own = TEST_OPTIONS.auth.secret!;
  const other = 'a secret of somebody else, as long as it must be';
  return {
    expired: forged(own, now - 7200),
    foreign: forged(other, now),
    foreignExpired: forged(other, now - 7200),
  };
}
