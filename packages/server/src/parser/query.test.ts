import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {parseColumnDefs} from './column-def.ts';
import {TokenCursor} from './cursor.ts';
import {parseSelectText} from './parser.ts';
import {parseDelete, parseInsert, parseUpdate} from './query.ts';
import {splitStatements} from './split.ts';

function whole<T>(sql: string, parse: (cursor: TokenCursor) => T): T {
  const cursor = new TokenCursor(splitStatements(sql)[0]!);
  const tree = parse(cursor);
  cursor.expectEnd();
  return tree;
}

test('a SELECT with every clause', () => {
  const sql =
    'SELECT DISTINCT a AS "N n", t.*, count(*) c FROM ns.t x WHERE a GROUP BY a, b HAVING c ORDER BY a DESC, b NULLS FIRST LIMIT $1 OFFSET 2';
  const tree = parseSelectText(sql);
  assert.equal(tree.isDistinct, true);
  assert.deepEqual(
    tree.items.map(item => (item.kind === 'star' ? `${item.qualifier.map(name => name.name)}.*` : item.alias?.text)),
    ['N n', 't.*', 'c'],
  );
  assert.deepEqual(
    tree.from.map(
      item => item.kind === 'table' && [item.table.namespace?.name, item.table.table.name, item.alias?.name],
    ),
    [['ns', 't', 'x']],
  );
  assert.deepEqual([tree.groupBy.length, tree.where?.kind, tree.having?.kind], [2, 'column', 'column']);
  assert.deepEqual(
    tree.orderBy.map(item => [item.isDescending, item.nulls]),
    [
      [true, undefined],
      [false, 'first'],
    ],
  );
  assert.deepEqual([tree.limit?.kind, tree.offset?.kind, tree.end], ['param', 'number', sql.length]);
});

const LIMITS: [sql: string, limit: string | undefined, offset: string | undefined][] = [
  ['LIMIT 1 OFFSET 2', '1', '2'],
  ['OFFSET 2 LIMIT 1', '1', '2'],
  ['LIMIT ALL', undefined, undefined],
  ['OFFSET 2 ROWS FETCH NEXT 3 ROWS ONLY', '3', '2'],
  ['FETCH FIRST ROW ONLY', '1', undefined],
];

for (const [sql, limit, offset] of LIMITS) {
  test(`limits: ${sql}`, () => {
    const tree = parseSelectText(`SELECT 1 FROM t ${sql}`);
    const text = (expr: typeof tree.limit) => (expr?.kind === 'number' ? expr.text : undefined);
    assert.deepEqual([text(tree.limit), text(tree.offset)], [limit, offset]);
  });
}

const WIDER: [sql: string, what: string, start: number][] = [
  ['SELECT * FROM a JOIN b ON a.x = b.x', 'joins', 16],
  ['SELECT * FROM a x LEFT OUTER JOIN b USING (x)', 'joins', 18],
  ['SELECT * FROM a, b', 'several tables in FROM', 15],
  ['SELECT * FROM (SELECT 1) x', 'subqueries in FROM', 14],
  ['SELECT * FROM f(1)', 'functions in FROM', 14],
  ['SELECT * FROM LATERAL f(1)', 'LATERAL', 14],
  ['WITH a AS (SELECT 1) SELECT * FROM a', 'WITH queries', 0],
  ['VALUES (1), (2)', 'VALUES as a query', 0],
  ['(SELECT 1) UNION (SELECT 2)', 'queries in brackets', 0],
  ['SELECT 1 UNION ALL SELECT 2', 'UNION, EXCEPT and INTERSECT', 9],
  ['SELECT DISTINCT ON (a) b FROM t', 'DISTINCT ON', 7],
  ['SELECT a FROM t GROUP BY ROLLUP (a)', 'ROLLUP and CUBE', 25],
  ['SELECT a FROM t WINDOW w AS (ORDER BY a)', 'WINDOW', 16],
  ['SELECT a FROM t FETCH FIRST 2 ROWS WITH TIES', 'FETCH … WITH TIES', 16],
  ['SELECT a FROM t FOR UPDATE', 'FOR UPDATE and FOR SHARE', 16],
];

