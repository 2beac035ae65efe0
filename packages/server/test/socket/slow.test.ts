import assert from 'node:assert/strict';
import {after, before, describe, it} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import {SHIPPED, startServer, type TestServer} from '../http/server.ts';
import {subscribe} from './parts.ts';
import {WireClient} from './wire-client.ts';

const TEXT = 'x'.repeat(50_000);

describe('a client that reads slowly', () => {
  let server: TestServer;
  before(async () => {
    const quick = {heartbeatMs: 250, idleMs: 1500, slowMs: 60_000};
    server = await startServer({}, {liveSocket: {...SHIPPED.liveSocket, ...quick}});
    await server.database.sql('CREATE NAMESPACE app');
    await server.database.sql('CREATE USER TABLE app.big (id BIGINT PRIMARY KEY, text TEXT)');
  });
  after(() => server.stop());

  it('costs a bounded number of bytes, is not taken for gone, and gets every row when it reads on', async () => {
    const client = await WireClient.as('slow', server.port, {query: '?compress=false'});
    client.send(subscribe('s', 'SELECT * FROM app.big'));
    assert.equal((await client.next()).type, 'subscription_ack');
    client.ws.pause();
    for (let id = 0; id < 400; id++)
      await server.database.sql(`INSERT INTO app.big VALUES (${id}, '${TEXT}')`, {user: 'slow'});
    assert.equal(server.database.live.counts.behind, 1, 'it fell behind: 20 MB are not queued for it');
    await sleep(500);
    assert.equal(client.closed, undefined);
    client.ws.resume();
    const seen = new Set<string>();
    let cursor = 0n;
    while (seen.size < 400) {
      const message = await client.next();
      assert.ok(message.type === 'change' && message.change_type === 'insert', JSON.stringify(message).slice(0, 200));
      for (const row of message.rows!) {
        assert.ok(!seen.has(row['id'] as string), 'no row twice');
        seen.add(row['id'] as string);
      }
      assert.ok(BigInt(message.seq!) >= cursor);
      cursor = BigInt(message.seq!);
    }
    await sleep(100);
    assert.equal(server.database.live.counts.behind, 0, 'it is live again');
    await server.database.sql('DELETE FROM app.big WHERE id = 1', {user: 'slow'});
    const message = await client.next();
    assert.ok(message.type === 'change' && message.change_type === 'delete');
    client.close();
  });

  it('is not read from while it takes nothing, so that what it asks for is bounded too', async () => {
    const client = await WireClient.as('slow', server.port, {query: '?compress=false'});
    client.ws.pause();
    // Each snapshot is about 20 MB; a hundred of them would be 2 GB.
    for (let i = 0; i < 100; i++) client.send(subscribe(`s${i}`, 'SELECT * FROM app.big', {}));
    await sleep(1000);
    const {subscriptions} = server.database.live.counts;
    assert.ok(subscriptions < 20, `${subscriptions} snapshots were begun for a client that takes none`);
    client.close();
  });

  it('gets large batches compressed elsewhere, in order with what comes after them', async () => {
    const client = await WireClient.as('slow', server.port);
    client.send(subscribe('a', 'SELECT * FROM app.big WHERE id < 20', {}));
    client.send(subscribe('b', 'SELECT id FROM app.big WHERE id < 3'));
    const types: string[] = [];
    for (let i = 0; i < 3; i++) {
      const message = await client.next();
      types.push(`${message.type} ${'subscription_id' in message ? message.subscription_id : ''}`);
      if (message.type === 'initial_data_batch') {
        assert.equal(client.frame!.isGzipped, true);
        assert.equal(message.rows.length, 19);
      }
    }
    const ofA = types.filter(type => type.endsWith(' a'));
    assert.deepEqual(ofA, ['subscription_ack a', 'initial_data_batch a']);
    client.close();
  });
});
