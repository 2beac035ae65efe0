import assert from 'node:assert/strict';
import {createServer, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {after, before, describe, test} from 'node:test';
import {fetchJson} from './fetch-json.ts';

const LIMITS = {bytesMax: 1000, timeoutMs: 2000};

describe('fetch of JSON', () => {
  let server: Server;
  let url: string;
  let answer: (response: ServerResponse) => void;
  const asked: string[] = [];
  before(async () => {
    server = createServer((request, response) => {
      asked.push(request.url!);
      answer(response);
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  });
  after(() => {
    server.closeAllConnections();
    return new Promise(resolve => server.close(resolve));
  });

  test('is what the address says', async () => {
    answer = response => response.end('{"keys":[1]}');
    assert.deepEqual(await fetchJson(url, LIMITS), {keys: [1]});
  });

  const bad: [why: string, answer: (response: ServerResponse) => void, message: RegExp][] = [
    ['an error', response => response.writeHead(500).end('{}'), /answered 500/],
    ['what is no JSON', response => response.end('<html>'), /JSON/],
    ['too many bytes', response => response.end(JSON.stringify('x'.repeat(1000))), /more than 1000 bytes/],
    [
      'bytes without end',
      response => {
        const timer = setInterval(() => response.write('x'.repeat(400)), 1);
        response.on('close', () => clearInterval(timer));
      },
      /more than 1000 bytes/,
    ],
    ['a connection that breaks', response => response.destroy(), /127\.0\.0\.1/],
  ];
  for (const [why, how, message] of bad) {
    test(`fails at ${why}`, async () => {
      answer = how;
      await assert.rejects(fetchJson(url, LIMITS), message);
    });
  }

  test('follows nobody to another address', async () => {
    answer = response => response.writeHead(302, {location: '/elsewhere'}).end();
    await assert.rejects(fetchJson(url, LIMITS), /answered 302/);
    assert.ok(!asked.includes('/elsewhere'));
  });

  for (const [why, how] of [
    ['silence', () => {}],
    ['an answer that drips', (response: ServerResponse) => void response.write('{')],
  ] as const) {
    test(`ends by itself at ${why}`, async () => {
      answer = how;
      await assert.rejects(fetchJson(url, {...LIMITS, timeoutMs: 50}), /no whole answer within 50 ms/);
    });
  }
});
