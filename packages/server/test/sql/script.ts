/**
 * Script: the text of an .slt file as records. The format is that of sqllogictest, with the lines of ours marked *.
 *
 *     statement ok                     SQL that must succeed
 *     statement count 3                SQL that must change or insert 3 rows
 *     statement error [regex]          SQL that must fail; the regex is looked for in "CODE message"
 *     query ITR [nosort|rowsort|valuesort] [label]
 *                                      SQL, `----`, the expected values; I integer, R other number, T everything else.
 *                                      Rows are lines of tab-separated values, or each value has a line of its own.
 *                                      Queries of one label must have the same answer.
 *     query error [regex]              the same as statement error
 *     hash-threshold n                 later answers of more than n values may be written as "N values hashing to MD5"
 *     skipif name, onlyif name         the next record is not for, or only for, an engine of that name
 *     halt                             the script ends here
 *   * user ana                         who sends the later records
 *   * flush                            every table, to its end
 *   * compact                          every table, to its end
 *   * restart                          closes the database and opens it again
 *   * columns id:BigInt name:Text      exact names and types of the columns of the next query
 *
 * Records end at an empty line; lines that begin with # are comments. NULL is written NULL, the empty text (empty).
 */
export type SortMode = 'nosort' | 'rowsort' | 'valuesort';

export type ScriptRecord = {
  /** Line of the file where it begins, from 1. */
  readonly line: number;
  readonly skipIf: readonly string[];
  readonly onlyIf: readonly string[];
} & (
  | {
      readonly kind: 'statement';
      readonly sql: string;
      readonly expect: {readonly kind: 'ok'; readonly count: number | undefined} | Failure;
    }
  | {
      readonly kind: 'query';
      readonly sql: string;
      readonly types: string;
      readonly sort: SortMode;
      readonly label: string | undefined;
      readonly columns: string | undefined;
      /** Lines behind `----`; undefined when there is no such line, which only the tool that completes scripts accepts. */
      readonly expected: readonly string[] | undefined;
    }
  | {readonly kind: 'hash-threshold'; readonly values: number}
  | {readonly kind: 'user'; readonly user: string}
  | {readonly kind: 'flush' | 'compact' | 'restart' | 'halt'}
);

export interface Failure {
  readonly kind: 'error';
  readonly pattern: RegExp | undefined;
}

export class ScriptError extends Error {
  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
    this.name = 'ScriptError';
  }
}

interface Conditions {
  skipIf: string[];
  onlyIf: string[];
  columns: string | undefined;
}

/** Throws ScriptError on anything that is not in the list above. */
export function parseScript(text: string): ScriptRecord[] {
  const records: ScriptRecord[] = [];
  let conditions: Conditions = {skipIf: [], onlyIf: [], columns: undefined};
  for (const {lines, line} of blocks(text)) {
    let at = 0;
    while (at < lines.length) {
      const [word = '', ...rest] = lines[at]!.trim().split(/\s+/);
      if (word === 'skipif' || word === 'onlyif') {
        if (rest.length !== 1) throw new ScriptError(line + at, `${word} takes one name`);
        conditions[word === 'skipif' ? 'skipIf' : 'onlyIf'].push(rest[0]!);
        at += 1;
      } else if (word === 'columns') {
        conditions.columns = rest.join(' ');
        at += 1;
      } else {
        const end = word === 'statement' || word === 'query' ? lines.length : at + 1;
        records.push(recordOf(word, rest, lines.slice(at, end), {line: line + at, ...conditions}));
        conditions = {skipIf: [], onlyIf: [], columns: undefined};
        at = end;
      }
    }
  }
  return records;
}

/** Runs of lines between empty ones, without comments. */
function blocks(text: string): {lines: string[]; line: number}[] {
  const found: {lines: string[]; line: number}[] = [];
  let lines: string[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.startsWith('#')) continue;
    if (line.trim() === '') lines = [];
    else if (lines.length > 0) lines.push(line);
    else {
      lines = [line];
      found.push({lines, line: i + 1});
    }
  }
  return found;
}

function recordOf(
  word: string,
  rest: readonly string[],
  lines: readonly string[],
  head: {line: number} & Conditions,
): ScriptRecord {
  const {columns, ...facts} = head;
  const {line} = head;
  switch (word) {
    case 'statement':
      return {...facts, kind: 'statement', sql: sqlOf(lines.slice(1), line), expect: expectation(rest, line)};
    case 'query':
      if (rest[0] !== 'error') return {...facts, ...queryOf(rest, lines, line), columns};
      return {...facts, kind: 'statement', sql: sqlOf(lines.slice(1), line), expect: failure(rest.slice(1))};
    case 'hash-threshold':
      if (!/^\d+$/.test(rest[0] ?? '')) throw new ScriptError(line, 'hash-threshold takes a number');
      return {...facts, kind: 'hash-threshold', values: Number(rest[0])};
    case 'user':
      if (rest.length !== 1) throw new ScriptError(line, 'user takes one name');
      return {...facts, kind: 'user', user: rest[0]!};
    case 'flush':
    case 'compact':
    case 'restart':
    case 'halt':
      return {...facts, kind: word};
    default:
      throw new ScriptError(line, `unknown record '${word}'`);
  }
}

function expectation(rest: readonly string[], line: number) {
  const [word, count] = rest;
  if (word === 'ok' && rest.length === 1) return {kind: 'ok', count: undefined} as const;
  if (word === 'count' && /^\d+$/.test(count ?? '')) return {kind: 'ok', count: Number(count)} as const;
  if (word === 'error') return failure(rest.slice(1));
  throw new ScriptError(line, 'statement is followed by ok, count <n> or error [regex]');
}

function failure(words: readonly string[]): Failure {
  return {kind: 'error', pattern: words.length === 0 ? undefined : new RegExp(words.join(' '))};
}

function queryOf(rest: readonly string[], lines: readonly string[], line: number) {
  const [types = '', sort = 'nosort', label] = rest;
  if (!/^[ITR]+$/.test(types)) throw new ScriptError(line, `query types are letters I, T and R, not '${types}'`);
  if (sort !== 'nosort' && sort !== 'rowsort' && sort !== 'valuesort')
    throw new ScriptError(line, `unknown sort mode '${sort}'`);
  const bar = lines.indexOf('----');
  const sql = sqlOf(lines.slice(1, bar === -1 ? undefined : bar), line);
  const expected = bar === -1 ? undefined : lines.slice(bar + 1);
  return {kind: 'query', sql, types, sort, label, expected} as const;
}

function sqlOf(lines: readonly string[], line: number): string {
  if (lines.length === 0) throw new ScriptError(line, 'a record without SQL');
  return lines.join('\n');
}
