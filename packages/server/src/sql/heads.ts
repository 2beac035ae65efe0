/**
 * Heads: which statement a text begins. The longest head that matches wins; what matches none is told what could have stood there.
 */
import type {DbError} from '@kalamdb/protocol/errors.ts';
import {nearNames} from '../expr/near.ts';
import {changesInWith} from '../parser/changing-with.ts';
import type {TokenCursor} from '../parser/cursor.ts';
import {changeBehindWith} from '../parser/dml.ts';
import type {StatementKind} from './define.ts';
import {changingWith} from './statements/changing-with.ts';
import {deleteRows, insertRows, updateRows} from './statements/dml.ts';
import {STATEMENTS} from './statements/index.ts';
import {NOT_YET} from './statements/not-yet.ts';
import {select} from './statements/select.ts';

interface Head {
  readonly words: readonly string[];
  readonly kind: StatementKind;
}

/** By first word, the longest first. */
const BY_WORD: ReadonlyMap<string, readonly Head[]> = headsOf([...STATEMENTS, ...NOT_YET]);

/** Of other SQL engines: understood, and never meant to be part of this language. */
const FOREIGN: ReadonlySet<string> = new Set(
  `ANALYZE|ATTACH|CALL|CHECKPOINT|CLOSE|COMMENT|COPY|DEALLOCATE|DECLARE|DETACH|DISCARD|DO|EXECUTE|FETCH|GRANT|LISTEN|LOAD|LOCK|MERGE|NOTIFY|PRAGMA|
  PREPARE|REFRESH|REINDEX|REPLACE|RESET|REVOKE|SECURITY|TRUNCATE|UPSERT|VACUUM`
    .split('|')
    .map(word => word.trim()),
);
const FOREIGN_OBJECTS: ReadonlySet<string> = new Set(
  'AGGREGATE COLLATION DATABASE DOMAIN EXTENSION FUNCTION INDEX POLICY PROCEDURE ROLE RULE SCHEMA SEQUENCE TEMP TEMPORARY TRIGGER TYPE UNIQUE'.split(
    ' ',
  ),
);

const CHANGES = {INSERT: insertRows, UPDATE: updateRows, DELETE: deleteRows} as const;

export function matchHead(cursor: TokenCursor): StatementKind {
  if (cursor.isSymbol('(')) return select;
  if (changesInWith(cursor)) return changingWith;
  const change = changeBehindWith(cursor);
  if (change !== undefined) return CHANGES[change];
  const candidates = BY_WORD.get(cursor.raw.toUpperCase()) ?? [];
  for (const {words, kind} of candidates) if (cursor.areKeywords(...words)) return kind;
  throw unknownHead(cursor);
}

function unknownHead(cursor: TokenCursor): DbError {
  const words = [cursor.raw.toUpperCase(), cursor.rawAhead(1).toUpperCase()] as const;
  if (FOREIGN.has(words[0])) return cursor.fail(`Unsupported statement type: ${words[0]}`);
  const isDdl = words[0] === 'CREATE' || words[0] === 'ALTER' || words[0] === 'DROP';
  if (isDdl && FOREIGN_OBJECTS.has(words[1])) return cursor.fail(`Unsupported statement type: ${words.join(' ')}`);
  const heads = (BY_WORD.get(words[0]) ?? []).filter(head => !NOT_YET.includes(head.kind));
  if (heads.length === 0) {
    const near = nearNames(words[0], BY_WORD.keys()).slice(0, 3);
    const hint = near.length > 0 ? ` (did you mean ${near.join(', ')}?)` : '';
    return cursor.fail(
      `Expected a statement such as SELECT, INSERT, UPDATE, DELETE, CREATE TABLE or FLUSH TABLE, found ${cursor.found()}${hint}`,
    );
  }
  const matched = heads.map(head => head.words.findIndex((word, ahead) => !cursor.isKeyword(word, ahead)));
  const most = Math.max(...matched);
  const next = new Set(heads.flatMap((head, i) => (matched[i] === most ? [head.words[most]!] : [])));
  for (let i = 0; i < most; i++) cursor.next();
  return cursor.expected([...next].sort().join(' or '));
}

function headsOf(kinds: readonly StatementKind[]): Map<string, Head[]> {
  const heads = kinds.flatMap(kind => kind.heads.map((head): Head => ({words: head.split(' '), kind})));
  const byWord = new Map<string, Head[]>();
  for (const head of heads.sort((a, b) => b.words.length - a.words.length)) {
    const [first] = head.words;
    byWord.set(first!, [...(byWord.get(first!) ?? []), head]);
  }
  return byWord;
}
