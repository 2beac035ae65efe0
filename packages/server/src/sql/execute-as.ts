/**
 * EXECUTE AS: a statement that acts as another user.
 *
 *     EXECUTE AS [USER] 'ana' ( statement )
 *
 * Whether it is a statement that may be run at all the caller's own role decides; in it the role is that of a user, and rows of user and stream
 * tables are those of the target. Laws: it wraps one statement, and none that wraps another.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import {checkUserId, type UserId} from '../model/names.ts';
import type {TokenCursor} from '../parser/cursor.ts';
import {type Statement, statementOf} from '../parser/split.ts';

export interface Wrapped {
  readonly target: UserId;
  readonly inner: Statement;
}

const OPEN = 40;
const CLOSE = 41;
const SEMICOLON = 59;

/** Undefined if the statement begins otherwise; the cursor then stands where it stood. Throws INVALID_INPUT. */
export function parseExecuteAs(cursor: TokenCursor): Wrapped | undefined {
  if (!cursor.keywords('EXECUTE', 'AS')) return undefined;
  cursor.acceptKeyword('USER');
  const {start} = cursor;
  const target = cursor.isSymbol('(') ? '' : cursor.stringOrName('a user id');
  const wrong = (what: string, offset = start) =>
    new DbError('INVALID_INPUT', `EXECUTE AS USER ${what}`, {position: cursor.positionOf(offset)});
  if (target === '') throw wrong('username cannot be empty');
  if (!cursor.isSymbol('(')) throw wrong('must wrap SQL in parentheses', cursor.start);
  const {tokens, last} = cursor.statement;
  const first = cursor.index + 1;
  const close = closingOf(tokens.kinds, first, last);
  if (close === undefined) {
    const isCut = tokens.kinds[last] === SEMICOLON;
    throw isCut ? wrong('must contain exactly one wrapped SQL statement') : wrong("missing closing ')'", cursor.start);
  }
  if (close === first) throw wrong('requires a non-empty inner SQL statement', cursor.start);
  if (close + 1 < last)
    throw wrong('can only wrap a single SQL statement', tokens.starts[close + 1]! - cursor.statement.start);
  return {target: checkUserId(target), inner: statementOf(tokens, first, close)};
}

/** Index of the token that closes the parenthesis open before `first`; undefined: none does before `last`. */
function closingOf(kinds: Uint8Array, first: number, last: number): number | undefined {
  let depth = 1;
  for (let i = first; i < last; i++) {
    if (kinds[i] === OPEN) depth++;
    else if (kinds[i] === CLOSE && --depth === 0) return i;
  }
  return undefined;
}
