import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {FIRST_USER_INCARNATION, type Incarnation} from '../model/names.ts';
import {COLUMNS_MAX, type Column, type Schema} from '../model/schema.ts';
import {SYSTEM_TABLES} from '../system/index.ts';
import type {SchemaRecord} from '../system/schemas.ts';
import type {Commit, WriteBatch} from '../table/commit.ts';
import {Latches} from '../table/latches.ts';
import type {RowCheckOptions} from '../table/row-check.ts';
import {addColumn, dropColumn} from './alterations.ts';
import {Catalog} from './catalog.ts';
import {Ddl} from './ddl.ts';
import {columnsToJson, optionsToJson, schemaFromRecord} from './schema-json.ts';
import {Storages} from './storages.ts';

const {signal} = new AbortController();

const column = (id: number): Column => ({
  id,
  name: `c${id}`,
  type: {name: 'int'},
  isNullable: true,
  default: {kind: 'none'},
  initial: null,
});

function version(number: number, ids: readonly number[]): Schema {
  return {
    incarnation: FIRST_USER_INCARNATION,
    name: {namespace: 'app', table: 't'},
    kind: 'shared',
    version: number,
    columns: ids.map(column),
    primaryKey: 0,
    options: {storageId: 'local', flushPolicy: null, accessLevel: null, deletedRetentionHours: 0, ttlSeconds: null},
    createdAt: 0n,
    updatedAt: 0n,
  };
}

function ddlOf(catalog: Catalog, written: WriteBatch[]): Ddl {
  const commit = {write: (batch: WriteBatch) => Promise.resolve(void written.push(batch))} as unknown as Commit;
  const clock = {nowMs: () => 0, monotonicMs: () => 0, sleep: () => Promise.resolve()};
  const rows = {} as RowCheckOptions;
  return new Ddl({catalog, storages: new Storages(), commit, latches: new Latches(), clock, rows});
}

test('hidden system tables have versions and no name', () => {
  const catalog = new Catalog(SYSTEM_TABLES);
  const hidden = SYSTEM_TABLES.filter(table => !table.isVisible);
  assert.ok(hidden.length > 0);
  for (const {name, schema} of hidden) {
    assert.equal(catalog.find({namespace: 'system', table: name}), undefined);
    assert.equal(catalog.version(schema.incarnation, 1), schema);
    assert.equal(catalog.current(schema.incarnation), schema);
  }
  assert.deepEqual(
    catalog.tables().map(schema => schema.name.table),
    SYSTEM_TABLES.filter(table => table.isVisible && table.schema.name.namespace === 'system')
      .map(table => table.name)
      .sort(),
  );
});

test('a column id is above those of all versions, dropped columns included, however the versions come', () => {
  const catalog = new Catalog(SYSTEM_TABLES);
  for (const schema of [version(2, [1, 2, 3]), version(1, [1, 2]), version(3, [1, 2])]) catalog.putSchema(schema);
  assert.equal(catalog.nextColumnId(FIRST_USER_INCARNATION), 4);
  assert.equal(catalog.current(FIRST_USER_INCARNATION)?.version, 3);
  assert.deepEqual(
    catalog.versions(FIRST_USER_INCARNATION).map(schema => schema.version),
    [1, 2, 3],
  );
});

test('a name is that of the table that has it now, however the versions of all tables come', () => {
  const named = (schema: Schema, table: string, later: number): Schema => ({
    ...schema,
    incarnation: (FIRST_USER_INCARNATION + later) as Incarnation,
    name: {namespace: 'app', table},
  });
  // The first was `t`, is `u`; the second is `t`; the third was `t` between the two, then `w`.
  const all = [
    named(version(1, [1]), 't', 0),
    named(version(2, [1]), 'u', 0),
    named(version(1, [1]), 't', 1),
    named(version(1, [1]), 't', 2),
    named(version(2, [1]), 'w', 2),
  ];
  for (const order of permutations(all)) {
    const catalog = new Catalog(SYSTEM_TABLES);
    for (const schema of order) catalog.putSchema(schema);
    const found = ['t', 'u', 'w'].map(table => catalog.find({namespace: 'app', table}));
    assert.deepEqual(found, [all[2], all[1], all[4]]);
  }
});

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map(rest => [item, ...rest]));
}

