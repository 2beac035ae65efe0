/**
 * Calm: how much of the CPUs goes to anybody, and waiting until that is little. A figure taken while others work says more about them.
 */
import {readFileSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';

const SAMPLE_MS = 1000;
const CALM_SHARE_MAX = 0.1;

/** Of all CPUs together since the machine started. */
export interface CpuTimes {
  readonly busySeconds: number;
  readonly totalSeconds: number;
}

export function cpuTimes(): CpuTimes {
  const [, ...fields] = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0]!.split(/\s+/);
  // user, nice, system, idle, iowait, irq, softirq, steal; what follows is counted in these already.
  const ticks = fields.slice(0, 8).map(Number);
  const total = ticks.reduce((sum, count) => sum + count, 0);
  return {busySeconds: (total - ticks[3]! - ticks[4]!) / 100, totalSeconds: total / 100};
}

/** Part of all CPUs that others took since `before`, while this bench took `ownSeconds`. */
export function othersShare(before: CpuTimes, ownSeconds: number): number {
  const now = cpuTimes();
  const share = (now.busySeconds - before.busySeconds - ownSeconds) / (now.totalSeconds - before.totalSeconds);
  return Math.max(0, share);
}

/** Resolves when nearly nothing runs, or when patience is over. */
export async function untilCalm(patienceMs: number): Promise<void> {
  for (const endMs = performance.now() + patienceMs; performance.now() < endMs; ) {
    const before = cpuTimes();
    await sleep(SAMPLE_MS);
    if (othersShare(before, 0) <= CALM_SHARE_MAX) return;
  }
}
