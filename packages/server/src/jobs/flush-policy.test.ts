import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {HotScopeStats} from '../hot/hot.ts';
import type {Incarnation, UserId} from '../model/names.ts';
import type {FlushPolicy} from '../model/schema.ts';
import {type FlushDecision, type FlushPolicyInput, flushDecision, triggerOf} from './flush-policy.ts';

const NOW = 1_000_000_000;

/** name, rows, seconds since its oldest row, seconds since its newest */
type Given = [name: string, rows: number, oldest: number, newest: number];

function stats([name, rowCount, oldest, newest]: Given): HotScopeStats {
  return {
    scope: {incarnation: 64 as Incarnation, owner: name as UserId},
    rowCount,
    bytes: rowCount * 100,
    minSeq: 1n,
    oldestMs: NOW - oldest * 1000,
    lastWriteMs: NOW - newest * 1000,
  };
}

type Input = FlushPolicyInput & {readonly scopes: readonly HotScopeStats[]};

function input(policy: FlushPolicy | null, scopes: Given[], change: Partial<Input> = {}): Input {
  const defaults = {policy: null, smallScopeAgeSeconds: 300};
  return {policy, now: NOW, defaults, scopes: scopes.map(stats), pressure: false, ...change};
}

const decide = (given: FlushPolicyInput): Promise<FlushDecision | undefined> => flushDecision(given, async () => {});
const names = async (given: FlushPolicyInput) => (await decide(given))?.scopes.map(scope => scope.owner) ?? [];

/** As the scheduler goes through them: an interval goes before rows. */
function triggerOfAll(given: Input): string | undefined {
  const rowCount = given.scopes.reduce((sum, scope) => sum + scope.rowCount, 0);
  const look = triggerOf(given, rowCount);
  const found = given.scopes.filter(scope => scope.rowCount > 0).map(scope => look?.(scope));
  return found.includes('interval') ? 'interval' : found.find(trigger => trigger !== undefined);
}

test('which scopes a policy takes', async () => {
  const cases: [why: string, policy: FlushPolicy | null, scopes: Given[], expected: string[]][] = [
    ['no rows, no job', {rows: 10, seconds: 1}, [], []],
    ['an emptied scope is nothing to do', {seconds: 1}, [['a', 0, 99, 99]], []],
    ['one row below the limit', {rows: 1000}, [['a', 999, 0, 0]], []],
    ['the limit is inclusive', {rows: 1000}, [['a', 1000, 0, 0]], ['a']],
    [
      'the limit is of the table',
      {rows: 1000},
      [
        ['a', 600, 0, 0],
        ['b', 400, 0, 0],
      ],
      ['a'],
    ],
    [
      'largest first, until under half',
      {rows: 1000},
      [
        ['a', 300, 0, 0],
        ['b', 500, 0, 0],
        ['c', 400, 0, 0],
      ],
      ['b', 'c'],
    ],
    [
      'exactly half is not under half',
      {rows: 1000},
      [
        ['a', 500, 0, 0],
        ['b', 500, 0, 0],
      ],
      ['a', 'b'],
    ],
    ['63 rows are not worth a segment', {rows: 200}, Array.from({length: 4}, (_, i): Given => [`u${i}`, 63, 0, 0]), []],
    ['nor are 62 of a limit of 126', {rows: 126}, Array.from({length: 4}, (_, i): Given => [`u${i}`, 62, 0, 0]), []],
    [
      '64 rows are',
      {rows: 128},
      [
        ['a', 64, 0, 0],
        ['b', 64, 0, 0],
      ],
      ['a', 'b'],
    ],
    [
      'a small limit makes small segments',
      {rows: 10},
      [
        ['a', 5, 0, 0],
        ['b', 4, 0, 0],
        ['c', 1, 0, 0],
      ],
      ['a'],
    ],
    ['a limit of one row', {rows: 1}, [['a', 1, 0, 0]], ['a']],
    [
      'small and young: nobody qualifies',
      {rows: 100},
      [
        ['a', 49, 299, 0],
        ['b', 49, 299, 0],
        ['c', 49, 0, 0],
      ],
      [],
    ],
    [
      'small but old enough',
      {rows: 100},
      [
        ['a', 49, 299, 0],
        ['b', 49, 300, 0],
        ['c', 49, 0, 0],
      ],
      ['b'],
    ],
    ['below the limit nobody is old enough', {rows: 100}, [['a', 49, 9999, 9999]], []],
    [
      'equal sizes: the older first',
      {rows: 200},
      [
        ['a', 100, 1, 0],
        ['b', 100, 2, 0],
      ],
      ['b', 'a'],
    ],
    [
      'interval: the edge counts and takes all',
      {seconds: 60},
      [
        ['a', 1, 60, 1],
        ['b', 1, 0, 0],
      ],
      ['a', 'b'],
    ],
    ['interval: one second too early', {seconds: 60}, [['a', 9999, 59, 59]], []],
    ['both: rows come first', {rows: 100, seconds: 60}, [['a', 100, 5, 0]], ['a']],
    ['both: time comes first', {rows: 100, seconds: 60}, [['a', 1, 60, 0]], ['a']],
    ['a clock that jumped back makes nothing old', {seconds: 60}, [['a', 1, -500, -500]], []],
    ['no policy: by hand only', null, [['a', 1_000_000, 9999, 9999]], []],
  ];
  for (const [why, policy, scopes, expected] of cases) {
    const given = input(policy, scopes);
    assert.deepEqual(await names(given), expected, why);
    assert.equal(triggerOfAll(given), (await decide(given))?.trigger, `${why}: looked at one by one`);
  }
});

