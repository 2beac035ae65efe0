import assert from 'node:assert/strict';
import {test} from 'node:test';
import {defineJobKind} from './job.ts';
import {moved, newRecord} from './record.ts';
import {canMove, isTerminal, JOB_STATUSES, type JobStatus} from './transitions.ts';

/** Rows: from, columns: to, in the order of JOB_STATUSES. */
const MOVES = [
  //              new queued running retrying completed failed cancelled skipped
  ['new', '.      x      .       .        .         .      x         .'],
  ['queued', '.      .      x       .        .         x      x         .'],
  ['running', '.      x      .       x        x         x      x         x'],
  ['retrying', '.      x      .       .        .         x      x         .'],
  ['completed', '.      .      .       .        .         .      .         .'],
  ['failed', '.      .      .       .        .         .      .         .'],
  ['cancelled', '.      .      .       .        .         .      .         .'],
  ['skipped', '.      .      .       .        .         .      .         .'],
] as const;

const kind = defineJobKind({
  name: 'flush',
  prefix: 'FL',
  isIdempotent: true,
  maxParallel: 1,
  run: async () => ({status: 'completed', message: ''}),
});
const base = newRecord({
  jobId: 'FL-1',
  kind,
  params: {},
  trigger: 'manual',
  uniqueKey: 'k',
  tableKey: undefined,
  tableName: undefined,
  maxRetries: 3,
  nodeId: 1n,
  now: 1n,
});

test('the table of moves is total, and a record moves exactly as it says', () => {
  assert.deepEqual(
    MOVES.map(([from]) => from),
    JOB_STATUSES,
  );
  for (const [from, row] of MOVES) {
    const cells = row.split(/\s+/);
    assert.equal(cells.length, JOB_STATUSES.length);
    for (const [i, to] of JOB_STATUSES.entries()) {
      const isAllowed = cells[i] === 'x';
      assert.equal(canMove(from, to), isAllowed, `${from} → ${to}`);
      const record = {...base, status: from as JobStatus};
      if (isAllowed) assert.equal(moved(record, to, {message: 'm'}, 2n).status, to);
      else assert.throws(() => moved(record, to, {}, 2n), /there is no move/);
    }
  }
});

test('the last statuses are those without a way out', () => {
  assert.deepEqual(JOB_STATUSES.filter(isTerminal), ['completed', 'failed', 'cancelled', 'skipped']);
});
