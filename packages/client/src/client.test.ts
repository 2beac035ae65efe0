import assert from 'node:assert/strict';
import {test} from 'node:test';
import {FakeServer} from '../test/fake-server.ts';
import {FakeWorld, settle} from '../test/fake-world.ts';
import {createClient} from './client.ts';
import type {KalamError} from './error.ts';
import {Auth, type ClientOptions, KalamCellValue, type SubscriptionMessage} from './index.ts';

interface Schema {
  'chat.messages': {id: string; room: string; body: string | null; _seq: string};
}

function setUp(options: Partial<ClientOptions> = {}) {
  const world = new FakeWorld();
  const server = new FakeServer();
  world.onsocket = socket => server.attach(socket);
  const client = createClient<Schema>({url: 'http://host:8080/', environment: world, ...options});
  return {world, server, client};
}

/** The socket opens, and everything that is said on both sides arrives. */
async function flow({world, server}: {world: FakeWorld; server: FakeServer}): Promise<void> {
  await settle();
  if (world.sockets.length > 0 && world.socket.sent.length === 0) world.socket.open();
  while (server.connection?.deliver()) await settle();
  await settle();
}

const writes = (...rows: [id: string, body: string | null][]) =>
  new Map(rows.map(([id, body]) => [id, {room: 'a', body}]));

test('live tells the rows at first and after each commit, with cells that have forms', async () => {
  const fixture = setUp();
  fixture.server.commit(writes(['1', 'one'], ['2', 'two']));
  const seen: string[] = [];
  const started = fixture.client.live('SELECT * FROM chat.messages', rows => {
    assert.ok(rows[0] === undefined || rows[0]['id'] instanceof KalamCellValue);
    seen.push(rows.map(row => `${row['id']!.asBigInt()} ${row['body']!.asString()}`).join(', '));
  });
  await flow(fixture);
  const stop = await started;
  fixture.server.commit(writes(['2', null], ['3', 'three']));
  await flow(fixture);
  await stop();
  fixture.server.commit(writes(['4', 'four']));
  await flow(fixture);
  assert.deepEqual(seen, ['1 one, 2 two', '1 one, 2 null, 3 three']);
  assert.equal(fixture.world.socket.sentOf('unsubscribe').length, 1);
});

test('live with mapRow maps each version of a row once, and starts with the newest of lastRows', async () => {
  const fixture = setUp();
  fixture.server.commit(writes(['1', 'one'], ['2', 'two'], ['3', 'three']));
  let mapCount = 0;
  let last: string[] = [];
  const take = (rows: string[]) => {
    last = rows;
  };
  const started = fixture.client.live<string>('SELECT * FROM t', take, {
    lastRows: 2,
    limit: 2,
    mapRow(row) {
      mapCount++;
      return row['id']!.toString();
    },
  });
  await flow(fixture);
  await started;
  fixture.server.commit(writes(['4', 'four']));
  await flow(fixture);
  assert.deepEqual(last, ['3', '4']);
  assert.equal(mapCount, 3);
});

test('table gives typed rows of a condition, whose values cannot end it', async () => {
  const fixture = setUp();
  fixture.server.commit(writes(['1', 'one']));
  const bodies: (string | null)[][] = [];
  const messages = fixture.client.table('chat.messages');
  const stop = messages.live(rows => bodies.push(rows.map(row => row.body)), {
    where: 'room = $1',
    params: ["a' OR TRUE"],
  });
  await flow(fixture);
  const [asked] = fixture.world.socket.sentOf('subscribe');
  assert.equal(asked?.subscription.sql, `SELECT * FROM "chat"."messages" WHERE room = 'a'' OR TRUE'`);
  assert.deepEqual(bodies, [['one']]);
  stop();
});

