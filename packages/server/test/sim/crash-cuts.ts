/**
 * Crash cuts: runs a protocol again and again and ends it before and after each of its disk operations.
 *
 * A protocol is a table of steps. From it follows what may be on disk wherever a run is cut: until a log record is synced either side of it may be found
 * after a power loss; everywhere else there is one right state.
 */
import assert from 'node:assert/strict';
import type {DatabaseOptions} from '../../src/database.ts';
import type {DiskEvent, SimDisk} from '../../src/std/sim-disk.ts';
import {type Ending, SimWorld, turn} from './sim-world.ts';

const READS = ['read', 'readFile', 'list', 'size', 'close'];

/** What a step leaves on disk; what is not said stays as it was. */
export interface Facts {
  readonly job?: 'queued' | 'running' | 'completed';
  readonly ana?: 'flushed';
  readonly ben?: 'flushed';
  readonly table?: 'dropped';
}

export interface Step {
  readonly what: string;
  readonly operations: readonly string[];
  readonly leaves: Facts;
}

/** A log block: until the sync either side of it may be found. */
export function logged(what: string, leaves: Facts = {}): Step {
  return {what, operations: ['writeNow log', 'datasyncNow log'], leaves};
}

/** A new file, never seen under its name before it is whole. */
export function written(what: string, file: string): Step {
  const temporary = `${file}.tmp`;
  const operations = [
    `create ${temporary}`,
    `write ${temporary}`,
    `datasync ${temporary}`,
    `rename ${temporary}`,
    `syncDirectory ${file.slice(0, file.lastIndexOf('/'))}`,
  ];
  return {what, operations, leaves: {}};
}

/** Files, and what an interrupted writing of them may have left. */
export function removed(what: string, files: readonly string[]): Step {
  const folders = new Set(files.map(file => file.slice(0, file.lastIndexOf('/'))));
  const removals = files.flatMap(file => [`remove ${file}`, `remove ${file}.tmp`]);
  return {what, operations: [...removals, ...Array.from(folders, folder => `syncDirectory ${folder}`)], leaves: {}};
}

/** A protocol to cut. */
export interface Protocol {
  readonly name: string;
  readonly options: Partial<DatabaseOptions>;
  readonly steps: readonly Step[];
  /** Whether an operation belongs to the protocol; others may run beside it and are cut too. */
  readonly isStep: (operation: string) => boolean;
  prepare(world: SimWorld): Promise<void>;
  /** Runs it to its end, or to the end of the life. */
  act(world: SimWorld): Promise<void>;
  /** The world after a start: it must be as one of these facts says. */
  check(world: SimWorld, possible: readonly Facts[], retries: number): Promise<void>;
}

export interface Cut {
  /** Index of the operation. */
  readonly at: number;
  readonly operation: string;
  readonly when: 'before' | 'after';
}

/** What an undisturbed run tells of its operations; one that fails by itself, such as a removal of nothing, has no `after`. */
export async function record(protocol: Protocol): Promise<Cut[]> {
  const world = worldFor(protocol.options, 1);
  assert.ok(await world.start());
  await protocol.prepare(world);
  const cuts: Cut[] = [];
  let at = -1;
  world.onDisk = event => {
    const operation = operationOf(event);
    if (operation === undefined) return;
    if (event.when === 'before') at++;
    cuts.push({at, operation, when: event.when});
  };
  await protocol.act(world);
  world.onDisk = () => {};
  return cuts;
}

export async function cut(protocol: Protocol, event: number, {at, operation, when}: Cut, kind: Ending): Promise<void> {
  // Both kinds of death meet both numbers of retries, at neighbouring cuts.
  const retries = (event + (kind === 'kill' ? 0 : 1)) % 2;
  const world = worldFor({...protocol.options, jobs: {...protocol.options.jobs!, maxRetries: retries}}, event + 1);
  assert.ok(await world.start());
  await protocol.prepare(world);
  world.planEnd(kind, event, one => operationOf(one) !== undefined);
  await protocol.act(world);
  await inContext(`${kind} ${when} operation ${at} (${operation}), ${retries} retries`, async () => {
    assert.ok(world.life.isOver, 'the run was cut');
    await start(world, kind);
    await protocol.check(world, factsAt(protocol.steps, {at, when, kind}), retries);
  });
}

