import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Value} from '../model/datatype.ts';
import {type Incarnation, tableText} from '../model/names.ts';
import type {Row} from '../model/row.ts';
import {defineSystemTable} from './define.ts';
import {SYSTEM_TABLES, SystemTable, systemTable} from './index.ts';
import {JOBS} from './jobs.ts';
import {META} from './meta.ts';

const SEED_EIGHT = [
  'users',
  'namespaces',
  'tables',
  'table_schemas',
  'storage_locations',
  'storages',
  'live_queries',
  'jobs',
];

test('the eight of October 2025 come first, in their order', () => {
  assert.deepEqual(SystemTable.all.slice(0, 8), SEED_EIGHT);
  assert.deepEqual(SystemTable.all.slice(8, 13), ['schemas', 'manifest', 'stats', 'settings', 'live']);
});

test('every table has a name and a column family, and each form of the name reads back as the table', () => {
  for (const table of SystemTable.all) {
    assert.equal(SystemTable.columnFamilyName(table), `system_${SystemTable.tableName(table)}`);
    for (const form of [SystemTable.tableName(table), `system.${table}`, SystemTable.columnFamilyName(table)]) {
      for (const text of [form, form.toUpperCase()]) {
        assert.equal(SystemTable.fromName(text), table, text);
        assert.equal(SystemTable.isSystemTable(text), true, text);
      }
    }
  }
});

test('only names of visible system tables are recognised', () => {
  const cases: [why: string, text: string][] = [
    ['empty', ''],
    ['only the namespace', 'system.'],
    ['unknown table', 'system.nothing'],
    ['the prefix counts once', 'system.system_jobs'],
    ['another namespace', 'app.jobs'],
    ['hidden tables cannot be named', 'system.meta'],
    ['hidden tables cannot be named', 'namespace_rows'],
    ['spaces are not trimmed', ' jobs'],
    ['names of object members', 'constructor'],
  ];
  for (const [why, text] of cases) {
    assert.equal(SystemTable.isSystemTable(text), false, why);
    assert.throws(
      () => SystemTable.fromName(text),
      error => error instanceof DbError && error.message.startsWith('Not found: '),
      why,
    );
  }
});

test('incarnations are permanent', () => {
  const incarnations = Object.fromEntries(
    SYSTEM_TABLES.map(({schema, incarnation}) => [tableText(schema.name).replace(/^system\./, ''), incarnation]),
  );
  assert.deepEqual(incarnations, {
    users: 1,
    namespaces: 2,
    tables: 3,
    table_schemas: 4,
    storage_locations: 5,
    storages: 6,
    live_queries: 7,
    jobs: 8,
    schemas: 9,
    manifest: 10,
    stats: 11,
    settings: 12,
    meta: 13,
    namespace_rows: 14,
    schema_rows: 15,
    live: 16,
    sign_ins: 17,
    idempotency_keys: 19,
    audit_log: 18,
    view_rows: 30,
    columns: 31,
    datatypes: 32,
    describe: 33,
    job_nodes: 34,
    sessions: 35,
    transactions: 36,
    server_logs: 37,
    cluster: 38,
    cluster_groups: 39,
    'information_schema.tables': 40,
    'information_schema.columns': 41,
    'information_schema.schemata': 42,
    'information_schema.views': 43,
    'information_schema.table_constraints': 44,
    'information_schema.key_column_usage': 45,
    'information_schema.routines': 46,
    'information_schema.df_settings': 47,
    'information_schema.parameters': 48,
  });
  assert.equal(systemTable(8 as Incarnation)?.name, 'jobs');
  assert.equal(systemTable(64 as Incarnation), undefined);
});

test('jobs: the columns of May, then those of October, then ours; ids stand for position in release one', () => {
  assert.deepEqual(
    JOBS.schema.columns.map(column => column.name),
    [
      ...['job_id', 'job_type', 'status', 'leader_status', 'parameters', 'message', 'exception_trace'],
      ...['idempotency_key', 'queue', 'priority', 'retry_count', 'max_retries', 'memory_used', 'cpu_used'],
      ...['created_at', 'updated_at', 'started_at', 'finished_at', 'node_id', 'leader_node_id'],
      ...['table_name', 'start_time', 'end_time', 'result', 'trace', 'memory_used_mb', 'cpu_used_percent'],
      ...['error_message', 'progress', 'run_at', 'lease_owner', 'lease_expires_at', 'lease_key'],
    ],
  );
  for (const table of SYSTEM_TABLES) {
    assert.deepEqual(
      table.schema.columns.map(column => column.id),
      table.schema.columns.map((_, i) => i + 1),
      table.name,
    );
  }
});

test('a record becomes values in column order and is read back from a row', () => {
  const record = {key: 'format', value: '1'};
  assert.deepEqual(META.toValues(record), ['format', '1']);
  assert.deepEqual(META.fromRow(rowOf(['format', '1'])), record);
});

test('a declaration that breaks a law is refused when it is made', () => {
  const column = {id: 1, name: 'a', type: 'text', isNullable: false, doc: ''} as const;
  const base = {
    name: 't',
    incarnation: 63,
    kind: 'stored',
    isVisible: true,
    readers: ['dba'],
    doc: '',
    columns: [column],
    primaryKey: 'a',
  } as const;
  assert.equal(defineSystemTable(base).schema.incarnation, 63);
  const cases: [why: string, change: object, law: RegExp][] = [
    ['64 belongs to users', {incarnation: 64}, /below 64/],
    ['0 is no life', {incarnation: 0}, /whole number from 1/],
    ['two columns with one id', {columns: [column, {...column, name: 'b'}]}, /ids are unique/],
    ['two columns with one name', {columns: [column, {...column, id: 2}]}, /names are unique/],
    ['a key that is no column', {primaryKey: 'b'}, /never null/],
    ['a key that may be null', {columns: [{...column, isNullable: true}]}, /never null/],
  ];
  for (const [why, change, law] of cases) assert.throws(() => defineSystemTable({...base, ...change}), law, why);
});

function rowOf(values: readonly Value[]): Row {
  return {
    seq: 1n,
    isTombstone: false,
    value: column => values[column]!,
    json: column => JSON.stringify(values[column]),
  };
}
