/**
 * Stream eviction job: frees the memory of stream rows that are past the TTL of their table.
 *
 * Law: what it removes no statement could see any more; so it may come late, twice, or never.
 */
import {type Incarnation, tableText} from '../../model/names.ts';
import type {Schema} from '../../model/schema.ts';
import type {Streams} from '../../table/streams.ts';
import {defineJobKind, type JobOutcome} from '../job.ts';
import type {Jobs} from '../jobs.ts';

export type StreamEvictionParams = {
  readonly table_id: string;
  readonly table_type: 'Stream';
  readonly ttl_seconds: number;
  readonly incarnation: number;
};

export interface StreamEvictionOptions {
  readonly streams: Streams;
  readonly current: (incarnation: Incarnation) => Schema | undefined;
}

export function streamEvictionJob({streams, current}: StreamEvictionOptions) {
  return defineJobKind<StreamEvictionParams>({
    name: 'stream_eviction',
    prefix: 'SE',
    isIdempotent: true,
    maxParallel: 1,
    async run(params, context): Promise<JobOutcome> {
      const schema = current(params.incarnation as Incarnation);
      if (schema === undefined) return {status: 'skipped', message: `Table ${params.table_id} no longer exists`};
      const count = await streams.evict(schema, async () => {
        await new Promise(resolve => setImmediate(resolve));
        context.signal.throwIfAborted();
      });
      return {
        status: 'completed',
        message: `Evicted ${count} expired rows from ${params.table_id}`,
        result: {rows_evicted: count},
      };
    },
  });
}

/** Starts a job for every stream table that holds expired rows and has none running. */
export async function evictStreams(options: {jobs: Jobs; streams: Streams; tables: readonly Schema[]}): Promise<void> {
  for (const schema of options.tables) {
    if (schema.kind !== 'stream' || !options.streams.hasExpired(schema)) continue;
    const table = tableText(schema.name);
    const params: StreamEvictionParams = {
      table_id: table,
      table_type: 'Stream',
      ttl_seconds: schema.options.ttlSeconds ?? 0,
      incarnation: schema.incarnation,
    };
    await options.jobs.enqueue({
      kind: 'stream_eviction',
      params,
      uniqueKey: `stream_eviction-${table}-${schema.incarnation}`,
      tableName: table,
      trigger: 'schedule',
    });
  }
}
