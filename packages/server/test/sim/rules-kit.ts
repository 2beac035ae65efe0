/**
 * Rules kit: one table on a simulated disk that holds operations back, and short words for what the tests of rules do with it.
 */
import assert from 'node:assert/strict';
import type {DatabaseOptions} from '../../src/database.ts';
import type {DiskOperation} from '../../src/std/sim-disk.ts';
import type {Cell} from '../test-database.ts';
import {DIRECTORY, SimWorld} from './sim-world.ts';

export const TICK_MS = 100_000;
export const isSegmentRead = (operation: DiskOperation, path: string) =>
  operation === 'read' && path.endsWith('.parquet');
export const isLogSync = (operation: DiskOperation, path: string) => operation === 'datasync' && path.includes('/log/');

export const TABLE = 'CREATE USER TABLE app.t (v TEXT, id BIGINT PRIMARY KEY)';

export async function openWorld(options: Partial<DatabaseOptions> = {}, {isSlow} = {isSlow: false}): Promise<SimWorld> {
  const all = {
    durability: 'D2',
    logSegmentBytes: 256 * 1024,
    slabBytes: 64 * 1024,
    flushCheckMs: TICK_MS,
    ...options,
  } as const;
  const world = new SimWorld(1, all, {isSlow, isPaced: false});
  assert.ok(await world.start());
  await must(world, 'CREATE NAMESPACE app', 'root');
  await must(world, TABLE, 'root');
  return world;
}

export function sql(world: SimWorld, text: string, user = 'ana', signal = new AbortController().signal) {
  return world.sql(text, {user, signal});
}

export async function must(world: SimWorld, text: string, user = 'ana'): Promise<void> {
  await world.settle(sql(world, text, user));
  assert.ok(!world.life.isOver, 'the life ended where nobody planned it');
}

export async function attempt(world: SimWorld, text: string): Promise<void> {
  await world.settle(codeOf(world, text));
}

/** Undefined if it was done. */
export async function codeOf(world: SimWorld, text: string, signal?: AbortSignal): Promise<string | undefined> {
  return await sql(world, text, 'ana', signal).then(
    () => undefined,
    error => error.code as string,
  );
}

export async function rows(world: SimWorld, where = ''): Promise<(readonly Cell[])[]> {
  return [...(await sql(world, `SELECT v, id FROM app.t ${where}`)).rows];
}

/** Keys of the newest versions, tombstones too. */
export async function versionsOf(world: SimWorld): Promise<string[]> {
  return (await sql(world, 'SELECT id FROM app.t WHERE _deleted OR NOT _deleted')).rows.map(row => String(row[0]));
}

export async function restart(world: SimWorld): Promise<void> {
  await world.close();
  assert.ok(await world.start());
}

export function segmentsOf(world: SimWorld): string[] {
  return [...world.disk.contents(`${DIRECTORY}/storage`).keys()].filter(path => path.endsWith('.parquet'));
}