test('a live query is stale while the connection is down, and resumes from its cursor with the same rows', async () => {
  const fixture = setUp();
  fixture.server.commit(writes(['1', 'one'], ['2', 'two']));
  const query = fixture.client.liveQuery('SELECT * FROM t');
  assert.equal(query.state.status, 'loading');
  await flow(fixture);
  const {rows} = query.state;
  fixture.server.hangUp();
  assert.deepEqual([query.state.status, query.state.rows === rows], ['stale', true]);
  await fixture.world.pass(500);
  await flow(fixture);
  assert.deepEqual([query.state.status, query.state.rows === rows], ['live', true]);
  const [asked] = fixture.world.socket.sentOf('subscribe');
  assert.deepEqual(asked?.subscription.options, {from: String(fixture.server.seq)});
});

test('what was deleted while away is gone after resuming, and after a resync', async () => {
  for (const isForgotten of [false, true]) {
    const fixture = setUp();
    fixture.server.commit(writes(['1', 'one'], ['2', 'two']));
    const query = fixture.client.liveQuery('SELECT * FROM t');
    await flow(fixture);
    fixture.server.hangUp();
    fixture.server.commit(new Map([['1', undefined]]));
    if (isForgotten) fixture.server.forgetHistory();
    await fixture.world.pass(500);
    await flow(fixture);
    assert.deepEqual(
      query.state.rows.map(row => row['id']),
      ['2'],
    );
  }
});

test('after a resync a live query with a limit asks for the newest rows anew, not for all', async () => {
  const fixture = setUp();
  fixture.server.commit(writes(['1', 'one'], ['2', 'two'], ['3', 'three']));
  const query = fixture.client.liveQuery('SELECT * FROM t', {limit: 2});
  await flow(fixture);
  fixture.server.hangUp();
  fixture.server.commit(writes(['4', 'four']));
  fixture.server.forgetHistory();
  await fixture.world.pass(500);
  await flow(fixture);
  assert.deepEqual(
    query.state.rows.map(row => row['id']),
    ['3', '4'],
  );
  assert.deepEqual(
    fixture.world.socket.sentOf('subscribe').map(({subscription}) => subscription.options),
    [
      {last_rows: 2, batch_size: 2, from: String(fixture.server.seq - 1n)},
      {last_rows: 2, batch_size: 2},
    ],
  );
});

test('batches are asked for one by one; a request that was dropped is repeated', async () => {
  const fixture = setUp();
  fixture.server.commit(writes(['1', 'one'], ['2', 'two'], ['3', 'three']));
  Object.assign(fixture.server.quirks, {batchRows: 1, pushes: false});
  const query = fixture.client.liveQuery('SELECT * FROM t');
  await settle();
  fixture.world.socket.open();
  fixture.server.connection!.deliver();
  fixture.server.quirks.isBusy = false;
  fixture.server.connection!.deliver();
  fixture.server.quirks.isBusy = true;
  await flow(fixture);
  assert.equal(query.state.status, 'loading');
  await fixture.world.pass(1000);
  await flow(fixture);
  assert.equal(query.state.rows.length, 3);
  assert.deepEqual(
    fixture.world.socket.sentOf('next_batch').map(message => BigInt(message.last_seq_id!) - fixture.server.seq),
    [-2n, -2n, -1n],
  );
});

test('subscribe gives the messages as they come; subscriptions tell their cursor', async () => {
  const fixture = setUp();
  fixture.server.commit(writes(['1', 'one']));
  const messages: SubscriptionMessage[] = [];
  const started = fixture.client.subscribe('chat.messages', message => messages.push(message));
  await flow(fixture);
  const stop = await started;
  fixture.server.commit(writes(['1', 'uno']));
  await flow(fixture);
  assert.deepEqual(
    messages.map(message => message.type),
    ['subscription_ack', 'initial_data_batch', 'change'],
  );
  const [info] = fixture.client.getSubscriptions();
  assert.equal(info?.lastSeqId, String(fixture.server.seq));
  assert.equal(fixture.client.getLastSeqId(info!.id), info?.lastSeqId);
  await stop();
  assert.deepEqual(fixture.client.getSubscriptions(), []);
});

