/**
 * Statements of this language that are known by name and not run by this release. Each answers NOT_SUPPORTED with its name, so that nobody
 * looks for a mistake in the spelling. A statement that is built leaves this list.
 */
import {defineStatement, type StatementKind} from '../define.ts';

/** Canonical names; those that begin otherwise list their heads. */
const NAMES: readonly (string | readonly [name: string, ...heads: string[]])[] = [
  ['MATERIALIZED VIEWS are not supported yet', 'CREATE MATERIALIZED VIEW', 'CREATE OR REPLACE MATERIALIZED VIEW'],
  ['BACKUP DATABASE', 'BACKUP'],
  ['RESTORE DATABASE', 'RESTORE'],
  ['SHOW BACKUP', 'SHOW BACKUP', 'SHOW BACKUPS'],
  'EXPORT USER DATA',
  'SHOW EXPORT',
  'CREATE TOPIC',
  'ALTER TOPIC',
  'DROP TOPIC',
  'CLEAR TOPIC',
  ['CONSUME FROM', 'CONSUME'],
  'ACK',
];

export const NOT_YET: readonly StatementKind[] = NAMES.map(item => {
  const [name, ...heads] = typeof item === 'string' ? [item] : item;
  return defineStatement<never>({
    name,
    heads: heads.length === 0 ? [name] : heads,
    access: 'any',
    takesParams: false,
    doc: undefined,
    parse(cursor) {
      throw cursor.notSupported(name);
    },
    run(tree) {
      return tree;
    },
  });
});
