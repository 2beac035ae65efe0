import assert from 'node:assert/strict';
import {test} from 'node:test';
import {compareKeys} from '../model/key-codec.ts';
import {type Incarnation, type Owner, type ScopeKey, scopeId, type UserId} from '../model/names.ts';
import {encodeRow, rowSeq, setRowSeq} from '../model/row-codec.ts';
import {testColumn, testSchema} from '../model/test-schema.ts';
import {seededRandom} from '../std/sim-clock.ts';
import type {Hot, HotSnapshot, KeyedRow, KeyRange} from './hot.ts';
import {createHot} from './hot-store.ts';
import {Sweeper} from './sweeper.ts';

const SCHEMA = testSchema([testColumn(1, 'id', {name: 'text'}), testColumn(2, 'body', {name: 'text'})]);

/** The plain twin: scope → key in hex (hex keeps byte order) → row. */
type Model = Map<string, Map<string, Buffer>>;

function random(seed: number): (limit: number) => number {
  const next = seededRandom(seed);
  return limit => Math.floor(next() * limit);
}

class Twin {
  readonly hot: Hot;
  readonly model: Model = new Map();
  readonly boundaries = new Map<string, bigint>();
  seq = 0n;
  nowMs = 1000;

  constructor(slabBytes: number, sweepEntries?: number) {
    this.hot = createHot({slabBytes, sweepEntries});
  }

  /** A flush begins. */
  capture(scope: ScopeKey): HotSnapshot {
    this.boundaries.set(scopeId(scope), this.seq);
    return this.hot.capture(scope, this.seq);
  }

  /** It ends. */
  publish(scope: ScopeKey): void {
    const boundary = this.boundaries.get(scopeId(scope));
    this.boundaries.delete(scopeId(scope));
    if (boundary !== undefined) this.retire(scope, boundary);
  }

  put(scope: ScopeKey, key: Uint8Array, body: string): void {
    const row = encodeRow(SCHEMA, ['', body], 0);
    setRowSeq(row, 0, ++this.seq);
    // Surrounded by noise that is wiped afterwards: the store must copy.
    const noisy = Buffer.concat([Buffer.from('xx'), row, Buffer.from('yy')]);
    const ownKey = Uint8Array.from(key);
    this.hot.put({scope, key: ownKey, row: {buffer: noisy, offset: 2, length: row.length}}, this.nowMs);
    noisy.fill(0xee);
    ownKey.fill(0xee);
    let rows = this.model.get(scopeId(scope));
    if (rows === undefined) {
      rows = new Map();
      this.model.set(scopeId(scope), rows);
    }
    rows.set(hex(key), row);
  }

  remove(scope: ScopeKey, key: Uint8Array): void {
    this.hot.remove(scope, key);
    this.model.get(scopeId(scope))?.delete(hex(key));
  }

  retire(scope: ScopeKey, boundary: bigint): void {
    this.hot.retire(scope, boundary);
    const rows = this.model.get(scopeId(scope));
    for (const [key, row] of rows ?? []) {
      if (rowSeq({buffer: row, offset: 0, length: row.length}) <= boundary) rows?.delete(key);
    }
  }

  trim(scope: ScopeKey, through: Uint8Array, rowsMax: number): void {
    const rows = this.rows(scope);
    const old = rows.filter(([key]) => key <= hex(through)).length;
    const gone = rows.slice(0, Math.max(old, rows.length - rowsMax, 0));
    assert.equal(this.hot.has(scope, {to: through}), old > 0);
    assert.equal(this.hot.trim(scope, {through, rowsMax}), gone.length);
    for (const [key] of gone) this.model.get(scopeId(scope))?.delete(key);
  }

  drop(incarnation: number): void {
    this.hot.drop(incarnation as Incarnation);
    for (const id of this.model.keys()) if (id.split('\0')[0] === String(incarnation)) this.model.delete(id);
  }

  rows(scope: ScopeKey): [key: string, row: string][] {
    return [...(this.model.get(scopeId(scope)) ?? [])]
      .map(([key, row]): [string, string] => [key, hex(row)])
      .sort(byKey);
  }
}

