/**
 * Auditor: laws that hold whatever the rows are.
 *
 *     I4   a version's `_seq` is unique in its scope, never changes, and a newer version has a higher one than all that were seen before
 *     I5   every listed segment is there, as it was when first seen; when no job works, no file is there that no manifest lists and nobody waits to
 *          delete, and no mirror without a manifest
 *     I7   at most one flush of a table is queued or at work, and one at work has a lease that has not run out
 *     I8   a job that is over stays as it is
 */
import assert from 'node:assert/strict';
import {crc32} from '../../src/std/crc32.ts';
import type {Cell} from '../test-database.ts';
import type {Loss} from './ledger.ts';
import type {Scope, Slot} from './oracle.ts';
import {DIRECTORY, type SimWorld} from './sim-world.ts';

/** Of each key of a slot the `_seq` of its newest version, tombstones too. */
export type Versions = ReadonlyMap<Slot, readonly (bigint | undefined)[]>;

const ACTIVE = ['new', 'queued', 'running', 'retrying'];

export class Auditor {
  readonly #world: SimWorld;
  readonly #scopes: readonly Scope[];
  #versions: Versions = new Map();
  #newestSeq = new Map<Scope, bigint>();
  readonly #checksums = new Map<string, number>();
  #jobsOver = new Map<string, string>();

  constructor(world: SimWorld, scopes: readonly Scope[]) {
    this.#world = world;
    this.#scopes = scopes;
  }

  /** A life begins with these versions. */
  begin(versions: Versions, loss: Loss): void {
    if (loss !== 'nothing') {
      this.#versions = new Map();
      this.#newestSeq = new Map();
      this.#jobsOver = new Map();
    }
    this.note(versions);
  }

  note(versions: Versions): void {
    for (const scope of this.#scopes) {
      const newest = this.#newestSeq.get(scope) ?? 0n;
      const all: bigint[] = [];
      for (const slot of scope.slots) {
        const before = this.#versions.get(slot);
        for (const [i, seq] of (versions.get(slot) ?? []).entries()) {
          if (seq === undefined) continue;
          assert.ok(seq === before?.[i] || seq > newest, `_seq of ${slot.keys[i]} went from ${before?.[i]} to ${seq}`);
          all.push(seq);
        }
      }
      assert.equal(new Set(all).size, all.length, `_seq is unique in ${scope.table.name}`);
      this.#newestSeq.set(scope, [newest, ...all].sort((a, b) => (a < b ? -1 : 1)).at(-1)!);
    }
    this.#versions = versions;
  }

  async check(): Promise<void> {
    const jobs = await this.#rows('SELECT * FROM system.jobs');
    this.#checkJobs(jobs);
    const isIdle = jobs.every(job => !ACTIVE.includes(String(job['status'])));
    // Files come and go between one look and the next.
    const waitingBefore = await this.#waitingFiles();
    const manifests = await this.#rows('SELECT namespace_id, table_name, scope, manifest_json FROM system.manifest');
    const left = [...this.#unlistedFiles(manifests), ...this.#unlistedMirrors(manifests)];
    // What a deletion that failed leaves is the next start's to delete.
    if (left.length === 0 || !isIdle || this.#world.hasFaults) return;
    const leftMax = Math.max(waitingBefore, await this.#waitingFiles());
    assert.ok(left.length <= leftMax, `files that nobody needs, and ${leftMax} waiting to go: ${left.join(', ')}`);
  }

  async #waitingFiles(): Promise<number> {
    const [waiting] = await this.#rows("SELECT metric_value FROM system.stats WHERE metric_name = 'files_to_delete'");
    return Number(waiting!['metric_value']);
  }

  #checkJobs(jobs: readonly Record<string, Cell>[]): void {
    const busy = new Set<string>();
    const now = BigInt(this.#world.life.clock.nowMs()) * 1000n;
    for (const job of jobs) {
      const {job_id: id, status, lease_key: table} = job;
      const text = JSON.stringify(job);
      const before = this.#jobsOver.get(String(id));
      assert.ok(before === undefined || before === text, `job ${id} was over: ${before}, and is now ${text}`);
      if (!ACTIVE.includes(String(status))) {
        this.#jobsOver.set(String(id), text);
        continue;
      }
      if (table === null || table === undefined) continue;
      // A compaction waits behind a flush that came later.
      const place = `${job['job_type'] === 'compact' ? 'compaction' : 'flush'} of table ${table}`;
      assert.ok(!busy.has(place), `two jobs for one ${place}`);
      busy.add(place);
      if (status !== 'running') continue;
      assert.ok(!busy.has(`${table}`), `two jobs work on table ${table}`);
      busy.add(`${table}`);
      const lease = job['lease_expires_at'];
      assert.ok(lease !== null && microsOf(lease!) > now, `job ${id} runs with a lease until ${lease}, now is ${now}`);
    }
  }

  /** Checks those that are listed, and returns the others. */
  #unlistedFiles(manifests: readonly Record<string, Cell>[]): string[] {
    const files = new Map<string, Buffer>();
    const {disk, s3} = this.#world;
    for (const [path, bytes] of [...disk.contents(`${DIRECTORY}/storage`), ...s3.contents()]) {
      const name = path.slice(path.lastIndexOf('/') + 1);
      if (name.includes('.parquet')) files.set(name, bytes);
    }
    const listed = new Set<string>();
    for (const {manifest_json: text} of manifests) {
      for (const segment of JSON.parse(String(text)).segments) {
        const bytes = files.get(segment.path);
        assert.ok(bytes !== undefined, `${segment.path} is listed and not there`);
        assert.ok(!listed.has(segment.path), `${segment.path} is listed twice`);
        listed.add(segment.path);
        const checksum = crc32(bytes);
        assert.equal(checksum.toString(16).padStart(8, '0'), segment.checksum, `the bytes of ${segment.path}`);
        assert.equal(checksum, this.#checksums.get(segment.path) ?? checksum, `${segment.path} was modified`);
        this.#checksums.set(segment.path, checksum);
      }
    }
    return [...files.keys()].filter(name => !listed.has(name));
  }

  /** A scope without segments has no mirror, unless a power loss took a publish that was not synced. */
  #unlistedMirrors(manifests: readonly Record<string, Cell>[]): string[] {
    if (this.#world.options.durability !== 'D2') return [];
    const listed = manifests.map(({namespace_id: namespace, table_name: table, scope}) =>
      [namespace, table, ...(scope === 'shared' ? [] : [scope]), 'manifest.json'].join('/'),
    );
    const mirrors = [...this.#world.disk.contents(`${DIRECTORY}/storage`).keys()].filter(path =>
      path.endsWith('/manifest.json'),
    );
    return mirrors.filter(path => !listed.some(one => path.endsWith(`/${one}`)));
  }

  async #rows(sql: string): Promise<Record<string, Cell>[]> {
    const result = await this.#world.settle(this.#world.sql(sql));
    if (result === undefined) throw new Error('nothing was planned, and yet the life ended');
    return result.rows.map(row => Object.fromEntries(result.columns.map((name, i) => [name, row[i]!])));
  }
}

/** Of a TIMESTAMP as SELECT shows it. */
function microsOf(cell: Cell): bigint {
  if (typeof cell === 'number' || /^\d+$/.test(String(cell))) return BigInt(cell as number);
  return BigInt(Date.parse(String(cell))) * 1000n;
}
