/**
 * New names: what CREATE and ALTER give to things that are not there yet.
 *
 * Any word is taken that names can be refused for later, with the reason: reserved words of the language, and `a-b`, which is three tokens to
 * SQL and one name to whoever wrote it. Words that are reserved only while they are not quoted are refused here.
 */
import {isReservedWord} from '../model/names.ts';
import type {Name} from './ast.ts';
import type {TokenCursor} from './cursor.ts';
import {MIXED, NUMBER, WORD} from './tokenizer.ts';

export function newName(cursor: TokenCursor, what = 'a name'): Name {
  if (cursor.kind === WORD && !cursor.isName() && !isReservedWord(cursor.raw))
    throw cursor.fail(`Expected ${what}, found ${cursor.found()}, a reserved word: write it in double quotes`);
  return newLabel(cursor, what);
}

/** As behind a dot, where no word is reserved. */
export function newLabel(cursor: TokenCursor, what = 'a name'): Name {
  const name = cursor.label(what);
  let {end} = name;
  const isJoined = () => cursor.start === end && !cursor.atEnd();
  while (isJoined() && cursor.isSymbol('-')) {
    cursor.next();
    end = cursor.previousEnd;
    if (!isJoined() || ![WORD, NUMBER, MIXED].includes(cursor.kind)) break;
    cursor.next();
    end = cursor.previousEnd;
  }
  if (end === name.end) return name;
  const text = cursor.statement.text.slice(name.start, end);
  return {...name, end, name: text.toLowerCase(), text};
}
