import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {Manifest} from '../cold/manifest.ts';
import {applyDelta, emptyManifest} from '../cold/manifest-delta.ts';
import type {Segment} from '../cold/segment.ts';
import type {Incarnation, UserId} from '../model/names.ts';
import {seededRandom} from '../std/sim-clock.ts';
import {SEGMENT_BYTES_MAX, SEGMENT_ROWS_MAX} from '../table/segment-output.ts';
import {type CompactPolicy, compactionGroups} from './compact-policy.ts';

interface Given {
  readonly name: string;
  readonly rows: number;
  readonly dead?: number;
  readonly tombstones?: number;
  /** Of its rows in memory; else 100 a row. */
  readonly bytes?: number;
  /** Its first key; else its place in the list. */
  readonly key?: number;
  readonly maxSeq?: bigint;
}

const AUTO: CompactPolicy = {
  minSegments: 4,
  deadPercent: 20,
  isEager: false,
  segmentBytes: SEGMENT_BYTES_MAX,
  tombstonesBefore: 1000n,
};
const EAGER: CompactPolicy = {...AUTO, minSegments: 2, deadPercent: 0, isEager: true};

const POSITIONS = Uint32Array.from({length: SEGMENT_ROWS_MAX}, (_, i) => i);

function manifestOf(given: readonly Given[]): Manifest {
  const segments = given.map((one, i): Segment => {
    const key = Buffer.from([0, one.key ?? i]);
    return {
      name: one.name,
      path: `t/${one.name}`,
      storageId: 'local',
      schemaVersion: 1,
      rowCount: one.rows,
      sizeBytes: one.rows * 20,
      rowBytes: Math.round(one.bytes ?? one.rows * 100),
      checksum: 0,
      footerBytes: 100,
      minSeq: 1n,
      maxSeq: one.maxSeq ?? 5000n,
      minKey: key,
      maxKey: key,
      tombstoneCount: one.tombstones ?? 0,
      columnStats: {},
      createdAt: 0,
    };
  });
  const dead = given.filter(one => (one.dead ?? 0) > 0);
  const vectors = new Map(dead.map(one => [one.name, POSITIONS.subarray(0, one.dead)]));
  const scope = {incarnation: 64 as Incarnation, owner: 'ana' as UserId};
  const delta = {scope, baseVersion: 0, add: segments, remove: [], vectors, flushedThrough: 0n, batch: 0, at: 0};
  return applyDelta(emptyManifest(scope), delta, 0n);
}

function small(count: number, rows: number, prefix = 's'): Given[] {
  return Array.from({length: count}, (_, i) => ({name: `${prefix}${i}`, rows}));
}

const FULL = SEGMENT_ROWS_MAX;

test('which segments are rewritten together', () => {
  const cases: [why: string, policy: CompactPolicy, given: Given[], expected: string[][]][] = [
    ['nothing was flushed', AUTO, [], []],
    ['three small ones are too few', AUTO, small(3, 10), []],
    ['four of a size are merged', AUTO, small(4, 10), [['s0', 's1', 's2', 's3']]],
    ['four that differ in size are not', AUTO, [10, 300, 1500, 6000].map((rows, i) => ({name: `s${i}`, rows})), []],
    [
      'a full class takes the smaller ones along',
      AUTO,
      [...small(4, 3000), {name: 'x', rows: 5}],
      [['s0', 's1', 's2', 's3', 'x']],
    ],
    ['and leaves larger ones', AUTO, [...small(4, 10), {name: 'x', rows: 20_000}], [['s0', 's1', 's2', 's3']]],
    ['full ones are left alone', AUTO, small(9, FULL), []],
    ['half full is not small', AUTO, small(9, FULL / 2), []],
    [
      'few rows of many bytes are not small',
      AUTO,
      small(9, 20).map(one => ({...one, bytes: SEGMENT_BYTES_MAX / 2})),
      [],
    ],
    ['a fifth dead is borne', AUTO, [{name: 'x', rows: FULL, dead: Math.floor(FULL / 5)}], []],
    ['more is rewritten', AUTO, [{name: 'x', rows: FULL, dead: Math.ceil(FULL / 5) + 1}], [['x']]],
    ['a small one too', AUTO, [{name: 'x', rows: 10, dead: 3}], [['x']]],
    [
      'with its equals and the smaller ones',
      AUTO,
      [{name: 'x', rows: 3000, dead: 900}, ...small(2, 10), {name: 'y', rows: 20_000}],
      [['x', 's0', 's1']],
    ],
    [
      'one whose rest is small is merged',
      AUTO,
      [
        {name: 'x', rows: FULL, dead: FULL - 10},
        {name: 'y', rows: 8},
      ],
      [['x', 'y']],
    ],
    ['expired tombstones count as dead', AUTO, [{name: 'x', rows: 10, tombstones: 3, maxSeq: 999n}], [['x']]],
    ['others do not', AUTO, [{name: 'x', rows: 10, tombstones: 3, maxSeq: 1000n}], []],
    ['all of it may be dead', AUTO, [{name: 'x', rows: 10, tombstones: 10, maxSeq: 999n, dead: 4}], [['x']]],
    [
      'by hand: any two, whatever their sizes',
      EAGER,
      [
        {name: 'x', rows: 3000},
        {name: 'y', rows: 5},
      ],
      [['x', 'y']],
    ],
    ['by hand: any dead row', EAGER, [{name: 'x', rows: FULL, dead: 1}], [['x']]],
    ['by hand: one clean small one is as good as it gets', EAGER, [{name: 'x', rows: 5}], []],
    [
      'neighbours by key come together',
      EAGER,
      [
        {name: 'b', rows: 30_000, key: 2},
        {name: 'a', rows: 5, key: 1},
      ],
      [['a', 'b']],
    ],
  ];
  for (const [why, policy, given, expected] of cases) {
    const groups = compactionGroups(manifestOf(given), policy);
    assert.deepEqual(
      groups.map(group => group.map(segment => segment.name)),
      expected,
      why,
    );
  }
});

