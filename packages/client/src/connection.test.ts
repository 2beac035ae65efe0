import assert from 'node:assert/strict';
import {test} from 'node:test';
import {gzipSync} from 'node:zlib';
import type {ServerMessage} from '@kalamdb/protocol/messages.ts';
import {Encoder} from '@msgpack/msgpack';
import {FakeWorld, settle, WELCOME} from '../test/fake-world.ts';
import {Connection, type ConnectionSettings, type TokenDoor} from './connection.ts';
import {KalamError} from './error.ts';
import {msgpack} from './msgpack.ts';

const packer = new Encoder({useBigInt64: true});
const ERROR = {type: 'error', subscription_id: 'subscribe', code: 'AUTH_REQUIRED', message: ''};

function setUp(changes: Partial<ConnectionSettings> = {}, tokens: Partial<TokenDoor> = {}) {
  const world = new FakeWorld();
  const told: string[] = [];
  const messages: ServerMessage[] = [];
  let tokenCount = 0;
  const door: TokenDoor = {
    current: async () => `token-${++tokenCount}`,
    isDue: () => false,
    forget: token => void told.push(`forget ${token}`),
    ...tokens,
  };
  const settings: ConnectionSettings = {
    url: 'ws://host/v1/ws',
    isCompressed: true,
    reconnects: true,
    backoff: {initialMs: 1000, maxMs: 30_000},
    attemptsMax: undefined,
    pingIntervalMs: 5000,
    ...changes,
  };
  const connection = new Connection(world, door, settings, {
    onUp: () => void told.push('up'),
    onDown: () => void told.push('down'),
    onMessage: message => void messages.push(message),
    onError: ({code}, isFinal) => void told.push(`${code}${isFinal ? ' final' : ''}`),
  });
  return {world, told, messages, connection};
}

async function setUpReady(changes: Partial<ConnectionSettings> = {}, tokens: Partial<TokenDoor> = {}) {
  const fixture = setUp(changes, tokens);
  const ready = fixture.connection.connect();
  await settle();
  fixture.world.socket.welcome();
  await ready;
  return fixture;
}

test('connecting authenticates by message with the token, and resolves when the server takes it', async () => {
  const {world, told, connection} = await setUpReady();
  assert.equal(connection.state, 'ready');
  assert.deepEqual(world.socket.sent, [
    {type: 'authenticate', method: 'jwt', token: 'token-1', protocol: {serialization: 'json', compression: 'gzip'}},
  ]);
  assert.deepEqual(told, ['up']);
});

test('a lost connection is made again, each time after twice the delay, up to the longest; half of it is chance', async () => {
  const {world, connection} = setUp({backoff: {initialMs: 1000, maxMs: 6000}});
  connection.connect().catch(() => {});
  await settle();
  const delays: (number | undefined)[] = [];
  for (let i = 0; i < 5; i++) {
    world.chance = i === 1 ? 0.5 : 0;
    world.socket.lose();
    delays.push(world.nextTimerMs);
    await world.pass(world.nextTimerMs!);
  }
  assert.deepEqual(delays, [500, 1500, 2000, 3000, 3000]);
  assert.equal(world.sockets.length, 6);
});

test('after a connection that lasted the delays begin anew; one that fell at once does not count as a success', async () => {
  const {world} = await setUpReady();
  world.socket.lose();
  assert.equal(world.nextTimerMs, 500);
  await world.pass(500);
  world.socket.welcome();
  world.socket.lose();
  assert.equal(world.nextTimerMs, 1000);
  await world.pass(1000);
  world.socket.welcome();
  await world.pass(5000);
  world.socket.lose();
  assert.equal(world.nextTimerMs, 500);
});

test('nothing of a socket that was dropped is heard any more', async () => {
  const {world, told, messages} = await setUpReady();
  const old = world.socket;
  old.lose();
  await world.pass(500);
  old.say(ERROR);
  old.lose();
  assert.deepEqual(messages, []);
  world.socket.welcome();
  world.socket.say(ERROR);
  assert.equal(messages.length, 1);
  assert.deepEqual(told, ['up', 'down', 'NETWORK_ERROR', 'up']);
});

