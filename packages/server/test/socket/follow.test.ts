/**
 * Follow: a real server is killed again and again while many clients follow it, each over a socket of its own, in every serialization and both ways of
 * authenticating. They come back with the cursor they had.
 *
 * Rows of app.events are only inserted, so each is exactly one event to each follower: one that comes twice, or never, is a mistake. Rows of
 * app.counters are changed all the time, so who was away is told of the newest version alone.
 *
 * KALAMDB_FOLLOW_ROUNDS=20 kills more often.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import type {ChangeMessage, LiveRow, ServerMessage} from '@kalamdb/protocol/messages.ts';
import {runSql, Server} from '../../../../examples/server.ts';
import {WireClient} from './wire-client.ts';

const ROUNDS = Number(process.env['KALAMDB_FOLLOW_ROUNDS'] ?? 3);
const FOLLOWERS = 200;
/** All of them are root. */
const BROWSERS = 40;
const SETTINGS = '[rate_limit]\nmax_subscriptions_per_user = 100\n';
const RUN_MS = 400;
const CONVERGE_MS_MAX = 60_000;
const TABLES = ['events', 'counters'] as const;
type Table = (typeof TABLES)[number];

test(`${FOLLOWERS} clients follow a server through ${ROUNDS} kills, and none loses or doubles an event`, {
  timeout: 120_000 + ROUNDS * 60_000,
}, async () => {
  const server = await Server.create('follow', SETTINGS);
  const followers: Follower[] = [];
  try {
    await server.start();
    await runSql(server.url, 'root', 'CREATE NAMESPACE app');
    for (const table of TABLES)
      await runSql(
        server.url,
        'root',
        `CREATE SHARED TABLE app.${table} (id BIGINT PRIMARY KEY, n BIGINT) WITH (ACCESS_LEVEL = 'public')`,
      );
    const port = Number(new URL(server.url).port);
    for (let i = 0; i < FOLLOWERS; i++) followers.push(new Follower(i, port));
    await until(() => followers.every(follower => follower.isReady), 'all follow');
    const acknowledged = new Set<string>();
    let nextId = 1;
    for (let round = 0; round < ROUNDS; round++) {
      let isRunning = true;
      const writers = Array.from({length: 4}, async (_, writer) => {
        while (isRunning) {
          const id = nextId++;
          const written = await runSql(server.url, 'root', `INSERT INTO app.events VALUES (${id}, ${round})`).then(
            () => true,
            () => false,
          );
          if (written) acknowledged.add(String(id));
          const upsert = `INSERT INTO app.counters VALUES (${writer}, ${id}) ON CONFLICT (id) DO UPDATE SET n = ${id}`;
          await runSql(server.url, 'root', upsert).catch(() => undefined);
        }
      });
      await sleep(RUN_MS);
      await until(() => acknowledged.size > (round + 1) * 10, 'something is written in every round');
      await server.kill();
      isRunning = false;
      await Promise.all(writers);
      await server.start();
      await until(() => followers.every(({connections}) => connections > round + 1), 'every connection was cut');
      await converge(server.url, followers, acknowledged);
    }
  } finally {
    for (const follower of followers) follower.stop();
    await server.remove();
  }
});

async function converge(url: string, followers: readonly Follower[], acknowledged: ReadonlySet<string>): Promise<void> {
  for (const table of TABLES) {
    const {rows = []} = await runSql(url, 'root', `SELECT id, n FROM app.${table} ORDER BY id LIMIT 1000`);
    assert.ok(rows.length < 1000, 'all rows are seen');
    const expected = JSON.stringify(rows);
    await until(
      () => followers.every(follower => follower.answer(table) === expected),
      () => `${followers.filter(follower => follower.answer(table) !== expected).length} differ in ${table}`,
    );
  }
  const all = followers[0]!.eventIds;
  for (const id of acknowledged) assert.ok(all.has(id), `event ${id} was acknowledged and is lost`);
  for (const follower of followers) assert.deepEqual(follower.mistakes, []);
}

async function until(isSo: () => boolean, what: string | (() => string)): Promise<void> {
  const endMs = performance.now() + CONVERGE_MS_MAX;
  while (!isSo()) {
    assert.ok(performance.now() < endMs, typeof what === 'string' ? what : what());
    await sleep(20);
  }
}

