/**
 * The simulated disk: files in memory that can lose power, fail, and be full.
 *
 *     disk.failNext('datasync', 'EIO')   one operation fails        disk.capacityBytes = n   beyond it writes fail with ENOSPC
 *     disk.failAfter(n)                  all fail after n more      disk.crash(random)       power loss: unsynced work survives in any part
 *     disk.heal()                        they work again            disk.kill()              the process dies: what was written stays written
 *     disk.mount()                       the disk as one life sees it; a life that ended can do nothing more
 *     disk.watch = event => …            told before and after each effect; may end the life, or fail it by throwing
 *     disk.pace = (operation, path) => … how many turns of the loop an operation takes beyond the one it must, or what it waits for
 *
 * Laws: `crash` keeps what `datasync` and `syncDirectory` returned for, and may lose or tear anything else: each unsynced write of a
 * file and each unsynced name (created, renamed, removed) has its own fate. Files and handles of an earlier life throw. A failing
 * write may have landed in part. Every asynchronous operation takes effect at its call and returns in a later turn of the loop; a sync is
 * answerable for what was there at its call, and takes effect when it returns.
 */
import type {Disk, DiskFile} from './disk.ts';
import {SimFile} from './sim-file.ts';

export type DiskOperation = keyof DiskFile | keyof Disk;

/** An effect that is about to happen, or has just happened and is not answered yet. Only before it a watcher may throw. */
export interface DiskEvent {
  readonly when: 'before' | 'after';
  readonly operation: DiskOperation;
  readonly path: string;
  /** Of an `open`. */
  readonly mode: OpenMode | undefined;
}

type OpenMode = Parameters<Disk['open']>[1];

type Node = SimFile | SimDirectory;

/** A name given (or, with `node` undefined, taken away), and not yet synced. A rename within a directory is one of two names. */
type NameChange = readonly (readonly [name: string, node: Node | undefined])[];

class SimDirectory {
  readonly seen = new Map<string, Node>();
  readonly synced = new Map<string, Node>();
  unsynced: NameChange[] = [];

  change(names: NameChange): void {
    apply(this.seen, names);
    this.unsynced.push(names);
  }
}

interface PlannedFailure {
  readonly operation: DiskOperation;
  readonly code: string;
  readonly path: string;
}

export class SimDisk implements Disk {
  /** Sum of all file sizes beyond which a growing write fails with ENOSPC. */
  capacityBytes = Number.POSITIVE_INFINITY;
  /** A failing write leaves its first half behind. */
  shortWrites = true;
  operationCount = 0;
  watch: ((event: DiskEvent) => void) | undefined;
  pace: (operation: DiskOperation, path: string) => number | Promise<void> = () => 0;
  #root = new SimDirectory();
  #life = 0;
  #failures: PlannedFailure[] = [];
  #operationsLeft = Number.POSITIVE_INFINITY;
  #codeAfter = 'EIO';

  /** The next such operation, on a path ending in `path`, fails with the error code. Several may be planned. */
  failNext(operation: DiskOperation, code: string, path = ''): void {
    this.#failures.push({operation, code, path});
  }

  /** After `count` more operations every one fails, until `heal` or the next life. */
  failAfter(count: number, code = 'EIO'): void {
    this.#operationsLeft = count;
    this.#codeAfter = code;
  }

  heal(): void {
    this.#failures = [];
    this.#operationsLeft = Number.POSITIVE_INFINITY;
  }

