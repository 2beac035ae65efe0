import assert from 'node:assert/strict';
import {connect} from 'node:net';
import {after, before, describe, it} from 'node:test';
import {seededRandom} from '../../src/std/sim-clock.ts';
import {startServer, type TestServer} from '../http/server.ts';
import {WireClient} from './wire-client.ts';

const SEED = Number(process.env['KALAMDB_FRAMES_SEED'] ?? 1);
const CONNECTIONS = Number(process.env['KALAMDB_FRAMES_CONNECTIONS'] ?? 100);
const FRAMES = 20;
const UPGRADE =
  'GET /v1/ws HTTP/1.1\r\nhost: localhost\r\nx-user-id: ana\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';

describe('raw frames', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
  });
  after(() => server.stop());

  it(`of any bits close at most their own connection (seed ${SEED})`, {timeout: 120_000}, async () => {
    const random = seededRandom(SEED);
    const witness = await WireClient.as('witness', server.port);
    for (let i = 0; i < CONNECTIONS; i++) await attack(server.port, random);
    witness.send({type: 'subscribe', subscription: {id: 's', sql: 'SELECT * FROM nowhere.nothing'}});
    const message = await witness.next();
    assert.ok(message.type === 'error' && message.code === 'NOT_FOUND', 'it is still served');
    assert.deepEqual(server.bugs, []);
    witness.close();
    for (let i = 0; i < 200 && server.database.live.counts.connections > 0; i++)
      await new Promise(resolve => setTimeout(resolve, 50));
    assert.equal(server.database.live.counts.connections, 0, 'nothing is left of any of them');
  });
});

/** Sends frames, most of them whole and masked, with bits and lengths that may lie, and goes. */
async function attack(port: number, random: () => number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.resume();
  socket.write(UPGRADE);
  for (let i = 0; i < FRAMES; i++) socket.write(randomFrame(random));
  await new Promise<void>(resolve => socket.end(() => resolve()));
  await new Promise(resolve => setTimeout(resolve, 5));
  socket.destroy();
}

const TEXTS = ['{"type":"ping"}', '{', '[]', '{"type":"unsubscribe","subscription_id":"x"}', '\u0000', '{"type":7}'];

function randomFrame(random: () => number): Buffer {
  const pick = (count: number) => Math.floor(random() * count);
  const isHonest = random() < 0.8;
  const payload =
    random() < 0.6
      ? Buffer.from(TEXTS[pick(TEXTS.length)]!)
      : Buffer.from(Array.from({length: pick(200)}, () => pick(256)));
  const opcode = isHonest ? [1, 1, 1, 2, 9, 10][pick(6)]! : pick(16);
  const first = (random() < 0.9 ? 0x80 : 0) | (random() < 0.95 ? 0 : pick(8) << 4) | opcode;
  const length = isHonest ? Math.min(payload.length, 125) : pick(128);
  const mask = Buffer.from([pick(256), pick(256), pick(256), pick(256)]);
  const body = payload.subarray(0, 125).map((byte, i) => byte ^ mask[i % 4]!);
  return Buffer.concat([Buffer.from([first, (random() < 0.97 ? 0x80 : 0) | length]), mask, body]);
}
