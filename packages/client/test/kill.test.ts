/**
 * A server process that is killed: who follows a query goes on by itself when it is back, without a hole.
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Server} from '../../../examples/server.ts';
import {createClient} from '../src/index.ts';

test('live queries outlive a server that is killed, and miss nothing of what was acknowledged', {
  timeout: 60_000,
}, async () => {
  const server = await Server.create('client');
  const clients: ReturnType<typeof createClient>[] = [];
  try {
    await server.start();
    const writer = createClient({url: server.url});
    clients.push(writer);
    await writer.query('CREATE NAMESPACE app');
    await writer.query("CREATE SHARED TABLE app.items (id INT PRIMARY KEY, n INT) WITH (ACCESS_LEVEL = 'public')");
    const queries = Array.from({length: 8}, () => {
      const client = createClient({url: server.url});
      client.setReconnectDelay(20, 100);
      clients.push(client);
      return client.liveQuery('SELECT * FROM app.items');
    });
    const same = async () => {
      const rows = JSON.stringify(await writer.rows('SELECT id, n FROM app.items ORDER BY id LIMIT 1000'));
      const isSame = () =>
        queries.every(
          ({state}) => state.status === 'live' && JSON.stringify(state.rows.map(({id, n}) => ({id, n}))) === rows,
        );
      for (let i = 0; i < 2000 && !isSame(); i++) await new Promise(resolve => setTimeout(resolve, 5));
      assert.ok(isSame(), rows);
    };
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 20; i++) await writer.insert('app.items', {id: round * 100 + i, n: round});
      await same();
      await writer.query('DELETE FROM app.items WHERE id < $1', [round * 100 + 5]);
      const unknown = writer.query('UPDATE app.items SET n = n + 1 WHERE n >= 0').catch(() => 'nobody knows');
      await server.kill();
      await unknown;
      await server.start();
      await same();
    }
  } finally {
    for (const client of clients) await client.shutdown();
    await server.remove();
  }
});