  /** Power loss. */
  crash(random: () => number): void {
    this.kill();
    losePower(this.#root, random);
  }

  /** The process ends; the system keeps what was written to it. A later `crash` may still lose it. */
  kill(): void {
    this.#life++;
    this.heal();
  }

  /** The disk for one life of a process: after the next `crash` or `kill` every call on it throws. */
  mount(): Disk {
    const life = this.#life;
    const alive = (): SimDisk => {
      if (life !== this.#life) throw diskError('EBADF', 'a disk of an earlier life');
      return this;
    };
    return {
      open: async (path, mode) => alive().open(path, mode),
      readFile: async path => alive().readFile(path),
      rename: async (from, to) => alive().rename(from, to),
      remove: async path => alive().remove(path),
      makeDirectory: async path => alive().makeDirectory(path),
      removeDirectory: async path => alive().removeDirectory(path),
      list: async path => alive().list(path),
      syncDirectory: async path => alive().syncDirectory(path),
      space: async path => alive().space(path),
    };
  }

  /** Damages one byte that was safe. */
  flip(path: string, position: number): void {
    this.#file(path).flip(position);
  }

  /** Another disk in the same state, which goes its own way. */
  fork(): SimDisk {
    const fork = new SimDisk();
    fork.#root = copyOf(this.#root, new Map()) as SimDirectory;
    return fork;
  }

  /** Every file below the directory, by path, as a reader sees it now. For tests: no operation, nobody is told. */
  contents(path: string): Map<string, Buffer> {
    const found = new Map<string, Buffer>();
    const node = this.#find(path);
    if (node instanceof SimDirectory) collect(node, path, found);
    return found;
  }

  usedBytes(): number {
    return sizeOf(this.#root);
  }

  async open(path: string, mode: 'read' | 'update' | 'create'): Promise<DiskFile> {
    const effect = () => {
      const {directory, name} = this.#parent(path);
      if (mode !== 'create') return this.#handle(this.#file(path), path);
      if (directory.seen.has(name)) throw diskError('EEXIST', path);
      const file = new SimFile();
      directory.change([[name, file]]);
      return this.#handle(file, path);
    };
    return await this.#perform('open', path, effect, mode);
  }

  async readFile(path: string): Promise<Buffer> {
    return await this.#perform('readFile', path, () => this.#file(path).content('seen'));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#perform('rename', from, () => {
      const node = this.#find(from);
      if (node === undefined) throw diskError('ENOENT', from);
      const source = this.#parent(from);
      const target = this.#parent(to);
      if (target.directory.seen.get(target.name) instanceof SimDirectory) throw diskError('EISDIR', to);
      if (source.directory === target.directory) {
        source.directory.change([
          [source.name, undefined],
          [target.name, node],
        ]);
        return;
      }
      target.directory.change([[target.name, node]]);
      source.directory.change([[source.name, undefined]]);
    });
  }

  async remove(path: string): Promise<void> {
    await this.#perform('remove', path, () => {
      this.#file(path);
      const {directory, name} = this.#parent(path);
      directory.change([[name, undefined]]);
    });
  }

  /** Makes missing parents too, and is content with a directory that exists, as the real disk. */
  async makeDirectory(path: string): Promise<void> {
    await this.#perform('makeDirectory', path, () => {
      let directory = this.#root;
      for (const name of partsOf(path)) {
        const found = directory.seen.get(name);
        if (found instanceof SimFile) throw diskError('EEXIST', path);
        const next: SimDirectory = found ?? new SimDirectory();
        if (found === undefined) directory.change([[name, next]]);
        directory = next;
      }
    });
  }

  async removeDirectory(path: string): Promise<void> {
    await this.#perform('removeDirectory', path, () => {
      if (this.#directory(path).seen.size > 0) throw diskError('ENOTEMPTY', path);
      const {directory, name} = this.#parent(path);
      directory.change([[name, undefined]]);
    });
  }

  async list(path: string): Promise<string[]> {
    return await this.#perform('list', path, () => {
      const node = this.#find(path);
      if (node === undefined) return [];
      if (node instanceof SimFile) throw diskError('ENOTDIR', path);
      return [...node.seen.keys()].sort();
    });
  }

  async space(path: string): Promise<{totalBytes: number; usedBytes: number}> {
    await this.#begin('space', path);
    return {totalBytes: Math.min(this.capacityBytes, Number.MAX_SAFE_INTEGER), usedBytes: this.usedBytes()};
  }

  async syncDirectory(path: string): Promise<void> {
    this.#begin('syncDirectory', path);
    const life = this.#life;
    const directory = this.#directory(path);
    const changes = [...directory.unsynced];
    await this.#takeTurns(life, 'syncDirectory', path);
    // Another sync beside this one may have done some of them, and more.
    for (const names of changes) if (directory.unsynced.includes(names)) apply(directory.synced, names);
    directory.unsynced = directory.unsynced.filter(names => !changes.includes(names));
    this.#end(life, 'syncDirectory', path);
  }

  #handle(file: SimFile, path: string): DiskFile {
    const life = this.#life;
    let isClosed = false;
    const check = (operation: DiskOperation) => {
      if (isClosed || life !== this.#life) throw diskError('EBADF', path);
      this.#begin(operation, path);
    };
    const write = (operation: 'write' | 'writeNow', bytes: Uint8Array, position: number) => {
      try {
        check(operation);
        if (position + bytes.length > file.size && this.#lacks(position + bytes.length - file.size)) {
          throw diskError('ENOSPC', path);
        }
      } catch (error) {
        if (this.shortWrites && life === this.#life && !isClosed) this.#writeHalf(file, bytes, position);
        throw error;
      }
      file.write(bytes, position);
      this.#end(life, operation, path);
    };
    const beginSync = (operation: 'datasync' | 'datasyncNow') => {
      const writes = file.beginSync();
      try {
        check(operation);
      } catch (error) {
        if (life === this.#life) file.failSync(writes);
        throw error;
      }
      return writes;
    };
    return {
      read: async (position, length) => {
        check('read');
        await this.#takeTurns(life, 'read', path);
        return file.read(position, length);
      },
      write: async (bytes, position) => {
        write('write', bytes, position);
        await this.#takeTurns(life, 'write', path);
      },
      writeNow: (bytes, position) => write('writeNow', bytes, position),
      datasync: async () => {
        const writes = beginSync('datasync');
        await this.#takeTurns(life, 'datasync', path);
        file.endSync(writes);
        this.#end(life, 'datasync', path);
      },
      datasyncNow: () => {
        file.endSync(beginSync('datasyncNow'));
        this.#end(life, 'datasyncNow', path);
      },
      size: async () => {
        check('size');
        return file.size;
      },
      close: async () => {
        check('close');
        isClosed = true;
      },
    };
  }

  /** What a failing write leaves behind; never more than there is space for. */
  #writeHalf(file: SimFile, bytes: Uint8Array, position: number): void {
    const half = bytes.subarray(0, bytes.length >> 1);
    if (position + half.length > file.size && this.#lacks(position + half.length - file.size)) return;
    file.write(half, position);
  }

  #lacks(growthBytes: number): boolean {
    return this.capacityBytes !== Number.POSITIVE_INFINITY && this.usedBytes() + growthBytes > this.capacityBytes;
  }

  /** One effect, at once, and the turns of the loop that its answer takes. */
  async #perform<T>(operation: DiskOperation, path: string, effect: () => T, mode?: OpenMode): Promise<T> {
    const life = this.#life;
    this.#begin(operation, path, mode);
    const result = effect();
    this.#end(life, operation, path, mode);
    await this.#takeTurns(life, operation, path);
    return result;
  }

  #begin(operation: DiskOperation, path: string, mode?: OpenMode): void {
    const life = this.#life;
    this.operationCount++;
    this.watch?.({when: 'before', operation, path, mode});
    this.#checkLife(life, path);
    if (this.#operationsLeft-- <= 0) throw diskError(this.#codeAfter, path);
    const planned = this.#failures.findIndex(failure => failure.operation === operation && path.endsWith(failure.path));
    if (planned < 0) return;
    const [failure] = this.#failures.splice(planned, 1);
    throw diskError(failure!.code, path);
  }

  #end(life: number, operation: DiskOperation, path: string, mode?: OpenMode): void {
    this.watch?.({when: 'after', operation, path, mode});
    this.#checkLife(life, path);
  }

  async #takeTurns(life: number, operation: DiskOperation, path: string): Promise<void> {
    const pace = this.pace(operation, path);
    if (typeof pace !== 'number') await pace;
    for (let turns = typeof pace === 'number' ? 1 + pace : 1; turns > 0; turns--) await turn();
    this.#checkLife(life, path);
  }

  #checkLife(life: number, path: string): void {
    if (life !== this.#life) throw diskError('EBADF', path);
  }

  #find(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of partsOf(path)) {
      if (!(node instanceof SimDirectory)) return undefined;
      node = node.seen.get(name);
    }
    return node;
  }

  #file(path: string): SimFile {
    const node = this.#find(path);
    if (node === undefined) throw diskError('ENOENT', path);
    if (node instanceof SimDirectory) throw diskError('EISDIR', path);
    return node;
  }

  #directory(path: string): SimDirectory {
    const node = this.#find(path);
    if (node === undefined) throw diskError('ENOENT', path);
    if (node instanceof SimFile) throw diskError('ENOTDIR', path);
    return node;
  }

  #parent(path: string): {directory: SimDirectory; name: string} {
    const parts = partsOf(path);
    const name = parts.pop();
    if (name === undefined) throw diskError('EINVAL', path);
    return {directory: this.#directory(parts.join('/')), name};
  }
}

