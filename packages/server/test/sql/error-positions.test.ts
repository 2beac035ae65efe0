/**
 * Where errors lie: `▸` in each request stands before the place that the error must name, in line, column and offset, whether it is found by the
 * parser or when the statement runs.
 */
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {openTestDatabase, type TestDatabase} from '../test-database.ts';

const PLACE = '▸';

const ALTER: readonly string[] = [
  'ALTER TABLE app.t ADD COLUMN ▸_seq INT',
  'ALTER TABLE app.t ADD COLUMN a ▸NOSUCHTYPE',
  'ALTER TABLE app.t ADD COLUMN a INT DEFAULT ▸other',
  "ALTER TABLE app.t ADD COLUMN a INT DEFAULT ▸'x'",
  'ALTER TABLE app.t ADD COLUMN ▸n INT',
  'ALTER TABLE app.t ADD COLUMN ▸a INT NOT NULL',
  'ALTER TABLE app.t ADD COLUMN a INT ▸FIRST',
  'ALTER TABLE app.t ADD COLUMN a INT▸, ADD b INT',
  'ALTER TABLE app.t ADD ▸CONSTRAINT c CHECK (n > 1)',
  'ALTER TABLE app.t DROP COLUMN ▸missing',
  'ALTER TABLE app.t DROP COLUMN ▸id',
  'ALTER TABLE app.t DROP COLUMN ▸_deleted',
  'ALTER TABLE app.t DROP COLUMN n ▸CASCADE',
  'ALTER TABLE app.t RENAME COLUMN ▸missing TO x',
  'ALTER TABLE app.t RENAME COLUMN n TO ▸s',
  'ALTER TABLE app.t RENAME COLUMN n TO ▸_seq',
  'ALTER TABLE app.t RENAME COLUMN n ▸x',
  'ALTER TABLE app.t RENAME COLUMN ▸_seq TO x',
  'ALTER TABLE app.t MODIFY COLUMN ▸missing INT',
  'ALTER TABLE app.t MODIFY COLUMN n ▸NOSUCHTYPE',
  'ALTER TABLE app.t ALTER n TYPE ▸NOSUCHTYPE',
  'ALTER TABLE app.t RENAME TO ▸_u',
  'ALTER TABLE app.t RENAME TO app▸.u',
  'ALTER TABLE app.t MODIFY COLUMN n ▸DECIMAL(x)',
  'ALTER TABLE app.t MODIFY COLUMN n INT▸ DEFAULT 1',
  'ALTER TABLE app.t ALTER COLUMN ▸missing SET NOT NULL',
  'ALTER TABLE app.t ALTER COLUMN ▸id DROP NOT NULL',
  "ALTER TABLE app.t ALTER COLUMN n SET DEFAULT ▸'x'",
  'ALTER TABLE app.t ALTER COLUMN n TYPE BIGINT ▸USING n',
  'ALTER TABLE app.t ALTER COLUMN n SET ▸UNIQUE',
  'ALTER TABLE app.t SET ACCESS LEVEL▸',
  'ALTER TABLE app.t ▸SPLIT',
];

const WRITES: readonly string[] = [
  'INSERT INTO app.t (id, ▸missing) VALUES (1, 2)',
  'INSERT INTO app.t (id, ▸_seq) VALUES (1, 2)',
  'INSERT INTO app.t (id, n, ▸id) VALUES (1, 2, 3)',
  'INSERT INTO app.t (id, n) VALUES (1, 2), (▸3)',
  "INSERT INTO app.t (id, n) VALUES (1, ▸'x')",
  'INSERT INTO app.t (id, n) VALUES (1, ▸m)',
  'INSERT INTO app.t (id) SELECT ▸missing FROM app.u',
  'INSERT INTO app.t (id, n) VALUES (1, 2) ON CONFLICT (▸missing) DO NOTHING',
  'INSERT INTO app.t (id, n) VALUES (1, 2) ON CONFLICT (▸n) DO NOTHING',
  'INSERT INTO app.t (id, n) VALUES (1, 2) ON CONFLICT (id) DO ▸DELETE',
  'INSERT INTO app.t (id, n) VALUES (1, 2) ON CONFLICT ▸ON CONSTRAINT k DO NOTHING',
  'INSERT INTO app.t (id, n) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET ▸missing = 1',
  'INSERT INTO app.t (id, n) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET ▸id = 1',
  'INSERT INTO app.t (id, n) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET n = ▸excluded.missing',
  'INSERT INTO app.t (id, n) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET n = ▸n + 1',
  'INSERT INTO app.t (id, n) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET n = 1 WHERE ▸excluded.s',
  'INSERT INTO app.t (id, n) VALUES (1, 2) RETURNING id, ▸missing',
  'INSERT INTO app.t (id, n) VALUES (1, 2) RETURNING ▸count(*)',
  'INSERT INTO app.t (id, n) VALUES (1, 2) RETURNING▸',
  'INSERT INTO app.t (id, n) VALUES (1, 2) RETURNING ▸nosuchfunction(id)',
  'UPDATE app.t SET ▸missing = 1 WHERE id = 1',
  'UPDATE app.t SET ▸id = 1 WHERE id = 1',
  'UPDATE app.t SET n = 1, ▸n = 2 WHERE id = 1',
  'UPDATE app.t SET n = ▸u.missing FROM app.u WHERE t.id = u.id',
  'UPDATE app.t SET n = ▸id FROM app.u WHERE t.id = u.id',
  'UPDATE app.t SET n = 1 WHERE id = 1 RETURNING ▸u.m',
  'DELETE FROM app.t USING app.u WHERE t.id = ▸u.missing',
  'DELETE FROM app.t USING app.u WHERE ▸id = 1',
  'DELETE FROM app.t WHERE id = 1 RETURNING ▸sum(n)',
];

