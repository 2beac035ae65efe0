/**
 * Column definitions: the bracketed list of CREATE TABLE, and the one of ALTER TABLE … ADD.
 *
 * Syntax only: names, types, keys and defaults are checked by the caller. What SQL has and we do not enforce (CHECK, REFERENCES,
 * COLLATE …) is refused here, because a constraint that is read and dropped is a lie.
 */
import {COLUMNS_MAX} from '../model/schema.ts';
import type {ColumnDef, Expr, Name, TypeRef} from './ast.ts';
import type {TokenCursor} from './cursor.ts';
import {parseDefaultExpression} from './expression.ts';
import {newName} from './new-name.ts';
import {isSerial, parseTypeRef} from './type-ref.ts';

export interface ColumnList {
  readonly columns: readonly ColumnDef[];
  /** Of a table constraint; keys written behind a column are flags of that column. */
  readonly primaryKey: readonly Name[];
}

const INVALID = 'Invalid CREATE TABLE statement: ';

/** `(column, …, [[CONSTRAINT name] PRIMARY KEY (column)])` */
export function parseColumnDefs(cursor: TokenCursor): ColumnList {
  const columns: ColumnDef[] = [];
  let primaryKey: readonly Name[] = [];
  cursor.expectSymbol('(');
  if (cursor.isSymbol(')')) throw cursor.fail(`${INVALID}Table must have at least one column`);
  do {
    if (columns.length > 0 && cursor.isSymbol(')')) break;
    const start = cursor.start;
    if (cursor.isKeyword('LIKE')) throw cursor.notSupported('CREATE TABLE … LIKE');
    if (!isTableConstraint(cursor)) {
      if (columns.length === COLUMNS_MAX) throw cursor.limitExceeded(`Too many columns (maximum ${COLUMNS_MAX})`);
      columns.push(parseColumnDef(cursor));
      continue;
    }
    const key = tableConstraint(cursor);
    if (primaryKey.length > 0) throw cursor.fail(`${INVALID}Multiple PRIMARY KEY definitions found`, start);
    primaryKey = key;
  } while (cursor.acceptSymbol(','));
  cursor.expectSymbol(')');
  return {columns, primaryKey};
}

function isTableConstraint(cursor: TokenCursor): boolean {
  return (
    cursor.isKeyword('CONSTRAINT') ||
    cursor.areKeywords('PRIMARY', 'KEY') ||
    cursor.areKeywords('FOREIGN', 'KEY') ||
    ((cursor.isKeyword('UNIQUE') || cursor.isKeyword('CHECK') || cursor.isKeyword('EXCLUDE')) &&
      cursor.isSymbol('(', 1))
  );
}

function tableConstraint(cursor: TokenCursor): readonly Name[] {
  if (cursor.acceptKeyword('CONSTRAINT')) cursor.columnName('a constraint name');
  if (!cursor.keywords('PRIMARY', 'KEY')) throw refusedConstraint(cursor);
  cursor.expectSymbol('(');
  const column = cursor.columnName();
  if (cursor.isSymbol(',')) throw cursor.fail(`${INVALID}Composite PRIMARY KEYs are not supported yet`);
  if (!cursor.acceptSymbol(')')) throw cursor.fail(`${INVALID}Complex expressions in PRIMARY KEY not supported`);
  return [column];
}

function refusedConstraint(cursor: TokenCursor) {
  const word = cursor.raw.toUpperCase();
  if (!['UNIQUE', 'CHECK', 'FOREIGN', 'EXCLUDE'].includes(word)) throw cursor.expected('PRIMARY KEY');
  return cursor.notSupported(`${word === 'FOREIGN' ? 'FOREIGN KEY' : word} constraints`);
}

interface Options {
  isPrimaryKey: boolean;
  isNotNull: boolean;
  isExplicitNull: boolean;
  default: Expr | undefined;
  isAutoIncrement: boolean;
  isUnique: boolean;
}