function apply(names: Map<string, Node>, change: NameChange): void {
  for (const [name, node] of change) {
    if (node === undefined) names.delete(name);
    else names.set(name, node);
  }
}

function losePower(directory: SimDirectory, random: () => number): void {
  for (const change of directory.unsynced) if (random() < 0.5) apply(directory.synced, change);
  directory.unsynced = [];
  directory.seen.clear();
  for (const [name, node] of directory.synced) {
    directory.seen.set(name, node);
    if (node instanceof SimFile) node.losePower(random);
    else losePower(node, random);
  }
}

function sizeOf(node: Node): number {
  if (node instanceof SimFile) return node.size;
  let bytes = 0;
  for (const child of node.seen.values()) bytes += sizeOf(child);
  return bytes;
}

/** A node may have a name that is seen and another that is synced: it is still one node. */
function copyOf(node: Node, known: Map<Node, Node>): Node {
  const done = known.get(node);
  if (done !== undefined) return done;
  if (node instanceof SimFile) {
    const file = node.copy();
    known.set(node, file);
    return file;
  }
  const directory = new SimDirectory();
  known.set(node, directory);
  const copyName = ([name, child]: readonly [string, Node | undefined]) =>
    [name, child && copyOf(child, known)] as const;
  apply(directory.seen, [...node.seen].map(copyName));
  apply(directory.synced, [...node.synced].map(copyName));
  directory.unsynced = node.unsynced.map(change => change.map(copyName));
  return directory;
}

function collect(directory: SimDirectory, path: string, into: Map<string, Buffer>): void {
  for (const [name, node] of directory.seen) {
    if (node instanceof SimFile) into.set(`${path}/${name}`, node.content('seen'));
    else collect(node, `${path}/${name}`, into);
  }
}

function partsOf(path: string): string[] {
  return path.split('/').filter(part => part !== '' && part !== '.');
}

function diskError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), {code});
}

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}
