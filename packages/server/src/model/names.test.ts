import assert from 'node:assert/strict';
import {test} from 'node:test';
import {checkName, checkUserId, pathComponent} from './names.ts';
import {resolveType, sameType, sqlName, TYPES, typeJson} from './type-table.ts';

const REFUSED: [name: string, reason: string][] = [
  ['', 'Name cannot be empty'],
  ['x'.repeat(65), 'Name is too long (65 characters, max 64)'],
  ['_x', 'Name cannot start with underscore (reserved for system columns)'],
  ['1x', 'Name cannot start with a number'],
  ['a b', 'Name cannot contain spaces'],
  ['a-b', "Name 'a-b' contains invalid characters (only alphanumeric and underscore allowed)"],
  ['select', "Name 'select' is a reserved SQL keyword and cannot be used"],
];

test('names are refused with the reason, after what they name', () => {
  for (const [name, reason] of REFUSED) {
    assert.throws(() => checkName(name, 'Name'), {
      code: 'SQL_EXECUTION_ERROR',
      message: `Invalid operation: ${reason}`,
    });
    const message = `Invalid operation: Invalid column name '${name}': ${reason}`;
    assert.throws(() => checkName(name, `Invalid column name '${name}'`), {message});
  }
  for (const name of ['a', 'user', 'updates', 'x'.repeat(64), 'a_1']) checkName(name, 'Name');
});

test('user ids cannot leave their directory, and their path parts are distinct and plain', () => {
  for (const id of ['', 'a/b', 'a\\b', '..', 'a..b', 'a\0', 'a\nb', '\ud800', 'ü'.repeat(65)]) {
    assert.throws(() => checkUserId(id), {code: 'INVALID_INPUT'}, JSON.stringify(id));
  }
  for (const id of ['ann', 'a.b', 'ann@x.org', 'ü'.repeat(64), "o'neil"]) assert.equal(checkUserId(id), id);
  assert.equal(pathComponent('Ann_-9'), 'Ann_-9');
  assert.equal(pathComponent('a.b@ü%'), 'a%2Eb%40%C3%BC%25');
});

test('each spelling belongs to one type, and the name of a type resolves to it again', () => {
  const spellings = Object.values(TYPES).flatMap(facts => facts.spellings);
  assert.equal(new Set(spellings).size, spellings.length);
  for (const [name, facts] of Object.entries(TYPES)) {
    const args = name === 'embedding' ? ['3'] : [];
    for (const spelling of facts.spellings) assert.equal(resolveType(spelling, args).name, name);
    assert.equal(resolveType(facts.sqlName, args).name, name);
  }
});

test('decimals take a precision and a scale; other arguments are not kept', () => {
  assert.equal(sqlName(resolveType('numeric', ['10', '2'])), 'DECIMAL(10, 2)');
  assert.equal(sqlName(resolveType('DECIMAL', [])), 'DECIMAL(38, 10)');
  assert.deepEqual(typeJson(resolveType('DECIMAL', ['5'])), {Decimal: {precision: 5, scale: 0}});
  assert.ok(sameType(resolveType('VARCHAR', ['10']), resolveType('MYTEXT', [])));
  assert.ok(!sameType(resolveType('DECIMAL', ['5']), resolveType('DECIMAL', ['5', '1'])));
  assert.throws(() => resolveType('DECIMAL', ['39']), /DECIMAL precision must be between 1 and 38, got 39/);
  assert.throws(() => resolveType('DECIMAL', ['4', '5']), /DECIMAL scale \(5\) cannot exceed precision \(4\)/);
});

test('embeddings take a dimension', () => {
  assert.equal(sqlName(resolveType('embedding', ['384'])), 'EMBEDDING(384)');
  assert.deepEqual(typeJson(resolveType('EMBEDDING', ['8192'])), {Embedding: 8192});
  assert.ok(!sameType(resolveType('EMBEDDING', ['2']), resolveType('EMBEDDING', ['3'])));
  assert.throws(() => resolveType('EMBEDDING', []), /requires exactly one dimension parameter, e.g., EMBEDDING\(384\)/);
  assert.throws(() => resolveType('EMBEDDING', ['x']), /dimension must be a positive integer, got 'x'/);
  assert.throws(() => resolveType('EMBEDDING', ['-1']), /dimension must be a positive integer, got '-1'/);
  assert.throws(() => resolveType('EMBEDDING', ['0']), /dimension must be at least 1/);
  assert.throws(() => resolveType('EMBEDDING', ['8193']), /dimension must be at most 8192 \(found 8193\)/);
});

test('FLOAT takes a precision in bits', () => {
  const cases: [bits: string, name: string][] = [
    ['1', 'FLOAT'],
    ['24', 'FLOAT'],
    ['25', 'DOUBLE'],
    ['53', 'DOUBLE'],
  ];
  for (const [bits, name] of cases) assert.equal(sqlName(resolveType('FLOAT', [bits])), name, bits);
  for (const bits of ['0', '54', 'x'])
    assert.throws(() => resolveType('FLOAT', [bits]), {
      message: `Invalid SQL: FLOAT precision must be between 1 and 53, got ${bits}`,
    });
});

test('types of other servers are refused by name, with what to use instead', () => {
  const cases: [name: string, instead: string][] = [
    ['TINYINT', '; use SMALLINT'],
    ['LONGTEXT', '; use TEXT'],
    ['FLOAT32', '; use FLOAT'],
    ['NOPE', ''],
  ];
  for (const [name, instead] of cases) {
    assert.throws(() => resolveType(name, []), {
      message: `Invalid SQL: Unsupported custom data type '${name}'${instead}`,
    });
  }
});
