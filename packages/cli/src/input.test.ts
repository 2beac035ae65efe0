import assert from 'node:assert/strict';
import {test} from 'node:test';
import {isComplete, run, runScript} from './input.ts';
import type {Reply} from './server.ts';
import type {Session} from './session.ts';

const texts: [text: string, isReady: boolean, why: string][] = [
  ['SELECT 1;', true, 'closed'],
  ['SELECT 1', false, 'open'],
  ['SELECT 1; -- done', true, 'a comment behind it'],
  ["SELECT ';", false, 'the semicolon is in a string'],
  ["SELECT 'a\nb';", true, 'a string over two lines'],
  ['SELECT /* ;', false, 'the semicolon is in a comment'],
  ['SELECT "a;b"', false, 'the semicolon is in a name'],
  ['-- nothing', false, 'a comment alone'],
  ['SELECT 1; SELECT 2', false, 'the last one is open'],
  ['BEGIN; DELETE FROM t WHERE id = 1;', false, 'a transaction has not ended'],
  ['start transaction; SAVEPOINT a; ROLLBACK TO a;', false, 'it went back to a savepoint only'],
  ['BEGIN; SELECT 1; COMMIT;', true, 'it has ended'],
  ['BEGIN; rollback work;', true, 'it was taken back'],
  ['\\dt', true, 'a meta command'],
  ['SELECT \u0001;', true, 'what no statement can become goes to the server, which says where'],
];
for (const [text, isReady, why] of texts) {
  test(`input is ready when its last statement is closed: ${why}`, () => assert.equal(isComplete(text), isReady));
}

interface Stub {
  readonly session: Session;
  readonly asked: {sql: string; namespace?: string; user?: string}[];
  output: string;
  errors: string;
}

function stub(replies: (sql: string) => Partial<Reply> = () => ({}), isTerminal = false): Stub {
  const asked: Stub['asked'] = [];
  const made: Stub = {
    asked,
    output: '',
    errors: '',
    session: {
      ask: async (sql, how = {}) => {
        asked.push({sql, ...how});
        return {status: 'success', results: [{row_count: 0, message: 'ok'}], took: 1, ...replies(sql)};
      },
      url: 'http://server',
      write: text => {
        made.output += text;
      },
      writeError: text => {
        made.errors += text;
      },
      readFile: async path => {
        if (path !== 'a.sql') throw Object.assign(new Error('no'), {code: 'ENOENT'});
        return "SELECT 'from file';";
      },
      sleep: async () => {},
      isTerminal,
      format: 'table',
      isExpanded: false,
      isTimed: false,
      user: undefined,
      namespace: undefined,
      isOver: false,
    },
  };
  return made;
}

test('a script runs statement by statement, with meta commands between, and sends what is open at its end', async () => {
  const {session, asked} = stub();
  assert.ok(await runScript(session, 'SELECT 1;\n\n\\c app\n\\user ana\nSELECT\n 2;\n\\i a.sql\nSELECT 3'));
  assert.deepEqual(asked, [
    {sql: 'SELECT 1;'},
    {sql: 'SELECT\n 2;', namespace: 'app', user: 'ana'},
    {sql: "SELECT 'from file';", namespace: 'app', user: 'ana'},
    {sql: 'SELECT 3', namespace: 'app', user: 'ana'},
  ]);
});

test('a script stops at the first failure and ends well on a comment', async () => {
  const failing = stub(sql => (sql === 'BAD;' ? {status: 'error', error: {code: 'INVALID_SQL', message: 'no'}} : {}));
  assert.equal(await runScript(failing.session, 'SELECT 1;\nBAD;\nSELECT 2;'), false);
  assert.deepEqual(
    failing.asked.map(({sql}) => sql),
    ['SELECT 1;', 'BAD;'],
  );
  assert.equal(failing.errors, 'INVALID_SQL: no\n');
  const {session, asked} = stub();
  assert.ok(await runScript(session, 'SELECT 1;\n-- the end\n'));
  assert.equal(asked.length, 1);
});

const commands: [input: string, sends: string][] = [
  [
    '\\dt',
    'SELECT namespace_id AS namespace, table_name, table_type FROM system.tables ORDER BY namespace_id, table_name',
  ],
  ['\\d app.t', 'DESCRIBE TABLE app.t'],
  ['\\d app.t;', 'DESCRIBE TABLE app.t'],
  ['\\dn', 'SHOW NAMESPACES'],
  ['\\flush', 'STORAGE FLUSH ALL'],
];
for (const [input, sends] of commands) {
  test(`a meta command is a statement: ${input}`, async () => {
    const {session, asked} = stub();
    assert.ok(await run(session, input));
    assert.deepEqual(asked, [{sql: sends}]);
  });
}

test('settings change with their commands and say so', async () => {
  const made = stub();
  const {session} = made;
  for (const input of ['\\x', '\\timing on', '\\format csv', '\\c app', '\\as ben SELECT 1', '\\q'])
    assert.ok(await run(session, input));
  assert.deepEqual(
    [session.isExpanded, session.isTimed, session.format, session.namespace, session.user, session.isOver],
    [true, true, 'csv', 'app', undefined, true],
  );
  assert.deepEqual(made.asked, [{sql: 'SELECT 1', namespace: 'app', user: 'ben'}]);
  assert.match(made.output, /Expanded output is on\./);
});

const mistakes: [input: string, says: RegExp][] = [
  ['\\nope', /Unknown command \\nope/],
  ['\\format xml', /Use: \\format table\|json\|csv/],
  ['\\i none.sql', /none\.sql cannot be read: ENOENT/],
  ['\\as ben', /Use: \\as NAME SQL/],
];
for (const [input, says] of mistakes) {
  test(`a mistake is said and ends nothing: ${input}`, async () => {
    const made = stub();
    assert.equal(await run(made.session, input), false);
    assert.match(made.errors, says);
    assert.equal(made.session.isOver, false);
  });
}

test('on a terminal a job is followed to its end', async () => {
  const states = [
    ['queued', null, null],
    ['running', null, '{"scopes_done":1,"scopes_total":3}'],
    ['completed', 'Flushed 3 rows', null],
  ];
  const made = stub(sql => {
    if (sql === 'FLUSH TABLE a.b')
      return {results: [{row_count: 0, message: 'Flush started. Job ID: FL-0123456789ab'}]};
    return {results: [{row_count: 1, rows: [states.shift()!]}]};
  }, true);
  await run(made.session, 'FLUSH TABLE a.b');
  assert.match(made.output, /FL-0123456789ab running 1 of 3 scopes/);
  assert.match(made.output, /FL-0123456789ab completed: Flushed 3 rows\n$/);
});
