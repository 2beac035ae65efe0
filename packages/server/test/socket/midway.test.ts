/** What happens while a client is midway through the batches of a snapshot, and the values that batches and changes carry. */
import assert from 'node:assert/strict';
import {after, before, beforeEach, describe, it} from 'node:test';
import type {ChangeMessage, InitialDataBatchMessage, LiveRow, ServerMessage} from '@kalamdb/protocol/messages.ts';
import {send, startServer, type TestServer} from '../http/server.ts';
import {compact, flush} from '../test-database.ts';
import {subscribe} from './parts.ts';
import {WireClient} from './wire-client.ts';

const NUMBERS = 'SELECT id, n FROM app.numbers';
const TYPES: [column: string, value: string][] = [
  ['b BOOLEAN', 'TRUE'],
  ['s SMALLINT', '-7'],
  ['i INT', '42'],
  ['l BIGINT', '9007199254740993'],
  ['f FLOAT', '1.5'],
  ['d DOUBLE', '0.1'],
  ['m DECIMAL(10,2)', '12.3'],
  ['t TEXT', `'"quoted" \\ ünï 😀'`],
  ['j JSON', `'{"a":[1,null]}'`],
  ['u UUID', `'6F1C0000-0000-4000-8000-00000000000A'`],
  ['ts TIMESTAMP', `'2026-05-04 03:02:01.123456'`],
  ['dt DATE', `'2026-05-04'`],
  ['tm TIME', `'10:00:00'`],
  ['y BYTES', `X'01ff'`],
  ['e EMBEDDING(2)', `'[0.5, 0.25]'`],
  ['nothing TEXT', 'NULL'],
];

