/** The permission matrix over HTTP: the cells of matrix.scenarios.ts, asked by each role. */
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {ROLES} from '../../src/auth/roles.ts';
import {TokenSigner} from '../../src/auth/token.ts';
import type {UserId} from '../../src/model/names.ts';
import type {Role, Session} from '../../src/model/session.ts';
import {TokenCursor} from '../../src/parser/cursor.ts';
import {splitStatements} from '../../src/parser/split.ts';
import {parseExecuteAs} from '../../src/sql/execute-as.ts';
import {matchHead} from '../../src/sql/heads.ts';
import {STATEMENTS} from '../../src/sql/statements/index.ts';
import {send, startServer, type TestServer} from '../http/server.ts';
import {TEST_OPTIONS, type TestDatabase} from '../test-database.ts';
import {type Cell, MADE, MATRIX, TABLES} from './matrix.scenarios.ts';

/** No sign-in gives this role: sessions are told whom the text stands for. */
const ANONYMOUS = 'nobody.in.particular';

describe('the permission matrix', () => {
  let server: TestServer;
  let tokens: Readonly<Record<Role, string>>;
  let last = 1000;

  before(async () => {
    server = await startServer();
    await fill(server.database);
    tokens = signIns(server.database);
  });
  after(() => server.stop());

  for (const cell of MATRIX) {
    test(`${cell.what}: ${cell.allowed}`, async () => {
      let found = '';
      const texts: string[] = [];
      for (const role of ROLES) {
        const {letter, text} = await run(role, cell);
        found += letter;
        texts.push(text);
      }
      assert.equal(found, cell.allowed, `${cell.sql}\n${texts.join('\n')}`);
    });
  }

  for (const role of ROLES) {
    test(`SHOW NAMESPACES counts for the role ${role} the tables that SHOW TABLES lists`, async () => {
      const rows = async (sql: string): Promise<Record<string, unknown>[]> => {
        const headers = {'content-type': 'application/json', authorization: `Bearer ${tokens[role]}`};
        const {text} = await send(server.port, {headers, body: JSON.stringify({sql})});
        const [{schema, rows}] = JSON.parse(text).results;
        return rows.map((row: unknown[]) => Object.fromEntries(row.map((value, i) => [schema[i].name, value])));
      };
      const listed = (await rows('SHOW TABLES')).filter(row => row['table_type'] !== 'view');
      const counts = await rows('SHOW NAMESPACES');
      assert.ok(counts.length > 2);
      for (const {namespace_id: namespace, table_count: count} of counts) {
        if (namespace === 'system') continue;
        assert.equal(count, listed.filter(row => row['namespace_id'] === namespace).length, `${namespace}`);
      }
    });
  }

  async function run(role: Role, {sql, made}: Cell): Promise<{letter: string; text: string}> {
    last++;
    const said = (text: string) =>
      text.replaceAll('$n', String(last)).replaceAll('$me', `m_${role}`).replaceAll('$dir', server.database.directory);
    const asked = said(sql);
    if (made !== undefined) await server.database.sql(said(made));
    const headers = {'content-type': 'application/json', authorization: `Bearer ${tokens[role]}`};
    const {status, text} = await send(server.port, {headers, body: JSON.stringify({sql: asked})});
    assert.deepEqual(server.bugs, [], 'nothing is answered by a bug');
    const {error} = JSON.parse(text);
    if (status === 200) return {letter: 'y', text};
    if (error.code !== 'PERMISSION_DENIED') {
      assert.match(
        error.code,
        /^(?:SQL_EXECUTION_ERROR|NOT_SUPPORTED|INVALID_SQL|INVALID_INPUT)$/,
        `${role}: ${asked}: ${text}`,
      );
      return {letter: 'e', text};
    }
    assert.equal(status, 403);
    assert.match(error.message, /unauthorized|not authorized|permission|privilege|access denied/i);
    return {letter: '-', text};
  }
});

test('every statement is in the permission matrix', () => {
  const asked = new Set(MATRIX.flatMap(({sql}) => splitStatements(sql.replaceAll('$', 'x')).map(kindOf)));
  const left = STATEMENTS.filter(kind => !asked.has(kind));
  assert.deepEqual(
    left.map(({name}) => name),
    [],
  );
});

function kindOf(statement: ReturnType<typeof splitStatements>[number]) {
  const outer = new TokenCursor(statement);
  const wrapped = parseExecuteAs(outer);
  return matchHead(wrapped === undefined ? outer : new TokenCursor(wrapped.inner));
}

async function fill(database: TestDatabase): Promise<void> {
  await database.sql('CREATE NAMESPACE app');
  for (const [name, [kind, options]] of Object.entries(MADE))
    await database.sql(`CREATE ${kind} TABLE app.${name} (id INT PRIMARY KEY, v INT) ${options}`);
  for (const [kind, table] of Object.entries(TABLES)) {
    await database.sql(`CREATE VIEW app.v_${kind} AS SELECT count(*) AS n FROM ${table}`);
    await database.sql(`CREATE VIEW app.w_${kind} AS SELECT n FROM app.v_${kind}`);
  }
  await database.sql("CREATE USER 'somebody' WITH PASSWORD 'correct horse' ROLE user");
  for (const role of ROLES.slice(1))
    await database.sql(`CREATE USER 'm_${role}' WITH PASSWORD 'correct horse' ROLE ${role}`);
  await database.auth.users.giveRootPassword('R00t-pass!');
}

function signIns({auth: {sessions}}: TestDatabase): Readonly<Record<Role, string>> {
  const authenticate = sessions.authenticate.bind(sessions);
  const anonymous: Session = {userId: 'm_anonymous' as UserId, role: 'anonymous', proof: {kind: 'development'}};
  sessions.authenticate = header => (header === `Bearer ${ANONYMOUS}` ? anonymous : authenticate(header));
  const signer = new TokenSigner(TEST_OPTIONS.auth.secret!);
  const iat = Math.floor(Date.now() / 1000);
  const tokenOf = (role: Role) =>
    signer.sign({sub: `m_${role}`, role, token_type: 'access', email: null, iat, exp: iat + 3600});
  const tokens = ROLES.map(role => [role, role === 'anonymous' ? ANONYMOUS : tokenOf(role)]);
  return Object.fromEntries(tokens) as Record<Role, string>;
}
