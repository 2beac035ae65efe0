/**
 * Cleanup job: deletes the files of dropped tables.
 *
 * Law: only files that no manifest lists are deleted, and only when no reader can know them. Those that cannot be deleted in its time are tried again
 * without it.
 */
import type {Clock} from '../../std/clock.ts';
import type {Files} from '../../table/files.ts';
import type {Manifests} from '../../table/manifests.ts';
import {defineJobKind, type JobOutcome} from '../job.ts';

const LOOK_AGAIN_MS = 200;
const LOOKS_MAX = 600;

export type CleanupParams = {
  readonly table_id: string;
  readonly table_type: string;
  readonly operation: 'drop_table';
  /** Id of the storage. */
  readonly storage: string;
  readonly incarnation: number;
  /** What the table held when it was dropped. */
  readonly rows?: number;
  readonly bytes?: number;
  readonly manifests?: number;
};

export function cleanupJob({manifests, files, clock}: {manifests: Manifests; files: Files; clock: Clock}) {
  return defineJobKind<CleanupParams>({
    name: 'cleanup',
    prefix: 'CL',
    isIdempotent: true,
    maxParallel: 1,
    async run(params, context): Promise<JobOutcome> {
      let count = 0;
      // Others may have taken some of the files, and not be done with them.
      const isLeft = () => manifests.retiredCount + files.deletingCount > 0;
      for (let look = 0; isLeft() && look < LOOKS_MAX; look++) {
        context.signal.throwIfAborted();
        count += await files.delete(manifests.takeRemovable());
        if (isLeft()) await clock.sleep(LOOK_AGAIN_MS, context.signal);
      }
      const {putOffCount} = files;
      if (putOffCount > 0) {
        const message = `${count} files deleted; ${putOffCount} could not be deleted and are tried again by themselves`;
        return {status: 'failed', message, result: {files_deleted: count, files_left: putOffCount}};
      }
      return {
        status: 'completed',
        message: `Cleaned up table ${params.table_id} successfully${freedText(params)}`,
        result: {files_deleted: count},
      };
    },
  });
}

/** Nothing for a job of an earlier release, which counted nothing. */
function freedText({rows, bytes, manifests}: CleanupParams): string {
  if (rows === undefined) return '';
  return ` - ${rows} rows deleted, ${bytes} bytes freed, ${manifests} cache entries invalidated`;
}
