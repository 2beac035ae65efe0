/**
 * The client on a real server: real sockets, real commits, a network that breaks, and a server that is started again.
 */
import assert from 'node:assert/strict';
import {afterEach, beforeEach, describe, test} from 'node:test';
import fc from 'fast-check';
import {startServer, type TestServer} from '../../server/test/http/server.ts';
import {createClient, type KalamDBClient, type LiveQuery, type LiveRow} from '../src/index.ts';
import {msgpack} from '../src/msgpack.ts';
import {layCable} from './cable.ts';

interface Schema {
  'app.notes': {id: string; room: string; body: string | null; _seq: string};
}

describe('on a real server', {timeout: 60_000}, () => {
  let server: TestServer;
  let client: KalamDBClient<Schema>;

  beforeEach(async () => {
    server = await startServer();
    client = createClient<Schema>({url: `http://127.0.0.1:${server.port}`});
    client.setReconnectDelay(10, 50);
    await client.query('CREATE NAMESPACE app');
    await client.query('CREATE USER TABLE app.notes (id BIGINT PRIMARY KEY, room TEXT NOT NULL, body TEXT)');
  });

  afterEach(async () => {
    await client.shutdown();
    await server.stop();
    assert.deepEqual(server.bugs, []);
  });

  test('rows written through one form are read by all others, exactly', async () => {
    const notes = client.table('app.notes');
    await notes.insert({id: 9007199254740993n, room: 'a', body: "it's"});
    await notes.update('9007199254740993', {body: null});
    await notes.insert({id: '2', room: 'b'});
    const rows = await notes.rows({where: 'room = $1', params: ['a']});
    assert.deepEqual(
      rows.map(({id, body}) => [id, body]),
      [['9007199254740993', null]],
    );
    const first = await client.queryOne('SELECT id FROM app.notes ORDER BY id');
    assert.equal(first?.['id']?.asBigInt(), 2n);
    await notes.delete('2');
    assert.equal((await notes.rows()).length, 1);
    await assert.rejects(client.query('SELEC 1'), {code: 'INVALID_SQL', status: 400});
  });

  test('a write with a key of its own can be sent again, and is done once', async () => {
    const once = {idempotencyKey: crypto.randomUUID()};
    const write = () => client.query("INSERT INTO app.notes VALUES ($1, 'a', 'once')", [1], once);
    const first = await write();
    assert.deepEqual((await write()).results, first.results);
    assert.equal((await client.table('app.notes').rows()).length, 1);
    await assert.rejects(client.query('DELETE FROM app.notes WHERE id = $1', [1], once), {
      code: 'IDEMPOTENCY_KEY_REUSED',
      status: 422,
    });
  });

  test('a live query follows writes, in and out of its condition, in key order', async () => {
    await client.query("INSERT INTO app.notes VALUES (10, 'a', 'ten'), (9, 'b', 'nine')");
    const query = client.table('app.notes').liveQuery({where: 'room = $1', params: ['a']});
    await holds(query, ['10']);
    await client.query("UPDATE app.notes SET room = 'a' WHERE id = 9");
    await holds(query, ['9', '10']);
    await client.query("UPDATE app.notes SET room = 'b' WHERE id = 10; INSERT INTO app.notes VALUES (100, 'a', NULL)");
    await holds(query, ['9', '100']);
    await client.query('DELETE FROM app.notes WHERE id > 0');
    await holds(query, []);
  });

  test('a snapshot of many batches is whole, and larger than one message may be', async () => {
    for (let part = 0; part < 5; part++) {
      const values = Array.from({length: 1000}, (_, i) => `(${part * 1000 + i}, 'a', '${'x'.repeat(200)}')`);
      await client.query(`INSERT INTO app.notes VALUES ${values.join(', ')}`);
    }
    const query = client.liveQuery('SELECT * FROM app.notes');
    await until(query, ({length}) => length === 5000);
    const small = client.liveQuery('SELECT id FROM app.notes', {limit: 3});
    await holds(small, ['4997', '4998', '4999']);
  });

  test('in MessagePack the same rows come, large snapshots and single changes', async () => {
    const received: string[] = [];
    const packed = createClient<Schema>({
      url: `http://127.0.0.1:${server.port}`,
      serialization: msgpack,
      onReceive: text => received.push(text),
    });
    try {
      await client.query("INSERT INTO app.notes VALUES (9007199254740993, 'a', 'ünï'), (2, 'a', NULL)");
      const [plain, query] = [client, packed].map(one => one.liveQuery('SELECT * FROM app.notes'));
      await until(query!, ({length}) => length === 2);
      await client.query("UPDATE app.notes SET body = 'x' WHERE id = 2; DELETE FROM app.notes WHERE id > 2");
      const values = Array.from({length: 2000}, (_, i) => `(${i + 10}, 'b', '${'x'.repeat(50)}')`);
      await client.query(`INSERT INTO app.notes VALUES ${values.join(', ')}`);
      await until(query!, ({length}) => length === 2001);
      await until(plain!, ({length}) => length === 2001);
      assert.deepEqual(query!.state.rows, plain!.state.rows);
      assert.match(received[0]!, /"serialization":"msgpack"/);
    } finally {
      await packed.shutdown();
    }
  });

  test('the official forms: live with cells, subscribe with messages', async () => {
    await client.query("INSERT INTO app.notes VALUES (1, 'a', 'one')");
    const seen: (string | null)[][] = [];
    const stop = await client.live('SELECT id, body FROM app.notes', rows =>
      seen.push(rows.map(row => row['body']!.asString())),
    );
    const types: string[] = [];
    const end = await client.subscribe('app.notes', ({type}) => types.push(type));
    await client.query("INSERT INTO app.notes VALUES (2, 'a', 'two')");
    await moment(() => types.length === 3 && seen.length === 2);
    assert.deepEqual(seen, [['one'], ['one', 'two']]);
    assert.deepEqual(types, ['subscription_ack', 'initial_data_batch', 'change']);
    await end();
    await stop();
    await assert.rejects(
      client.live('SELECT * FROM app.nothing', () => {}),
      {code: 'NOT_FOUND'},
    );
    await assert.rejects(
      client.live('SELECT count(*) FROM app.notes', () => {}),
      {code: /UNSUPPORTED|INVALID_SQL/},
    );
  });

  test('a silent connection is probed, and the server’s answer keeps it; one that was broken off without a word is made anew', async () => {
    const cable = await layCable(server.port);
    let laterMs = 0;
    const sent: string[] = [];
    let lostCount = 0;
    const follower = createClient<Schema>({
      url: `http://127.0.0.1:${cable.port}`,
      pingIntervalMs: 20,
      environment: {nowMs: () => Date.now() + laterMs},
      onSend: text => sent.push(text),
      onDisconnect: () => void lostCount++,
    });
    try {
      follower.setReconnectDelay(5, 20);
      const query = follower.liveQuery('SELECT * FROM app.notes');
      await holds(query, []);
      const probes = () => sent.filter(text => text.includes('authenticate')).length;
      laterMs += 30_000;
      await moment(() => probes() === 2);
      await client.table('app.notes').insert({id: '1', room: 'a'});
      await holds(query, ['1']);
      assert.equal(lostCount, 0);
      cable.hush();
      laterMs += 30_000;
      await moment(() => probes() === 3);
      await client.table('app.notes').insert({id: '2', room: 'a'});
      laterMs += 30_000;
      await moment(() => lostCount === 1);
      cable.plug();
      await holds(query, ['1', '2']);
    } finally {
      await follower.shutdown();
      await cable.close();
    }
  });

  test('random writes, while the network breaks again and again: what is seen is SELECT after some write, only later ones, at last the last', async () => {
    const cable = await layCable(server.port);
    const follower = createClient<Schema>({url: `http://127.0.0.1:${cable.port}`});
    follower.setReconnectDelay(5, 20);
    try {
      const query = follower.table('app.notes').liveQuery({where: "room = 'a'"});
      const answers = ['[]'];
      const seen: string[] = [];
      query.watch(({status, rows}) => {
        if (status === 'live') seen.push(textOf(rows));
      });
      await holds(query, []);
      for (const [round, {sql, params}] of fc.sample(STATEMENT, {numRuns: 250, seed: 7}).entries()) {
        if (round % 10 === 4) cable.pull();
        if (round % 10 === 8) cable.plug();
        // Only a flush is ever refused: of a table that is being flushed.
        await client.query(sql, params).catch(error => assert.match(error.message, /already queued or running/));
        answers.push(textOf(await client.table('app.notes').rows({where: "room = 'a'", limit: 100})));
      }
      cable.plug();
      await moment(
        () => query.state.status === 'live' && textOf(query.state.rows) === answers.at(-1),
        () => `${textOf(query.state.rows)} (${query.state.status}) is not ${answers.at(-1)}`,
      );
      let place = 0;
      for (const text of seen) {
        const next = answers.indexOf(text, place);
        assert.notEqual(next, -1, `${text} was the answer at no time after ${answers[place]}`);
        place = next;
      }
    } finally {
      await follower.shutdown();
      await cable.close();
    }
  });
});

