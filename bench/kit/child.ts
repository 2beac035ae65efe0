/**
 * Child: a process that a bench starts, waits for, measures and ends by its handle.
 */
import {type ChildProcess, type SpawnOptions, spawn} from 'node:child_process';
import {once} from 'node:events';
import {readdirSync, readFileSync} from 'node:fs';
import {createServer} from 'node:net';

const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 20_000;
/** Linux counts CPU time for /proc in hundredths of a second, whatever the kernel ticks at. */
const TICKS_PER_SECOND = 100;

export interface Child {
  readonly pid: number;
  /** CPU seconds of the process and of all it started, those that ended included. */
  cpuSeconds(): number;
  /** Resolves when it has ended; by SIGKILL if the signal does not end it. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Resolves when its output says `ready`. */
export async function startChild(
  command: string,
  args: readonly string[],
  {ready, ...options}: SpawnOptions & {ready: string},
): Promise<Child> {
  const child = spawn(command, args, {...options, stdio: ['ignore', 'pipe', 'pipe']});
  try {
    await untilReady(child, ready);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  const pid = child.pid!;
  return {pid, cpuSeconds: () => cpuSeconds(pid), stop: signal => stop(child, signal ?? 'SIGTERM')};
}

function untilReady(child: ChildProcess, ready: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    const timer = setTimeout(() => reject(new Error(`it did not start:\n${output}`)), READY_MS_MAX);
    const settle = (error?: Error) => {
      clearTimeout(timer);
      if (error === undefined) resolve();
      else reject(error);
    };
    const read = (bytes: Buffer) => {
      // What comes after it is ready is read, so that its pipe never fills, and dropped.
      if (output.includes(ready)) return;
      output += bytes.toString();
      if (output.includes(ready)) settle();
    };
    child.stdout!.on('data', read);
    child.stderr!.on('data', read);
    child.once('error', settle);
    child.once('exit', code => settle(new Error(`it ended with ${code}:\n${output}`)));
  });
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
  await exit;
  clearTimeout(timer);
}

/** CPU seconds of all children of this process that have ended. */
export function endedChildrenSeconds(): number {
  return ticksOf(process.pid).ended / TICKS_PER_SECOND;
}

/** Of a process and of all it started, those that ended included. */
export function cpuSeconds(pid: number): number {
  const own = ticksOf(pid);
  const running = childrenOf(pid).reduce((sum, child) => sum + ticksOf(child).self, 0);
  return (own.self + own.ended + running) / TICKS_PER_SECOND;
}

/** What the process and its children hold in memory; pages that they share count for each. */
export function residentBytes(pid: number): number {
  return [pid, ...childrenOf(pid)].reduce((sum, each) => sum + ownResidentBytes(each), 0);
}

function ownResidentBytes(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(found?.[1] ?? 0) * 1024;
}

export function childrenOf(pid: number): number[] {
  const pids = readdirSync('/proc').filter(entry => /^\d+$/.test(entry));
  return pids.map(Number).filter(other => ticksOf(other).parent === pid);
}

/** `ended` = of its children that are gone. All zero for a process that is gone itself. */
function ticksOf(pid: number): {parent: number; self: number; ended: number} {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return {parent: 0, self: 0, ended: 0};
  }
  // The second field is the name in parentheses and may hold anything; what follows it is separated by blanks.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  return {parent: fields[1]!, self: fields[11]! + fields[12]!, ended: fields[13]! + fields[14]!};
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const {port} = server.address() as {port: number};
  server.close();
  await once(server, 'close');
  return port;
}

/** Runs a program to its end and gives its output. Throws with what it said if it fails. */
export function output(command: string, args: readonly string[], options: SpawnOptions = {}): Promise<string> {
  return startProgram(command, args, options).output;
}

/** A program whose output is wanted, and that can be told to come to its end. */
export function startProgram(
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): {readonly output: Promise<string>; end(): void} {
  const child = spawn(command, args, {...options, stdio: ['ignore', 'pipe', 'pipe']});
  let [said, complained] = ['', ''];
  child.stdout!.on('data', bytes => {
    said += bytes;
  });
  child.stderr!.on('data', bytes => {
    complained += bytes;
  });
  const ended = once(child, 'close').then(([code]) => {
    if (code !== 0) throw new Error(`${command} ended with ${code}:\n${complained}${said}`);
    return said;
  });
  return {output: ended, end: () => void child.kill('SIGTERM')};
}
