/**
 * Table options: WITH (…) of CREATE TABLE and SET TBLPROPERTIES (…) of ALTER TABLE, from text to what a schema keeps.
 *
 * Law: an option is known, fits the kind of the table and has a value that means something, or the statement is refused.
 */
import {type DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {NewTable} from '../catalog/ddl.ts';
import {didYouMean, nearNames} from '../expr/near.ts';
import type {AccessLevel, FlushPolicy, Schema, TableOptions} from '../model/schema.ts';
import type {OptionItem} from '../parser/ast.ts';

type Kind = NewTable['kind'];
type Invalid = (text: string) => DbError;

const ACCESS_LEVELS: readonly AccessLevel[] = ['public', 'private', 'restricted', 'dba'];
const KNOWN = new Set([
  'TYPE',
  'STORAGE_ID',
  'USE_USER_STORAGE',
  'FLUSH_POLICY',
  'DELETED_RETENTION_HOURS',
  'TTL_SECONDS',
  'ACCESS_LEVEL',
]);

const invalidCreate: Invalid = text => fail.invalidSql(`Invalid CREATE TABLE statement: ${text}`);
const invalidAlter: Invalid = text => fail.invalidSql(`Invalid ALTER TABLE statement: ${text}`);

export function tableOptions(options: ReadonlyMap<string, string>, kind: Kind, retentionHours: number): TableOptions {
  const invalid = invalidCreate;
  for (const key of options.keys()) if (!KNOWN.has(key)) throw unknownOption(key, invalid);
  if (options.has('TTL_SECONDS') && kind !== 'stream') throw noStream(invalid);
  if (options.has('ACCESS_LEVEL') && kind !== 'shared')
    throw invalid('ACCESS_LEVEL is only supported for SHARED tables');
  if (options.has('USE_USER_STORAGE') && kind !== 'user')
    throw invalid('USE_USER_STORAGE is only supported for USER tables');
  for (const key of ['STORAGE_ID', 'FLUSH_POLICY'])
    if (options.has(key) && kind === 'stream') throw noSegments(key, invalid);
  const ownStorage = options.get('USE_USER_STORAGE')?.toLowerCase() ?? 'false';
  if (ownStorage !== 'true' && ownStorage !== 'false') throw invalid('Invalid USE_USER_STORAGE');
  if (ownStorage === 'true') {
    throw fail.notSupported(
      'USE_USER_STORAGE = true: accounts with storages of their own are not part of this release',
    );
  }
  const storageId = options.get('STORAGE_ID') ?? 'local';
  if (!/^[A-Za-z0-9_-]+$/.test(storageId)) {
    throw invalid(`Invalid STORAGE_ID '${storageId}'. Only alphanumeric, underscore, and hyphen allowed.`);
  }
  const ttl = options.get('TTL_SECONDS');
  if (kind === 'stream' && ttl === undefined) throw invalid("STREAM tables must specify 'TTL_SECONDS'");
  const policy = options.get('FLUSH_POLICY');
  const access = options.get('ACCESS_LEVEL');
  const level = access === undefined ? 'private' : accessLevelOf(access);
  if (level === undefined)
    throw invalid(`Invalid ACCESS_LEVEL '${access}'. Supported: PUBLIC, PRIVATE, RESTRICTED, DBA`);
  const retention = options.get('DELETED_RETENTION_HOURS');
  return {
    storageId,
    flushPolicy: policy === undefined ? null : flushPolicyOf(policy, invalid),
    accessLevel: kind === 'shared' ? level : null,
    deletedRetentionHours: retention === undefined ? retentionHours : retentionOf(retention, invalid),
    ttlSeconds: ttl === undefined ? null : ttlOf(ttl, invalid),
  };
}

/** The options of a table after SET TBLPROPERTIES, which changes those it names. */
export function alteredOptions(
  current: TableOptions,
  kind: Schema['kind'],
  items: readonly OptionItem[],
): TableOptions {
  const invalid = invalidAlter;
  const seen = new Set<string>();
  const options = {...current};
  for (const {key, value} of items) {
    if (seen.has(key)) throw invalid(`Option '${key}' is given twice`);
    seen.add(key);
    switch (key) {
      case 'ACCESS_LEVEL':
        options.accessLevel = sharedLevel(value, kind);
        break;
      case 'FLUSH_POLICY':
        if (kind === 'stream') throw noSegments(key, invalid);
        options.flushPolicy = flushPolicyOf(value, invalid);
        break;
      case 'DELETED_RETENTION_HOURS':
        options.deletedRetentionHours = retentionOf(value, invalid);
        break;
      case 'TTL_SECONDS':
        if (kind !== 'stream') throw noStream(invalid);
        options.ttlSeconds = ttlOf(value, invalid);
        break;
      default:
        if (!KNOWN.has(key)) throw unknownOption(key, invalid);
        throw fail.notSupported(`changing ${key} of a table: it is what its rows were written by; make a new table`);
    }
  }
  return options;
}

function sharedLevel(text: string, kind: Schema['kind']): AccessLevel {
  const level = accessLevelOf(text);
  if (level === undefined)
    throw fail.invalidSql(`Invalid ACCESS_LEVEL '${text}'. Supported values: PUBLIC, PRIVATE, RESTRICTED, DBA`);
  if (kind !== 'shared') throw fail.invalidOperation('ACCESS LEVEL can only be set on SHARED tables');
  return level;
}

function accessLevelOf(text: string): AccessLevel | undefined {
  return ACCESS_LEVELS.find(level => level === text.toLowerCase());
}

function retentionOf(text: string, invalid: Invalid): number {
  if (!/^\d{1,6}$/.test(text)) throw invalid('Invalid DELETED_RETENTION_HOURS');
  return Number(text);
}

function ttlOf(text: string, invalid: Invalid): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0) throw invalid('Invalid TTL_SECONDS');
  return Number(text);
}

