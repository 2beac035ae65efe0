/**
 * Hooks: components that ask the same share one subscription, which lives as long as one of them does.
 */
import assert from 'node:assert/strict';
import {createRequire} from 'node:module';
import {afterEach, beforeEach, describe, mock, test} from 'node:test';
import {act, createElement, type ReactNode, StrictMode} from 'react';
import {createClient, type LiveState} from '../src/index.ts';
import {useLiveQuery} from '../src/react.ts';
import {FakeServer} from './fake-server.ts';
import {FakeWorld, settle} from './fake-world.ts';

interface Renderer {
  update(node: ReactNode): void;
  unmount(): void;
}

// It brings no types, and says at each use that it will not be developed further; here it stands in for a page.
const renderer = createRequire(import.meta.url)('react-test-renderer') as {create(node: ReactNode): Renderer};

describe('useLiveQuery', () => {
  let world: FakeWorld;
  let server: FakeServer;
  let client: ReturnType<typeof createClient>;
  let seen: LiveState<Record<string, unknown>>[];

  beforeEach(() => {
    mock.method(console, 'error', () => {});
    mock.timers.enable({apis: ['setTimeout']});
    Object.assign(globalThis, {IS_REACT_ACT_ENVIRONMENT: true});
    world = new FakeWorld();
    server = new FakeServer();
    world.onsocket = socket => server.attach(socket);
    client = createClient({url: 'http://host', environment: world});
    seen = [];
    server.commit(new Map([['1', {room: 'a', body: 'one'}]]));
  });

  afterEach(async () => {
    await client.shutdown();
    mock.timers.reset();
    mock.restoreAll();
    Reflect.deleteProperty(globalThis, 'IS_REACT_ACT_ENVIRONMENT');
  });

  function Rows({sql}: {readonly sql: string | null}): null {
    seen.push(useLiveQuery<Record<string, unknown>>(client, sql, {params: [5n], limit: 3}));
    return null;
  }

  async function render(node: ReactNode): Promise<Renderer> {
    let root: Renderer | undefined;
    await act(async () => {
      root = renderer.create(node);
    });
    await flow();
    return root!;
  }

  async function flow(): Promise<void> {
    await act(async () => {
      await settle();
      if (world.sockets.length > 0 && world.socket.sent.length === 0) world.socket.open();
      while (server.connection?.deliver()) await settle();
    });
  }

  const subscribed = () => world.socket.sentOf('subscribe').map(({subscription}) => subscription.sql);

  test('gives the rows, and renders again when a commit changes them', async () => {
    const root = await render(createElement(Rows, {sql: 'SELECT * FROM t WHERE a = $1'}));
    assert.deepEqual(seen[0], {rows: [], status: 'loading', error: undefined});
    assert.deepEqual(
      seen.at(-1)?.rows.map(row => row['body']),
      ['one'],
    );
    const count = seen.length;
    server.commit(new Map([['1', {room: 'a', body: 'uno'}]]));
    await flow();
    assert.equal(seen.length, count + 1);
    assert.equal(seen.at(-1)?.rows[0]?.['body'], 'uno');
    assert.deepEqual(subscribed(), ['SELECT * FROM t WHERE a = 5']);
    await act(async () => root.unmount());
  });

  test('shares one subscription among components and both mounts of StrictMode, and ends it after the last', async () => {
    const pair = createElement(StrictMode, null, [
      createElement(Rows, {key: 1, sql: 'SELECT * FROM t'}),
      createElement(Rows, {key: 2, sql: 'SELECT * FROM t'}),
    ]);
    const root = await render(pair);
    mock.timers.tick(2000);
    assert.deepEqual(subscribed(), ['SELECT * FROM t']);
    await act(async () =>
      root.update(createElement(StrictMode, null, [createElement(Rows, {key: 2, sql: 'SELECT * FROM t'})])),
    );
    mock.timers.tick(2000);
    assert.equal(world.socket.sentOf('unsubscribe').length, 0);
    await act(async () => root.unmount());
    assert.equal(world.socket.sentOf('unsubscribe').length, 0, 'it lingers');
    mock.timers.tick(1000);
    assert.equal(world.socket.sentOf('unsubscribe').length, 1);
  });

  test('follows another query when the SQL changes, and none for null', async () => {
    const root = await render(createElement(Rows, {sql: null}));
    assert.equal(world.sockets.length, 0);
    await act(async () => root.update(createElement(Rows, {sql: 'SELECT * FROM t'})));
    await flow();
    await act(async () => root.update(createElement(Rows, {sql: 'SELECT * FROM u'})));
    await flow();
    mock.timers.tick(1000);
    assert.deepEqual(subscribed(), ['SELECT * FROM t', 'SELECT * FROM u']);
    assert.equal(world.socket.sentOf('unsubscribe').length, 1);
    await act(async () => root.unmount());
  });

  test('tells why a query ended, and asks anew in the next component', async () => {
    const root = await render(createElement(Rows, {sql: 'SELECT * FROM t'}));
    await act(async () => {
      world.socket.say({type: 'error', subscription_id: 'sub-1', code: 'UNAUTHORIZED', message: 'no more'});
    });
    assert.deepEqual([seen.at(-1)?.status, seen.at(-1)?.error?.code], ['ended', 'UNAUTHORIZED']);
    await act(async () => root.unmount());
    await render(createElement(Rows, {sql: 'SELECT * FROM t'}));
    assert.equal(seen.at(-1)?.status, 'live');
  });
});
