/**
 * Split: one request text to its statements.
 *
 * All statements share the tokens of the request, so that a text is read once; a statement is a range of them. Offsets inside a
 * statement (those of tree nodes) count from its own start, so that a tree can be kept by the text of its statement; positions in
 * errors count from the start of the request.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import {positionAt, type Tokens, tokenize} from './tokenizer.ts';

export interface Statement {
  /** From its first token to its last, comments between them included, without `;`. */
  readonly text: string;
  /** Offset of `text` in the request. */
  readonly start: number;
  /** Tokens of the whole request; those of this statement are `first` up to but not including `last`. */
  readonly tokens: Tokens;
  readonly first: number;
  readonly last: number;
}

const STATEMENTS_MAX = 10_000;

const SEMICOLON = 59;

/** At least one statement, or EMPTY_SQL. Also throws what `tokenize` throws, and LIMIT_EXCEEDED. */
export function splitStatements(sql: string): Statement[] {
  const tokens = tokenize(sql);
  const statements: Statement[] = [];
  let first = 0;
  for (let index = 0; index <= tokens.count; index += 1) {
    if (index < tokens.count && tokens.kinds[index] !== SEMICOLON) continue;
    if (index > first) {
      if (statements.length === STATEMENTS_MAX) throw tooMany(sql, tokens.starts[first]!);
      statements.push(statementOf(tokens, first, index));
    }
    first = index + 1;
  }
  if (statements.length === 0) throw new DbError('EMPTY_SQL', 'No SQL statements provided');
  return statements;
}

/** The statement that a range of tokens makes; the range must not be empty. */
export function statementOf(tokens: Tokens, first: number, last: number): Statement {
  const start = tokens.starts[first]!;
  return {text: tokens.text.slice(start, tokens.ends[last - 1]!), start, tokens, first, last};
}

function tooMany(sql: string, offset: number): DbError {
  const message = `Too many statements in one request (maximum ${STATEMENTS_MAX})`;
  return new DbError('LIMIT_EXCEEDED', message, {position: positionAt(sql, offset)});
}
