/**
 * Histories: whatever the server, the network and the clock do, the rows of a live query are its answer at some commit, move only forward,
 * and are the newest answer once the connection holds.
 *
 *     KALAMDB_CLIENT_HISTORIES=5000 KALAMDB_CLIENT_SEED=7 node --test packages/client/test/history.test.ts
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {createClient} from '../src/index.ts';
import {FakeServer} from './fake-server.ts';
import {FakeWorld, settle} from './fake-world.ts';

type Write = readonly [id: number, room: string, body: string | null];

type Step =
  | {readonly kind: 'commit'; readonly writes: readonly Write[]}
  | {readonly kind: 'deliver'; readonly count: number}
  | {readonly kind: 'hangUp' | 'interrupt' | 'forgetHistory' | 'offline' | 'online' | 'rateLimit'}
  /** The connection breaks, much happens, and time passes. */
  | {readonly kind: 'away'; readonly forgets: boolean; readonly commits: readonly (readonly Write[])[]}
  | {readonly kind: 'pass'; readonly ms: number}
  | {readonly kind: 'quirks'; readonly batchRows: number; readonly pushes: boolean; readonly overlap: number};

const write = fc.tuple(
  fc.integer({min: 1, max: 12}),
  fc.constantFrom('a', 'a', 'b', 'gone'),
  fc.option(fc.string({maxLength: 3})),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  {weight: 6, arbitrary: fc.record({kind: fc.constant('commit' as const), writes: fc.array(write, {maxLength: 4})})},
  {weight: 8, arbitrary: fc.record({kind: fc.constant('deliver' as const), count: fc.integer({min: 1, max: 4})})},
  {weight: 3, arbitrary: fc.record({kind: fc.constant('pass' as const), ms: fc.integer({min: 0, max: 3000})})},
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('away' as const),
      forgets: fc.boolean(),
      commits: fc.array(fc.array(write, {minLength: 1, maxLength: 4}), {maxLength: 4}),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('hangUp', 'hangUp', 'interrupt', 'forgetHistory', 'offline', 'online', 'rateLimit'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('quirks' as const),
      batchRows: fc.integer({min: 1, max: 5}),
      pushes: fc.boolean(),
      overlap: fc.integer({min: 0, max: 3}),
    }),
  },
);

const RUNS = Number(process.env['KALAMDB_CLIENT_HISTORIES'] ?? 200);
const SEED = Number(process.env['KALAMDB_CLIENT_SEED'] ?? 1);

test(`in ${RUNS} random histories the rows are always the answer at some commit, and at last the newest`, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, {minLength: 20, maxLength: 150, size: 'max'}),
      fc.boolean(),
      async (steps, withPlaces) => {
        const world = new FakeWorld();
        const server = new FakeServer();
        world.onsocket = socket => server.attach(socket);
        const client = createClient({url: 'http://host', environment: world, onError() {}});
        const query = client.liveQuery(withPlaces ? "SELECT * FROM t WHERE room = 'a'" : 'SELECT * FROM t');
        const witness = new Witness(server);
        query.watch(({status, rows}) => witness.see(status, rows));
        await settle();
        for (const each of steps) {
          await take(each, world, server);
          witness.see(query.state.status, query.state.rows);
        }
        await finish(world, server);
        assert.equal(witness.problem, undefined);
        assert.equal(query.state.status, 'live');
        assert.equal(JSON.stringify(query.state.rows), server.answers.at(-1), 'at last the rows are the newest answer');
        await client.shutdown();
        assert.equal(world.timerCount === 0 || world.socket.isClosed, true);
      },
    ),
    {numRuns: RUNS, seed: SEED},
  );
});

async function take(each: Step, world: FakeWorld, server: FakeServer): Promise<void> {
  switch (each.kind) {
    case 'commit':
      commit(server, each.writes);
      break;
    case 'away':
      server.hangUp();
      for (const writes of each.commits) commit(server, writes);
      if (each.forgets) server.forgetHistory();
      await world.pass(1000);
      for (let i = 0; i < 8; i++) await take({kind: 'deliver', count: 1}, world, server);
      break;
    case 'deliver':
      openSocket(world, server);
      for (let i = 0; i < each.count; i++) server.connection?.deliver();
      break;
    case 'pass':
      await world.pass(each.ms);
      break;
    case 'hangUp':
      server.hangUp();
      break;
    case 'interrupt':
      server.connection?.interrupt();
      break;
    case 'forgetHistory':
      server.forgetHistory();
      break;
    case 'offline':
    case 'online':
      world.network(each.kind === 'online');
      break;
    case 'rateLimit':
      server.quirks.isBusy = true;
      break;
    case 'quirks':
      Object.assign(server.quirks, each);
      break;
    default:
      each satisfies never;
  }
  await settle();
}

function commit(server: FakeServer, writes: readonly Write[]): void {
  server.commit(new Map(writes.map(([id, room, body]) => [String(id), room === 'gone' ? undefined : {room, body}])));
}

function openSocket(world: FakeWorld, server: FakeServer): void {
  if (server.connection !== undefined && server.connection.socket.sent.length === 0 && !world.socket.isClosed)
    world.socket.open();
}

/** The network holds from now on. */
async function finish(world: FakeWorld, server: FakeServer): Promise<void> {
  server.quirks.overlap = 0;
  world.network(true);
  for (let i = 0; i < 400; i++) {
    await settle();
    openSocket(world, server);
    if (server.connection?.deliver() !== true) await world.pass(i < 200 ? 500 : 100);
    if (i > 60 && server.connection?.outbox.length === 0) break;
  }
}

/** Holds the place in the history that was seen last. */
class Witness {
  readonly #server: FakeServer;
  #place = 0;
  /** What was seen and never was. Told later: the client catches nothing that its watchers throw. */
  problem: string | undefined;

  constructor(server: FakeServer) {
    this.#server = server;
  }

  see(status: string, rows: readonly object[]): void {
    const text = JSON.stringify(rows);
    if (status === 'loading' && text === '[]') return;
    const place = this.#server.answers.indexOf(text, this.#place);
    if (status === 'loading') this.problem ??= `${text} was there before all rows were`;
    else if (place === -1) this.problem ??= `${text} is the answer at no commit from ${this.#place} on`;
    else this.#place = place;
  }
}
