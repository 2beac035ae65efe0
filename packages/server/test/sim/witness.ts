/** Witness: tells from what happens on the disk what a history has met. */
import {SEGMENT_HEADER_BYTES} from '../../src/log/block.ts';
import type {DiskEvent, SimDisk} from '../../src/std/sim-disk.ts';
import {DIRECTORY} from './sim-world.ts';

export function witness(disk: SimDisk, seen: Set<string>): (event: DiskEvent) => void {
  return ({when, operation, path}) => {
    if (when === 'before' && operation === 'remove' && /\/log\/\d+\.log$/.test(path) && !seen.has('log released')) {
      // One that holds a block: others are removed at every start and stop.
      const bytes = disk.contents(`${DIRECTORY}/log`).get(path);
      if (bytes?.subarray(SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + 64).some(byte => byte !== 0))
        seen.add('log released');
    }
    if (when !== 'after') return;
    if (operation === 'rename' && path.includes('/checkpoint/')) seen.add('checkpoint');
    if (operation === 'open' && path.includes('/checkpoint/checkpoint-') && !path.endsWith('.tmp'))
      seen.add('started from a checkpoint');
    if (operation === 'rename' && path.includes('.parquet')) seen.add('segment');
  };
}
