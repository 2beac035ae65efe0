/**
 * What do accounts cost? (A token on every request, and sign-ins beside other requests.)
 *
 *     a token    the check in the server's memory, in process; and SELECT by key over HTTP with a token, beside development sign-in
 *     sign-ins   of many people at once, as fast as they are answered; what other requests feel of them is their 99th percentile with and without
 */
import {join} from 'node:path';
import {type Bench, type BenchContext, type Findings, Rounds} from './kit/bench.ts';
import {untilCalm} from './kit/calm.ts';
import {openEmbedded} from './kit/embedded.ts';
import {httpRequest, type Kalamdb, QUIET, startKalamdb} from './kit/kalamdb.ts';
import {type LoadOutcome, runLoad, startLoad} from './kit/load.ts';
import type {Measure} from './kit/report.ts';

const PASSWORD = 'Correct-Horse-9';
const PEOPLE = 32;
/** Each signs in again when the last sign-in was answered. */
const SIGN_INS_AT_ONCE = 8;
const CONNECTIONS = 16;
const SELECTS_PER_SECOND = 1000;
const CHECKS = 200_000;

export const signIn: Bench = {title: 'tokens and sign-ins', rounds: 3, run};

async function run(context: BenchContext): Promise<Findings> {
  const {directory, seconds} = context;
  const rounds = new Rounds();
  const open = await startKalamdb(join(directory, 'development'), QUIET);
  const closed = await startKalamdb(join(directory, 'accounts'), QUIET);
  try {
    await fill(open);
    await fill(closed);
    const token = await setUp(closed);
    const select = {connections: CONNECTIONS, durationMs: seconds * 1000};
    const byName = {...select, port: open.port, requests: [selectRequest('X-USER-ID: root')]};
    const byToken = {...select, port: closed.port, requests: [selectRequest(`Authorization: Bearer ${token}`)]};
    const paced = {...byToken, perSecond: SELECTS_PER_SECOND};
    // The first round warms up.
    for (let round = 0; round <= context.rounds; round++) {
      await untilCalm(context.patienceMs);
      const named = await runLoad(directory, byName);
      const signed = await runLoad(directory, byToken);
      const alone = await runLoad(directory, paced);
      const signIns = await startLoad(directory, signInJob(closed, seconds * 3000));
      const beside = await runLoad(directory, paced);
      signIns.end();
      const found = {
        check: await checkMicros(join(directory, `check-${round}`)),
        named: perSecond(named),
        signed: perSecond(signed),
        alone: alone.micros.p99 / 1000,
        beside: beside.micros.p99 / 1000,
        signIns: perSecond(await signIns.outcome),
      };
      context.say(`round ${round}: ${JSON.stringify(found)}`);
      if (round > 0) for (const [name, value] of Object.entries(found)) rounds.add(name, value);
    }
  } finally {
    await open.stop();
    await closed.stop();
  }
  return {
    durability: 'D2; selects write nothing, each sign-in is a commit',
    settings: {...QUIET, 'sign-ins at once': SIGN_INS_AT_ONCE, 'selects per second beside them': SELECTS_PER_SECOND},
    notes: ['Passwords are checked with argon2id (19 MiB, 2 passes), on threads beside the one that runs statements.'],
    measures: measuresOf(rounds),
  };
}

function measuresOf(rounds: Rounds): Measure[] {
  const series = (name: string, of: string) => ({name, rounds: rounds.of(of)});
  const measure = {goal: 'auth', judge: undefined, facts: {}};
  return [
    {
      ...measure,
      what: 'check of a token that was seen before',
      unit: 'µs',
      ours: series('KalamDB', 'check'),
      judge: {by: 'value', better: 'less', floor: 2, aim: 1},
    },
    {
      ...measure,
      what: `SELECT by key with a token, ${CONNECTIONS} in flight`,
      unit: '/s',
      ours: series('KalamDB', 'signed'),
      peer: series('development sign-in', 'named'),
    },
    {...measure, what: 'sign-ins with a password', unit: '/s', ours: series('KalamDB', 'signIns')},
    {
      ...measure,
      what: 'p99 of a SELECT beside them',
      unit: 'ms',
      ours: series('KalamDB', 'beside'),
      peer: series('without them', 'alone'),
    },
  ];
}

async function fill(server: Kalamdb): Promise<void> {
  await server.sql(
    'CREATE NAMESPACE bench; CREATE SHARED TABLE bench.t (id INT PRIMARY KEY, name TEXT); ' +
      "INSERT INTO bench.t VALUES (1, 'one row')",
  );
}

/** People who may sign in; last of all root, since that ends development sign-in. Returns a token of root. */
async function setUp(server: Kalamdb): Promise<string> {
  for (let i = 0; i < PEOPLE; i++) await server.sql(`CREATE USER person${i} WITH PASSWORD '${PASSWORD}' ROLE user`);
  await server.sql(`ALTER USER root SET PASSWORD '${PASSWORD}'`);
  const response = await fetch(`http://127.0.0.1:${server.port}/v1/api/auth/login`, {
    method: 'POST',
    headers: {'content-type': 'application/json'},
    body: JSON.stringify({user: 'root', password: PASSWORD}),
  });
  return ((await response.json()) as {access_token: string}).access_token;
}

function selectRequest(header: string): string {
  return httpRequest('/v1/api/sql', {sql: 'SELECT id, name FROM bench.t WHERE id = $1', params: [1]}, header);
}

function signInJob({port}: Kalamdb, durationMs: number) {
  const requests = Array.from({length: PEOPLE}, (_, i) =>
    httpRequest('/v1/api/auth/login', {user: `person${i}`, password: PASSWORD}),
  );
  return {port, connections: SIGN_INS_AT_ONCE, durationMs, requests, bodyBegins: '{"user":'};
}

/** Of the session behind a token that was checked before, without HTTP. */
async function checkMicros(directory: string): Promise<number> {
  const database = await openEmbedded(directory);
  try {
    const {users, desk, sessions} = database.auth;
    await users.giveRootPassword(PASSWORD);
    const {accessToken} = await desk.signIn('root', PASSWORD, {address: 'here', isLocal: true});
    const header = `Bearer ${accessToken}`;
    const startedMs = performance.now();
    for (let i = 0; i < CHECKS; i++) sessions.authenticate(header);
    return ((performance.now() - startedMs) * 1000) / CHECKS;
  } finally {
    await database.close();
  }
}

function perSecond({requests, seconds}: LoadOutcome): number {
  return requests / seconds;
}
