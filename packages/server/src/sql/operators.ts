/** Operators: what the statements that start jobs on tables share: who may, and how they name a table or a namespace. */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import type {Schema} from '../model/schema.ts';
import type {TableRef} from '../parser/ast.ts';
import type {TokenCursor} from '../parser/cursor.ts';
import {WORD} from '../parser/tokenizer.ts';
import type {StatementContext} from './define.ts';
import {redactSecrets} from './redact.ts';

const CREATIONS_AT_ONCE = 16;
const FOUND_MAX = 60;

/** The name of a table or view, where people also try queries. */
export function namedTable(cursor: TokenCursor): TableRef {
  if (cursor.kind === WORD && !cursor.isName() && !cursor.isSymbol('.', 1)) {
    throw cursor.fail(
      `Invalid table reference '${restOf(cursor)}'. Table references should be simple identifiers like 'table' or 'namespace.table', not SQL statements`,
    );
  }
  const ref = cursor.tableRef();
  const text = ref.namespace === undefined ? ref.table.name : `${ref.namespace.name}.${ref.table.name}`;
  if (/\s/.test(text))
    throw cursor.fail(`Invalid table reference '${text}'. Table references should not contain spaces`, ref.start);
  return ref;
}

export function qualifiedTable(cursor: TokenCursor, statement: string): TableRef {
  const ref = namedTable(cursor);
  if (ref.namespace === undefined) {
    throw new DbError('INVALID_SQL', `Invalid SQL: Table name must be qualified (namespace.table) for ${statement}`);
  }
  expectEnd(cursor, statement);
  return ref;
}

function expectEnd(cursor: TokenCursor, statement: string): void {
  if (!cursor.atEnd()) throw cursor.fail(`Unexpected tokens after ${statement}. Found: ${restOf(cursor)}`);
}

/** What is left of the statement, as far as an error shows it. */
function restOf(cursor: TokenCursor): string {
  return redactSecrets(cursor.statement.text.slice(cursor.start)).slice(0, FOUND_MAX);
}

/** `[IN [NAMESPACE] name]`, the end of `statement`. */
export function inNamespace(cursor: TokenCursor, statement: string): string | undefined {
  const namespace = cursor.acceptKeyword('IN') ? namedNamespace(cursor) : undefined;
  expectEnd(cursor, statement);
  return namespace;
}

/** `[NAMESPACE] name`, where a namespace may have the name of the word. */
export function namedNamespace(cursor: TokenCursor): string {
  if (cursor.rawAhead(1) !== '') cursor.acceptKeyword('NAMESPACE');
  return cursor.name('a namespace name').name;
}

export function knownNamespace(context: StatementContext, name: string | undefined): string {
  const namespace = name ?? context.namespace;
  if (context.services.catalog.namespace(namespace) === undefined)
    throw fail.namespaceNotFound(`Namespace '${namespace}' does not exist`);
  return namespace;
}

/** Tables of the namespace whose rows go to segments. */
export function segmentedTables(context: StatementContext, namespace: string): Schema[] {
  const hasSegments = (schema: Schema) =>
    schema.name.namespace === namespace && (schema.kind === 'user' || schema.kind === 'shared');
  return context.services.catalog.tables().filter(hasSegments);
}

/** Starts a job on each table, a few at once: ids of those that were made, and the tables on which one was in the way. */
export async function startOnAll(
  schemas: readonly Schema[],
  start: (schema: Schema) => Promise<string | undefined>,
): Promise<{started: string[]; busy: Schema[]}> {
  const started: string[] = [];
  const busy: Schema[] = [];
  for (let i = 0; i < schemas.length; i += CREATIONS_AT_ONCE) {
    const some = schemas.slice(i, i + CREATIONS_AT_ONCE);
    for (const [k, jobId] of (await Promise.all(some.map(start))).entries()) {
      if (jobId !== undefined) started.push(jobId);
      else busy.push(some[k]!);
    }
  }
  return {started, busy};
}