type Note = Schema['app.notes'];

function textOf(rows: readonly Note[]): string {
  return JSON.stringify(rows.map(({id, room, body, _seq}) => [id, room, body, _seq]));
}

const STATEMENT = fc.oneof(
  fc
    .tuple(fc.nat(15), fc.constantFrom('a', 'b'), fc.string({maxLength: 3, unit: 'grapheme-ascii'}))
    .map(([id, room, body]) => ({
      sql: 'INSERT INTO app.notes VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET room = EXCLUDED.room, body = EXCLUDED.body',
      params: [id, room, body],
    })),
  fc.nat(15).map(id => ({sql: 'DELETE FROM app.notes WHERE id = $1', params: [id]})),
  fc.nat(15).map(id => ({sql: "UPDATE app.notes SET room = 'a', body = NULL WHERE id > $1", params: [id]})),
  fc.nat(15).map(id => ({sql: "UPDATE app.notes SET room = 'b' WHERE id < $1", params: [id]})),
  fc.constant({sql: 'STORAGE FLUSH TABLE app.notes', params: []}),
);

async function holds<Row>(query: LiveQuery<Row>, ids: readonly string[]): Promise<void> {
  await until(query, rows => rows.map(row => (row as LiveRow)['id']).join() === ids.join());
}

async function until<Row>(query: LiveQuery<Row>, is: (rows: readonly Row[]) => boolean): Promise<void> {
  await moment(
    () => query.state.status === 'live' && is(query.state.rows),
    () => JSON.stringify(query.state).slice(0, 500),
  );
}

/** Waits until it is so. */
async function moment(isSo: () => boolean, instead: () => string = () => 'it never was so'): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (isSo()) return;
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  assert.fail(instead());
}