test('options null subscribes to changes alone, and resumes them', async () => {
  const fixture = setUp();
  fixture.server.commit(writes(['1', 'one']));
  const messages: SubscriptionMessage[] = [];
  const started = fixture.client.subscribeWithSql('SELECT * FROM t', message => messages.push(message), null);
  await flow(fixture);
  await started;
  assert.deepEqual(fixture.world.socket.sentOf('subscribe')[0]?.subscription, {
    ...{id: 'sub-1', sql: 'SELECT * FROM t', progress: true},
  });
  fixture.server.hangUp();
  fixture.server.commit(writes(['2', 'two']));
  await fixture.world.pass(500);
  await flow(fixture);
  assert.deepEqual(
    messages.map(message => message.type),
    ['subscription_ack', 'subscription_ack', 'change'],
  );
});

test('a change without rows moves the cursor, and nobody is told', async () => {
  const fixture = setUp();
  const messages: SubscriptionMessage[] = [];
  const started = fixture.client.subscribeWithSql('SELECT * FROM t', message => messages.push(message));
  await flow(fixture);
  await started;
  const before = messages.length;
  const seq = String(fixture.server.seq + 5n);
  const mark = {type: 'change', subscription_id: 'sub-1', change_type: 'delete', old_values: [], seq};
  fixture.world.socket.say(mark);
  assert.equal(messages.length, before);
  assert.equal(fixture.client.getLastSeqId('sub-1'), seq);
});

test('a subscription that the server refuses ends with its code; what passes is asked for again, not without end', async () => {
  const fixture = setUp();
  const refused = assert.rejects(
    fixture.client.live('SELECT * FROM nowhere.t', () => {}),
    {code: 'NOT_FOUND'},
  );
  const query = fixture.client.liveQuery('SELECT * FROM t');
  await settle();
  fixture.world.socket.open();
  fixture.server.connection!.deliver();
  const end = (id: string, code: string) =>
    fixture.world.socket.say({type: 'error', subscription_id: id, code, message: ''});
  end('sub-1', 'NOT_FOUND');
  await refused;
  for (let i = 0; i < 6; i++) {
    end('sub-2', 'BATCH_FETCH_FAILED');
    await fixture.world.pass(10_000 - 1);
    fixture.server.connection!.outbox.length = 0;
    fixture.world.socket.say({type: 'error', subscription_id: 'protocol', code: 'UNSUPPORTED_DATA', message: ''});
  }
  assert.deepEqual([query.state.status, query.state.error?.code], ['ended', 'BATCH_FETCH_FAILED']);
  assert.equal(fixture.world.socket.sentOf('subscribe').length, 7);
});

test('messages of a subscription that was closed go nowhere, and the server is told once', async () => {
  const fixture = setUp();
  const query = fixture.client.liveQuery('SELECT * FROM t');
  await flow(fixture);
  query.close();
  const late = {type: 'change', subscription_id: 'sub-1', change_type: 'insert', rows: [{id: '1'}]};
  fixture.world.socket.say(late);
  fixture.world.socket.say(late);
  assert.equal(fixture.world.socket.sentOf('unsubscribe').length, 2);
  assert.deepEqual(query.state.rows, []);
});

test('shutting down ends subscriptions with CLOSED, and leaves no timer', async () => {
  const fixture = setUp();
  const query = fixture.client.liveQuery('SELECT * FROM t');
  await flow(fixture);
  await fixture.client.shutdown();
  assert.equal(query.state.error?.code, 'CLOSED');
  assert.equal(fixture.world.timerCount, 0);
  const later = fixture.client.liveQuery('SELECT * FROM t');
  await settle();
  assert.equal(later.state.status, 'ended');
});

