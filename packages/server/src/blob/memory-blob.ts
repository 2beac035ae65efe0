/**
 * Memory blob: objects in a Map, for tests and simulations. Hooks make the next calls fail, or damage what is stored.
 */
import {assert} from '../std/assert.ts';
import type {Blob} from './blob.ts';
import {checkObjectPath, checkPrefix, missingObject, shortObject} from './object-path.ts';

export interface MemoryBlob extends Blob {
  /** The next call of that operation throws `error`. Calls queue up. */
  failNext(operation: 'put' | 'replace' | 'read' | 'remove' | 'list', error: Error): void;
  /** Changes stored bytes in place, as a bad disk would. */
  damage(path: string, change: (bytes: Buffer) => Buffer): void;
}

export function memoryBlob(): MemoryBlob {
  const objects = new Map<string, Buffer>();
  const failures = new Map<string, Error[]>();

  function failIfAsked(operation: string): void {
    const error = failures.get(operation)?.shift();
    if (error !== undefined) throw error;
  }
  function stored(path: string): Buffer {
    const bytes = objects.get(path);
    if (bytes === undefined) throw missingObject(path);
    return bytes;
  }
  function store(operation: 'put' | 'replace', path: string, bytes: Uint8Array): void {
    checkObjectPath(path);
    failIfAsked(operation);
    objects.set(path, Buffer.from(bytes));
  }

  return {
    async put(path, bytes) {
      assert(!objects.has(path), `an object name is used once: ${path}`);
      store('put', path, bytes);
    },
    async replace(path, bytes) {
      store('replace', path, bytes);
    },
    async read(path, start, end) {
      checkObjectPath(path);
      failIfAsked('read');
      const bytes = stored(path);
      if (bytes.length < end) throw shortObject(path, {end, size: bytes.length});
      return Buffer.from(bytes.subarray(start, end));
    },
    file: async () => undefined,
    directory: undefined,
    async size(path) {
      checkObjectPath(path);
      return objects.get(path)?.length;
    },
    async remove(paths) {
      for (const path of paths) checkObjectPath(path);
      failIfAsked('remove');
      for (const path of paths) objects.delete(path);
    },
    async list(prefix) {
      checkPrefix(prefix);
      failIfAsked('list');
      return [...objects.keys()].filter(path => isBelow(path, prefix)).sort();
    },
    failNext(operation, error) {
      failures.set(operation, [...(failures.get(operation) ?? []), error]);
    },
    damage(path, change) {
      objects.set(path, change(Buffer.from(stored(path))));
    },
  };
}

function isBelow(path: string, prefix: string): boolean {
  return prefix === '' || path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
}