test('offline drops the connection at once, online makes it again at once', async () => {
  const {world, told, connection} = await setUpReady();
  world.network(false);
  assert.equal(connection.state, 'offline');
  assert.equal(world.sockets[0]!.isClosed, true);
  world.network(true);
  await settle();
  world.socket.welcome();
  assert.deepEqual(told, ['up', 'down', 'up']);
});

test('offline is a hint: after the longest delay the server is tried all the same', async () => {
  const {world, connection} = await setUpReady();
  world.network(false);
  await world.pass(30_000);
  assert.equal(connection.state, 'opening');
});

test('a refused token is forgotten and another one is asked for', async () => {
  const {world, told, connection} = setUp();
  const ready = connection.connect();
  await settle();
  world.socket.open();
  world.socket.say({type: 'auth_error', message: 'Invalid credentials'});
  assert.deepEqual(told, ['forget token-1', 'TOKEN_REJECTED']);
  await world.pass(500);
  world.socket.welcome();
  await ready;
  assert.deepEqual(
    world.socket.sentOf('authenticate').map(message => message.token),
    ['token-2'],
  );
});

test('a token that expires in the open connection leads to a new connection with another', async () => {
  const {world, told} = await setUpReady();
  world.socket.say({type: 'auth_error', message: 'Token expired'});
  await world.pass(500);
  world.socket.welcome();
  assert.deepEqual(told, ['up', 'down', 'forget token-1', 'TOKEN_REJECTED', 'up']);
});

test('where there is no token at all the attempt ends, with the reason', async () => {
  const {told, connection} = setUp(
    {},
    {current: () => Promise.reject(new KalamError('unauthorized', 'Invalid credentials', {status: 401}))},
  );
  await assert.rejects(connection.connect(), {code: 'unauthorized'});
  assert.equal(connection.state, 'idle');
  assert.deepEqual(told, ['unauthorized final']);
});

test('a sign-in that cannot be reached is tried again', async () => {
  const {world, connection} = setUp({}, {current: () => Promise.reject(new KalamError('NETWORK_ERROR', 'no route'))});
  connection.connect().catch(() => {});
  await settle();
  assert.equal(connection.state, 'waiting');
  await world.pass(500);
  assert.equal(connection.failureCount, 2);
});

test('after the most attempts it gives up; without reconnecting, after the first', async () => {
  for (const [settings, lossCount] of [
    [{attemptsMax: 2}, 3],
    [{reconnects: false}, 1],
  ] as const) {
    const {world, told, connection} = setUp(settings);
    const ready = assert.rejects(connection.connect(), {code: 'GAVE_UP'});
    for (let i = 0; i < lossCount; i++) {
      await world.pass(10_000 - 1);
      world.socket.lose();
    }
    await ready;
    assert.equal(connection.state, 'idle');
    assert.equal(told.at(-1), 'GAVE_UP final');
    assert.equal(world.timerCount, 0);
  }
});

test('a server that does not answer is given up after ten seconds, and tried again', async () => {
  const {world, connection} = setUp();
  connection.connect().catch(() => {});
  await settle();
  await world.pass(10_000);
  assert.equal(connection.state, 'waiting');
  await world.pass(500);
  world.socket.open();
  await world.pass(10_000);
  assert.equal(connection.state, 'waiting');
});

test('it pings at each interval, probes a silent server by authenticating, and leaves one that stays silent', async () => {
  const {world, told} = await setUpReady();
  const first = world.socket;
  await world.pass(20_000);
  assert.equal(first.sentOf('ping').length, 4);
  assert.equal(first.sentOf('authenticate').length, 1);
  await world.pass(5000);
  assert.equal(first.sentOf('authenticate').length, 2);
  first.say(WELCOME);
  await world.pass(25_000);
  assert.equal(first.sentOf('authenticate').length, 3);
  await world.pass(10_000);
  assert.equal(first.isClosed, true);
  assert.deepEqual(told, ['up', 'down', 'NETWORK_ERROR']);
});

