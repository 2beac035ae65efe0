/**
 * Completion: what Tab offers: words of the language, meta commands, and the tables and namespaces there were at the start.
 */
import {COMMANDS} from './commands.ts';
import type {Ask} from './server.ts';

const WORDS = (
  'SELECT FROM WHERE GROUP BY HAVING ORDER LIMIT OFFSET INSERT INTO VALUES UPDATE SET DELETE CREATE TABLE USER SHARED STREAM NAMESPACE DROP ALTER ' +
  'ADD COLUMN STORAGE FLUSH COMPACT ALL IN DESCRIBE EXPLAIN SHOW TABLES NAMESPACES STORAGES KILL JOB AND OR NOT NULL LIKE BETWEEN JOIN ON AS DISTINCT COUNT'
).split(' ');

export type Completer = (line: string) => [hits: string[], prefix: string];

export async function createCompleter(ask: Ask): Promise<Completer> {
  const reply = await ask('SELECT namespace_id, table_name FROM system.tables').catch(() => undefined);
  const tables = (reply?.results[0]?.rows ?? []).map(([namespace, table]) => `${namespace}.${table}`);
  const commands = COMMANDS.flatMap(({names}) => names.map(name => `\\${name}`));
  return line => {
    const prefix = /[\\\w.]*$/.exec(line)?.[0] ?? '';
    const known = prefix.startsWith('\\') ? commands : [...WORDS, ...tables];
    const hits = known.filter(word => word.toLowerCase().startsWith(prefix.toLowerCase()));
    return [prefix === '' ? [] : hits.map(word => `${word} `), prefix];
  };
}
