/** CREATE, ALTER, DROP STORAGE, SHOW STORAGES, STORAGE CHECK. */
import {resolve} from 'node:path';
import {fail} from '@kalamdb/protocol/errors.ts';
import type {ResultColumn} from '@kalamdb/protocol/values.ts';
import {checkStorage, STORAGE_TYPES, type StorageHealth} from '../../catalog/storage-opener.ts';
import {checkTemplate, LOCAL_STORAGE} from '../../catalog/storages.ts';
import type {TokenCursor} from '../../parser/cursor.ts';
import type {StorageRecord} from '../../system/storages.ts';
import {defineStatement, done, type StatementContext} from '../define.ts';
import {selectFixed} from './select.ts';

const ACCESS = {admin: 'storage operations'} as const;
const CLAUSES = [
  ...['TYPE', 'NAME', 'DESCRIPTION', 'PATH', 'BASE_DIRECTORY', 'BUCKET', 'REGION'],
  ...['SHARED_TABLES_TEMPLATE', 'USER_TABLES_TEMPLATE', 'CREDENTIALS', 'CONFIG'],
] as const;
const SETTABLE = ['NAME', 'DESCRIPTION', 'SHARED_TABLES_TEMPLATE', 'USER_TABLES_TEMPLATE', 'CREDENTIALS', 'CONFIG'];

type Clauses = ReadonlyMap<string, string>;

export const createStorage = defineStatement<{id: string; ifNotExists: boolean; clauses: Clauses}>({
  name: 'CREATE STORAGE',
  heads: ['CREATE STORAGE'],
  access: ACCESS,
  auditTarget: ({id}) => id,
  takesParams: false,
  doc: {
    topic: 'Storages',
    syntax: [
      "CREATE STORAGE [IF NOT EXISTS] id TYPE {filesystem | s3} [NAME 'text'] [DESCRIPTION 'text']",
      "    {PATH 'path' | BASE_DIRECTORY 'path' | BUCKET 'bucket'} [REGION 'region']",
      "    [SHARED_TABLES_TEMPLATE 'text'] [USER_TABLES_TEMPLATE 'text'] [CREDENTIALS 'json'] [CONFIG 'json']",
    ],
    about: 'Registers a place for segment files, after reading, writing, listing and deleting there have been tried.',
    example: "CREATE STORAGE archive TYPE filesystem NAME 'Old rows' PATH '/srv/archive'",
  },
  parse(cursor) {
    cursor.expectKeywords('CREATE', 'STORAGE');
    const ifNotExists = cursor.ifNotExists();
    const id = storageId(cursor);
    const clauses = new Map<string, string>();
    while (!cursor.atEnd()) clause(cursor, CLAUSES, clauses);
    return {id, ifNotExists, clauses};
  },
  async run({id, ifNotExists, clauses}, context) {
    const {services} = context;
    if (services.storages.has(id)) return exists(id, ifNotExists, context);
    const record = newRecord(id, clauses, context);
    if (record.storage_type === 'filesystem') await makeDirectory(record.base_directory, context);
    await probe(record, context);
    if (!(await services.ddl.putStorage(record, 'create'))) return exists(id, ifNotExists, context);
    return done(context, `Storage '${id}' created successfully`);
  },
});

function exists(id: string, isSkipped: boolean, context: StatementContext) {
  if (isSkipped) return done(context, `Storage '${id}' already exists (skipped)`);
  throw fail.invalidOperation(`Storage '${id}' already exists`);
}

export const alterStorage = defineStatement<{id: string; clauses: Clauses}>({
  name: 'ALTER STORAGE',
  heads: ['ALTER STORAGE'],
  access: ACCESS,
  auditTarget: ({id}) => id,
  takesParams: false,
  doc: {
    topic: 'Storages',
    syntax:
      "ALTER STORAGE id SET {NAME | DESCRIPTION | SHARED_TABLES_TEMPLATE | USER_TABLES_TEMPLATE | CREDENTIALS | CONFIG} 'text' [SET …]",
    about: 'Changes what is known of a storage.',
    example: "ALTER STORAGE local SET DESCRIPTION 'the disk of this machine'",
  },
  parse(cursor) {
    cursor.expectKeywords('ALTER', 'STORAGE');
    const id = storageId(cursor);
    const clauses = new Map<string, string>();
    do {
      cursor.expectKeyword('SET');
      clause(cursor, SETTABLE, clauses);
    } while (!cursor.atEnd());
    return {id, clauses};
  },
  async run({id, clauses}, context) {
    const {services} = context;
    const old = services.storageRecord(id);
    if (old === undefined) throw fail.notFound(`Storage '${id}' not found`);
    if (id === LOCAL_STORAGE && [...clauses.keys()].some(key => key !== 'NAME' && key !== 'DESCRIPTION')) {
      throw fail.invalidOperation(
        `Storage 'local' is set up in server.toml; only its name and description can be altered`,
      );
    }
    const record: StorageRecord = {
      ...old,
      storage_name: clauses.get('NAME') ?? old.storage_name,
      description: clauses.get('DESCRIPTION') ?? old.description,
      shared_tables_template: clauses.get('SHARED_TABLES_TEMPLATE') ?? old.shared_tables_template,
      user_tables_template: clauses.get('USER_TABLES_TEMPLATE') ?? old.user_tables_template,
      credentials: jsonObject(clauses.get('CREDENTIALS'), 'Credentials') ?? old.credentials,
      config_json: jsonObject(clauses.get('CONFIG'), 'CONFIG') ?? old.config_json,
      updated_at: services.nowMicros(),
    };
    checkTemplates(record);
    if (id !== LOCAL_STORAGE) await probe(record, context);
    if (!(await services.ddl.putStorage(record, 'alter'))) throw fail.notFound(`Storage '${id}' not found`);
    return done(context, `Storage '${id}' altered successfully`);
  },
});