test('a group is bounded in segments and in rows, and no clean segment is alone in one', () => {
  const many = compactionGroups(manifestOf(small(130, 10)), AUTO).map(group => group.length);
  assert.deepEqual(many, [64, 64, 2]);
  assert.deepEqual(
    compactionGroups(manifestOf(small(129, 10)), AUTO).map(group => group.length),
    [64, 64],
  );
  const large = compactionGroups(manifestOf(small(9, Math.floor(FULL * 0.45))), AUTO);
  assert.deepEqual(
    large.map(group => group.length),
    [4, 4],
  );
});

test('the work on a scope that nobody writes to comes to an end, and leaves few small segments and few dead rows', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seededRandom(seed);
    const policy = seed % 2 === 0 ? AUTO : EAGER;
    let given = Array.from({length: 1 + Math.floor(random() * 200)}, (_, i): Given => {
      const rows = 1 + Math.floor(FULL * random() ** 6);
      const dead = random() < 0.3 ? Math.floor(random() * rows) : 0;
      const tombstones = random() < 0.3 ? Math.floor(random() * (rows + 1)) : 0;
      return {
        name: `s${i}`,
        rows,
        dead,
        tombstones,
        bytes: rows * (1 + Math.floor(random() * 4000)),
        maxSeq: BigInt(Math.floor(random() * 2000)),
      };
    });
    let rounds = 0;
    for (let groups = groupsOf(given, policy); groups.length > 0; groups = groupsOf(given, policy)) {
      assert.ok(++rounds < 100, `seed ${seed}: no end in sight`);
      for (const group of groups) given = rewritten(given, group, `r${rounds}`);
    }
    const smallOnes = given.filter(one => fullnessOf(one) < 0.5);
    assert.ok(
      smallOnes.length <= (policy === EAGER ? 1 : 3 * 5),
      `seed ${seed}: ${smallOnes.length} small ones are left`,
    );
    for (const one of given) assert.ok((one.dead ?? 0) / one.rows <= policy.deadPercent / 100, `seed ${seed}`);
  }
});

function groupsOf(given: readonly Given[], policy: CompactPolicy): string[][] {
  return compactionGroups(manifestOf(given), policy).map(group => group.map(segment => segment.name));
}

function fullnessOf({rows, bytes}: Given): number {
  return Math.max(rows / SEGMENT_ROWS_MAX, bytes! / SEGMENT_BYTES_MAX);
}

/** What a compaction of the group leaves: segments cut when they are full, by rows or bytes. */
function rewritten(given: readonly Given[], group: readonly string[], name: string): Given[] {
  const rest = given.filter(one => !group.includes(one.name));
  let open: {rows: number; bytes: number; tombstones: number} = {rows: 0, bytes: 0, tombstones: 0};
  const out: Given[] = [];
  const cut = () => {
    if (open.rows > 0) out.push({name: `${name}-${group[0]}-${out.length}`, ...open, maxSeq: 5000n});
    open = {rows: 0, bytes: 0, tombstones: 0};
  };
  for (const one of given) {
    if (!group.includes(one.name)) continue;
    const live = one.rows - (one.dead ?? 0);
    const expired = one.maxSeq! < 1000n ? Math.min(one.tombstones!, live) : 0;
    const rowBytes = one.bytes! / one.rows;
    for (let left = live - expired; left > 0; ) {
      const fits = Math.ceil((SEGMENT_BYTES_MAX - open.bytes) / rowBytes);
      const rows = Math.min(left, SEGMENT_ROWS_MAX - open.rows, Math.max(1, fits));
      open = {rows: open.rows + rows, bytes: open.bytes + rows * rowBytes, tombstones: 0};
      left -= rows;
      if (open.rows >= SEGMENT_ROWS_MAX || open.bytes >= SEGMENT_BYTES_MAX) cut();
    }
  }
  cut();
  return [...rest, ...out];
}
