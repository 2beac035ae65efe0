/** The machine and the process on it, for those who look after them. */
import {arch, freemem, hostname, platform, totalmem} from 'node:os';

export interface Machine {
  readonly hostname: string;
  readonly os: string;
  readonly arch: string;
  readonly totalBytes: number;
  readonly usedBytes: number;
  readonly pid: number;
  /** Of the process, in bytes. */
  readonly rss: number;
  readonly heapUsed: number;
  /** Of one core, since the process began. */
  readonly cpuPercent: number;
  /** Of all threads, since the process began. */
  readonly cpuMs: number;
}

export function readMachine(): Machine {
  const {rss, heapUsed} = process.memoryUsage();
  const {user, system} = process.cpuUsage();
  const total = totalmem();
  return {
    ...{hostname: hostname(), os: platform(), arch: arch()},
    ...{totalBytes: total, usedBytes: total - freemem(), pid: process.pid, rss, heapUsed},
    cpuPercent: (user + system) / 10_000 / process.uptime(),
    cpuMs: (user + system) / 1000,
  };
}
