/**
 * CLUSTER: what a node is told about its cluster. This server is one node without others, so every action is understood, checked, and answered with
 * that; `system.cluster` and `system.cluster_groups` show the node.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {TokenCursor} from '../../parser/cursor.ts';
import {defineStatement} from '../define.ts';

export const cluster = defineStatement<{readonly action: string}>({
  name: 'CLUSTER',
  heads: ['CLUSTER'],
  access: {admin: 'cluster operations'},
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Cluster',
    syntax: [
      'CLUSTER {SNAPSHOT | PURGE [--upto | UPTO] index | TRIGGER ELECTION | TRANSFER LEADER node | REBALANCE | STEPDOWN | CLEAR}',
      'CLUSTER JOIN node [RPC] address [API] address',
    ],
    about: 'Actions of a cluster. A server is one node, so each is refused once it is understood.',
    example: 'CLUSTER SNAPSHOT',
    fails: 'requires cluster mode',
  },
  parse(cursor) {
    cursor.expectKeyword('CLUSTER');
    if (cursor.acceptOneOf('LIST', 'LS', 'STATUS') !== undefined) throw cursor.fail(LIST);
    if (cursor.acceptKeyword('LEAVE')) throw cursor.notSupported('CLUSTER LEAVE is not supported yet');
    return {action: parseAction(cursor)};
  },
  run({action}) {
    throw fail.invalidOperation(`CLUSTER ${action} requires cluster mode (Raft executor not available)`);
  },
});

const LIST =
  'CLUSTER LIST is a CLI-only command. Use \\cluster list in kalam, or query system.cluster and system.cluster_groups directly.';

/** The name of the action; what follows it is consumed. */
function parseAction(cursor: TokenCursor): string {
  if (twoWords(cursor, 'TRIGGER', 'ELECTION')) return 'TRIGGER ELECTION';
  if (twoWords(cursor, 'TRANSFER', 'LEADER')) {
    numeric(cursor, 'CLUSTER TRANSFER-LEADER requires a numeric node id');
    return 'TRANSFER-LEADER';
  }
  if (twoWords(cursor, 'STEP', 'DOWN')) return 'STEPDOWN';
  const word = cursor.expectOneOf('SNAPSHOT', 'PURGE', 'REBALANCE', 'STEPDOWN', 'JOIN', 'CLEAR');
  if (word === 'PURGE') {
    cursor.acceptKeyword('UPTO');
    numeric(cursor, 'CLUSTER PURGE requires --upto <index> or a numeric index');
  }
  if (word === 'JOIN') join(cursor);
  return word;
}

/** With a blank or a hyphen between them. */
function twoWords(cursor: TokenCursor, first: string, second: string): boolean {
  if (!cursor.isKeyword(first)) return false;
  const isJoined = cursor.isSymbol('-', 1);
  if (!cursor.isKeyword(second, isJoined ? 2 : 1)) return false;
  for (let words = isJoined ? 3 : 2; words > 0; words--) cursor.next();
  return true;
}

function numeric(cursor: TokenCursor, otherwise: string): void {
  if (!/^[0-9]+$/.test(cursor.raw)) throw cursor.fail(otherwise);
  cursor.number();
}

function join(cursor: TokenCursor): void {
  numeric(cursor, 'CLUSTER JOIN requires a numeric node id');
  for (const kind of ['RPC', 'API']) {
    cursor.acceptKeyword(kind);
    if (!cursor.isString()) throw cursor.fail(`CLUSTER JOIN requires ${kind} address, a quoted text`);
    cursor.string();
  }
}