test('after a disconnect subscriptions wait, and resume when the program connects', async () => {
  const fixture = setUp();
  const query = fixture.client.liveQuery('SELECT * FROM t');
  await flow(fixture);
  await fixture.client.disconnect();
  assert.equal(query.state.status, 'stale');
  await fixture.world.pass(60_000);
  assert.equal(fixture.world.sockets.length, 1);
  const ready = fixture.client.connect();
  await flow(fixture);
  await ready;
  assert.equal(query.state.status, 'live');
});

test('a password that is wrong ends subscriptions with the reason', async () => {
  const fixture = setUp({authProvider: () => Auth.basic('ana', 'wrong')});
  fixture.world.answer = () => ({status: 401, body: {error: 'unauthorized', message: 'Invalid credentials'}});
  const query = fixture.client.liveQuery('SELECT * FROM t');
  await settle();
  assert.deepEqual([query.state.status, query.state.error?.code], ['ended', 'unauthorized']);
});

const SUCCESS = {
  status: 'success',
  results: [
    {
      schema: [
        {name: 'id', data_type: 'BigInt', index: 0},
        {name: 'body', data_type: 'Text', index: 1},
      ],
      rows: [['9007199254740993', null]],
      row_count: 1,
    },
  ],
  took: 1,
};

test('query sends parameters exactly and answers rows by name; rows and queryOne are short forms of it', async () => {
  const {world, client} = setUp({namespace: 'chat', authProvider: () => Auth.jwt('t')});
  world.answer = () => ({status: 200, body: SUCCESS});
  const response = await client.query('SELECT $1', [9007199254740993n]);
  assert.deepEqual(response.results[0]?.named_rows, [{id: '9007199254740993', body: null}]);
  assert.equal(world.requests[0]?.url, 'http://host:8080/v1/api/sql');
  assert.equal(world.requests[0]?.request.headers['Authorization'], 'Bearer t');
  assert.equal(
    world.requests[0]?.request.body,
    '{"sql":"SELECT $1","params":[9007199254740993],"namespace_id":"chat"}',
  );
  assert.deepEqual(await client.rows('SELECT 1'), [{id: '9007199254740993', body: null}]);
  assert.equal((await client.queryOne('SELECT 1'))?.['id']?.asBigInt(), 9007199254740993n);
});

test('a statement whose token was refused is sent again with another, once; where there is none, the server’s word stands', async () => {
  const refusal = (code: string) => ({
    status: 401,
    body: {status: 'error', results: [], took: 0, error: {code, message: ''}},
  });
  for (const code of ['TOKEN_EXPIRED', 'INVALID_CREDENTIALS']) {
    const tokens = ['old', 'new', 'newer', 'newer'];
    const {world, client} = setUp({authProvider: () => Auth.jwt(tokens.shift()!)});
    world.answer = (_, {headers}) =>
      headers['Authorization'] === 'Bearer new' ? {status: 200, body: SUCCESS} : refusal(code);
    await client.query('SELECT 1');
    assert.equal(world.requests.length, 2);
    world.answer = () => refusal(code);
    await assert.rejects(client.query('SELECT 1'), {code, status: 401});
    assert.equal(world.requests.length, 4);
    await assert.rejects(client.query('SELECT 1'), {code: 'TOKEN_REJECTED'});
    assert.equal(world.requests.length, 4);
  }
});

test('opening a subscription while the connection waits does not hurry it', async () => {
  const fixture = setUp();
  fixture.client.liveQuery('SELECT * FROM t');
  await flow(fixture);
  fixture.server.hangUp();
  fixture.client.liveQuery('SELECT * FROM u');
  await settle();
  assert.equal(fixture.world.sockets.length, 1);
  await fixture.world.pass(500);
  await flow(fixture);
  assert.equal(fixture.world.socket.sentOf('subscribe').length, 2);
  await fixture.client.shutdown();
});