describe('midway through a snapshot', () => {
  let server: TestServer;
  const sql = (text: string) => server.database.sql(text, {user: 'ana'});

  before(async () => {
    server = await startServer();
    await sql('CREATE NAMESPACE app');
  });

  beforeEach(async () => {
    await sql('DROP TABLE IF EXISTS app.numbers');
    await sql("CREATE TABLE app.numbers (id BIGINT PRIMARY KEY, n INT, note TEXT) WITH (TYPE = 'USER')");
    await sql(`INSERT INTO app.numbers (id, n) VALUES ${[1, 2, 3, 4, 5, 6].map(id => `(${id}, ${id})`).join()}`);
  });

  after(() => server.stop());

  /** Subscribed, with the first two rows taken. */
  async function begun(id = 's', query = NUMBERS): Promise<WireClient> {
    const client = await WireClient.as('ana', server.port);
    client.send(subscribe(id, query, {batch_size: 2}));
    assert.equal((await client.next()).type, 'subscription_ack');
    assert.deepEqual(idsOf(await client.next()), ['1', '2']);
    return client;
  }

  const next = (client: WireClient, id = 's') => client.send({type: 'next_batch', subscription_id: id});

  it('a flush, a compaction and writes change no row of it, and the writes follow it', async () => {
    const client = await begun();
    await flush(server.database, 'app.numbers');
    await sql('UPDATE app.numbers SET n = 40 WHERE id = 4');
    await sql('DELETE FROM app.numbers WHERE id = 6');
    await sql('INSERT INTO app.numbers (id, n) VALUES (7, 7)');
    next(client);
    const [third, fourth] = (await rowsOf(client)) as [LiveRow, LiveRow];
    assert.deepEqual([third['id'], fourth['id'], fourth['n']], ['3', '4', 4]);
    await flush(server.database, 'app.numbers');
    await compact(server.database, 'app.numbers');
    next(client);
    assert.deepEqual(idsOf(await client.next()), ['5', '6']);
    const changes: string[] = [];
    for (let i = 0; i < 3; i++) {
      const {change_type, rows, old_values} = (await client.next()) as ChangeMessage;
      changes.push(`${change_type} ${(rows ?? old_values)![0]!['id']}`);
    }
    assert.deepEqual(changes, ['update 4', 'delete 6', 'insert 7']);
    client.close();
  });

  it('unsubscribing ends it: no batch follows, whatever is asked for', async () => {
    const client = await begun();
    client.send({type: 'unsubscribe', subscription_id: 's'});
    next(client);
    await sql('DELETE FROM app.numbers WHERE id = 1');
    assert.ok(await client.isSilent(100));
    assert.equal(server.database.live.counts.subscriptions, 0);
    client.close();
  });

  it('subscribing again by the same id begins again, and the first snapshot is gone', async () => {
    const client = await begun();
    client.send(subscribe('s', NUMBERS, {batch_size: 4}));
    // Of the first, which is over: the second has no batch yet.
    next(client);
    assert.equal((await client.next()).type, 'subscription_ack');
    assert.deepEqual(idsOf(await client.next()), ['1', '2', '3', '4']);
    assert.ok(await client.isSilent(50));
    next(client);
    assert.deepEqual(idsOf(await client.next()), ['5', '6']);
    assert.equal(server.database.live.counts.subscriptions, 1);
    client.close();
  });

  it('an ALTER that the query does not see goes unnoticed, and one that it does ends it with a place to resume from', async () => {
    const [blind, seeing] = [await begun('a'), await begun('b', 'SELECT * FROM app.numbers')];
    await sql('ALTER TABLE app.numbers ADD COLUMN more INT DEFAULT 5');
    const end = await seeing.next();
    assert.ok(end.type === 'error' && end.code === 'SCHEMA_CHANGED' && end.seq !== undefined, JSON.stringify(end));
    next(blind, 'a');
    assert.deepEqual(idsOf(await blind.next()), ['3', '4']);
    next(blind, 'a');
    assert.deepEqual(idsOf(await blind.next()), ['5', '6']);
    await sql('ALTER TABLE app.numbers RENAME COLUMN n TO m');
    assert.equal(((await blind.next()) as {code?: string}).code, 'SCHEMA_CHANGED');
    blind.close();
    seeing.close();
  });

  it('DROP TABLE ends it', async () => {
    const client = await begun();
    await sql('DROP TABLE app.numbers');
    assert.equal(((await client.next()) as {code?: string}).code, 'NOT_FOUND');
    next(client);
    assert.ok(await client.isSilent(50));
    client.close();
  });

  it('a lost connection resumes from the last row it has, and hears of all others', async () => {
    const client = await begun();
    next(client);
    const batch = (await client.next()) as InitialDataBatchMessage;
    client.close();
    await sql('DELETE FROM app.numbers WHERE id = 1');
    const again = await WireClient.as('ana', server.port);
    again.send(subscribe('s', NUMBERS, {batch_size: 2, from: BigInt(batch.seq!)}));
    assert.equal((await again.next()).type, 'subscription_ack');
    assert.deepEqual(idsOf(await again.next()), []);
    const [fresh, gone] = [(await again.next()) as ChangeMessage, (await again.next()) as ChangeMessage];
    assert.deepEqual([idsOf(fresh), gone.change_type, gone.old_values![0]!['id']], [['5', '6'], 'delete', '1']);
    again.close();
  });

  it('a semicolon behind the query is no mistake', async () => {
    const client = await begun('s', `${NUMBERS};`);
    client.close();
  });

  it('values are those of the SQL route, of every type, in batches and in changes', async () => {
    await sql(
      `CREATE TABLE IF NOT EXISTS app.types (id INT PRIMARY KEY, ${TYPES.map(([column]) => column).join()}) WITH (TYPE = 'USER')`,
    );
    const insert = (id: number) =>
      sql(`INSERT INTO app.types VALUES (${id}, ${TYPES.map(([, value]) => value).join()})`);
    await insert(1);
    for (const serialization of ['json', 'msgpack']) {
      const client = await WireClient.as('ana', server.port, {query: `?serialization=${serialization}`});
      client.send(subscribe('s', 'SELECT * FROM app.types', {}));
      const ack = await client.next();
      const [row] = await rowsOf(client);
      const {rows, schema} = await asked(server.port, 'SELECT * FROM app.types WHERE id = 1');
      assert.ok(ack.type === 'subscription_ack');
      assert.deepEqual(ack.schema, schema);
      assert.deepEqual(
        ack.schema.map(({name}) => row![name]),
        rows[0],
      );
      await insert(2);
      const change = (await client.next()) as ChangeMessage;
      const same = ({id: _, _seq: __, ...cells}: LiveRow) => cells;
      assert.deepEqual(same(change.rows![0]!), same(row!));
      await sql('DELETE FROM app.types WHERE id = 2');
      client.close();
    }
    assert.deepEqual(server.bugs, []);
  });
});

async function rowsOf(client: WireClient): Promise<LiveRow[]> {
  const batch = await client.next();
  assert.ok(batch.type === 'initial_data_batch', JSON.stringify(batch));
  return batch.rows;
}

function idsOf(message: ServerMessage): unknown[] {
  assert.ok(message.type === 'initial_data_batch' || message.type === 'change', JSON.stringify(message));
  return (message.rows ?? []).map(({id}) => id);
}

async function asked(port: number, text: string): Promise<{rows: unknown[][]; schema: object[]}> {
  const headers = {'content-type': 'application/json', 'x-user-id': 'ana'};
  const answer = await send(port, {path: '/v1/api/sql', headers, body: JSON.stringify({sql: text})});
  return JSON.parse(answer.text).results[0];
}