for (const [sql, what, start] of WIDER)
  test(`wider: ${sql}`, () =>
    assert.throws(() => parseSelectText(sql), {
      code: 'NOT_SUPPORTED',
      message: `Not supported: ${what} at line 1, column ${start + 1}.`,
    }));

test('INSERT keeps its rows and the word DEFAULT', () => {
  const tree = whole('INSERT INTO default.t (a, "B") VALUES (1, DEFAULT), (\'x\', f(2))', parseInsert);
  assert.deepEqual(
    tree.columns?.map(name => name.name),
    ['a', 'b'],
  );
  assert.deepEqual(
    tree.rows.map(row => row.map(value => (value === 'default' ? value : value.kind))),
    [
      ['number', 'default'],
      ['string', 'call'],
    ],
  );
  const empty = whole('INSERT INTO t DEFAULT VALUES', parseInsert);
  assert.deepEqual([empty.columns, empty.rows], [[], [[]]]);
  for (const [sql, what] of [
    ['INSERT INTO t SELECT * FROM u', 'INSERT … SELECT'],
    ['INSERT INTO t (SELECT 1)', 'INSERT … SELECT'],
    ['INSERT INTO t VALUES (1) ON CONFLICT (a) DO NOTHING', 'ON CONFLICT'],
    ['INSERT INTO t VALUES (1) RETURNING *', 'RETURNING'],
  ]) {
    assert.equal(whole(sql!, parseInsert).wider?.what, what);
  }
});

test('UPDATE and DELETE leave the demand for WHERE to their statement', () => {
  const update = whole('UPDATE ns.t x SET a = a + 1, b = DEFAULT WHERE c', parseUpdate);
  assert.deepEqual(
    [update.alias?.name, update.set.map(one => one.column.name), update.set[1]?.value],
    ['x', ['a', 'b'], 'default'],
  );
  assert.equal(whole('UPDATE t SET a = 1', parseUpdate).where, undefined);
  assert.equal(whole('DELETE FROM t AS x WHERE a = $1', parseDelete).where?.kind, 'binary');
  assert.equal(whole('DELETE FROM t', parseDelete).where, undefined);
});

const COLUMNS = `(id BIGINT PRIMARY KEY AUTO_INCREMENT, a TEXT NOT NULL DEFAULT 'x', b INT DEFAULT -1 NOT NULL, c TIMESTAMP DEFAULT NOW() NULL,
  d SERIAL, e DECIMAL(10, 2) UNIQUE, f INT GENERATED BY DEFAULT AS IDENTITY, g INT AUTO INCREMENT, CONSTRAINT k PRIMARY KEY (A))`;

test('column definitions with every option', () => {
  const {columns, primaryKey} = whole(COLUMNS, parseColumnDefs);
  const facts = columns.map(one => [
    ...[one.name.name, one.type.name, one.isPrimaryKey ? 'key' : ''],
    ...[
      one.isNotNull ? 'not null' : one.isExplicitNull ? 'null' : '',
      one.default?.kind ?? '',
      one.isAutoIncrement ? 'auto' : '',
    ],
    one.isUnique ? 'unique' : '',
  ]);
  assert.deepEqual(
    facts.map(fact => fact.filter(text => text !== '').join(' ')),
    [
      'id BIGINT key auto',
      'a TEXT not null string',
      'b INT not null unary',
      'c TIMESTAMP null call',
      'd SERIAL auto',
      'e DECIMAL unique',
      'f INT auto',
      'g INT auto',
    ],
  );
  assert.deepEqual(
    primaryKey.map(name => name.name),
    ['a'],
  );
});

