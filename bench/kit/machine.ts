/** Machine: what a figure was measured on, without names or paths of anybody's machine. */
import {readFileSync} from 'node:fs';
import {arch, cpus, release, totalmem} from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cpuCount: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly filesystem: string;
}

export function describeMachine(directory: string): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpuCount: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()} ${arch()}`,
    filesystem: filesystemOf(directory),
  };
}

/** Type of the file system with the longest mount point above the directory. */
function filesystemOf(directory: string): string {
  let found = {mount: '', type: 'unknown'};
  for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
    const [, mount = '', type = ''] = line.split(' ');
    const isAbove = mount === '/' || directory === mount || directory.startsWith(`${mount}/`);
    if (isAbove && mount.length >= found.mount.length) found = {mount, type};
  }
  return found.type;
}

/** Processes that want a CPU, averaged over the last minute: more than there are CPUs means that others were working here too. */
export function loadAverage(): number {
  return Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]);
}
