/**
 * Storages as an administrator meets them: made, tried, used, altered and dropped; in a folder and in an S3-compatible service.
 */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {mkdtemp, readdir, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join, relative} from 'node:path';
import {after, test} from 'node:test';
import {BUCKET, startS3} from '../../src/blob/test-s3.ts';
import type {DatabaseOptions} from '../../src/database.ts';
import {systemClock} from '../../src/std/system-clock.ts';
import {flush, jobEnd, jobIdOf, openTestDatabase, type TestDatabase} from '../test-database.ts';

const root = await mkdtemp(join(tmpdir(), 'kalamdb-storages-'));
const s3 = await startS3(join(root, 's3'));
after(async () => {
  await s3.stop();
  await rm(root, {recursive: true});
});

const SECRET = '{"access_key_id":"S3RVER","secret_access_key":"S3RVER"}';
const CONFIG = JSON.stringify({endpoint: s3.endpoint, allow_http: true});
const IN_S3 = `CREATE STORAGE cloud TYPE s3 BUCKET '${BUCKET}/deep' CREDENTIALS '${SECRET}' CONFIG '${CONFIG}'`;

test('S3: rows are flushed there, read from there with and without the cache, and their files go with the table', async () => {
  await withDatabase(async db => {
    assert.equal((await db.sql(IN_S3)).message, "Storage 'cloud' created successfully");
    await db.sql("CREATE USER TABLE app.t (id BIGINT PRIMARY KEY, v TEXT) WITH (STORAGE_ID = 'cloud')");
    for (const user of ['ana', 'a:b']) {
      await db.sql(`INSERT INTO app.t VALUES (1, 'of ${user}'), (2, 'x')`, {user});
    }
    const job = await flush(db, 'app.t');
    assert.match(String(job['message']), /Storage location: s3:\/\/kalamdb-test\/deep\/app\/t\. Parquet files: 2/);
    const stored = await s3.open('deep').list('');
    assert.equal(stored.filter(path => path.endsWith('.parquet')).length, 2);
    assert.ok(stored.includes('app/t/a%3Ab/manifest.json'));
    await db.sql("UPDATE app.t SET v = 'new' WHERE id = 2", {user: 'ana'});
    for (let i = 0; i < 2; i++) {
      const mine = await db.sql('SELECT id, v FROM app.t', {user: 'ana'});
      assert.deepEqual(mine.rows, [
        ['1', 'of ana'],
        ['2', 'new'],
      ]);
      assert.deepEqual((await db.sql('SELECT v FROM app.t WHERE id = 1', {user: 'a:b'})).rows, [['of a:b']]);
      await db.restart();
    }
    await flush(db, 'app.t');
    await assert.rejects(db.sql('DROP STORAGE cloud'), {
      message: /Cannot drop storage 'cloud': 1 table\(s\) still using it/,
    });
    const dropped = await db.sql('DROP TABLE app.t');
    const cleanUp = await jobEnd(db, jobIdOf(dropped));
    const freed =
      /^Cleaned up table app\.t successfully - 4 rows deleted, [1-9]\d* bytes freed, 2 cache entries invalidated$/;
    assert.match(String(cleanUp['message']), freed);
    const {table_type, operation, storage} = JSON.parse(String(cleanUp['parameters']));
    assert.deepEqual([table_type, operation, storage], ['User', 'drop_table', 'cloud']);
    assert.deepEqual(await s3.open('deep').list(''), []);
    assert.equal((await db.sql('DROP STORAGE cloud')).message, "Storage 'cloud' dropped successfully");
  });
});

