import assert from 'node:assert/strict';
import {after, before, describe, it} from 'node:test';
import {send, startServer, type TestServer} from '../http/server.ts';
import {WireClient} from './wire-client.ts';

const COLUMNS = [
  {name: 'status', data_type: 'Text', index: 0},
  {name: 'ws_url', data_type: 'Text', index: 1},
  {name: 'subscription', data_type: 'Json', index: 2},
  {name: 'message', data_type: 'Text', index: 3},
];

describe('live queries in SQL', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
    await server.database.sql('CREATE NAMESPACE app');
    await server.database.sql(
      'CREATE USER TABLE app.todo (id BIGINT PRIMARY KEY, title TEXT, done BOOLEAN, options INT)',
    );
    await server.database.sql("INSERT INTO app.todo VALUES (1, 'a', false, 1), (2, 'b', true, 2)", {user: 'ana'});
  });
  after(() => server.stop());

  async function ask(sql: string, more: object = {}) {
    const headers = {'content-type': 'application/json', 'x-user-id': 'ana'};
    const {text} = await send(server.port, {headers, body: JSON.stringify({sql, ...more})});
    return JSON.parse(text);
  }

  const queries: [why: string, statement: string, sql: string, options: object | undefined][] = [
    ['a table', 'SUBSCRIBE TO app.todo', 'SELECT * FROM app.todo', undefined],
    [
      'a condition and options',
      'SUBSCRIBE TO app.todo WHERE done = false OPTIONS (last_rows=10)',
      'SELECT * FROM app.todo WHERE done = false',
      {last_rows: 10},
    ],
    [
      'columns, options without a condition',
      'subscribe to select id, title from app.todo options (batch_size = 5, from_seq_id = 7188000000000000001)',
      'select id, title from app.todo',
      {batch_size: 5, from: '7188000000000000001'},
    ],
    [
      'a column named options',
      'SUBSCRIBE TO app.todo WHERE options = 1 OPTIONS (from=0)',
      'SELECT * FROM app.todo WHERE options = 1',
      {from: '0'},
    ],
  ];
  for (const [why, statement, sql, options] of queries)
    it(`SUBSCRIBE TO tells how to follow ${why}`, async () => {
      const {results} = await ask(statement);
      assert.deepEqual(results[0].schema, COLUMNS);
      assert.equal(results[0].row_count, 1);
      const [status, url, subscription, message] = results[0].rows[0];
      assert.equal(status, 'subscription_required');
      assert.equal(url, `ws://127.0.0.1:${server.port}/v1/ws`);
      assert.match(subscription.id, /^sub-app-todo-[0-9a-f]{32}$/);
      assert.equal(subscription.sql, sql);
      assert.deepEqual(subscription.options, options);
      assert.equal(message, 'WebSocket subscription created. Connect to ws_url to receive updates.');
    });

  it('SUBSCRIBE TO writes the namespace out, and what it answers can be sent as it is', async () => {
    const {results} = await ask('SUBSCRIBE TO todo WHERE done = true OPTIONS (last_rows=1)', {namespace_id: 'app'});
    const subscription = results[0].rows[0][2];
    assert.equal(subscription.sql, 'SELECT * FROM app.todo WHERE done = true');
    const client = await WireClient.as('ana', server.port);
    client.send({type: 'subscribe', subscription});
    assert.equal((await client.next()).type, 'subscription_ack');
    const batch = await client.next();
    assert.ok(batch.type === 'initial_data_batch');
    assert.deepEqual(
      batch.rows.map(({id}) => id),
      ['2'],
    );
    client.close();
  });

  const refused: [statement: string, message: RegExp][] = [
    [
      'SUBSCRIBE TO app.todo ORDER BY id',
      /Invalid subscription query: Invalid SQL: Subscription query supports only SELECT/,
    ],
    [
      'SUBSCRIBE TO SELECT id FROM app.todo ORDER BY id',
      /Invalid subscription query: Invalid SQL: Subscription query supports only SELECT \.\.\. FROM \.\.\. \[WHERE \.\.\.\]\./,
    ],
    ['SUBSCRIBE TO SELECT DISTINCT title FROM app.todo', /supports only SELECT \.\.\. FROM \.\.\. \[WHERE \.\.\.\]\./],
    ['SUBSCRIBE TO SELECT id FROM app.todo, app.todo b', /supports only SELECT/],
    [
      'SUBSCRIBE TO WITH x AS (SELECT 1) SELECT id FROM app.todo',
      /Invalid subscription query: Invalid SQL: Subscription query supports only SELECT/,
    ],
    ['SUBSCRIBE TO SELECT 1', /supports only SELECT/],
    [
      'SUBSCRIBE TO SELECT _seq FROM app.todo',
      /Invalid subscription query: Invalid SQL: Subscription query cannot project system columns '_seq' or '_deleted'\.$/,
    ],
    ['SUBSCRIBE TO SELECT nothing FROM app.todo', /No field named nothing/],
    ['SUBSCRIBE TO app.nothing', /'app.nothing' does not exist/],
    ['SUBSCRIBE TO app.todo WHERE NOW() > 5', /Invalid subscription query/],
    [
      'SUBSCRIBE TO app.todo OPTIONS last_rows=10',
      /OPTIONS clause must be wrapped in parentheses, e\.g\., OPTIONS \(last_rows=10\)/,
    ],
    [
      'SUBSCRIBE TO app.todo OPTIONS (limit=10)',
      /Unknown subscription option: 'limit'\. Valid options are: last_rows, batch_size, from/,
    ],
    ['SUBSCRIBE TO app.todo OPTIONS (last_rows=x)', /Invalid last_rows value: x/],
    ['SUBSCRIBE TO app.todo OPTIONS (batch_size=0)', /Invalid batch_size value: 0/],
    ['SUBSCRIBE TO app.todo OPTIONS (from=-1)', /Invalid from value: -1/],
    ['SUBSCRIBE app.todo', /Expected|Unexpected/],
  ];
  for (const [statement, message] of refused)
    it(`refused: ${statement}`, async () => {
      const {status, error} = await ask(statement);
      assert.equal(status, 'error');
      assert.match(error.message, message);
    });

  it('system.live and system.live_queries list what is open, and KILL LIVE QUERY ends it', async () => {
    const client = await WireClient.as('ana', server.port);
    client.send({
      type: 'subscribe',
      subscription: {id: 'my-todo', sql: 'SELECT * FROM app.todo', options: {batch_size: 7}},
    });
    await client.next();
    await client.next();
    await server.database.sql('UPDATE app.todo SET done = true WHERE id = 1', {user: 'ana'});
    await client.next();

    const live = (await ask('SELECT * FROM system.live')).results[0];
    const names = live.schema.map(({name}: {name: string}) => name);
    assert.deepEqual(
      names,
      'live_id connection_id subscription_id namespace_id table_name user_id query options status created_at last_update changes node_id last_ping_at'.split(
        ' ',
      ),
    );
    assert.equal(live.row_count, 1);
    const row = Object.fromEntries(names.map((name: string, i: number) => [name, live.rows[0][i]]));
    const {live_id: liveId, connection_id: connectionId, created_at, last_update, last_ping_at, ...rest} = row;
    assert.equal(liveId, `ana-${connectionId}-my-todo`);
    assert.ok(created_at <= last_update && last_update <= Date.now() * 1000);
    assert.ok(last_ping_at <= Date.now() * 1000 && last_ping_at > created_at - 60_000_000);
    assert.deepEqual(rest, {
      subscription_id: 'my-todo',
      namespace_id: 'app',
      table_name: 'todo',
      user_id: 'ana',
      query: 'SELECT * FROM app.todo',
      options: '{"batch_size":7}',
      status: 'active',
      changes: '1',
      node_id: '1',
    });
    const old = (await ask(`SELECT query_id, node, updated_at = last_update FROM system.live_queries`)).results[0];
    assert.deepEqual(old.rows, [['my-todo', '1', true]]);

    const killed = await ask(`KILL LIVE QUERY '${liveId}'`);
    assert.equal(killed.results[0].message, `Live query killed: ${liveId}`);
    const error = await client.next();
    assert.ok(error.type === 'error' && error.code === 'SUBSCRIPTION_FAILED' && error.subscription_id === 'my-todo');
    assert.match(error.message, /killed/);
    assert.match(error.seq ?? '', /^\d+$/);
    assert.equal((await ask('SELECT * FROM system.live')).results[0].row_count, 0);
    const again = await ask(`KILL LIVE QUERY ${liveId}`);
    assert.match(again.error.message, /Not found: Live query/);
    client.close();
  });
});