test('a page that is shown again finds out at once whether the connection is still one', async () => {
  const {world} = await setUpReady();
  world.network(true);
  assert.equal(world.socket.sentOf('authenticate').length, 2);
});

test('a token that is due is replaced in the open connection', async () => {
  let isDue = false;
  const {world, told} = await setUpReady({}, {isDue: () => isDue});
  isDue = true;
  await world.pass(5000);
  assert.deepEqual(
    world.socket.sentOf('authenticate').map(message => message.token),
    ['token-1', 'token-2'],
  );
  assert.deepEqual(told, ['up']);
});

test('compressed frames are read, and frames behind them wait their turn', async () => {
  const {world, messages} = await setUpReady();
  const named = (message: string) => JSON.stringify({...ERROR, message});
  const gzip = (text: string) => new Uint8Array(gzipSync(text)).buffer;
  world.socket.say(gzip(named('1')));
  world.socket.say(named('2'));
  world.socket.say(gzip(named('3')));
  world.socket.say(new TextEncoder().encode(named('4')).buffer as ArrayBuffer);
  for (let i = 0; i < 400 && messages.length < 4; i++) await new Promise(resolve => setTimeout(resolve, 5));
  assert.deepEqual(
    messages.map(message => (message as {message: string}).message),
    ['1', '2', '3', '4'],
  );
});

test('with MessagePack it is asked for, and read in binary frames, compressed or not; texts stay JSON', async () => {
  const {world, messages} = await setUpReady({serialization: msgpack});
  assert.deepEqual(world.socket.sentOf('authenticate')[0]?.protocol, {serialization: 'msgpack', compression: 'gzip'});
  const batch = (seq: bigint) => {
    const batch_control = {batch_num: 0, has_more: false, status: 'ready', last_seq_id: seq};
    return packer.encode({type: 'initial_data_batch', subscription_id: 's', rows: [], batch_control});
  };
  const [first, second] = [7_188_000_000_000_000_001n, 7_188_000_000_000_000_002n];
  world.socket.say(new Uint8Array(gzipSync(batch(first))).buffer);
  world.socket.say(ERROR);
  world.socket.say(new Uint8Array(batch(second)).buffer);
  for (let i = 0; i < 400 && messages.length < 3; i++) await new Promise(resolve => setTimeout(resolve, 5));
  assert.deepEqual(
    messages.map(each => (each.type === 'initial_data_batch' ? each.batch_control.last_seq_id : each.type)),
    [String(first), 'error', String(second)],
  );
});

test('a message that cannot be read costs the connection, since what it said is only to be had by resuming', async () => {
  const {world, told} = await setUpReady();
  world.socket.say('{"type":"surprise"}');
  assert.deepEqual(told, ['up', 'down', 'BAD_RESPONSE']);
  assert.equal(world.socket.isClosed, true);
});

test('disconnecting ends waiting callers and timers; it can be connected again, but not after its end', async () => {
  const {world, told, connection} = await setUpReady();
  connection.disconnect();
  assert.equal(world.timerCount, 0);
  assert.deepEqual(told, ['up', 'down']);
  const again = assert.rejects(connection.connect(), {code: 'CLOSED'});
  await settle();
  connection.end();
  await again;
  assert.equal(world.timerCount, 0);
  await assert.rejects(connection.connect(), {code: 'CLOSED'});
});

test('an address that no socket takes is an error like any other', async () => {
  const {world, connection} = setUp({attemptsMax: 0});
  world.openSocket = () => {
    throw new SyntaxError('bad address');
  };
  await assert.rejects(connection.connect(), {code: 'GAVE_UP', message: /bad address/});
});
