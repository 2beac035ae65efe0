/** Long answers are sent as gzip to who takes it, through either reader; what could betray a secret by its length never is. */
import assert from 'node:assert/strict';
import {request as httpRequest, type IncomingHttpHeaders} from 'node:http';
import {connect} from 'node:net';
import {after, before, describe, test} from 'node:test';
import {gunzipSync} from 'node:zlib';
import {startServer, type TestServer} from './server.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
}

const ROWS = 400;
const READERS: [name: string, directRequests: boolean][] = [
  ['our own reader', true],
  ['node:http', false],
];

function ask(
  port: number,
  sql: string,
  headers: Readonly<Record<string, string>> = {},
  path = '/v1/api/sql',
): Promise<Answer> {
  const body = path === '/v1/api/sql' ? JSON.stringify({sql}) : sql;
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        ...{host: '127.0.0.1', port, method: 'POST', path, agent: false},
        headers: {'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers},
      },
      response => {
        const chunks: Buffer[] = [];
        response.on('data', chunk => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          resolve({status: response.statusCode!, headers: response.headers, bytes: Buffer.concat(chunks)});
        });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

function rowsOf(bytes: Buffer): unknown {
  return JSON.parse(bytes.toString()).results[0].rows;
}

const GZIP = {'accept-encoding': 'gzip, deflate', connection: 'keep-alive'};

for (const [reader, directRequests] of READERS) {
  describe(`compressed answers, read by ${reader}`, () => {
    let server: TestServer;
    before(async () => {
      server = await startServer({directRequests});
      const values = Array.from({length: ROWS}, (_, i) => `(${i}, repeat('é${i}', 400))`).join();
      await ask(server.port, `CREATE NAMESPACE app; CREATE USER TABLE app.t (id INT PRIMARY KEY, v TEXT)`);
      await ask(server.port, `INSERT INTO app.t VALUES ${values}`);
    });
    after(() => server.stop());

    for (const [what, sql] of [
      ['a page', 'SELECT * FROM app.t LIMIT 5'],
      ['an answer in slices', `SELECT * FROM app.t LIMIT ${ROWS}`],
    ] as const) {
      test(`${what} has the same rows compressed`, async () => {
        const plain = await ask(server.port, sql);
        const small = await ask(server.port, sql, GZIP);
        assert.equal(plain.headers['content-encoding'], undefined);
        assert.equal(small.headers['content-encoding'], 'gzip');
        assert.equal(small.headers.vary, 'Accept-Encoding');
        assert.equal(small.headers['content-type'], 'application/json');
        assert.ok(small.bytes.length < plain.bytes.length / 5, `${small.bytes.length} of ${plain.bytes.length} bytes`);
        assert.deepEqual(rowsOf(gunzipSync(small.bytes)), rowsOf(plain.bytes));
        assert.deepEqual(server.bugs, []);
      });
    }

    for (const [what, sql] of [
      ['a short answer', 'SELECT 1 AS one'],
      ['an error, however long', `SELECT ${'x'.repeat(2000)}`],
    ] as const) {
      test(`${what} goes out as it is`, async () => {
        const {headers, bytes} = await ask(server.port, sql, GZIP);
        assert.equal(headers['content-encoding'], undefined);
        assert.equal(headers['content-length'], String(bytes.length));
        assert.match(bytes.toString(), /^\{"status":/);
      });
    }

    test('answers on one connection come in their order, compressed or not', async () => {
      const socket = connect({port: server.port, host: '127.0.0.1'});
      const post = (sql: string, headers: string) => {
        const body = JSON.stringify({sql});
        return `POST /v1/api/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
      };
      socket.write(
        post('SELECT * FROM app.t LIMIT 5', 'Accept-Encoding: gzip\r\n') +
          post('SELECT 7 AS n', '') +
          post('SELECT * FROM app.t LIMIT 6', 'Accept-Encoding: gzip\r\n') +
          post('SELECT 8 AS n', ''),
      );
      let text = '';
      for await (const chunk of socket) {
        text += chunk.toString('latin1');
        if (text.includes('[[8]]')) break;
      }
      socket.destroy();
      const order = [...text.matchAll(/content-encoding: gzip|\[\[[78]\]\]/g)].map(match => match[0]);
      assert.deepEqual(order, ['content-encoding: gzip', '[[7]]', 'content-encoding: gzip', '[[8]]']);
    });

    test('whoever leaves in the middle leaves nothing behind', async () => {
      for (let i = 0; i < 20; i++) {
        const socket = connect({port: server.port, host: '127.0.0.1'});
        const body = JSON.stringify({sql: `SELECT * FROM app.t LIMIT ${ROWS}`});
        socket.write(
          `POST /v1/api/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        );
        await new Promise(resolve => socket.once('data', resolve));
        socket.destroy();
      }
      const {bytes} = await ask(server.port, `SELECT * FROM app.t LIMIT ${ROWS}`, GZIP);
      assert.equal((rowsOf(gunzipSync(bytes)) as unknown[]).length, ROWS);
      assert.deepEqual(server.bugs, []);
    });
  });
}

describe('compression, told apart', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
  });
  after(() => server.stop());

  test('a page of another origin is told that its answer varies by both', async () => {
    const sql = "SELECT repeat('x', 5000) AS x";
    const {headers} = await ask(server.port, sql, {...GZIP, origin: 'http://localhost:3000'});
    assert.equal(headers['content-encoding'], 'gzip');
    assert.equal(headers.vary, 'Origin, Accept-Encoding');
  });

  test('sign-in routes, whose answers hold tokens beside words of the caller, never compress', async () => {
    const user = 'x'.repeat(128);
    const password = 'correct horse battery';
    await ask(server.port, `CREATE USER '${user}' WITH PASSWORD '${password}' ROLE user`);
    const {status, headers, bytes} = await ask(
      server.port,
      JSON.stringify({user, password}),
      GZIP,
      '/v1/api/auth/login',
    );
    assert.equal(status, 200);
    assert.ok(bytes.length > 1024);
    assert.equal(headers['content-encoding'], undefined);
    assert.match(bytes.toString(), /"access_token":/);
  });

  test('with the setting off nothing is compressed', async () => {
    const other = await startServer({isCompressing: false});
    try {
      const {headers} = await ask(other.port, "SELECT repeat('x', 5000) AS x", GZIP);
      assert.equal(headers['content-encoding'], undefined);
    } finally {
      await other.stop();
    }
  });
});
