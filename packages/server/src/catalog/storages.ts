/**
 * Storages: where segments lie. A storage has an id, a base and two path templates; `local` is built in, the others are folded from the rows of
 * `system.storages` as they are committed.
 *
 * Laws: a template's static part comes before the user id, so that a table's and a namespace's folders are prefixes. User ids enter a path
 * only percent-encoded, so no id can leave its folder or meet another's; the shared scope has no user part.
 */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {Blob} from '../blob/blob.ts';
import {pathComponent, type ScopeKey} from '../model/names.ts';
import type {Schema} from '../model/schema.ts';

/** The storage in the data directory. */
export const LOCAL_STORAGE = 'local';

export interface Storage {
  readonly id: string;
  readonly sharedTemplate: string;
  readonly userTemplate: string;
  readonly blob: Blob;
  /** Directory or URL, as people know it. */
  readonly base: string;
}

export class Storages {
  readonly #byId = new Map<string, Storage>();

  add(storage: Storage): void {
    checkTemplate('Shared table template', storage.sharedTemplate, false);
    checkTemplate('User table template', storage.userTemplate, true);
    this.#byId.set(storage.id, storage);
  }

  remove(id: string): void {
    this.#byId.delete(id);
  }

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  blob(id: string): Blob {
    return this.#get(id).blob;
  }

  /** Folder of a scope's segments below the storage's base. */
  folder(schema: Schema, scope: ScopeKey): string {
    const storage = this.#get(schema.options.storageId);
    const template = scope.owner === null ? storage.sharedTemplate : storage.userTemplate;
    return template
      .replaceAll('{namespace}', schema.name.namespace)
      .replaceAll('{tableName}', schema.folder ?? schema.name.table)
      .replaceAll('{shard}', scope.owner === null ? 'shard_0' : shardOf(scope.owner))
      .replaceAll('{userId}', scope.owner === null ? '' : pathComponent(scope.owner));
  }

  /** Where a table's segments lie, for people: base and the part of the template that all its scopes share. */
  location(schema: Schema): string {
    const storage = this.#get(schema.options.storageId);
    const template = schema.kind === 'user' ? storage.userTemplate : storage.sharedTemplate;
    const folder = template
      .replaceAll('{namespace}', schema.name.namespace)
      .replaceAll('{tableName}', schema.folder ?? schema.name.table);
    return `${storage.base}/${folder.replace(/\/?\{.*$/, '')}`;
  }

  /** Where objects, or copies of them, lie on this machine. */
  directories(): string[] {
    return [...this.#byId.values()].map(({blob}) => blob.directory).filter(directory => directory !== undefined);
  }

  #get(id: string): Storage {
    const storage = this.#byId.get(id);
    if (storage === undefined)
      throw new DbError('DATA_CORRUPTED', `Storage '${id}' is used by a table but is not registered.`);
    return storage;
  }
}

const SHARDS = 32;

function shardOf(owner: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < owner.length; i++) hash = Math.imul(hash ^ owner.charCodeAt(i), 0x01000193) >>> 0;
  return `shard_${hash % SHARDS}`;
}

/** Throws Invalid operation with the reason a template cannot be used. */
export function checkTemplate(label: string, template: string, isUser: boolean): void {
  const bad = (text: string) => fail.invalidOperation(`${label}: ${text}`);
  const at = (name: string) => template.indexOf(`{${name}}`);
  if (isUser) {
    if (at('userId') < 0) throw bad('{userId} is required');
  } else {
    if (at('namespace') < 0 && at('tableName') < 0) throw bad('Both {namespace} and {tableName} are required');
    if (at('namespace') < 0) throw bad('{namespace} is required');
    if (at('tableName') < 0) throw bad('{tableName} is required');
    if (at('userId') >= 0) throw bad('{userId} is not allowed');
  }
  const order = ['namespace', 'tableName', 'shard', 'userId'].filter(name => at(name) >= 0);
  for (let i = 1; i < order.length; i++) {
    if (at(order[i - 1]!) > at(order[i]!)) throw bad(`{${order[i - 1]}} must appear before {${order[i]}}`);
  }
  const rest = template.replace(/\{(namespace|tableName|shard|userId)\}/g, 'x');
  if (/[{}]/.test(rest)) throw bad('unknown placeholder');
  const isUnsafe =
    rest.startsWith('/') ||
    rest.includes('\\') ||
    rest.includes('\0') ||
    rest.split('/').some(part => part === '' || part === '.' || part === '..');
  if (isUnsafe) throw bad('it must be a relative path without empty, "." or ".." parts');
}
