import assert from 'node:assert/strict';
import {test} from 'node:test';
import {operatorLines, operatorsOf} from './profile.ts';

const operator = (name: string, rows: number, seconds: number, children: object[] = []) => ({
  operator_name: name,
  operator_cardinality: rows,
  operator_timing: seconds,
  extra_info: {Filters: "secret = 'x'"},
  children,
});

test('operators are told from the answer down, with their rows and times and nothing else', () => {
  const join = operator('HASH_JOIN ', 30, 0.002, [operator('SEQ_SCAN', 100, 0.001), operator('READ_PARQUET', 3, 0)]);
  const profile = {latency: 1, children: [operator('EXPLAIN_ANALYZE', 0, 0, [operator('TOP_N', 2, 0.0005, [join])])]};
  assert.deepEqual(operatorLines(operatorsOf(JSON.stringify(profile))), [
    '  TOP_N: 2 rows, 0.500 ms',
    '    HASH_JOIN: 30 rows, 2.000 ms',
    '      SEQ_SCAN: 100 rows, 1.000 ms',
    '      READ_PARQUET: 3 rows, 0.000 ms',
  ]);
});

test('a profile without operators has none', () => {
  assert.deepEqual(operatorsOf('{"children":[]}'), []);
  assert.deepEqual(operatorsOf('{}'), []);
});
