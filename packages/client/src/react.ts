/**
 * React: live queries as hooks.
 *
 * Components that ask the same query of the same client share one subscription. It is opened when the first of them is on the page and closed
 * a moment after the last has left, so that moving between pages, and StrictMode, which mounts all twice, do not make it anew.
 */
import type {LiveRow} from '@kalamdb/protocol/messages.ts';
import {useCallback, useSyncExternalStore} from 'react';
import type {KalamDBClient, LiveQueryOptions} from './client.ts';
import type {LiveQuery, LiveState} from './live-query.ts';

export type {LiveState} from './live-query.ts';

/** An order is for the component to make, of the rows. */
export type HookOptions = Pick<LiveQueryOptions, 'params' | 'limit' | 'keyColumns'>;

type Client = Pick<KalamDBClient, 'liveQuery'>;

const LINGER_MS = 1000;
const NOTHING: LiveState<never> = {rows: [], status: 'loading', error: undefined};

/** The rows of the query as they are now, and how it stands. `sql` null: none for now. */
export function useLiveQuery<Row = LiveRow>(client: Client, sql: string | null, options?: HookOptions): LiveState<Row> {
  const key = sql === null ? null : keyOf(sql, options);
  const watch = useCallback(
    (onChange: () => void) => (key === null ? () => {} : share(client, key, onChange)),
    [client, key],
  );
  const read = () => (key === null ? undefined : queriesOf(client).get(key)?.query.state) ?? NOTHING;
  return useSyncExternalStore(watch, read, () => NOTHING) as LiveState<Row>;
}

interface Shared {
  readonly query: LiveQuery;
  userCount: number;
}

const shared = new WeakMap<Client, Map<string, Shared>>();

function queriesOf(client: Client): Map<string, Shared> {
  const known = shared.get(client);
  if (known !== undefined) return known;
  const queries = new Map<string, Shared>();
  shared.set(client, queries);
  return queries;
}

function share(client: Client, key: string, onChange: () => void): () => void {
  const queries = queriesOf(client);
  const entry = queries.get(key) ?? open(client, key);
  queries.set(key, entry);
  entry.userCount++;
  const unwatch = entry.query.watch(onChange);
  return () => {
    unwatch();
    entry.userCount--;
    // One that has ended is asked anew by whoever comes next.
    if (entry.query.state.status === 'ended') leave();
    else if (entry.userCount === 0) setTimeout(leave, LINGER_MS);
  };
  function leave(): void {
    if (entry.userCount > 0) return;
    entry.query.close();
    if (queries.get(key) === entry) queries.delete(key);
  }
}

function open(client: Client, key: string): Shared {
  const [sql, options] = optionsOf(key);
  return {query: client.liveQuery(sql, options), userCount: 0};
}

/** Says all of a query: options that are equal, though made anew in each rendering, are the same. 64-bit integers and dates keep their kind. */
function keyOf(sql: string, {params, limit, keyColumns}: HookOptions = {}): string {
  const kinds = params?.map(param => {
    if (typeof param === 'bigint') return {bigint: String(param)};
    return param instanceof Date ? {date: param.getTime()} : {value: param};
  });
  return JSON.stringify([sql, kinds, limit, keyColumns]);
}

function optionsOf(key: string): [sql: string, options: HookOptions] {
  type Kind = {readonly bigint?: string; readonly date?: number; readonly value?: string};
  const [sql, kinds, limit, keyColumns] = JSON.parse(key) as [string, Kind[] | null, number | null, string[] | null];
  const params = kinds?.map(({bigint, date, value}) => {
    if (bigint !== undefined) return BigInt(bigint);
    return date === undefined ? value! : new Date(date);
  });
  return [
    sql,
    {
      ...(params === undefined ? undefined : {params}),
      ...(limit === null ? undefined : {limit}),
      ...(keyColumns === null ? undefined : {keyColumns}),
    },
  ];
}
