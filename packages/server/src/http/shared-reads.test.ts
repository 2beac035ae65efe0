import assert from 'node:assert/strict';
import {connect, createServer, type Server, type Socket} from 'node:net';
import {afterEach, beforeEach, describe, test} from 'node:test';
import {seededRandom} from '../std/sim-clock.ts';
import {type SharedReads, shareReads} from './shared-reads.ts';

describe('shared reads', () => {
  let server: Server;
  let sockets: Socket[];

  beforeEach(async () => {
    sockets = [];
    server = createServer({allowHalfOpen: true});
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  });

  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise(resolve => server.close(resolve));
  });

  async function open(): Promise<{reads: SharedReads; far: Socket}> {
    const accepted = new Promise<SharedReads>(resolve => server.once('connection', one => resolve(shareReads(one))));
    const {port} = server.address() as {port: number};
    const socket = connect({port, host: '127.0.0.1', allowHalfOpen: true});
    const reads = await accepted;
    sockets.push(socket, reads.socket);
    return {reads, far: socket};
  }

  test('each connection is told its own bytes, in their order, though all share one buffer', {
    timeout: 20_000,
  }, async () => {
    const random = seededRandom(1);
    const pairs = [await open(), await open(), await open()];
    const got = pairs.map(() => '');
    const sent = pairs.map(() => '');
    const ended = pairs.map(({reads}, i) => {
      reads.onBytes = bytes => {
        got[i] += bytes.toString('latin1');
      };
      reads.socket.resume();
      return new Promise(resolve => reads.socket.once('end', resolve));
    });
    for (let step = 0; step < 200; step++) {
      const i = Math.floor(random() * pairs.length);
      const text = String.fromCharCode(97 + i).repeat(1 + random() * 20_000);
      sent[i] += text;
      if (!pairs[i]!.far.write(text)) await new Promise(resolve => pairs[i]!.far.once('drain', resolve));
    }
    for (const pair of pairs) pair.far.end();
    await Promise.all(ended);
    assert.deepEqual(
      got.map(text => text.length),
      sent.map(text => text.length),
    );
    assert.deepEqual(got, sent);
  });

  test('while nobody takes them bytes come by the stream, and whoever pauses it gets them later, unchanged', {
    timeout: 20_000,
  }, async () => {
    const [one, other] = [await open(), await open()];
    let text = '';
    one.reads.socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
    });
    one.reads.socket.pause();
    one.far.end('a'.repeat(300_000));
    other.reads.onBytes = () => {};
    other.reads.socket.resume();
    other.far.end('b'.repeat(300_000));
    await new Promise(resolve => other.reads.socket.once('end', resolve));
    one.reads.socket.resume();
    await new Promise(resolve => one.reads.socket.once('end', resolve));
    assert.equal(text, 'a'.repeat(300_000));
  });

  test('the server knows of the connection until it is closed, and half a connection can still be answered', {
    timeout: 20_000,
  }, async () => {
    const {reads, far: caller} = await open();
    let answer = '';
    caller.on('data', bytes => {
      answer += bytes.toString('latin1');
    });
    reads.onBytes = () => {};
    reads.socket.resume();
    caller.end('question');
    await new Promise(resolve => reads.socket.once('end', resolve));
    const count = () => new Promise(resolve => server.getConnections((_, n) => resolve(n)));
    assert.equal(await count(), 1);
    reads.socket.end('answer');
    await new Promise(resolve => reads.socket.once('close', resolve));
    await new Promise(resolve => caller.once('close', resolve));
    assert.equal(answer, 'answer');
    assert.equal(await count(), 0);
  });

  test('a connection that was closed before anybody looked is left as it is', async () => {
    const {reads} = await open();
    reads.socket.destroy();
    assert.equal(shareReads(reads.socket).socket, reads.socket);
  });
});
