/**
 * Fsck as a process: says whether a start would find everything that was promised, and changes nothing.
 *
 *     npm run fsck -- [data directory]        without one: the directory the server would use
 *
 * One line per finding: severity, file, byte, what is wrong. Exit codes: 0 in order (a tail cut off by a crash and notes included), 1 damage,
 * or the directory could not be checked.
 */
import {readFile} from 'node:fs/promises';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {readConfig} from './config.ts';
import {checkLog, type LogFinding} from './log/fsck.ts';
import {lostSegments} from './log/recover.ts';
import type {Seq} from './model/names.ts';
import {lockDirectory, type Unlock} from './std/directory-lock.ts';
import {realDisk} from './std/real-disk.ts';
import {checkCheckpoint, listCheckpoints} from './table/checkpoint.ts';

const CONFIG_FILE = 'server.toml';

await main();

async function main(): Promise<void> {
  let unlock: Unlock | undefined;
  try {
    const directory = process.argv[2] ?? (await configuredDirectory());
    unlock = await hold(directory);
    const isSound = await check(directory);
    process.exitCode = isSound ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  } finally {
    await unlock?.();
  }
}

async function configuredDirectory(): Promise<string> {
  const text = await readFile(CONFIG_FILE, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  const file = text === undefined ? {} : {file: {name: CONFIG_FILE, text}};
  return readConfig({env: process.env, ...file}).config['storage.data_path'];
}

/** A running server writes while we read: what it has not finished would look torn. A copy that nobody can write needs no lock. */
async function hold(directory: string): Promise<Unlock | undefined> {
  if (!(await realDisk.list(directory)).includes('FORMAT')) {
    throw new DbError('INVALID_INPUT', `${directory} is not a data directory: it holds no file FORMAT.`);
  }
  try {
    const unlock = await lockDirectory(directory);
    if (unlock !== undefined) return unlock;
  } catch (error) {
    const {code} = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EROFS') return undefined;
    throw error;
  }
  throw new DbError('INVALID_INPUT', `The data directory ${directory} is in use by a KalamDB server. Stop it first.`);
}

/** Prints what was found; false if something promised is missing. */
async function check(directory: string): Promise<boolean> {
  const checkpoints = await checkCheckpoints(`${directory}/checkpoint`);
  const log = await checkLog(realDisk, `${directory}/log`);
  const findings = [...checkpoints.findings, ...log.findings];
  const lost = lostSegments({from: checkpoints.newestWhole, previousSeq: log.previousSeq, lastSeq: log.lastSeq});
  if (lost !== undefined) findings.unshift({severity: 'damage', file: `${directory}/log`, offset: 0, text: lost});
  const damageCount = findings.filter(({severity}) => severity === 'damage').length;
  const lines = findings.map(
    ({severity, file, offset, text}) => `${severity.padEnd(6)} ${file} byte ${offset}: ${text}`,
  );
  const range = log.batchCount === 0 ? '' : `, seq ${log.firstSeq} to ${log.lastSeq}`;
  lines.push(
    `${checkpoints.wholeCount} whole checkpoints; ${log.segmentCount} log segments with ${log.batchCount} batches${range}.`,
    damageCount === 0 ? `${directory} is in order.` : `${directory} is damaged: ${damageCount} findings.`,
  );
  process.stdout.write(`${lines.join('\n')}\n`);
  return damageCount === 0;
}

async function checkCheckpoints(directory: string): Promise<{
  findings: LogFinding[];
  wholeCount: number;
  newestWhole: Seq;
}> {
  const findings: LogFinding[] = [];
  let wholeCount = 0;
  let newestWhole: Seq = 0n;
  const known = new Set<string>();
  for (const {name, seq} of await listCheckpoints(realDisk, directory)) {
    known.add(name);
    const file = `${directory}/${name}`;
    const text = await checkCheckpoint(realDisk, file);
    if (text === undefined) {
      wholeCount++;
      if (seq > newestWhole) newestWhole = seq;
    } else findings.push({severity: 'damage', file, offset: byteIn(text), text});
  }
  for (const name of await realDisk.list(directory)) {
    if (known.has(name)) continue;
    findings.push({
      severity: 'note',
      file: `${directory}/${name}`,
      offset: 0,
      text: 'not a finished checkpoint; never read',
    });
  }
  return {findings, wholeCount, newestWhole};
}

/** The description of a damaged checkpoint names the block's byte, except when it is the end that is missing. */
function byteIn(text: string): number {
  return Number(/at byte (\d+)/.exec(text)?.[1] ?? 0);
}
