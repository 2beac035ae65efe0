import assert from 'node:assert/strict';
import {test} from 'node:test';
import {redactSecrets} from './redact.ts';

const hidden: [why: string, sql: string][] = [
  ['a string', "CREATE USER a WITH PASSWORD 'hunter2'"],
  ['a quote inside', "CREATE USER a WITH PASSWORD 'it''s hunter2'"],
  ['an escaped string', "CREATE USER a WITH PASSWORD E'a\\'hunter2'"],
  ['a comment before it', "CREATE USER a WITH PASSWORD /* x */ 'hunter2'"],
  ['a comment with a quote before it', "CREATE USER a WITH PASSWORD /* ' */ 'hunter2'"],
  ['a line comment before it', "CREATE USER a WITH PASSWORD -- x\n'hunter2'"],
  ['no blank before it', "ALTER USER a SET PASSWORD'hunter2' REVOKE SESSIONS"],
  ['an equals sign', "ALTER STORAGE s SET CREDENTIALS = 'hunter2'"],
  ['lower case', "create user a identified by 'hunter2'"],
  ['a configuration', `CREATE STORAGE s TYPE s3 CONFIG '{"k":"hunter2"}'`],
  ['no quotes', 'CREATE USER a WITH PASSWORD hunter2'],
  ['no end', "CREATE USER a WITH PASSWORD 'hunter2"],
  ['no SQL at all', "CREATE USER a WITH PASSWORD 'x' \u0001 IDENTIFIED BY 'hunter2'"],
  ['several', "CREATE USER a WITH PASSWORD 'hunter2'; CREATE USER b WITH PASSWORD 'hunter2'"],
];

for (const [why, sql] of hidden) {
  test(`hidden: ${why}`, () => {
    const shown = redactSecrets(sql);
    assert.doesNotMatch(shown, /hunter2/);
    assert.match(shown, /\*\*\*/);
  });
}

test('what surrounds a secret stays', () => {
  assert.equal(
    redactSecrets("CREATE USER 'ana' WITH PASSWORD 'x' ROLE user EMAIL 'a@b'"),
    "CREATE USER 'ana' WITH PASSWORD '***' ROLE user EMAIL 'a@b'",
  );
});

for (const sql of [
  "SELECT 'hunter2'",
  "SELECT password FROM t WHERE password = $1 ORDER BY 'x'",
  'CREATE USER TABLE t (password TEXT, config JSON)',
  'SELECT config FROM system.storages',
]) {
  test(`left alone: ${sql}`, () => assert.equal(redactSecrets(sql), sql));
}