export const dropStorage = defineStatement<{id: string; ifExists: boolean}>({
  name: 'DROP STORAGE',
  heads: ['DROP STORAGE'],
  access: ACCESS,
  auditTarget: ({id}) => id,
  takesParams: false,
  doc: {
    topic: 'Storages',
    syntax: 'DROP STORAGE [IF EXISTS] id',
    about: 'Forgets a storage that no table uses.',
    example: ["CREATE STORAGE old TYPE filesystem PATH '/srv/old'", 'DROP STORAGE old'],
  },
  parse(cursor) {
    cursor.expectKeywords('DROP', 'STORAGE');
    const ifExists = cursor.ifExists();
    return {id: storageId(cursor), ifExists};
  },
  async run({id, ifExists}, context) {
    const {ddl, waitingFiles} = context.services;
    if (id === LOCAL_STORAGE) throw fail.invalidOperation(`Cannot delete 'local' storage (protected)`);
    const isDropped = await ddl.dropStorage(id, () => waitingFiles(id));
    if (isDropped) return done(context, `Storage '${id}' dropped successfully`);
    if (ifExists) return done(context, `Storage '${id}' does not exist (skipped)`);
    throw fail.notFound(`Storage '${id}' not found`);
  },
});

const list = selectFixed("SELECT * FROM system.storages ORDER BY storage_id <> 'local', storage_id");

export const showStorages = defineStatement<undefined>({
  name: 'SHOW STORAGES',
  heads: ['SHOW STORAGES'],
  access: 'any',
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Storages',
    syntax: 'SHOW STORAGES',
    about: 'The rows of `system.storages`, `local` first; credentials are masked.',
    example: 'SHOW STORAGES',
  },
  parse(cursor) {
    cursor.expectKeywords('SHOW', 'STORAGES');
    return undefined;
  },
  run: (_, context) => list(context),
});

const CHECK_COLUMNS: readonly ResultColumn[] = (
  [
    ['storage_id', 'Text'],
    ['status', 'Text'],
    ['readable', 'Boolean'],
    ['writable', 'Boolean'],
    ['listable', 'Boolean'],
    ['deletable', 'Boolean'],
    ['latency_ms', 'BigInt'],
    ['total_bytes', 'BigInt'],
    ['used_bytes', 'BigInt'],
    ['error', 'Text'],
    ['tested_at', 'Timestamp'],
  ] as const
).map(([name, data_type], index) => ({name, data_type, index}));

export const storageCheck = defineStatement<{id: string; isExtended: boolean}>({
  name: 'STORAGE CHECK',
  heads: ['STORAGE CHECK'],
  access: ACCESS,
  takesParams: false,
  doc: {
    topic: 'Storages',
    syntax: 'STORAGE CHECK id [EXTENDED]',
    about: 'Tries reading, writing, listing and deleting in a storage; with EXTENDED it also tells its size.',
    example: 'STORAGE CHECK local EXTENDED',
  },
  parse(cursor) {
    cursor.expectKeywords('STORAGE', 'CHECK');
    const id = storageId(cursor);
    return {id, isExtended: cursor.acceptKeyword('EXTENDED')};
  },
  async run({id, isExtended}, context) {
    const {services} = context;
    const record = services.storageRecord(id);
    if (record === undefined) throw fail.notFound(`Storage '${id}' not found`);
    const health = await checkStorage(services.storages.blob(id), services.clock, services.nonce());
    const space =
      isExtended && record.storage_type === 'filesystem' ? await services.diskSpace(record.base_directory) : undefined;
    const text = (value: number | undefined) => (value === undefined ? null : String(value));
    const row = [
      ...[id, health.status, health.readable, health.writable, health.listable, health.deletable],
      ...[String(health.latencyMs), text(space?.totalBytes), text(space?.usedBytes), health.error],
      Number(services.nowMicros()),
    ];
    return {columns: CHECK_COLUMNS, rows: [JSON.stringify(row)], rowCount: 1, asUser: context.session.userId};
  },
});