test('failures are KalamErrors: of a statement, of the limits, of the network, of something that is no KalamDB, of silence', async () => {
  const {world, client} = setUp({requestTimeoutMs: 100});
  world.answer = () => ({
    status: 503,
    body: {status: 'error', results: [], took: 0, error: {code: 'WRITE_QUEUE_FULL', message: 'busy'}},
  });
  await assert.rejects(client.query('x'), {
    name: 'KalamError',
    code: 'WRITE_QUEUE_FULL',
    message: 'busy',
    retryable: true,
  });
  world.answer = () => ({status: 429, body: {error: 'IP_BANNED', message: 'later', retry_after_seconds: 300}});
  await assert.rejects(client.query('x'), {code: 'IP_BANNED', message: 'later', status: 429, retryable: true});
  world.answer = () => {
    throw new TypeError('fetch failed');
  };
  await assert.rejects(client.query('x'), {code: 'NETWORK_ERROR', message: /http:\/\/host:8080 could not be reached/});
  world.answer = () => ({status: 200, body: '<html>'});
  await assert.rejects(client.query('x'), {code: 'BAD_RESPONSE', retryable: false});
  world.answer = (_, {signal}) =>
    new Promise((_resolve, reject) => signal!.addEventListener('abort', () => reject(new Error('aborted'))));
  const late = assert.rejects(client.query('x'), {code: 'TIMEOUT'});
  await settle();
  await world.pass(100);
  await late;
});

test('insert, update and delete of the official SDK take a table, an id and a row', async () => {
  const {world, client} = setUp();
  world.answer = () => ({status: 200, body: SUCCESS});
  await client.insert('chat.messages', {id: 1n, body: 'x'});
  await client.update('chat.messages', '1', {body: 'y'});
  await client.delete('chat.messages', '1');
  await client.executeAsUser('DELETE FROM t', 'bob');
  assert.deepEqual(
    world.requests.map(({request}) => (JSON.parse(String(request.body)) as {sql: string}).sql),
    [
      'INSERT INTO "chat"."messages" ("id", "body") VALUES ($1, $2)',
      'UPDATE "chat"."messages" SET "body" = $1 WHERE "id" = $2',
      'DELETE FROM "chat"."messages" WHERE "id" = $1',
      "EXECUTE AS USER 'bob' (DELETE FROM t)",
    ],
  );
});

test('files travel as parts of their names, beside the statement', async () => {
  const {world, client} = setUp();
  world.answer = () => ({status: 200, body: SUCCESS});
  await client.queryWithFiles(
    'INSERT INTO app.docs VALUES ($1, FILE("cv"))',
    {cv: {name: 'cv.pdf', data: new Blob(['x'])}},
    [1],
  );
  const form = world.requests[0]?.request.body as FormData;
  assert.deepEqual([...form.keys()], ['sql', 'params', 'file:cv']);
  assert.equal((form.get('file:cv') as File).name, 'cv.pdf');
  assert.equal(world.requests[0]?.request.headers['Content-Type'], undefined, 'the boundary is for fetch to say');
});

test('events of the connection reach the program, never with its token', async () => {
  const sent: string[] = [];
  const events: string[] = [];
  const fixture = setUp({
    authProvider: () => Auth.jwt('secret'),
    onConnect: () => void events.push('connect'),
    onDisconnect: () => void events.push('disconnect'),
    onError: ({code}) => void events.push(code),
    onSend: text => void sent.push(text),
  });
  fixture.client.liveQuery('SELECT * FROM t');
  await flow(fixture);
  fixture.server.hangUp();
  assert.deepEqual(events, ['connect', 'disconnect', 'NETWORK_ERROR']);
  assert.equal(sent.length, 2);
  assert.doesNotMatch(sent.join(), /secret/);
  await fixture.client.shutdown();
});

test('an address that is none is refused when the client is made', () => {
  for (const url of ['', 'host', 'ftp://host'])
    assert.throws(
      () => createClient({url}),
      (error: KalamError) => error.code === 'INVALID_ARGUMENT',
    );
});
