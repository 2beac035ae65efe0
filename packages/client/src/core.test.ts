import assert from 'node:assert/strict';
import {test} from 'node:test';
import {FakeServer} from '../test/fake-server.ts';
import {FakeWorld, settle} from '../test/fake-world.ts';
import init, {KalamClient} from './core.ts';

function setUp() {
  const world = new FakeWorld();
  const server = new FakeServer();
  world.onsocket = socket => server.attach(socket);
  const client = KalamClient.withJwt('http://host', 'token', {environment: world});
  const flow = async () => {
    await settle();
    if (world.sockets.length > 0 && world.socket.sent.length === 0) world.socket.open();
    while (server.connection?.deliver()) await settle();
    await settle();
  };
  return {world, server, client, flow};
}

test('the core tells messages as JSON texts, under ids that say where they stand', async () => {
  await init();
  const {server, client, flow} = setUp();
  server.commit(new Map([['1', {room: 'a', body: 'one'}]]));
  const messages: {type: string; subscription_id: string}[] = [];
  const opened = client.subscribe('t', json => messages.push(JSON.parse(json)));
  await flow();
  const id = await opened;
  assert.deepEqual(
    messages.map(({type, subscription_id}) => [type, subscription_id]),
    [
      ['subscription_ack', id],
      ['initial_data_batch', id],
    ],
  );
  assert.equal(client.getLastSeqId(id), String(server.seq));
  assert.deepEqual(JSON.parse(client.getSubscriptions()), [
    {id, query: 'SELECT * FROM "t"', lastSeqId: String(server.seq), closed: false},
  ]);
  await client.unsubscribe(id);
  assert.equal(client.getSubscriptions(), '[]');
  assert.deepEqual([client.getAuthType(), client.isConnected(), client.getReconnectAttempts()], ['jwt', true, 0]);
  client.free();
  assert.equal(client.isConnected(), false);
});

test('the core tells live rows as one list, and why they ended', async () => {
  const {world, server, client, flow} = setUp();
  server.commit(new Map([['1', {room: 'a', body: 'one'}]]));
  const told: string[] = [];
  const options = '{"limit":5,"key_columns":["id"],"subscription_options":{"last_rows":5}}';
  const opened = client.liveQueryRowsWithSql('SELECT * FROM t', options, json => {
    const {type, subscription_id, rows, code} = JSON.parse(json);
    told.push(`${type} ${subscription_id} ${rows?.length ?? code}`);
  });
  await flow();
  const id = await opened;
  world.socket.say({type: 'error', subscription_id: id, code: 'UNAUTHORIZED', message: ''});
  assert.deepEqual(told, [`rows ${id} 1`, `error ${id} UNAUTHORIZED`]);
  assert.deepEqual(world.socket.sentOf('subscribe')[0]?.subscription.options, {last_rows: 5});
  await assert.rejects(async () => client.subscribeWithSql('x', '{', () => {}), {code: 'INVALID_ARGUMENT'});
  client.free();
});

test('the core answers statements as JSON, with the sign-in and settings it was given last', async () => {
  const {world, client} = setUp();
  const answer = {status: 'success', results: [{row_count: 1}], took: 1};
  world.answer = () => ({status: 200, body: answer});
  client.setAuthProvider(() => ({type: 'jwt', token: 'other'}));
  client.setDisableCompression(true);
  client.setReconnectDelay(10n, 20n);
  client.setMaxReconnectAttempts(3);
  assert.deepEqual(JSON.parse(await client.queryWithParams('SELECT $1', '["x"]')), answer);
  await client.insert('t', '{"id":"1"}');
  await client.delete('t', '1');
  assert.deepEqual(
    world.requests.map(({request}) => request.body),
    [
      '{"sql":"SELECT $1","params":["x"]}',
      '{"sql":"INSERT INTO \\"t\\" (\\"id\\") VALUES ($1)","params":["1"]}',
      '{"sql":"DELETE FROM \\"t\\" WHERE \\"id\\" = $1","params":["1"]}',
    ],
  );
  assert.equal(world.requests[0]?.request.headers['Authorization'], 'Bearer other');
  void client.connect().catch(() => {});
  await settle();
  assert.equal(world.socket.url, 'ws://host/v1/ws?compress=false');
  client.free();
});