function storageId(cursor: TokenCursor): string {
  const {start} = cursor;
  const id = cursor.stringOrName('a storage id');
  if (/^[A-Za-z0-9_-]{1,64}$/.test(id)) return id;
  throw cursor.fail(
    `Invalid storage id '${id.slice(0, 80)}'. Only alphanumeric, underscore, and hyphen allowed`,
    start,
  );
}

function clause(cursor: TokenCursor, known: readonly string[], into: Map<string, string>): void {
  const word = cursor.acceptOneOf(...known);
  if (word === undefined) throw cursor.expected(known.join(', '));
  if (into.has(word)) throw cursor.fail(`${word} is given twice`);
  into.set(word, word === 'TYPE' ? cursor.stringOrName() : cursor.string(`the quoted value of ${word}`));
}

function newRecord(id: string, clauses: Clauses, {services}: StatementContext): StorageRecord {
  const type = storageType(clauses.get('TYPE'));
  const now = services.nowMicros();
  const region = clauses.get('REGION');
  const config = jsonObject(clauses.get('CONFIG'), 'CONFIG');
  const record: StorageRecord = {
    storage_id: id,
    storage_name: clauses.get('NAME') ?? id,
    description: clauses.get('DESCRIPTION') ?? null,
    storage_type: type,
    base_directory: baseOf(type, clauses),
    credentials: jsonObject(clauses.get('CREDENTIALS'), 'Credentials') ?? null,
    config_json: region === undefined ? (config ?? null) : JSON.stringify({...JSON.parse(config ?? '{}'), region}),
    shared_tables_template: clauses.get('SHARED_TABLES_TEMPLATE') ?? services.templates.shared,
    user_tables_template: clauses.get('USER_TABLES_TEMPLATE') ?? services.templates.user,
    created_at: now,
    updated_at: now,
  };
  checkTemplates(record);
  return record;
}

function storageType(text: string | undefined): (typeof STORAGE_TYPES)[number] {
  if (text === undefined) throw fail.invalidOperation('TYPE keyword not found');
  const type = STORAGE_TYPES.find(one => one === text.toLowerCase());
  if (type !== undefined) return type;
  throw fail.invalidOperation(`Invalid storage type '${text}'. Must be 'filesystem', 's3', 'gcs', or 'azure'`);
}

function baseOf(type: string, clauses: Clauses): string {
  const first = type === 'filesystem' ? clauses.get('PATH') : type === 's3' ? clauses.get('BUCKET') : undefined;
  const base = first ?? clauses.get('BASE_DIRECTORY');
  if (base === undefined) throw fail.invalidOperation('BASE_DIRECTORY keyword not found');
  if (base.trim() === '' || base.includes('\0'))
    throw fail.invalidOperation('Filesystem storage requires a non-empty base directory');
  // From wherever the server is started next, it is the same directory.
  if (type === 'filesystem') return resolve(base);
  return type === 's3' && !base.startsWith('s3://') ? `s3://${base}` : base;
}

function jsonObject(text: string | undefined, what: 'Credentials' | 'CONFIG'): string | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What the parser says would repeat a part of the text, which may be the secret.
    throw fail.invalidOperation(`Invalid ${what.toLowerCase()} JSON: it could not be parsed`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return JSON.stringify(value);
  throw fail.invalidOperation(`${what} must be a JSON object`);
}

function checkTemplates(record: StorageRecord): void {
  checkTemplate('Shared table template', record.shared_tables_template, false);
  checkTemplate('User table template', record.user_tables_template, true);
}

async function makeDirectory(path: string, {services}: StatementContext): Promise<void> {
  try {
    await services.makeDirectory(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw fail.invalidOperation(`Failed to create filesystem storage directory '${path}': ${reason}`);
  }
}

/** Nothing is registered that does not work now. */
async function probe(record: StorageRecord, {services}: StatementContext): Promise<void> {
  const blob = services.openStorage(record, {isCached: false});
  const health = await checkStorage(blob, services.clock, services.nonce());
  if (health.status === 'healthy') return;
  if (health.status === 'unreachable') {
    throw fail.invalidOperation(`Storage connectivity check failed (latency ${health.latencyMs} ms): ${health.error}`);
  }
  throw fail.invalidOperation(`Storage health check failed (${healthText(health)}): ${health.error}`);
}

function healthText({status, readable, writable, listable, deletable, latencyMs}: StorageHealth): string {
  return `status ${status}, readable=${readable}, writable=${writable}, listable=${listable}, deletable=${deletable}, latency ${latencyMs} ms`;
}