/** `name type` and no more. */
export function plainColumn(name: Name, type: TypeRef): ColumnDef {
  const options: Options = {
    isPrimaryKey: false,
    isNotNull: false,
    isExplicitNull: false,
    default: undefined,
    isAutoIncrement: isSerial(type),
    isUnique: false,
  };
  return {start: name.start, end: type.end, name, type, ...options};
}

/** `name type [option …]`, up to a comma, a bracket or one of the words `until`. */
export function parseColumnDef(cursor: TokenCursor, until: readonly string[] = []): ColumnDef {
  const name = newName(cursor, 'a column name');
  const type = parseTypeRef(cursor);
  const options: Options = {...plainColumn(name, type)};
  const isEnd = () =>
    cursor.atEnd() || cursor.isSymbol(',') || cursor.isSymbol(')') || until.some(word => cursor.isKeyword(word));
  while (!isEnd()) columnOption(cursor, options);
  return {...options, start: name.start, end: cursor.previousEnd, name, type};
}

function columnOption(cursor: TokenCursor, options: Options): void {
  const start = cursor.start;
  if (cursor.keywords('PRIMARY', 'KEY'))
    options.isPrimaryKey = once(cursor, options.isPrimaryKey, 'PRIMARY KEY', start);
  else if (cursor.keywords('NOT', 'NULL')) options.isNotNull = true;
  else if (cursor.acceptKeyword('NULL')) options.isExplicitNull = true;
  else if (cursor.acceptKeyword('UNIQUE')) options.isUnique = true;
  else if (isIdentity(cursor)) options.isAutoIncrement = once(cursor, options.isAutoIncrement, 'IDENTITY', start);
  else if (cursor.acceptKeyword('DEFAULT')) {
    once(cursor, options.default !== undefined, 'DEFAULT', start);
    options.default = parseDefaultExpression(cursor);
  } else throw refusedOption(cursor);
  if (options.isNotNull && options.isExplicitNull)
    throw cursor.fail('A column cannot be both NULL and NOT NULL', start);
  if (options.isAutoIncrement && options.default !== undefined) {
    throw cursor.fail('A column that counts by itself cannot have a DEFAULT too', start);
  }
}

function once(cursor: TokenCursor, wasGiven: boolean, what: string, start: number): true {
  if (wasGiven && what === 'PRIMARY KEY') throw cursor.fail(`${INVALID}Multiple PRIMARY KEY definitions found`, start);
  if (wasGiven) throw cursor.fail(`${what} is given twice`, start);
  return true;
}

function isIdentity(cursor: TokenCursor): boolean {
  if (cursor.acceptOneOf('AUTO_INCREMENT', 'AUTOINCREMENT') !== undefined) return true;
  if (cursor.keywords('AUTO', 'INCREMENT')) return true;
  if (cursor.acceptKeyword('IDENTITY')) return refuseSequence(cursor);
  if (!cursor.acceptKeyword('GENERATED')) return false;
  if (!cursor.acceptKeyword('ALWAYS')) cursor.expectKeywords('BY', 'DEFAULT');
  cursor.expectKeyword('AS');
  if (cursor.isSymbol('(')) throw cursor.notSupported('generated columns');
  cursor.expectKeyword('IDENTITY');
  return refuseSequence(cursor);
}

function refuseSequence(cursor: TokenCursor): true {
  if (cursor.isSymbol('('))
    throw cursor.notSupported('where IDENTITY begins and how it steps: its values are ids of SNOWFLAKE_ID()');
  return true;
}

const REFUSED: ReadonlySet<string> = new Set('COLLATE COMMENT STORAGE COMPRESSION UNSIGNED ZEROFILL ON'.split(' '));

function refusedOption(cursor: TokenCursor) {
  const word = cursor.raw.toUpperCase();
  if (word === 'CHECK' || word === 'REFERENCES') return cursor.notSupported(`${word} constraints`);
  if (word === 'CONSTRAINT') return cursor.notSupported('column constraints with a name');
  if (REFUSED.has(word)) return cursor.notSupported(`column option ${word}`);
  return cursor.expected("a column option, ',' or ')'");
}
