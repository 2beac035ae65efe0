/**
 * The simulated disk: files in memory that can lose power, fail, and be full.
 *
 *     disk.failNext('datasync', 'EIO')   one operation fails        disk.capacityBytes = n   beyond it writes fail with ENOSPC
 *     disk.failAfter(n)                  all fail after n more      disk.crash(random)       power loss: unsynced work survives in any part
 *     disk.heal()                        they work again            disk.kill()              the process dies: what was written stays written
 *     disk.mount()                       the disk as one life sees it; a life that ended can do nothing more
 *
 * Laws: `crash` keeps what `datasync` and `syncDirectory` returned for, and may lose or tear anything else: each unsynced write of a
 * file and each unsynced name (created, renamed, removed) has its own fate. Files and handles of an earlier life throw. A failing
 * write may have landed in part. Every asynchronous operation takes effect at its call and returns in a later turn of the loop.
 */
import type {Disk, DiskFile} from './disk.ts';
import {SimFile} from './sim-file.ts';

export type DiskOperation = keyof DiskFile | keyof Disk;

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

  usedBytes(): number {
    return sizeOf(this.#root);
  }

  async open(path: string, mode: 'read' | 'update' | 'create'): Promise<DiskFile> {
    await this.#begin('open', path);
    const {directory, name} = this.#parent(path);
    if (mode === 'create') {
      if (directory.seen.has(name)) throw diskError('EEXIST', path);
      const file = new SimFile();
      directory.change([[name, file]]);
      return this.#handle(file, path);
    }
    return this.#handle(this.#file(path), path);
  }

  async readFile(path: string): Promise<Buffer> {
    await this.#begin('readFile', path);
    return this.#file(path).content('seen');
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#begin('rename', from);
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
  }

  async remove(path: string): Promise<void> {
    await this.#begin('remove', path);
    this.#file(path);
    const {directory, name} = this.#parent(path);
    directory.change([[name, undefined]]);
  }

  /** Makes missing parents too, and is content with a directory that exists, as the real disk. */
  async makeDirectory(path: string): Promise<void> {
    await this.#begin('makeDirectory', path);
    let directory = this.#root;
    for (const name of partsOf(path)) {
      const found = directory.seen.get(name);
      if (found instanceof SimFile) throw diskError('EEXIST', path);
      const next: SimDirectory = found ?? new SimDirectory();
      if (found === undefined) directory.change([[name, next]]);
      directory = next;
    }
  }

  async removeDirectory(path: string): Promise<void> {
    await this.#begin('removeDirectory', path);
    if (this.#directory(path).seen.size > 0) throw diskError('ENOTEMPTY', path);
    const {directory, name} = this.#parent(path);
    directory.change([[name, undefined]]);
  }

  async list(path: string): Promise<string[]> {
    await this.#begin('list', path);
    const node = this.#find(path);
    if (node === undefined) return [];
    if (node instanceof SimFile) throw diskError('ENOTDIR', path);
    return [...node.seen.keys()].sort();
  }

  async space(path: string): Promise<{totalBytes: number; usedBytes: number}> {
    await this.#begin('space', path);
    return {totalBytes: Math.min(this.capacityBytes, Number.MAX_SAFE_INTEGER), usedBytes: this.usedBytes()};
  }

  async syncDirectory(path: string): Promise<void> {
    const directory = this.#directory(path);
    const changes = [...directory.unsynced];
    await this.#begin('syncDirectory', path);
    for (const names of changes) apply(directory.synced, names);
    directory.unsynced = directory.unsynced.filter(names => !changes.includes(names));
  }

  #handle(file: SimFile, path: string): DiskFile {
    const life = this.#life;
    let isClosed = false;
    const check = (operation: DiskOperation) => {
      if (isClosed || life !== this.#life) throw diskError('EBADF', path);
      this.#count(operation, path);
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
    };
    const sync = (operation: 'datasync' | 'datasyncNow'): (() => void) => {
      const writes = file.beginSync();
      try {
        check(operation);
      } catch (error) {
        file.failSync(writes);
        throw error;
      }
      return () => file.endSync(writes);
    };
    const later = async () => {
      await turn();
      if (life !== this.#life) throw diskError('EBADF', path);
    };
    return {
      read: async (position, length) => {
        check('read');
        await later();
        return file.read(position, length);
      },
      write: async (bytes, position) => {
        write('write', bytes, position);
        await later();
      },
      writeNow: (bytes, position) => write('writeNow', bytes, position),
      datasync: async () => {
        const end = sync('datasync');
        await later();
        end();
      },
      datasyncNow: () => sync('datasyncNow')(),
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

  async #begin(operation: DiskOperation, path: string): Promise<void> {
    const life = this.#life;
    this.#count(operation, path);
    await turn();
    if (life !== this.#life) throw diskError('EBADF', path);
  }

  #count(operation: DiskOperation, path: string): void {
    this.operationCount++;
    if (this.#operationsLeft-- <= 0) throw diskError(this.#codeAfter, path);
    const planned = this.#failures.findIndex(failure => failure.operation === operation && path.endsWith(failure.path));
    if (planned < 0) return;
    const [failure] = this.#failures.splice(planned, 1);
    throw diskError(failure!.code, path);
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

function partsOf(path: string): string[] {
  return path.split('/').filter(part => part !== '' && part !== '.');
}

function diskError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), {code});
}

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}
