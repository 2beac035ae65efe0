/** Views: their bounds, whose rights they have, and where their errors are told. */
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {checkUserId} from '../../src/model/names.ts';
import type {Role, Session} from '../../src/model/session.ts';
import {openTestDatabase, type TestDatabase} from '../test-database.ts';

describe('views', () => {
  let database: TestDatabase;
  before(async () => {
    database = await openTestDatabase();
    await database.sql(`
      CREATE NAMESPACE app;
      CREATE SHARED TABLE app.secret (id INT PRIMARY KEY) WITH (ACCESS_LEVEL = 'dba');
      CREATE USER TABLE app.own (id INT PRIMARY KEY);
      CREATE VIEW app.of_secret AS SELECT * FROM app.secret;
      CREATE VIEW app.of_own AS SELECT id, CURRENT_USER AS who FROM app.own;
      CREATE VIEW app.of_system AS SELECT job_id FROM system.jobs`);
  });
  after(() => database.stop());

  const asRole = async (sql: string, role: Role) => {
    const session: Session = {userId: checkUserId('ana'), role, proof: {kind: 'development'}};
    const signal = new AbortController().signal;
    return await database.runSql({sql, params: [], namespace: undefined, session, signal});
  };
  const refused = async (sql: string, role: Role, code: string, text: RegExp) => {
    await assert.rejects(asRole(sql, role), (error: unknown) => {
      assert.ok(error instanceof DbError);
      assert.equal(error.code, code);
      assert.match(error.message, text);
      return true;
    });
  };

  test('a view gives nobody more than their own rights, whoever made or read it before', async () => {
    await asRole('SELECT * FROM app.of_secret', 'dba');
    await refused('SELECT * FROM app.of_secret', 'user', 'PERMISSION_DENIED', /cannot access table 'app.secret'/);
    await refused('SELECT * FROM app.of_system', 'service', 'PERMISSION_DENIED', /cannot access table 'system.jobs'/);
    await refused('SELECT 1 WHERE EXISTS (SELECT * FROM app.of_system)', 'user', 'PERMISSION_DENIED', /system.jobs/);
    await refused('EXPLAIN SELECT * FROM app.of_secret', 'user', 'PERMISSION_DENIED', /Admin privileges/);
    await asRole('INSERT INTO app.own VALUES (1)', 'user');
    const [answer] = await asRole('SELECT * FROM app.of_own', 'user');
    assert.deepEqual(answer!.rows, ['[1,"ana"]']);
  });

  test('only admins make and drop views', async () => {
    await refused(
      'CREATE VIEW app.v AS SELECT 1',
      'service',
      'PERMISSION_DENIED',
      /Only DBA or System roles can create/,
    );
    await refused('DROP VIEW app.of_own', 'service', 'PERMISSION_DENIED', /Only DBA or System roles can drop views/);
  });

  test('views stand in views to a bounded depth', async () => {
    await database.sql('CREATE VIEW app.d1 AS SELECT 1 AS a');
    for (let i = 2; i <= 15; i++) await database.sql(`CREATE VIEW app.d${i} AS SELECT * FROM app.d${i - 1}`);
    await database.sql('CREATE VIEW app.d16 AS SELECT * FROM app.d15');
    assert.deepEqual((await database.sql('SELECT a FROM app.d16')).rows, [[1]]);
    await refused('CREATE VIEW app.d17 AS SELECT * FROM app.d16', 'dba', 'LIMIT_EXCEEDED', /at most 16 deep/);
  });

  test('a statement takes a bounded number of views, those that views name too', async () => {
    await database.sql('CREATE VIEW app.w1 AS SELECT 1 AS a');
    for (let i = 2; i <= 7; i++)
      await database.sql(`CREATE VIEW app.w${i} AS SELECT x.a FROM app.w${i - 1} x, app.w${i - 1} y`);
    await refused('SELECT * FROM app.w7, app.w7 AS other', 'dba', 'LIMIT_EXCEEDED', /at most 200 views/);
    assert.deepEqual((await database.sql('SELECT * FROM app.w3')).rows, [[1]]);
  });

  test('an error inside of a view is told at the name of the view', async () => {
    await database.sql('CREATE SHARED TABLE app.n (id INT PRIMARY KEY); INSERT INTO app.n VALUES (0)');
    await database.sql('CREATE VIEW app.quotients AS\n\n\n\nSELECT 1 / id AS q FROM app.n');
    await refused('SELECT *\nFROM app.quotients', 'dba', 'SQL_EXECUTION_ERROR', /division by zero/i);
    await database.sql('DROP TABLE app.n');
    await refused(
      'SELECT *\n  FROM app.quotients',
      'dba',
      'SQL_EXECUTION_ERROR',
      /no longer fits .* \(line 2, column 8\)$/,
    );
  });

  test('a kept plan ends with the view it was made of', async () => {
    await database.sql('CREATE OR REPLACE VIEW app.changing AS SELECT 1 AS a');
    assert.deepEqual((await database.sql('SELECT * FROM app.changing')).rows, [[1]]);
    await database.sql("CREATE OR REPLACE VIEW app.changing AS SELECT 'x' AS b, 2 AS c");
    assert.deepEqual((await database.sql('SELECT * FROM app.changing')).rows, [['x', 2]]);
    await database.sql('DROP VIEW app.changing');
    await refused('SELECT * FROM app.changing', 'dba', 'SQL_EXECUTION_ERROR', /table 'kalam.app.changing' not found/);
  });
});
