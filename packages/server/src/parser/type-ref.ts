/**
 * Type names: `TEXT`, `DECIMAL(10, 2)`, `DOUBLE PRECISION`, `TIMESTAMP(3) WITH TIME ZONE`.
 *
 * The words and arguments are kept as written; which types exist is known by the type table, not here.
 */
import type {TypeRef} from './ast.ts';
import type {TokenCursor} from './cursor.ts';
import {NUMBER, WORD} from './tokenizer.ts';
import {RESERVED} from './words.ts';

const ARGUMENTS_MAX = 1000;

const SERIALS: ReadonlySet<string> = new Set(['SERIAL', 'SMALLSERIAL', 'BIGSERIAL', 'SERIAL2', 'SERIAL4', 'SERIAL8']);

/** Reserved in expressions, and types all the same. */
const RESERVED_TYPES: ReadonlySet<string> = new Set(['ARRAY', 'BINARY']);

export function isSerial(type: TypeRef): boolean {
  return SERIALS.has(type.name);
}

export function parseTypeRef(cursor: TokenCursor): TypeRef {
  const type = baseType(cursor);
  if (isArrayNext(cursor, type)) throw cursor.notSupported('array types; a JSON column holds arrays');
  return type;
}

/** Behind CAST … AS and `::`, where `INT[]`, `INT[3]` and `INT ARRAY` are the same. */
export function parseCastType(cursor: TokenCursor): TypeRef {
  const type = baseType(cursor);
  if (!isArrayNext(cursor, type)) return type;
  if (!cursor.acceptKeyword('ARRAY') || cursor.isSymbol('[')) {
    cursor.expectSymbol('[');
    if (cursor.kind === NUMBER) cursor.number();
    cursor.expectSymbol(']');
  }
  if (cursor.isSymbol('[')) throw cursor.notSupported('arrays of more than one dimension; JSON holds them');
  return {...type, end: cursor.previousEnd, isArray: true};
}

function isArrayNext(cursor: TokenCursor, {name}: TypeRef): boolean {
  return cursor.isSymbol('[') || (name !== 'ARRAY' && cursor.isKeyword('ARRAY'));
}

function baseType(cursor: TokenCursor): TypeRef {
  const start = cursor.start;
  let name = typeWord(cursor);
  name += secondWords(cursor, name);
  const args = cursor.isSymbol('(') ? typeArguments(cursor) : [];
  if (name === 'TIMESTAMP' || name === 'TIME') name += timeZoneWords(cursor);
  return {start, end: cursor.previousEnd, name, args};
}

function typeWord(cursor: TokenCursor): string {
  const word = cursor.raw.toUpperCase();
  if (cursor.kind !== WORD || word === 'PRECISION') throw cursor.expected('a type');
  if (RESERVED.has(word) && !RESERVED_TYPES.has(word)) throw cursor.expected('a type');
  cursor.next();
  return word;
}

function secondWords(cursor: TokenCursor, name: string): string {
  if (name === 'DOUBLE') return cursor.keywords('PRECISION') ? ' PRECISION' : '';
  if (name !== 'CHARACTER' && name !== 'CHAR') return '';
  if (cursor.keywords('VARYING')) return ' VARYING';
  return cursor.keywords('LARGE', 'OBJECT') ? ' LARGE OBJECT' : '';
}

function timeZoneWords(cursor: TokenCursor): string {
  if (cursor.keywords('WITH', 'TIME', 'ZONE')) return ' WITH TIME ZONE';
  return cursor.keywords('WITHOUT', 'TIME', 'ZONE') ? ' WITHOUT TIME ZONE' : '';
}

function typeArguments(cursor: TokenCursor): string[] {
  const args: string[] = [];
  cursor.expectSymbol('(');
  do {
    if (args.length === ARGUMENTS_MAX)
      throw cursor.limitExceeded(`A type has too many arguments (maximum ${ARGUMENTS_MAX})`);
    args.push(typeArgument(cursor));
  } while (cursor.acceptSymbol(','));
  cursor.expectSymbol(')');
  return args;
}

function typeArgument(cursor: TokenCursor): string {
  // No type takes a negative number: the type table says so.
  const sign = cursor.acceptSymbol('-') ? '-' : '';
  const text = sign + cursor.raw;
  if (sign !== '' && cursor.kind !== NUMBER) throw cursor.expected('a number');
  if (cursor.isString()) cursor.string();
  else if (cursor.kind === NUMBER || (cursor.kind === WORD && cursor.isName())) cursor.next();
  else throw cursor.expected('a type argument');
  return text;
}
