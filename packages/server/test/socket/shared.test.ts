/** Bytes that many connections share say to each of them what it asked for, by its own names and in its own encoding. */
import assert from 'node:assert/strict';
import {after, before, describe, it} from 'node:test';
import {startServer, type TestServer} from '../http/server.ts';
import {subscribe} from './parts.ts';
import {WireClient} from './wire-client.ts';

const LARGE = 'SELECT * FROM app.posts WHERE n > 5';
const SMALL = 'SELECT id FROM app.posts WHERE n > 5';
/** More than once each, so that bytes are shared, and in turns, so that what was shared last is mostly another's. */
const CLIENTS: [query: string, subscriptions: [id: string, sql: string][]][] = [
  ['', [['a', LARGE]]],
  ['?compress=false', [['a', LARGE]]],
  ['?serialization=msgpack', [['a', LARGE]]],
  ['', [['b', LARGE]]],
  [
    '',
    [
      ['a', LARGE],
      ['b', SMALL],
    ],
  ],
  [
    '',
    [
      ['b', LARGE],
      ['a', SMALL],
    ],
  ],
  [
    '',
    [
      ['b', SMALL],
      ['a', LARGE],
    ],
  ],
];

describe('clients of the same queries', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
    await server.database.sql('CREATE NAMESPACE app');
    await server.database.sql(
      "CREATE SHARED TABLE app.posts (id INT PRIMARY KEY, n INT, text TEXT) WITH (ACCESS_LEVEL = 'public')",
    );
  });
  after(() => server.stop());

  it('are each told all changes, by the ids they chose', async () => {
    const clients = await Promise.all(
      [...CLIENTS, ...CLIENTS, ...CLIENTS].map(async ([query, subscriptions], i) => {
        const client = await WireClient.as(`user${i}`, server.port, {query});
        for (const [id, sql] of subscriptions) client.send(subscribe(id, sql));
        for (const _ of subscriptions) assert.equal((await client.next()).type, 'subscription_ack');
        return {client, subscriptions};
      }),
    );
    const text = 'some words '.repeat(60);
    const writes = Array.from({length: 10}, (_, id) =>
      server.database.sql(`INSERT INTO app.posts VALUES (${id}, ${id}, '${text}')`),
    );
    await Promise.all(writes);
    await server.database.sql('DELETE FROM app.posts WHERE id = 9');
    for (const {client, subscriptions} of clients) {
      const told = new Map(subscriptions.map(([id]) => [id, [] as string[]]));
      for (let left = subscriptions.length * 5; left > 0; left--) {
        const message = await client.next();
        assert.ok(message.type === 'change', JSON.stringify(message));
        const sql = subscriptions.find(([id]) => id === message.subscription_id)![1];
        const [row] = message.rows ?? message.old_values!;
        assert.equal(row!['text'], sql === LARGE ? text : undefined);
        told.get(message.subscription_id)!.push(`${message.change_type} ${row!['id']}`);
      }
      for (const changes of told.values())
        assert.deepEqual(changes, ['insert 6', 'insert 7', 'insert 8', 'insert 9', 'delete 9']);
      assert.equal(client.arrivedCount, 0);
      client.close();
    }
    assert.deepEqual(server.bugs, []);
  });
});