/** What may be on disk when a run is cut there. */
function factsAt(
  steps: readonly Step[],
  {at, when, kind}: {at: number; when: 'before' | 'after'; kind: Ending},
): Facts[] {
  let facts: Facts = {};
  let first = 0;
  for (const {operations, leaves} of steps) {
    const isWhole = at > first + operations.length - 1 || (at === first + operations.length - 1 && when === 'after');
    if (!isWhole) {
      const isWritten = operations.length > 1 && (at > first || (at === first && when === 'after'));
      if (!isWritten) return [facts];
      // What was handed to the system outlives the process; whether it outlives the power nobody knows.
      return kind === 'kill' ? [{...facts, ...leaves}] : [facts, {...facts, ...leaves}];
    }
    facts = {...facts, ...leaves};
    first += operations.length;
  }
  return [facts];
}

export function worldFor(options: Partial<DatabaseOptions>, seed: number, disk?: SimDisk): SimWorld {
  return new SimWorld(seed, options, {isSlow: false, isPaced: false, ...(disk === undefined ? {} : {disk})});
}

/** The next life, after the present one has ended. */
export async function start(world: SimWorld, kind: Ending): Promise<void> {
  if (!world.life.isOver) world.end(kind);
  assert.ok(await world.start());
}

/** An operation that changes the disk, in the words of the tables; undefined for others. */
export function operationOf({operation, path, mode}: DiskEvent): string | undefined {
  if (READS.includes(operation) || (operation === 'open' && mode !== 'create')) return undefined;
  const name = operation === 'open' ? 'create' : operation;
  const place = path
    .replace(/^data\/storage\/app\/t\//, '')
    .replace(/batch-[^/]*\.parquet/, 'segment')
    .replace(/^data\/checkpoint\/checkpoint-\d+/, 'checkpoint/image')
    .replace(/^data\/checkpoint$/, 'checkpoint');
  // A log segment is opened under its temporary name.
  if (/Now$/.test(name)) return `${name} log`;
  if (name === 'remove' && /^data\/log\/\d+\.log$/.test(path)) return 'remove log';
  return `${name} ${place}`;
}

export async function must(world: SimWorld, sql: string, user = 'root'): Promise<void> {
  await world.settle(world.sql(sql, {user}));
  assert.ok(!world.life.isOver, 'the life ended where nobody planned it');
}

/** Undefined if the life ended first. */
export async function attempt(world: SimWorld, sql: string, user = 'root'): Promise<unknown> {
  const {life} = world;
  const work = world.sql(sql, {user}).catch(error => {
    if (!life.isOver) throw error;
  });
  return await world.settle(work);
}

export async function flush(world: SimWorld): Promise<void> {
  await must(world, 'FLUSH TABLE app.t');
  await jobsOver(world);
}

/** Until no job waits or works; or the life is over. */
export async function jobsOver(world: SimWorld): Promise<void> {
  for (let looks = 0; !world.life.isOver; looks++) {
    assert.ok(looks < 500, 'the jobs end');
    const active = "SELECT job_id FROM system.jobs WHERE status IN ('queued', 'running', 'retrying')";
    const rows = await world.settle(world.sql(active));
    if (rows === undefined || rows.rows.length === 0) break;
    await world.settle(world.life.clock.advance(20));
    for (let i = 0; i < 20 && !world.life.isOver; i++) await turn();
  }
  await quiet();
}

/** Whatever goes on without anybody waiting for it comes to its end. */
export async function quiet(): Promise<void> {
  for (let i = 0; i < 60; i++) await turn();
}

export function assertOneOf(found: unknown, possible: readonly unknown[]): void {
  const texts = possible.map(one => JSON.stringify(one));
  assert.ok(texts.includes(JSON.stringify(found)), `found ${JSON.stringify(found)}, expected ${texts.join(' or ')}`);
}

export async function inContext(where: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new Error(where, {cause: error});
  }
}
