/**
 * Cleanup job: deletes the files of dropped tables.
 *
 * Laws: only files that were listed and are no longer are deleted, and only when no reader can know them. A file stays named in the log until
 * it is gone, so that a start finishes what a crash cut off.
 */
import type {Blob} from '../../blob/blob.ts';
import type {ScopeKey} from '../../model/names.ts';
import type {Clock} from '../../std/clock.ts';
import type {Commit} from '../../table/commit.ts';
import type {Manifests, RetiredFile} from '../../table/manifests.ts';
import {defineJobKind, type JobOutcome} from '../job.ts';

const LOOK_AGAIN_MS = 200;
const LOOKS_MAX = 600;

export type CleanupParams = {
  readonly table_id: string;
  readonly operation: 'drop_table';
  readonly incarnation: number;
};

export interface CleanupOptions {
  readonly manifests: Manifests;
  readonly commit: Commit;
  readonly clock: Clock;
  /** Resolves when the drop is on disk, in every durability class. */
  readonly syncLog: () => Promise<void>;
  readonly blobOf: (storageId: string) => Blob;
  readonly forget: (paths: readonly string[]) => void;
  readonly pendingRemoves: (files: readonly RetiredFile[]) => {scope: ScopeKey; key: Uint8Array}[];
}

export function cleanupJob(options: CleanupOptions) {
  return defineJobKind<CleanupParams>({
    name: 'cleanup',
    prefix: 'CL',
    isIdempotent: true,
    maxParallel: 1,
    async run(params, context): Promise<JobOutcome> {
      let count = 0;
      for (let look = 0; options.manifests.retiredCount > 0 && look < LOOKS_MAX; look++) {
        context.signal.throwIfAborted();
        count += await deleteFiles(options, options.manifests.takeRemovable());
        if (options.manifests.retiredCount > 0) await options.clock.sleep(LOOK_AGAIN_MS, context.signal);
      }
      return {
        status: 'completed',
        message: `Cleaned up table ${params.table_id} successfully - ${count} files deleted`,
        result: {files_deleted: count},
      };
    },
  });
}

/** Deletes files and then their names. */
export async function deleteFiles(
  options: Omit<CleanupOptions, 'manifests' | 'clock'>,
  files: readonly RetiredFile[],
): Promise<number> {
  if (files.length === 0) return 0;
  await options.syncLog();
  options.forget(files.map(file => file.path));
  for (const {storageId, path} of files) await options.blobOf(storageId).remove(path);
  await options.commit.write({removes: options.pendingRemoves(files), isUrgent: true});
  return files.length;
}
