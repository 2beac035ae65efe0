import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {SimClock} from '../std/sim-clock.ts';
import type {Hot} from './hot.ts';
import {MemoryBudget} from './memory-budget.ts';

const SOFT = 1000;
const HARD = 2000;

interface Held {
  readonly rows: number;
  /** Once dead space is gone. */
  readonly evacuated?: number;
  readonly manifests: number;
}

function budgetOf({rows, evacuated = rows, manifests}: Held): MemoryBudget {
  const hot = {bytes: () => rows, evacuatedBytes: () => evacuated} as Hot;
  const clock = new SimClock();
  return new MemoryBudget({hot, manifestBytes: () => manifests, clock, softBytes: SOFT, hardBytes: HARD});
}

const cases: [
  why: string,
  held: Held,
  says: {short: boolean; due: boolean; enough: boolean; refuses: RegExp | false},
][] = [
  ['little', {rows: 700, manifests: 0}, {short: false, due: false, enough: true, refuses: false}],
  [
    'a flush goes on below the limit',
    {rows: 900, manifests: 0},
    {short: false, due: false, enough: true, refuses: false},
  ],
  ['rows above the soft limit', {rows: 1001, manifests: 0}, {short: true, due: true, enough: false, refuses: false}],
  [
    'dead space alone',
    {rows: 1500, evacuated: 400, manifests: 0},
    {short: false, due: false, enough: true, refuses: false},
  ],
  [
    'manifests leave less for rows',
    {rows: 601, manifests: 400},
    {short: true, due: true, enough: false, refuses: false},
  ],
  [
    'large manifests leave a quarter of the soft limit: flushing a row at a time would only make more of them',
    {rows: 250, manifests: 1500},
    {short: false, due: false, enough: true, refuses: false},
  ],
  ['and no more', {rows: 251, manifests: 1500}, {short: true, due: true, enough: false, refuses: false}],
  [
    'rows at the hard limit',
    {rows: 1900, manifests: 101},
    {short: true, due: true, enough: false, refuses: /until a flush frees memory/},
  ],
  [
    'manifests alone at the hard limit: all rows are flushed, and compaction, which may help, is not held up',
    {rows: 100, manifests: 1950},
    {short: false, due: true, enough: false, refuses: /manifests of flushed rows: compaction, dropping/},
  ],
];

test('what is short, what is flushed and what is refused', () => {
  for (const [why, held, says] of cases) {
    const budget = budgetOf(held);
    assert.deepEqual(
      {short: budget.isShort(), due: budget.isFlushDue(), enough: budget.isEnough()},
      {short: says.short, due: says.due, enough: says.enough},
      why,
    );
    if (says.refuses === false) budget.check();
    else {
      const {refuses} = says;
      assert.throws(
        () => budget.check(),
        (error: unknown) => error instanceof DbError && error.code === 'MEMORY_LIMIT' && refuses.test(error.message),
        why,
      );
      assert.throws(
        () => budget.check(),
        /^[^\d]* \d+ bytes\. [^\d]*$/,
        'no number but the limit: who asks may be anybody',
      );
    }
  }
});

test('flushes are to free what is above enough, or above the hard limit', () => {
  assert.equal(budgetOf({rows: 1001, manifests: 0}).wantedBytes(), 251);
  assert.equal(budgetOf({rows: 100, manifests: 1950}).wantedBytes(), 50);
  assert.equal(budgetOf({rows: 700, manifests: 0}).wantedBytes(), 0);
});

test('the flush schedule is woken while memory is short, and not for every write', () => {
  const hot = {bytes: () => 1001, evacuatedBytes: () => 1001} as Hot;
  const clock = new SimClock();
  const budget = new MemoryBudget({hot, manifestBytes: () => 0, clock, softBytes: SOFT, hardBytes: HARD});
  let woken = 0;
  budget.onHigh = () => woken++;
  for (let i = 0; i < 100; i++) budget.look();
  assert.equal(woken, 1);
});
