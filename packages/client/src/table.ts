/**
 * Table: a table by its name, with rows as plain objects of the type that the schema gives them.
 */
import type {Cell, LiveRow} from '@kalamdb/protocol/messages.ts';
import type {KalamDBClient, LiveQueryOptions} from './client.ts';
import type {Param, QueryResponse} from './http.ts';
import type {LiveQuery, LiveState} from './live-query.ts';
import {tableName, type Values} from './statements.ts';

/** Types of rows by names of tables: `interface Schema {'chat.messages': {id: string; body: string | null}}`. */
// biome-ignore lint/suspicious/noExplicitAny: an interface has no index signature, so nothing narrower takes one as a schema.
export type AnySchema = Record<string, any>;

export type Rows<Schema, Name extends keyof Schema> = string extends keyof Schema ? LiveRow : Schema[Name];

/** What may be written to a row: any of its columns, also as other forms of the same value. */
export type Writable<Row> = {
  readonly [Column in keyof Row]?: Row[Column] | Extract<Param, bigint | Date | Uint8Array | object> | undefined;
};

export interface Selection<Row> extends LiveQueryOptions<Row> {
  /** A condition in SQL, with `$1`, `$2` … for the values in `params`. */
  where?: string;
}

export class Table<Row> {
  readonly name: string;
  readonly #client: Pick<KalamDBClient, 'query' | 'rows' | 'liveQuery' | 'insert' | 'update' | 'delete'>;

  constructor(
    client: Pick<KalamDBClient, 'query' | 'rows' | 'liveQuery' | 'insert' | 'update' | 'delete'>,
    name: string,
  ) {
    this.#client = client;
    this.name = name;
  }

  /** Rows as they are now. Without a `limit` the server's own applies. */
  rows({where, params, limit}: Pick<Selection<Row>, 'where' | 'params' | 'limit'> = {}): Promise<Row[]> {
    const sql = this.#select(where) + (limit === undefined ? '' : ` LIMIT ${Math.trunc(limit)}`);
    return this.#client.rows<Row>(sql, params);
  }

  /** Rows as they are now and will be. */
  liveQuery({where, ...options}: Selection<Row> = {}): LiveQuery<Row> {
    return this.#client.liveQuery<Row>(this.#select(where), options);
  }

  /** Tells them after each change; the answer ends it. */
  live(callback: (rows: readonly Row[], state: LiveState<Row>) => void, selection?: Selection<Row>): () => void {
    const query = this.liveQuery(selection);
    query.watch(state => callback(state.rows, state));
    return () => query.close();
  }

  insert(row: Writable<Row>): Promise<QueryResponse> {
    return this.#client.insert(this.name, row as Values);
  }

  /** `key` is the value of the column `id`, or those of other key columns by name. */
  update(key: Cell | bigint | Writable<Row>, row: Writable<Row>): Promise<QueryResponse> {
    return this.#client.update(this.name, key as Param, row as Values);
  }

  delete(key: Cell | bigint | Writable<Row>): Promise<QueryResponse> {
    return this.#client.delete(this.name, key as Param);
  }

  #select(where: string | undefined): string {
    return `SELECT * FROM ${tableName(this.name)}${where === undefined ? '' : ` WHERE ${where}`}`;
  }
}