test('S3: a service that fails is an answer, and the flush goes on when it is back', async () => {
  await withDatabase(async db => {
    await db.sql(IN_S3.replace('deep', 'flaky'));
    await db.sql("CREATE SHARED TABLE app.t (id INT PRIMARY KEY) WITH (STORAGE_ID = 'cloud')");
    await db.sql('INSERT INTO app.t VALUES (1)');
    s3.fail(1000);
    const failed = await jobEnd(db, jobIdOf(await db.sql('FLUSH TABLE app.t')));
    assert.equal(failed['status'], 'failed');
    assert.match(String(failed['message']), /bucket 'kalamdb-test' failed: HEAD .* was answered 503/);
    assert.deepEqual((await db.sql('SELECT id FROM app.t')).rows, [[1]]);
    s3.fail(0);
    await flush(db, 'app.t');
    await db.restart();
    s3.fail(1000);
    await assert.rejects(db.sql('SELECT id FROM app.t'), {code: 'STORAGE_UNAVAILABLE'});
    s3.fail(0);
    assert.deepEqual((await db.sql('SELECT id FROM app.t')).rows, [[1]]);
    await jobEnd(db, jobIdOf(await db.sql('DROP TABLE app.t')));
  });
});

test('S3: wide queries read local copies, also of more segments than the cache holds; a segment larger than it is an answer', async () => {
  const wide = 'SELECT count(*), max(t.v) FROM app.t JOIN app.t AS same ON same.id = t.id';
  const segments: [cacheBytes: number, isTooLarge: boolean][] = [
    [1024 * 1024, false],
    [6000, false],
    [100, true],
  ];
  for (const [storageCacheBytes, isTooLarge] of segments) {
    await withDatabase(
      async db => {
        await db.sql(IN_S3.replace('deep', `wide-${storageCacheBytes}`));
        await db.sql("CREATE SHARED TABLE app.t (id INT PRIMARY KEY, v TEXT) WITH (STORAGE_ID = 'cloud')");
        for (let i = 0; i < 4; i++) {
          await db.sql(`INSERT INTO app.t VALUES (${i}, '${i}${randomBytes(1200).toString('hex')}')`);
          await flush(db, 'app.t');
        }
        await db.sql("UPDATE app.t SET v = 'z' WHERE id = 2");
        const narrow = 'SELECT count(*), max(v) FROM app.t';
        assert.deepEqual((await db.sql(narrow, {executor: 'direct'})).rows, [['4', 'z']]);
        if (isTooLarge) {
          await assert.rejects(db.sql(wide), {code: 'LIMIT_EXCEEDED', message: /does not fit into its local cache/});
        } else for (let i = 0; i < 2; i++) assert.deepEqual((await db.sql(wide)).rows, [['4', 'z']]);
        await jobEnd(db, jobIdOf(await db.sql('DROP TABLE app.t')));
      },
      {storageCacheBytes},
    );
  }
});

test('a folder: the templates decide where segments lie, also after they were altered', async () => {
  await withDatabase(async db => {
    const base = join(root, 'folder');
    await db.sql(
      `CREATE STORAGE disk TYPE 'FILESYSTEM' NAME 'Big disk' PATH '${base}'
         USER_TABLES_TEMPLATE 'u/{namespace}/{tableName}/{shard}/{userId}' SHARED_TABLES_TEMPLATE 's/{namespace}/{tableName}'`,
    );
    await db.sql("CREATE USER TABLE app.u (id INT PRIMARY KEY) WITH (STORAGE_ID = 'disk')");
    await db.sql('INSERT INTO app.u VALUES (1)', {user: 'ana'});
    await flush(db, 'app.u');
    await db.sql("ALTER STORAGE disk SET USER_TABLES_TEMPLATE 'v/{namespace}/{tableName}/{userId}' SET NAME 'Bigger'");
    await db.sql('INSERT INTO app.u VALUES (2)', {user: 'ana'});
    await flush(db, 'app.u');
    const files = (await readdir(base, {recursive: true})).filter(path => path.endsWith('.parquet'));
    assert.match(files.find(path => path.startsWith('u'))!, /^u\/app\/u\/shard_\d+\/ana\/batch-0-/);
    assert.match(files.find(path => path.startsWith('v'))!, /^v\/app\/u\/ana\/batch-1-/);
    await db.restart();
    assert.deepEqual((await db.sql('SELECT id FROM app.u', {user: 'ana'})).rows, [[1], [2]]);
    const shown = await db.sql('SHOW STORAGES');
    assert.deepEqual(
      shown.rows.map(row => row.slice(0, 2)),
      [
        ['local', 'Local filesystem'],
        ['disk', 'Bigger'],
      ],
    );
  });
});