test('a wide table with a long history is altered like any other', async () => {
  const catalog = new Catalog(SYSTEM_TABLES);
  const ids = Array.from({length: COLUMNS_MAX - 1}, (_, i) => i + 1);
  const columns = ids.map(column);
  for (let number = 1; number <= 500; number++) catalog.putSchema({...version(number, []), columns});
  const {id, ...added} = column(COLUMNS_MAX + 5);
  const written: WriteBatch[] = [];
  const {schema, isChanged} = await ddlOf(catalog, written).alterTable(
    version(500, ids),
    addColumn(added, false),
    signal,
  );
  assert.ok(isChanged);
  assert.deepEqual([schema.version, schema.columns.length, schema.columns.at(-1)?.id], [501, COLUMNS_MAX, COLUMNS_MAX]);
  assert.equal(written.length, 1);
});

const limits: [why: string, newest: Schema, message: RegExp][] = [
  [
    'columns',
    version(
      1,
      Array.from({length: COLUMNS_MAX}, (_, i) => i + 1),
    ),
    /A table has at most 1000 columns/,
  ],
  ['versions', version(2000, [1, 2]), /Table app\.t was altered 1999 times, the most a table can be; make a new one/],
];

for (const [why, newest, message] of limits) {
  test(`ALTER meets a limit: ${why}`, async () => {
    const catalog = new Catalog(SYSTEM_TABLES);
    catalog.putSchema(newest);
    const written: WriteBatch[] = [];
    const {id, ...added} = column(COLUMNS_MAX + 5);
    await assert.rejects(
      ddlOf(catalog, written).alterTable(newest, addColumn(added, false), signal),
      error => error instanceof DbError && error.code === 'LIMIT_EXCEEDED' && message.test(error.message),
    );
    assert.deepEqual(written, [], 'nothing was written');
  });
}

test('what is as it should be is no new version', async () => {
  const catalog = new Catalog(SYSTEM_TABLES);
  const schema = version(1, [1, 2]);
  catalog.putSchema(schema);
  const written: WriteBatch[] = [];
  const ddl = ddlOf(catalog, written);
  const {id, ...same} = column(2);
  assert.deepEqual(await ddl.alterTable(schema, addColumn(same, true), signal), {schema, isChanged: false});
  assert.deepEqual(await ddl.alterTable(schema, dropColumn('c9', true), signal), {schema, isChanged: false});
  await assert.rejects(ddl.alterTable(schema, addColumn(same, false), signal), /Column 'c2' already exists/);
  await assert.rejects(ddl.alterTable(schema, dropColumn('c9', false), signal), /Column 'c9' does not exist/);
  assert.deepEqual(written, []);
});

test('a literal default is shown as JSON and read back exactly, also as earlier releases wrote it', () => {
  const cases: [type: Column['type'], value: Exclude<Column['initial'], undefined>, shown: string, text: string][] = [
    [{name: 'int'}, 5, '5', '5'],
    [{name: 'bigint'}, 9007199254740993n, '"9007199254740993"', '"9007199254740993"'],
    [{name: 'text'}, '"x"', '"\\"x\\""', '"\\"x\\""'],
    [{name: 'json'}, '{"a":1}', '"{\\"a\\":1}"', '"{\\"a\\":1}"'],
    [{name: 'int'}, null, 'null', 'null'],
  ];
  for (const [type, value, shown, text] of cases) {
    const held: Column = {...column(2), type, default: {kind: 'literal', value}};
    const schema: Schema = {...version(1, [1]), columns: [column(1), held]};
    const record = {
      ...{namespace_id: 'app', table_name: 't', table_type: 'shared', schema_version: 1, access_level: null},
      ...{created_at: 0n, updated_at: 0n, columns: columnsToJson(schema), options: optionsToJson(schema)},
    } as SchemaRecord;
    assert.ok(record.columns.includes(`"default_value":{"Literal":${shown}}`), record.columns);
    assert.deepEqual(schemaFromRecord(record), schema);

    const [first, {default_text: _, ...second}] = JSON.parse(record.columns);
    const earlier = JSON.stringify([first, {...second, default_value: {Literal: text}}]);
    assert.deepEqual(schemaFromRecord({...record, columns: earlier}), schema, 'as earlier releases wrote it');
  }
});
