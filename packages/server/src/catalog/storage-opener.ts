/**
 * Storage opener: from a row of `system.storages` to the blob it describes, and whether that blob works.
 *
 * Law: a message of this file never holds a credential.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {Blob} from '../blob/blob.ts';
import {openCachedBlob} from '../blob/cached-blob.ts';
import {openFsBlob} from '../blob/fs-blob.ts';
import {openS3Blob, type S3Options} from '../blob/s3-blob.ts';
import type {Clock} from '../std/clock.ts';
import type {Disk} from '../std/disk.ts';
import type {StorageRecord} from '../system/storages.ts';

export const STORAGE_TYPES = ['filesystem', 's3', 'gcs', 'azure'] as const;

export interface StorageOpenerOptions {
  readonly disk: Disk;
  /** Copies of remote objects lie below it. */
  readonly cacheDirectory: string;
  readonly cacheBytesMax: number;
  readonly clock: Clock;
  readonly s3: SimulatedS3 | undefined;
}

/** For simulations: a service that is no other machine. */
export type SimulatedS3 = Pick<S3Options, 'fetch' | 'timeoutMs'>;

/** Without a cache for a storage that is only tried out: two caches must not share a directory. */
export type StorageOpener = (record: StorageRecord, how: {readonly isCached: boolean}) => Blob;

/** What a service needs to be told, from both JSON columns. */
interface S3Facts {
  readonly region?: string;
  readonly endpoint?: string;
  readonly allow_http?: boolean | string;
  readonly access_key_id?: string;
  readonly secret_access_key?: string;
  readonly session_token?: string;
}

export function storageOpener({disk, clock, s3, cacheDirectory, cacheBytesMax}: StorageOpenerOptions): StorageOpener {
  return (record, {isCached}) => {
    if (record.storage_type === 'filesystem') return openFsBlob({disk, base: record.base_directory});
    if (record.storage_type !== 's3')
      throw fail.notSupported(`storages of type '${record.storage_type}' are not in this release`);
    const remote = openS3Blob({...s3Options(record), clock, ...s3});
    if (!isCached) return remote;
    const directory = `${cacheDirectory}/${record.storage_id}`;
    return openCachedBlob({remote, disk, directory, bytesMax: cacheBytesMax});
  };
}

function s3Options(record: StorageRecord): Omit<S3Options, 'clock'> {
  const facts: S3Facts = {...parsed(record.config_json), ...parsed(record.credentials)};
  const {access_key_id: accessKeyId, secret_access_key: secretAccessKey, endpoint} = facts;
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw fail.invalidOperation(
      `S3 storage '${record.storage_id}' needs access_key_id and secret_access_key in CREDENTIALS`,
    );
  }
  if (endpoint !== undefined && !endpoint.startsWith('https://') && String(facts.allow_http) !== 'true') {
    throw fail.invalidOperation(
      `The endpoint of S3 storage '${record.storage_id}' must begin with https://; for a trusted network set "allow_http": true in CONFIG`,
    );
  }
  const [bucket, ...prefix] = record.base_directory.replace(/^s3:\/\//, '').split('/');
  return {
    ...{bucket: bucket!, prefix: prefix.join('/').replace(/\/+$/, ''), region: facts.region ?? 'us-east-1'},
    ...{endpoint, accessKeyId, secretAccessKey, sessionToken: facts.session_token},
  };
}

function parsed(json: string | null): object {
  return json === null ? {} : JSON.parse(json);
}

export interface StorageHealth {
  readonly status: 'healthy' | 'degraded' | 'unreachable';
  readonly writable: boolean;
  readonly listable: boolean;
  readonly readable: boolean;
  readonly deletable: boolean;
  readonly latencyMs: number;
  readonly error: string | null;
}

/** Writes, lists, reads back and deletes one small object. */
export async function checkStorage(blob: Blob, clock: Clock, nonce: string): Promise<StorageHealth> {
  const startedMs = clock.monotonicMs();
  const path = `.kalamdb-health-check/${clock.nowMs()}-${nonce}`;
  const bytes = Buffer.from(nonce);
  let error: string | null = null;
  const works = async (step: () => Promise<unknown>): Promise<boolean> => {
    try {
      return (await step()) !== false;
    } catch (cause) {
      error ??= cause instanceof Error ? cause.message : String(cause);
      return false;
    }
  };
  const writable = await works(() => blob.put(path, bytes));
  const listable = await works(async () => (await blob.list('.kalamdb-health-check')).includes(path) === writable);
  const readable = writable && (await works(async () => (await blob.read(path, 0, bytes.length)).equals(bytes)));
  const deletable = writable && (await works(() => blob.remove([path])));
  const good = [writable, listable, readable, deletable].filter(Boolean).length;
  const status = good === 4 ? 'healthy' : good > 0 ? 'degraded' : 'unreachable';
  const latencyMs = Math.round(clock.monotonicMs() - startedMs);
  return {status, writable, listable, readable, deletable, latencyMs, error};
}