test('a folder is kept by its absolute path, and IF NOT EXISTS leaves the storage that is there', async () => {
  await withDatabase(async db => {
    const base = join(root, 'near');
    await db.sql(`CREATE STORAGE near TYPE filesystem PATH '${relative(process.cwd(), base)}'`);
    const again = `CREATE STORAGE IF NOT EXISTS near TYPE filesystem NAME 'other' PATH '${join(root, 'far')}'`;
    assert.equal((await db.sql(again)).message, "Storage 'near' already exists (skipped)");
    const shown = "SELECT storage_name, base_directory FROM system.storages WHERE storage_id = 'near'";
    assert.deepEqual((await db.sql(shown)).rows, [['near', base]]);
  });
});

test('no table, answer, error or log record that is shown names a secret', async () => {
  await withDatabase(async db => {
    const config = JSON.stringify({endpoint: s3.endpoint, allow_http: true, session_token: 'to-ken'});
    const create = IN_S3.replace(SECRET, SECRET.replace('"S3RVER"}', '"se-cret"}')).replace(CONFIG, config);
    await assert.rejects(db.sql(create), error => !/se-cret|to-ken/.test(`${error} ${JSON.stringify(error)}`));
    await assert.rejects(
      db.sql(IN_S3.replace(SECRET, '{"secret_access_key": se-cret}')),
      error => !String(error).includes('se-cret'),
    );
    await db.sql(IN_S3);
    await db.sql(`ALTER STORAGE cloud SET CONFIG '${CONFIG.replace('}', ', "secret_access_key": "S3RVER"}')}'`);
    const {columns, rows} = await db.sql("SELECT * FROM system.storages WHERE storage_id = 'cloud'");
    const row = Object.fromEntries(columns.map((name, i) => [name, rows[0]![i]]));
    assert.equal(row['credentials'], '***');
    assert.equal(JSON.parse(String(row['config_json'])).secret_access_key, '***');
    assert.equal(JSON.parse(String(row['config_json'])).endpoint, s3.endpoint);
    assert.ok(!JSON.stringify((await db.sql('SHOW STORAGES')).rows).includes('S3RVER'));
  });
});

test('STORAGE CHECK says what works, and EXTENDED how much space there is', async () => {
  await withDatabase(async db => {
    const check = async (sql: string) => {
      const {columns, rows} = await db.sql(sql);
      return Object.fromEntries(columns.map((name, i) => [name, rows[0]![i]]));
    };
    const local = await check('STORAGE CHECK local EXTENDED');
    assert.deepEqual(
      [local['status'], local['readable'], local['writable'], local['listable'], local['deletable'], local['error']],
      ['healthy', true, true, true, true, null],
    );
    assert.ok(BigInt(String(local['total_bytes'])) > BigInt(String(local['used_bytes'])));
    assert.equal((await check('STORAGE CHECK local'))['total_bytes'], null);
    await db.sql(IN_S3);
    s3.fail(1000);
    const down = await check('STORAGE CHECK cloud');
    s3.fail(0);
    assert.equal(down['status'], 'unreachable');
    assert.match(String(down['error']), /503/);
    assert.equal((await check('STORAGE CHECK cloud'))['status'], 'healthy');
    await assert.rejects(db.sql('STORAGE CHECK none'), {message: /Storage 'none' not found/});
  });
});