function byKey(a: [string, string], b: [string, string]): number {
  return compareKeys(Buffer.from(a[0], 'hex'), Buffer.from(b[0], 'hex'));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

function shown({key, row}: {key: Uint8Array; row: KeyedRow['row']}): [string, string] {
  return [hex(key), hex(row.buffer.subarray(row.offset, row.offset + row.length))];
}

function scanned(snapshot: HotSnapshot, range: KeyRange = {}, isReverse = false): [string, string][] {
  const found: [string, string][] = [];
  snapshot.scan(range, isReverse, (row, key) => found.push(shown({key, row})) > 0);
  return found;
}

const OWNERS = [null, 'ann', 'bob', 'cy'] as Owner[];

function checkScope(twin: Twin, scope: ScopeKey, pick: (limit: number) => number): void {
  const expected = twin.rows(scope);
  const snapshot = twin.hot.snapshot(scope);
  assert.deepEqual(scanned(snapshot), expected);
  assert.deepEqual(scanned(snapshot, {}, true), expected.toReversed());
  assert.deepEqual([...snapshot.rows()].map(shown), expected);
  assert.equal(snapshot.rowCount, expected.length);
  const bounds = [randomKey(pick), randomKey(pick)].sort(compareKeys);
  const [from, to] = [bounds[0]!, bounds[1]!];
  const inRange = expected.filter(([key]) => key >= hex(from) && key <= hex(to));
  assert.deepEqual(scanned(snapshot, {from, to}), inRange);
  assert.deepEqual(scanned(snapshot, {from, to}, true), inRange.toReversed());
  assert.deepEqual([...snapshot.rows({from, to})].map(shown), inRange);
  for (const [key, row] of expected.slice(0, 20)) {
    const found = twin.hot.get(scope, Buffer.from(key, 'hex'));
    assert.equal(found && hex(found.buffer.subarray(found.offset, found.offset + found.length)), row);
  }
  checkStats(twin, scope, expected);
}

function checkStats(twin: Twin, scope: ScopeKey, expected: [string, string][]): void {
  const stats = twin.hot.scopeStats(scope);
  assert.equal(stats?.rowCount ?? 0, expected.length);
  if (stats === undefined) return;
  const seqs = expected.map(([, row]) => Buffer.from(row, 'hex').readBigInt64LE(8));
  assert.equal(stats.minSeq, seqs.toSorted((a, b) => (a < b ? -1 : 1))[0]);
  assert.ok(stats.oldestMs <= stats.lastWriteMs && stats.oldestMs >= 1000);
}

function randomKey(pick: (limit: number) => number, keys = 2000): Uint8Array {
  const kind = pick(20);
  if (kind === 0) return Buffer.alloc(60 + pick(3), pick(4));
  return Buffer.from(String(pick(keys)).padStart(1 + pick(5), '0'));
}

// With few keys scopes are small and large by turns.
for (const [seed, sweepEntries, keys] of [
  [1, undefined, 2000],
  [20261124, 1, 2000],
  [77, 600, 2000],
  [78, 1, 1],
  [79, 3, 2],
  [80, 600, 4],
] as const) {
  test(`hot equals a sorted map under any history, and snapshots never change (seed ${seed})`, () => {
    const pick = random(seed);
    const twin = new Twin(16 * 1024, sweepEntries);
    const putShare = keys < 100 ? 500 : 900;
    const lives = [64, 65] as Incarnation[];
    let nextLife = 66;
    let scopes: ScopeKey[] = [];
    const renew = () => {
      scopes = lives.flatMap(incarnation => OWNERS.map(owner => ({incarnation, owner})));
    };
    renew();
    const held: {snapshot: HotSnapshot; expected: [string, string][]}[] = [];
    for (let step = 0; step < 12_000; step++) {
      const scope = scopes[pick(3) === 0 ? pick(scopes.length) : 0]!;
      twin.nowMs += pick(3);
      const action = pick(1000);
      if (action < putShare) twin.put(scope, randomKey(pick, keys), 'b'.repeat(pick(20) === 0 ? pick(9000) : pick(60)));
      else if (action < 970) twin.remove(scope, randomKey(pick, keys));
      else if (action < 973) twin.retire(scope, twin.seq - BigInt(pick(500)));
      else if (action < 974 && pick(3) === 0) {
        const table = pick(2);
        twin.drop(lives[table]!);
        lives[table] = nextLife++ as Incarnation;
        renew();
      } else if (action < 976)
        twin.trim(
          scope,
          randomKey(pick, keys),
          ((keys * (pick(2) === 0 ? 1900 + pick(2000) : 100 + pick(2000))) / 2000) | 0,
        );
      else if (action < 979) held.push({snapshot: twin.hot.snapshot(scope), expected: twin.rows(scope)});
      else if (action < 983) held.push({expected: twin.rows(scope), snapshot: twin.capture(scope)});
      else if (action < 986) twin.publish(scope);
      else if (action < 992) twin.hot.sweep();
      else twin.hot.evacuateOne();
      if (step % 700 === 0) for (const one of scopes) checkScope(twin, one, pick);
      if (held.length > 12) {
        const {snapshot, expected} = held.splice(pick(held.length), 1)[0]!;
        assert.deepEqual(scanned(snapshot), expected);
      }
    }
    for (const {snapshot, expected} of held) assert.deepEqual(scanned(snapshot), expected);
    for (const one of scopes) checkScope(twin, one, pick);
    assert.equal(
      twin.hot.rowCount(),
      scopes.reduce((sum, one) => sum + twin.rows(one).length, 0),
    );
  });
}

test('however many rows a flush or a drop takes away, they are gone at once and a turn frees no more than its slice', async () => {
  const sliceRows = 2048;
  const twin = new Twin(256 * 1024, sliceRows);
  const key = (i: number) => Buffer.from(String(i).padStart(6, '0'));
  const freedRows = (work: () => void): number => {
    const before = twin.hot.liveBytes();
    work();
    return (before - twin.hot.liveBytes()) / bytesPerRow;
  };
  twin.put(SCOPE, key(0), 'body');
  const bytesPerRow = twin.hot.liveBytes();
  for (let i = 1; i < 20_000; i++) twin.put(SCOPE, key(i), 'body');
  const expected = twin.rows(SCOPE);
  const captured = twin.capture(SCOPE);
  for (let i = 0; i < 20_000; i += 100) twin.put(SCOPE, key(i), 'late');
  assert.ok(freedRows(() => twin.publish(SCOPE)) <= sliceRows);
  for (let turns = 0; twin.hot.isSweepDue; turns++) {
    assert.ok(turns < 20, 'it ends');
    twin.put(SCOPE, key(turns * 999 + 1), 'new!');
    checkScope(twin, SCOPE, random(turns));
    assert.ok(freedRows(() => twin.hot.sweep()) <= sliceRows);
  }
  assert.deepEqual(scanned(captured), expected);
  for (let i = 0; i < 20_000; i++) twin.put({...SCOPE, owner: `u${i % 5000}` as UserId}, key(i), 'body');
  assert.ok(freedRows(() => twin.drop(SCOPE.incarnation)) <= sliceRows);
  assert.deepEqual([twin.hot.rowCount(), [...twin.hot.captureAll(() => true)].length], [0, 0]);
  twin.put(OTHER, key(1), 'body');
  const sweeper = new Sweeper(twin.hot);
  sweeper.look();
  sweeper.look();
  for (let turns = 0; twin.hot.isSweepDue; turns++) {
    assert.ok(turns < 100, 'it ends by itself');
    const before = twin.hot.liveBytes();
    await new Promise(resolve => setImmediate(resolve));
    assert.ok((before - twin.hot.liveBytes()) / bytesPerRow <= sliceRows);
  }
  assert.deepEqual(twin.hot.liveBytes(), bytesPerRow);
});

const SCOPE: ScopeKey = {incarnation: 64 as Incarnation, owner: 'ann' as UserId};

const OTHER: ScopeKey = {...SCOPE, incarnation: 65 as Incarnation};

test('a captured image stays what it was, and holds every scope', () => {
  const twin = new Twin(4096);
  for (let i = 0; i < 300; i++) twin.put({...SCOPE, owner: OWNERS[i % 4]!}, Buffer.from(`k${i}`), 'old');
  const image = twin.hot.captureAll(() => true);
  const expected = OWNERS.flatMap(owner => twin.rows({...SCOPE, owner}));
  for (let i = 0; i < 300; i++) twin.put({...SCOPE, owner: OWNERS[i % 4]!}, Buffer.from(`k${i}`), 'new');
  while (twin.hot.evacuateOne());
  twin.hot.drop(SCOPE.incarnation);
  const found = [...image].map(shown);
  assert.deepEqual(found.sort(byKey), expected.sort(byKey));
});

test('an empty store gives its memory back: scopes, indexes and all slabs but the one that is written', () => {
  const twin = new Twin(64 * 1024);
  for (let i = 0; i < 20_000; i++) twin.put({...SCOPE, owner: `u${i % 50}` as UserId}, Buffer.from(`k${i}`), 'body');
  assert.ok(twin.hot.bytes() > 1_000_000);
  for (let i = 0; i < 50; i++) twin.retire({...SCOPE, owner: `u${i}` as UserId}, twin.seq);
  assert.equal(twin.hot.bytes(), 64 * 1024);
  assert.deepEqual([...twin.hot.scopes(SCOPE.incarnation)], []);
});

test('evacuation keeps slabs at least half live, and ends', () => {
  const twin = new Twin(32 * 1024);
  for (let i = 0; i < 10_000; i++) twin.put(SCOPE, Buffer.from(`k${i}`), 'body');
  const full = twin.hot.bytes();
  for (let i = 0; i < 10_000; i++) if (i % 10 !== 0) twin.remove(SCOPE, Buffer.from(`k${i}`));
  assert.ok(twin.hot.bytes() > full * 0.7, 'every slab still has live rows');
  let rounds = 0;
  while (twin.hot.evacuateOne()) assert.ok(++rounds < 100);
  const {bytes} = twin.hot.scopeStats(SCOPE)!;
  assert.ok(twin.hot.bytes() < bytes * 3 + 64 * 1024, `${twin.hot.bytes()} for ${bytes} live`);
  assert.equal(scanned(twin.hot.snapshot(SCOPE)).length, 1000);
});

test('a row larger than a slab has a slab of its own, which leaves with it', () => {
  const twin = new Twin(4096);
  twin.put(SCOPE, Buffer.from('small'), 'x');
  const before = twin.hot.bytes();
  twin.put(SCOPE, Buffer.from('large'), 'x'.repeat(100_000));
  assert.ok(twin.hot.bytes() > before + 100_000);
  const snapshot = twin.hot.snapshot(SCOPE);
  twin.put(SCOPE, Buffer.from('large'), 'y');
  assert.equal(twin.hot.bytes(), before);
  assert.ok(snapshot.get(Buffer.from('large'))!.length > 100_000);
});

test('scopes of one incarnation are listed alone, with the time of their oldest row', () => {
  const twin = new Twin(4096);
  twin.put(SCOPE, Buffer.from('a'), '1');
  twin.nowMs = 5000;
  twin.put(SCOPE, Buffer.from('b'), '2');
  twin.put({incarnation: 65 as Incarnation, owner: null}, Buffer.from('c'), '3');
  const list = [...twin.hot.scopes(SCOPE.incarnation)];
  assert.deepEqual(
    list.map(({scope, rowCount, minSeq, oldestMs, lastWriteMs}) => ({scope, rowCount, minSeq, oldestMs, lastWriteMs})),
    [{scope: SCOPE, rowCount: 2, minSeq: 1n, oldestMs: 1000, lastWriteMs: 5000}],
  );
  assert.equal(twin.hot.tableRows(SCOPE.incarnation), 2);
  twin.retire(SCOPE, 1n);
  assert.equal(twin.hot.tableRows(SCOPE.incarnation), 1);
  assert.deepEqual([twin.hot.scopeStats(SCOPE)?.minSeq, twin.hot.scopeStats(SCOPE)?.oldestMs], [2n, 5000]);
});

test('a visitor stops the scan by returning false', () => {
  const twin = new Twin(4096);
  for (let i = 0; i < 10; i++) twin.put(SCOPE, Buffer.from(`k${i}`), '');
  let visits = 0;
  twin.hot.snapshot(SCOPE).scan({}, false, () => ++visits < 3);
  assert.equal(visits, 3);
});
