/** BEGIN, COMMIT, ROLLBACK and savepoints: transactions within one request. */
import {requireRight} from '../../auth/roles.ts';
import type {Name} from '../../parser/ast.ts';
import type {TokenCursor} from '../../parser/cursor.ts';
import {defineStatement, done, placed} from '../define.ts';

export const begin = defineStatement<undefined>({
  name: 'BEGIN',
  heads: ['BEGIN', 'START TRANSACTION'],
  access: 'any',
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Transactions',
    syntax: ['BEGIN [TRANSACTION | WORK]', 'START TRANSACTION'],
    about:
      'Begins a transaction, which ends in the same request. Its statements see one moment and what they wrote themselves; others see all of it at COMMIT, or nothing.',
    example: ['BEGIN', 'UPDATE shop.items SET price = price + 1 WHERE id = 1', 'COMMIT'],
  },
  parse(cursor) {
    if (cursor.acceptKeyword('START')) cursor.expectKeyword('TRANSACTION');
    else {
      cursor.expectKeyword('BEGIN');
      noiseWord(cursor);
    }
    if (['ISOLATION', 'READ', 'NOT', 'DEFERRABLE'].some(word => cursor.isKeyword(word)))
      throw cursor.notSupported('transaction modes; every transaction reads one snapshot and may write');
    return undefined;
  },
  run(_tree, context) {
    requireRight(context.session, 'begin transaction');
    return done(context, `Transaction started (${context.transaction.begin(context)})`);
  },
});

export const commit = defineStatement<undefined>({
  name: 'COMMIT',
  heads: ['COMMIT', 'END'],
  access: 'any',
  takesParams: false,
  runsInTransaction: true,
  doc: {
    topic: 'Transactions',
    syntax: ['COMMIT [TRANSACTION | WORK]', 'END [TRANSACTION | WORK]'],
    about:
      'Writes all that the transaction wrote, at once. WRITE_CONFLICT if somebody else wrote one of its rows since BEGIN: nothing is written then, and the request can be sent again.',
    example: ['BEGIN', 'DELETE FROM shop.items WHERE id = 2', 'COMMIT'],
  },
  parse(cursor) {
    cursor.next();
    noiseWord(cursor);
    refuseChain(cursor);
    return undefined;
  },
  async run(_tree, context) {
    return done(context, `Transaction committed (${await context.transaction.commit(context.signal)})`);
  },
});

export const rollback = defineStatement<{readonly to: Name | undefined}>({
  name: 'ROLLBACK',
  heads: ['ROLLBACK', 'ABORT'],
  access: 'any',
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Transactions',
    syntax: [
      'ROLLBACK [TRANSACTION | WORK]',
      'ABORT [TRANSACTION | WORK]',
      'ROLLBACK [TRANSACTION | WORK] TO [SAVEPOINT] name',
    ],
    about: 'Ends the transaction and leaves nothing of it; with TO, takes back what was written since the savepoint.',
    example: ['BEGIN', 'DELETE FROM shop.items WHERE id = 2', 'ROLLBACK'],
  },
  parse(cursor) {
    const isRollback = cursor.acceptKeyword('ROLLBACK');
    if (!isRollback) cursor.expectKeyword('ABORT');
    noiseWord(cursor);
    refuseChain(cursor);
    if (!isRollback || !cursor.acceptKeyword('TO')) return {to: undefined};
    cursor.acceptKeyword('SAVEPOINT');
    return {to: cursor.columnName('the name of a savepoint')};
  },
  run({to}, context) {
    if (to === undefined) return done(context, `Transaction rolled back (${context.transaction.rollback()})`);
    const transaction = context.transaction.current('ROLLBACK TO SAVEPOINT');
    placed(context, to, () => transaction.rollbackTo(to.name));
    return done(context, `Rolled back to savepoint ${to.name}`);
  },
});

export const savepoint = defineStatement<Name>({
  name: 'SAVEPOINT',
  heads: ['SAVEPOINT'],
  access: 'any',
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Transactions',
    syntax: 'SAVEPOINT name',
    about: 'Marks a place in the transaction to which ROLLBACK TO can go back. Of equal names the last one counts.',
    example: [
      'BEGIN',
      'DELETE FROM shop.items WHERE id = 2',
      'SAVEPOINT one',
      'DELETE FROM shop.items WHERE id = 1',
      'ROLLBACK TO one',
      'COMMIT',
    ],
  },
  parse(cursor) {
    cursor.expectKeyword('SAVEPOINT');
    return cursor.columnName('the name of a savepoint');
  },
  run(tree, context) {
    context.transaction.current('SAVEPOINT').savepoint(tree.name);
    return done(context, `Savepoint ${tree.name} set`);
  },
});

export const release = defineStatement<Name>({
  name: 'RELEASE SAVEPOINT',
  heads: ['RELEASE'],
  access: 'any',
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Transactions',
    syntax: 'RELEASE [SAVEPOINT] name',
    about: 'Forgets a savepoint and those after it; what was written stays.',
    example: ['BEGIN', 'SAVEPOINT one', 'RELEASE one', 'COMMIT'],
  },
  parse(cursor) {
    cursor.expectKeyword('RELEASE');
    cursor.acceptKeyword('SAVEPOINT');
    return cursor.columnName('the name of a savepoint');
  },
  run(tree, context) {
    const transaction = context.transaction.current('RELEASE SAVEPOINT');
    placed(context, tree, () => transaction.release(tree.name));
    return done(context, `Savepoint ${tree.name} released`);
  },
});

function noiseWord(cursor: TokenCursor): void {
  cursor.acceptOneOf('TRANSACTION', 'WORK');
}

function refuseChain(cursor: TokenCursor): void {
  if (cursor.isKeyword('AND')) throw cursor.notSupported('AND CHAIN');
}