interface Followed {
  readonly rows: Map<string, LiveRow>;
  cursor: string | undefined;
  /** Rows are those of one commit. */
  isWhole: boolean;
}

/** What any client of another language would be: it keeps rows by key, and the cursor. */
class Follower {
  readonly mistakes: string[] = [];
  readonly eventIds = new Set<string>();
  connections = 0;
  readonly #number: number;
  readonly #port: number;
  readonly #tables: Record<Table, Followed> = {
    events: {rows: new Map(), cursor: undefined, isWhole: false},
    counters: {rows: new Map(), cursor: undefined, isWhole: false},
  };
  #client: WireClient | undefined;
  #isStopped = false;

  constructor(number: number, port: number) {
    this.#number = number;
    this.#port = port;
    void this.#run();
  }

  get isReady(): boolean {
    return TABLES.every(table => this.#tables[table].cursor !== undefined);
  }

  answer(table: Table): string {
    const {rows, isWhole} = this.#tables[table];
    if (!isWhole) return 'not whole';
    const pairs = [...rows.values()].map(({id, n}) => [id, n] as const);
    return JSON.stringify(pairs.sort(([a], [b]) => Number(a) - Number(b)));
  }

  stop(): void {
    this.#isStopped = true;
    this.#client?.close();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        this.#client = await this.#connect();
        this.connections++;
        await this.#follow(this.#client);
      } catch {
        // The server is down; the next try finds it, or the test's time is over.
      }
      await sleep(30 + (this.#number % 10) * 10);
    }
  }

  async #connect(): Promise<WireClient> {
    if (this.#number >= BROWSERS) {
      const query = ['', '?serialization=msgpack', '?compress=false'][this.#number % 3]!;
      return await WireClient.as(`user${this.#number}`, this.#port, {query});
    }
    const client = await WireClient.open(this.#port);
    const serialization = this.#number % 2 === 0 ? 'json' : 'msgpack';
    client.send({type: 'authenticate', method: 'jwt', token: 't', protocol: {serialization}});
    await client.next();
    client.serialization = serialization;
    return client;
  }

  async #follow(client: WireClient): Promise<never> {
    for (const table of TABLES) {
      const {cursor} = this.#tables[table];
      const options = cursor === undefined ? {batch_size: 50} : {from: cursor};
      client.send({type: 'subscribe', subscription: {id: table, sql: `SELECT * FROM app.${table}`, options}});
    }
    for (;;) this.#take(client, await client.next());
  }

  #take(client: WireClient, message: ServerMessage): void {
    if (message.type === 'error') this.mistakes.push(`error ${message.code}: ${message.message}`);
    if (message.type !== 'initial_data_batch' && message.type !== 'change') return;
    const table = message.subscription_id as Table;
    const followed = this.#tables[table];
    if (message.type === 'change') this.#change(table, message);
    else {
      if (message.resync) this.mistakes.push('a resync, though everything is kept');
      for (const row of message.rows) this.#put(table, row);
      followed.isWhole = message.batch_control.status === 'ready';
      if (message.batch_control.has_more && this.#number >= BROWSERS)
        client.send({type: 'next_batch', subscription_id: table, last_seq_id: message.batch_control.last_seq_id});
    }
    if (message.seq !== undefined) followed.cursor = message.seq;
  }

  #change(table: Table, {change_type: type, rows = [], more, seq}: ChangeMessage): void {
    const followed = this.#tables[table];
    const before = BigInt(followed.cursor ?? 0);
    for (const row of rows) {
      if (BigInt(row['_seq'] as string) <= before)
        this.mistakes.push(`${table}: seq ${row['_seq']} is not after ${before}`);
      if (table === 'events' && type !== 'insert') this.mistakes.push(`${type} of an event`);
      this.#put(table, row);
    }
    if (BigInt(seq!) < before) this.mistakes.push(`the cursor went back from ${before} to ${seq}`);
    followed.isWhole = more !== true;
  }

  #put(table: Table, row: LiveRow): void {
    const id = row['id'] as string;
    if (table === 'events') {
      if (this.eventIds.has(id)) this.mistakes.push(`event ${id} came twice`);
      this.eventIds.add(id);
    }
    this.#tables[table].rows.set(id, row);
  }
}