const INVALID = 'Invalid SQL: Invalid CREATE TABLE statement: ';
const REFUSED: [sql: string, parse: (cursor: TokenCursor) => unknown, code: string, message: string][] = [
  ['()', parseColumnDefs, 'INVALID_SQL', `${INVALID}Table must have at least one column`],
  [
    '(a INT, PRIMARY KEY (a, b))',
    parseColumnDefs,
    'INVALID_SQL',
    `${INVALID}Composite PRIMARY KEYs are not supported yet`,
  ],
  [
    '(PRIMARY KEY (a), PRIMARY KEY (b))',
    parseColumnDefs,
    'INVALID_SQL',
    `${INVALID}Multiple PRIMARY KEY definitions found`,
  ],
  [
    '(PRIMARY KEY (a + 1))',
    parseColumnDefs,
    'INVALID_SQL',
    `${INVALID}Complex expressions in PRIMARY KEY not supported`,
  ],
  ['(a INT CHECK (a > 0))', parseColumnDefs, 'INVALID_SQL', `${INVALID}Column option CHECK is not supported`],
  ['(a INT REFERENCES b)', parseColumnDefs, 'INVALID_SQL', `${INVALID}Column option REFERENCES is not supported`],
  [
    '(a INT, FOREIGN KEY (a) REFERENCES b)',
    parseColumnDefs,
    'INVALID_SQL',
    `${INVALID}FOREIGN KEY constraints are not supported`,
  ],
  ['(a INT NULL NOT NULL)', parseColumnDefs, 'INVALID_SQL', 'Invalid SQL: A column cannot be both NULL and NOT NULL'],
  ['(a INT[])', parseColumnDefs, 'NOT_SUPPORTED', 'Not supported: array types'],
  ['UPDATE t SET a = 1 RETURNING a', parseUpdate, 'NOT_SUPPORTED', 'Not supported: RETURNING'],
  ['UPDATE t SET a = 1 FROM u', parseUpdate, 'NOT_SUPPORTED', 'Not supported: UPDATE … FROM'],
  ['UPDATE t SET (a, b) = (1, 2)', parseUpdate, 'NOT_SUPPORTED', 'Not supported: SET (a, b) = …'],
  ['DELETE FROM t USING u', parseDelete, 'NOT_SUPPORTED', 'Not supported: DELETE … USING'],
  ['UPDATE t WHERE a', parseUpdate, 'INVALID_SQL', "Invalid SQL: Expected SET, found 'WHERE'"],
  ['INSERT INTO t VALUES (1,)', parseInsert, 'INVALID_SQL', "Invalid SQL: Expected an expression, found ')'"],
  [
    'INSERT INTO a.b.c VALUES (1)',
    parseInsert,
    'INVALID_SQL',
    'Invalid SQL: A table name has at most two parts: namespace.table',
  ],
  ['DELETE FROM t WHERE a = 1 LIMIT 1', parseDelete, 'INVALID_SQL', "Invalid SQL: Unexpected 'LIMIT'"],
];

for (const [sql, parse, code, message] of REFUSED) {
  test(`refused: ${sql}`, () => {
    assert.throws(
      () => whole(sql, parse),
      (error: unknown) =>
        error instanceof DbError && error.code === code && error.message.startsWith(`${message} at line 1, column `),
    );
  });
}

test('positions count from the start of the request, tree offsets from the start of the statement', () => {
  const [, second] = splitStatements('SELECT 1;\n  SELECT a FROM t x y');
  const cursor = new TokenCursor(second!);
  cursor.expectKeyword('SELECT');
  assert.deepEqual(cursor.columnName().start, 7);
  cursor.expectKeywords('FROM');
  cursor.tableRef();
  assert.throws(() => cursor.expectEnd(), {
    message: "Invalid SQL: Unexpected 'x' at line 2, column 19.",
    position: {offset: 28, line: 2, column: 19},
  });
});

test('a command reads options, names and a bracketed statement', () => {
  const cursor = new TokenCursor(
    splitStatements("create if not exists default 'x' 42 (a = 'B', Ttl = -5, c = true) (SELECT (1))")[0]!,
  );
  assert.deepEqual(
    [cursor.keywords('CREATE', 'TABLE'), cursor.acceptKeyword('CREATE'), cursor.ifNotExists()],
    [false, true, true],
  );
  assert.deepEqual([cursor.name().name, cursor.stringOrName(), cursor.number()], ['default', 'x', 42]);
  assert.deepEqual(
    cursor.optionItems().map(one => [one.key, one.value, one.isQuoted]),
    [
      ['A', 'B', true],
      ['TTL', '-5', false],
      ['C', 'true', false],
    ],
  );
  assert.equal(cursor.parenthesized('a statement')?.text, 'SELECT (1)');
  cursor.expectEnd();
});

test('errors never show what a string holds', () => {
  const cursor = new TokenCursor(splitStatements("'secret'")[0]!);
  assert.throws(() => cursor.name(), {
    message: 'Invalid SQL: Expected a name, found a quoted string at line 1, column 1.',
  });
});