/** 'rows:N' | 'interval:S' | both, joined by a comma. */
function flushPolicyOf(text: string, invalid: Invalid): FlushPolicy {
  const policy: {rows?: number; seconds?: number} = {};
  for (const part of text.split(',')) {
    const [key, value, ...rest] = part.trim().split(':');
    if (value === undefined || rest.length > 0)
      throw invalid(`Invalid FLUSH_POLICY format '${text}'. Expected 'key:value'`);
    const count = /^\s*\d{1,9}\s*$/.test(value) ? Number(value) : undefined;
    if (key!.trim().toLowerCase() === 'rows') {
      if (policy.rows !== undefined) throw invalid("FLUSH_POLICY key 'rows' is given twice");
      if (count === undefined) throw invalid('Invalid row limit in FLUSH_POLICY');
      if (count >= 1_000_000) throw invalid('Row limit must be less than 1,000,000');
      policy.rows = count;
    } else if (key!.trim().toLowerCase() === 'interval') {
      if (policy.seconds !== undefined) throw invalid("FLUSH_POLICY key 'interval' is given twice");
      if (count === undefined) throw invalid('Invalid interval in FLUSH_POLICY');
      if (count >= 86_400) throw invalid('Interval must be less than 86400 seconds (24 hours)');
      policy.seconds = count;
    } else {
      throw invalid(`Unknown FLUSH_POLICY key '${key!.trim()}'`);
    }
  }
  if (policy.rows === 0 || policy.seconds === 0) throw invalid("FLUSH_POLICY must specify 'rows' or 'interval' > 0");
  return policy;
}

function unknownOption(key: string, invalid: Invalid): DbError {
  const longer = [...KNOWN].filter(known => known.startsWith(`${key}_`));
  const hint = didYouMean([...nearNames(key, KNOWN), ...longer]);
  return invalid(`Unknown table option '${key}'${hint && `.${hint}`}`);
}

/** Rows of a stream stay in memory. */
function noSegments(key: string, invalid: Invalid): DbError {
  return invalid(`${key} is only supported for USER and SHARED tables`);
}

function noStream(invalid: Invalid): DbError {
  return invalid('TTL_SECONDS is only supported for STREAM tables');
}