const refusals: [why: string, sql: string, message: RegExp][] = [
  ['no type', "CREATE STORAGE x PATH '/tmp/x'", /TYPE keyword not found/],
  [
    'unknown type',
    "CREATE STORAGE x TYPE ftp PATH '/tmp/x'",
    /Invalid storage type 'ftp'\. Must be 'filesystem', 's3', 'gcs', or 'azure'/,
  ],
  [
    'type of a later release',
    "CREATE STORAGE x TYPE gcs BASE_DIRECTORY 'gs://b' CREDENTIALS '{}'",
    /Not supported: .*'gcs'/,
  ],
  ['no place', 'CREATE STORAGE x TYPE filesystem', /BASE_DIRECTORY keyword not found/],
  ['an empty place', "CREATE STORAGE x TYPE filesystem PATH ''", /requires a non-empty base directory/],
  [
    'credentials of another form',
    "CREATE STORAGE x TYPE s3 BUCKET 'b' CREDENTIALS '[1]'",
    /Credentials must be a JSON object/,
  ],
  ['no keys', "CREATE STORAGE x TYPE s3 BUCKET 'b'", /needs access_key_id and secret_access_key/],
  [
    'plain http',
    `CREATE STORAGE x TYPE s3 BUCKET 'b' CREDENTIALS '${SECRET}' CONFIG '{"endpoint":"http://h"}'`,
    /must begin with https/,
  ],
  [
    'a service that is not there',
    IN_S3.replace(s3.endpoint, 'http://127.0.0.1:9'),
    /Storage connectivity check failed \(latency \d+ ms\): .*cannot be reached/,
  ],
  [
    'a template without its user',
    "CREATE STORAGE x TYPE filesystem PATH '/tmp/x' USER_TABLES_TEMPLATE '{namespace}'",
    /User table template: \{userId\} is required/,
  ],
  [
    'a template that leaves',
    "CREATE STORAGE x TYPE filesystem PATH '/tmp/x' SHARED_TABLES_TEMPLATE '../{namespace}/{tableName}'",
    /relative path/,
  ],
  ['a clause twice', "CREATE STORAGE x TYPE filesystem PATH 'a' PATH 'b'", /PATH is given twice/],
  ['an id that exists', "CREATE STORAGE local TYPE filesystem PATH '/tmp/x'", /Storage 'local' already exists/],
  [
    'a directory that cannot be made',
    "CREATE STORAGE x TYPE filesystem PATH '/dev/null/x'",
    /Failed to create filesystem storage directory '\/dev\/null\/x': ENOTDIR/,
  ],
  ['dropping local', 'DROP STORAGE local', /Cannot delete 'local' storage \(protected\)/],
  [
    'moving local',
    "ALTER STORAGE local SET SHARED_TABLES_TEMPLATE '{namespace}/{tableName}'",
    /set up in server\.toml/,
  ],
  ['dropping nothing', 'DROP STORAGE none', /Storage 'none' not found/],
  [
    'a table in nothing',
    "CREATE USER TABLE app.x (id INT PRIMARY KEY) WITH (STORAGE_ID = 'none')",
    /Storage 'none' does not exist/,
  ],
];
test('every statement that cannot be done says why, and registers nothing', async () => {
  await withDatabase(async db => {
    for (const [why, sql, message] of refusals) await assert.rejects(db.sql(sql), {message}, why);
    assert.equal((await db.sql('SHOW STORAGES')).rows.length, 1);
    assert.match((await db.sql('DROP STORAGE IF EXISTS none')).message, /does not exist \(skipped\)/);
  });
});

test('a storage is not dropped while files of a dropped table are still being deleted', async () => {
  await withDatabase(async db => {
    await db.sql(IN_S3.replace('deep', 'slow'));
    await db.sql("CREATE SHARED TABLE app.t (id INT PRIMARY KEY) WITH (STORAGE_ID = 'cloud')");
    await db.sql('INSERT INTO app.t VALUES (1)');
    await flush(db, 'app.t');
    s3.fail(8);
    const job = jobIdOf(await db.sql('DROP TABLE app.t'));
    await assert.rejects(db.sql('DROP STORAGE cloud'), {
      message: /2 file\(s\) of dropped tables are still being deleted/,
    });
    await jobEnd(db, job);
    s3.fail(0);
    await db.restart();
    await db.sql('DROP STORAGE cloud');
    assert.deepEqual(await s3.open('slow').list(''), []);
  });
});

async function withDatabase(
  body: (db: TestDatabase) => Promise<void>,
  options: Partial<DatabaseOptions> = {},
): Promise<void> {
  const db = await openTestDatabase(options);
  try {
    await db.sql('CREATE NAMESPACE app');
    await body(db);
    for (const name of await readdir(`${db.directory}/storage`, {recursive: true, withFileTypes: true})) {
      if (name.isFile()) assert.ok(!(await readFile(join(name.parentPath, name.name))).includes('se-cret'));
    }
  } finally {
    s3.fail(0);
    await db.stop();
    await systemClock.sleep(0);
  }
}
