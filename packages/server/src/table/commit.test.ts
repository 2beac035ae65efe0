import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DbError} from '@kalamdb/protocol/errors.ts';
import {createHot} from '../hot/hot-store.ts';
import type {Log} from '../log/log.ts';
import {memoryLogState, openMemoryLog} from '../log/memory-log.ts';
import type {Incarnation} from '../model/names.ts';
import {encodeRow} from '../model/row-codec.ts';
import {SimClock} from '../std/sim-clock.ts';
import {META} from '../system/meta.ts';
import {Commit, type WriteRow} from './commit.ts';
import {Manifests} from './manifests.ts';

const TABLE = 70 as Incarnation;

async function openCommit(refuses: () => boolean) {
  const clock = new SimClock();
  const hot = createHot({clock});
  const commit = new Commit({hot, manifests: new Manifests(), clock, listener() {}, onApplied() {}});
  const log = await openMemoryLog(memoryLogState())(0n, () => {});
  const picky: Log = Object.create(log, {
    append: {
      value: (...args: Parameters<Log['append']>) => {
        if (refuses()) throw new DbError('DISK_FULL', 'full');
        log.append(...args);
      },
    },
  });
  await commit.start(picky, TABLE);
  return {commit, hot};
}

function rowOf(key: string): WriteRow {
  return {
    scope: {incarnation: TABLE, owner: null},
    key: Buffer.from(key),
    row: encodeRow(META.schema, META.toValues({key, value: ''}), 0),
  };
}

test('nothing is appended behind the drop of its table', async () => {
  const {commit, hot} = await openCommit(() => false);
  await commit.write({rows: [rowOf('a')]});
  const dropped = commit.write({drop: TABLE});
  await assert.rejects(commit.write({rows: [rowOf('b')]}), /dropped while the statement ran/);
  await dropped;
  assert.equal(hot.rowCount(), 0);
});

test('a drop that the log refused ends nothing: the table is written as before', async () => {
  let isFull = false;
  const {commit, hot} = await openCommit(() => isFull);
  await commit.write({rows: [rowOf('a')]});
  isFull = true;
  await assert.rejects(commit.write({drop: TABLE}), {code: 'DISK_FULL'});
  isFull = false;
  await commit.write({rows: [rowOf('b')]});
  assert.equal(hot.rowCount(), 2);
});