test('a table without a policy goes by the default one', async () => {
  const defaults = {policy: {rows: 100}, smallScopeAgeSeconds: 300};
  assert.deepEqual(await names(input(null, [['a', 100, 0, 0]], {defaults})), ['a']);
  assert.deepEqual(await names(input({rows: 200}, [['a', 100, 0, 0]], {defaults})), [], 'its own goes before');
});

test('memory pressure takes all, coldest first, whatever the policy', async () => {
  const scopes: Given[] = [
    ['a', 1, 50, 1],
    ['b', 900, 50, 40],
    ['c', 5, 9, 9],
    ['d', 0, 99, 99],
  ];
  for (const policy of [null, {rows: 999_999}]) {
    assert.deepEqual(await names(input(policy, scopes, {pressure: true})), ['b', 'c', 'a']);
  }
});

test('the decision names its trigger', async () => {
  const one: Given[] = [['a', 100, 60, 0]];
  assert.equal((await decide(input({rows: 100}, one)))?.trigger, 'rows');
  assert.equal((await decide(input({rows: 100, seconds: 60}, one)))?.trigger, 'interval');
  assert.equal((await decide(input({rows: 100}, one, {pressure: true})))?.trigger, 'memory');
  assert.equal(await decide(input({rows: 101}, one)), undefined);
});

test('of however many scopes, a turn looks at a bounded number', async () => {
  for (const change of [{pressure: true}, {}]) {
    let looks = 0;
    let most = 0;
    const scopes = Array.from({length: 5000}, (_, i): HotScopeStats => {
      const {lastWriteMs, rowCount, ...rest} = stats([`u${i}`, 64 + (i % 7), 1, i % 50]);
      const seen = <T>(value: T): T => {
        most = Math.max(most, ++looks);
        return value;
      };
      return Object.defineProperties(rest as HotScopeStats, {
        lastWriteMs: {get: () => seen(lastWriteMs)},
        rowCount: {get: () => seen(rowCount)},
      });
    });
    const given = {...input({rows: 10_000}, [], change), scopes};
    const decision = await flushDecision(given, async () => {
      looks = 0;
    });
    assert.ok(decision!.scopes.length > 4000);
    assert.ok(most <= 30_000, `${most} looks in one turn`);
  }
});
