/** USE: the namespace of names without one, until the request ends. */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {TokenCursor} from '../../parser/cursor.ts';
import {INFORMATION_NAMESPACE} from '../../system/information.ts';
import {defineStatement, done, type StatementContext, type StatementResult} from '../define.ts';

export const useNamespace = defineStatement<string>({
  name: 'USE NAMESPACE',
  heads: ['USE', 'USE NAMESPACE', 'SET NAMESPACE'],
  access: 'any',
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Namespaces',
    syntax: ['USE [NAMESPACE] name', 'SET NAMESPACE [TO | =] name'],
    about: 'Names without a namespace are of this one, in all later statements of the request.',
    example: ['USE shop', 'SELECT name FROM items'],
  },
  parse(cursor) {
    if (cursor.keywords('SET', 'NAMESPACE')) {
      if (!cursor.acceptSymbol('=')) cursor.acceptKeyword('TO');
    } else {
      cursor.expectKeyword('USE');
      // A namespace may have this name.
      if (cursor.rawAhead(1) !== '') cursor.acceptKeyword('NAMESPACE');
    }
    return namespaceName(cursor);
  },
  run: switchNamespace,
});

function namespaceName(cursor: TokenCursor): string {
  return cursor.isString() ? cursor.string().toLowerCase() : cursor.name('a namespace name').name;
}

export function switchNamespace(namespace: string, context: StatementContext): StatementResult {
  if (namespace !== INFORMATION_NAMESPACE && context.services.catalog.namespace(namespace) === undefined)
    throw fail.notFound(`Namespace '${namespace}' does not exist`);
  return {...done(context, `Namespace switched to '${namespace}'`), namespace};
}
