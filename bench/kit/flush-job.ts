/** Flush job: flushes a table and waits for the end. */
import {setTimeout as sleep} from 'node:timers/promises';
import type {Kalamdb} from './kalamdb.ts';

const POLL_MS = 20;
export const FLUSH_MS_MAX = 600_000;

/** The time is the job's own. */
export async function flushTable(server: Kalamdb, table: string): Promise<{seconds: number; rows: number}> {
  const message = (await server.sql(`FLUSH TABLE ${table}`))[0]!.message!;
  const job = /FL-[0-9a-f]{12}/.exec(message)?.[0];
  if (job === undefined) throw new Error(`no job flushes ${table}: ${message}`);
  const columns = 'status, started_at, finished_at, message, result';
  const sql = `SELECT ${columns} FROM system.jobs WHERE job_id = '${job}'`;
  for (const endMs = performance.now() + FLUSH_MS_MAX; performance.now() < endMs; await sleep(POLL_MS)) {
    const [row] = (await server.sql(sql))[0]!.rows!;
    const [status, startedAt, finishedAt, why, result] = row!;
    if (status === 'completed') {
      const {rows_written: rows} = JSON.parse(String(result)) as {rows_written: number};
      return {seconds: (Number(finishedAt) - Number(startedAt)) / 1e6, rows};
    }
    if (status !== 'queued' && status !== 'running') throw new Error(`the flush of ${table} is ${status}: ${why}`);
  }
  throw new Error(`the flush of ${table} did not end`);
}
