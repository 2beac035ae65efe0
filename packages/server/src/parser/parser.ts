/**
 * Parser: text to tree, and nothing else. Pure: no catalog, no clock, no I/O.
 *
 *     request text ── tokenizer.ts ──► tokens ── split.ts ──► statements ── cursor.ts ──► parsers ──► ast.ts
 *
 * One pass makes the tokens of a whole request; a statement is a range of them; a cursor walks one statement. The query language is
 * parsed here; each command statement parses itself in `sql/statements` with the same cursor.
 *
 *     query.ts        WITH, set operations, VALUES, ORDER BY and limits     select.ts, from.ts, group-by.ts, window.ts, order.ts below it
 *     expression.ts   operators                                             operand.ts, call.ts, rows.ts, brackets.ts below it
 *     dml.ts          INSERT, UPDATE, DELETE
 *     column-def.ts, type-ref.ts
 *
 * Laws: unknown syntax is an error, nothing is passed through. Every failure is a DbError with a position in the request. Time is
 * linear in the text; depth, height and counts are bounded, so no text can exhaust the stack, here or in whoever walks the tree.
 */
import type {Select} from './ast.ts';
import {TokenCursor} from './cursor.ts';
import {parseQuery} from './query.ts';
import {splitStatements} from './split.ts';

/** A text that is exactly one SELECT. */
export function parseSelectText(sql: string): Select {
  const [statement, second] = splitStatements(sql);
  const cursor = new TokenCursor(statement!);
  const query = parseQuery(cursor);
  cursor.expectEnd();
  if (query.kind !== 'select') throw cursor.fail('Expected SELECT', query.start);
  if (second !== undefined) throw cursor.fail('Expected exactly one statement', second.start - statement!.start);
  return query;
}
