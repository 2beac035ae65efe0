import assert from 'node:assert/strict';
import {test} from 'node:test';
import {lostSegments} from './recover.ts';

const cases: [why: string, seqs: [from: bigint, previous: bigint, last: bigint], says: RegExp | undefined][] = [
  ['a new directory', [0n, 0n, 0n], undefined],
  ['a log from its beginning, no checkpoint', [0n, 0n, 9n], undefined],
  ['the log was released up to the checkpoint', [5n, 5n, 9n], undefined],
  ['the log was released up to an older one', [5n, 3n, 9n], undefined],
  ['nothing came after the checkpoint', [5n, 3n, 5n], undefined],
  ['the beginning is gone and there is no checkpoint', [0n, 3n, 9n], /no checkpoint.*begins after seq 3/],
  ['seqs between checkpoint and log are gone', [5n, 7n, 9n], /seq 5.*begins after seq 7/],
  ['the end that the checkpoint was synced with is gone', [5n, 0n, 4n], /seq 5.*ends at seq 4/],
  ['the whole log is gone', [5n, 0n, 0n], /seq 5.*ends at seq 0/],
];

for (const [why, [from, previousSeq, lastSeq], says] of cases) {
  test(`checkpoint and log together have no hole: ${why}`, () => {
    const lost = lostSegments({from, previousSeq, lastSeq});
    if (says === undefined) assert.equal(lost, undefined);
    else assert.match(lost ?? '', says);
  });
}
