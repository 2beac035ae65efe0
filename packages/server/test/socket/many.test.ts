/**
 * Many: many sockets with many live queries each. Every change reaches those whom it concerns, once, and nobody else; when the sockets are gone, so is
 * everything that was held for them.
 *
 * KALAMDB_SOCKETS=1000 KALAMDB_SUBSCRIPTIONS=100 is what a server must carry on a small machine.
 */
import assert from 'node:assert/strict';
import {after, before, describe, it} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import {startServer, type TestServer} from '../http/server.ts';
import {subscribe} from './parts.ts';
import {WireClient} from './wire-client.ts';

const SOCKETS = Number(process.env['KALAMDB_SOCKETS'] ?? 100);
const SUBSCRIPTIONS = Number(process.env['KALAMDB_SUBSCRIPTIONS'] ?? 20);
const ROOMS = 500;
const CHANGED_ROOMS = 20;
const OPENED_AT_ONCE = 50;

describe('many sockets', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
    await server.database.sql('CREATE NAMESPACE app');
    await server.database.sql(
      "CREATE SHARED TABLE app.posts (id BIGINT PRIMARY KEY, room INT, text TEXT) WITH (ACCESS_LEVEL = 'public')",
    );
  });
  after(() => server.stop());

  const name = `${SOCKETS} with ${SUBSCRIPTIONS} live queries each: every change to whom it concerns, once`;
  it(name, {timeout: 300_000}, async () => {
    const clients: WireClient[] = [];
    for (let first = 0; first < SOCKETS; first += OPENED_AT_ONCE) {
      const count = Math.min(OPENED_AT_ONCE, SOCKETS - first);
      clients.push(...(await Promise.all(Array.from({length: count}, (_, i) => open(server.port, first + i)))));
    }
    assert.deepEqual(server.database.live.counts, {
      connections: SOCKETS,
      subscriptions: SOCKETS * SUBSCRIPTIONS,
      behind: 0,
    });

    const posts = Array.from({length: CHANGED_ROOMS}, (_, room) => `(${room}, ${room}, 'hello')`);
    await server.database.sql(`INSERT INTO app.posts VALUES ${posts.join()}`);
    for (const [number, client] of clients.entries()) {
      const expected = new Map<string, string>();
      for (let i = 0; i < SUBSCRIPTIONS; i++)
        if (roomOf(number, i) < CHANGED_ROOMS) expected.set(String(i), String(roomOf(number, i)));
      for (let left = expected.size; left > 0; left--) {
        const message = await client.next();
        assert.ok(message.type === 'change', JSON.stringify(message));
        assert.deepEqual(
          message.rows!.map(({id}) => id),
          [expected.get(message.subscription_id)],
        );
        assert.ok(expected.delete(message.subscription_id), 'once');
      }
    }
    await sleep(100);
    assert.ok(
      clients.every(({arrivedCount}) => arrivedCount === 0),
      'nothing comes that concerns nobody',
    );

    for (const client of clients) client.close();
    for (let i = 0; i < 200 && server.database.live.counts.connections > 0; i++) await sleep(50);
    assert.deepEqual(server.database.live.counts, {connections: 0, subscriptions: 0, behind: 0});
    assert.deepEqual(server.bugs, []);
  });
});

/** The room that the i-th live query of a socket asks for. */
function roomOf(socket: number, i: number): number {
  return (socket * SUBSCRIPTIONS + i * 7) % ROOMS;
}

async function open(port: number, number: number): Promise<WireClient> {
  const client = await WireClient.as(`user${number}`, port, {
    query: number % 2 === 0 ? '' : '?serialization=msgpack',
  });
  for (let i = 0; i < SUBSCRIPTIONS; i++)
    client.send(subscribe(String(i), `SELECT * FROM app.posts WHERE room = ${roomOf(number, i)}`));
  for (let i = 0; i < SUBSCRIPTIONS; i++) assert.equal((await client.next()).type, 'subscription_ack');
  return client;
}