const OTHERS: readonly string[] = [
  'BEGIN; UPDATE app.t SET n = 1 WHERE id = 1;\n  UPDATE app.t SET ▸missing = 1 WHERE id = 1; COMMIT',
  'BEGIN ▸now; COMMIT',
  'BEGIN ▸ISOLATION LEVEL SERIALIZABLE; COMMIT',
  'BEGIN; SAVEPOINT▸; COMMIT',
  'BEGIN; ROLLBACK TO SAVEPOINT▸',
  'BEGIN; SAVEPOINT s; ROLLBACK TO ▸other; COMMIT',
  'BEGIN; RELEASE ▸other; COMMIT',
  'BEGIN; COMMIT ▸AND CHAIN',
  'CREATE VIEW app.v AS SELECT ▸missing FROM app.t',
  'CREATE VIEW app.v AS ▸DELETE FROM app.t',
  'CREATE VIEW app.v AS ▸SELECT $1',
  'CREATE VIEW app.v (a ▸b) AS SELECT 1',
  'CREATE VIEW ▸SELECT 1',
  'DROP VIEW app.v▸, app.w',
  'DROP VIEW app.v ▸CASCADE',
  "CREATE USER ana ▸PASSWORD 'x'",
  'CREATE USER ana WITH ▸NOTHING',
  'CREATE USER ana WITH PASSWORD ▸x ROLE user',
  "CREATE USER ana WITH PASSWORD 'long enough' ROLE ▸king",
  "CREATE USER ana WITH OAUTH ▸'{}' ROLE user",
  "CREATE USER ana WITH PASSWORD 'long enough' ROLE user EMAIL ▸'a b'",
  'ALTER USER ana SET ▸NAME',
  "EXECUTE AS USER 'ana' (SELECT ▸missing FROM app.t)",
  "EXECUTE AS USER 'ana' (SELECT 1) ▸LIMIT 1",
  "EXECUTE AS USER 'ana' ▸SELECT 1",
  "SELECT '😀', 1;\n\n\tSELECT id,\n  '😀é', ▸missing FROM app.t",
];

describe('an error names its place', () => {
  let database: TestDatabase;
  before(async () => {
    database = await openTestDatabase();
    await database.sql(
      `CREATE NAMESPACE app; CREATE USER TABLE app.t (id INT PRIMARY KEY, n INT, s TEXT); CREATE USER TABLE app.u (id INT PRIMARY KEY, m INT);
      CREATE USER 'ana' WITH PASSWORD 'a password of ana' ROLE user`,
    );
  });
  after(() => database.stop());

  for (const marked of [...ALTER, ...WRITES, ...OTHERS]) {
    test(marked, async () => {
      const offset = marked.indexOf(PLACE);
      const lines = marked.slice(0, offset).split('\n');
      const expected = {offset, line: lines.length, column: lines.at(-1)!.length + 1};
      const error: unknown = await database.sql(marked.replace(PLACE, '')).then(
        () => assert.fail('it ran'),
        (thrown: unknown) => thrown,
      );
      assert.ok(error instanceof DbError, String(error));
      assert.deepEqual(error.position, expected, error.message);
      // The one text of EXECUTE AS is told without its place.
      if (error.code === 'INVALID_INPUT') return;
      assert.match(error.message, new RegExp(`line ${expected.line}, column ${expected.column}\\b`));
    });
  }
});
