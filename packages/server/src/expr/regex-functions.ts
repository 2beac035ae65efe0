/**
 * Functions of regular expressions in the function table; `~`, `~*`, `!~`, `!~*` and SIMILAR TO are written as calls by the parser.
 *
 * Positions count characters from 1. Patterns are compiled once and kept while they are used.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {Value} from '../model/datatype.ts';
import {Lru} from '../std/lru.ts';
import type {FunctionFacts} from './functions.ts';
import {JSON_TYPE} from './json.ts';
import {BOOLEAN, INT, TEXT} from './numbers.ts';
import {type Match, nextPlace, Regex, type Span} from './regex.ts';
import {PLAIN, withOptions} from './regex-parser.ts';
import {TEXT_CHARACTERS_MAX, tooLong} from './text-limit.ts';

const BOUND = 'linear in the text where groups are not asked for; a bounded count of steps';
/** Each pattern with its states counts as some kilobytes. */
const KEPT_BYTES_MAX = 8 * 1024 * 1024;
const STATES_BYTES = 64 * 1024;

const kept = new Lru<string, Regex>(KEPT_BYTES_MAX);

function regexOf(pattern: string, flags: string): Regex {
  const key = `${flags}/${pattern}`;
  const known = kept.get(key);
  if (known !== undefined) return known;
  const made = new Regex(pattern, withOptions(PLAIN, flags));
  kept.set(key, made, STATES_BYTES + key.length * 2);
  return made;
}

/** For functions to which the option `g` means nothing. */
function flagsOf(name: string, flags: Value | undefined): string {
  const text = (flags ?? '') as string;
  if (text.includes('g')) throw fail.execution(`${name}() does not support the "global" option`);
  return text;
}

/** SUBSTRING(text FROM pattern): what the first group holds, or the whole match if there is no group. */
export const SUBSTRING_OF_PATTERN: FunctionFacts = {
  name: 'SUBSTRING',
  args: ['text', 'text'],
  result: TEXT,
  eval: ([value, pattern]) => {
    const text = value as string;
    const regex = regexOf(pattern as string, '');
    const found = regex.first(text);
    return taken(text, found, regex.groupCount > 0 ? 1 : 0);
  },
  bound: BOUND,
  doc: 'What the first group of the pattern holds, or all that it finds.',
  example: ["SUBSTRING('foobar' FROM 'o(.)b')", 'o'],
};

const REPLACE_WITH_FLAGS: FunctionFacts = {
  name: 'REGEXP_REPLACE',
  args: ['text', 'text', 'text', 'text'],
  result: TEXT,
  eval: ([value, pattern, by, flags]) => {
    const isGlobal = (flags as string).includes('g');
    const regex = regexOf(pattern as string, (flags as string).replaceAll('g', ''));
    return replaced(value as string, regex, by as string, {start: 0, nth: isGlobal ? 0 : 1});
  },
  bound: BOUND,
  doc: 'Replaces the first match, or all with the flag `g`.',
  example: ["REGEXP_REPLACE('foobar', '[aeiou]', '*', 'g')", 'f**b*r'],
};

export const REGEX_FUNCTIONS: readonly FunctionFacts[] = [
  {
    name: 'REGEXP_LIKE',
    args: ['text', 'text', 'text'],
    optional: 1,
    result: BOOLEAN,
    eval: ([value, pattern, flags]) => regexOf(pattern as string, flagsOf('regexp_like', flags)).test(value as string),
    bound: BOUND,
    doc: 'Does the pattern match anywhere? Also `~`, `~*` without regard to case, `!~`, `!~*`.',
    example: ["'foobar' ~ '^f.*r$'", 'true'],
  },
  {
    name: 'REGEXP_MATCH',
    args: ['text', 'text', 'text'],
    optional: 1,
    result: JSON_TYPE,
    eval: ([value, pattern, flags]) => {
      const text = value as string;
      const regex = regexOf(pattern as string, flagsOf('regexp_match', flags));
      const found = regex.first(text);
      return found === undefined ? null : JSON.stringify(pieces(text, found));
    },
    bound: BOUND,
    doc: 'A JSON array of what the groups hold, or of the whole match if there are none; NULL without a match.',
    example: ["REGEXP_MATCH('foobar', '(o+)(b)')", '["oo","b"]'],
  },
  {
    name: 'REGEXP_REPLACE',
    args: ['text', 'text', 'text', 'int', 'int', 'text'],
    optional: 3,
    forText: REPLACE_WITH_FLAGS,
    result: TEXT,
    eval: ([value, pattern, by, start, nth, flags]) => {
      const text = value as string;
      const regex = regexOf(pattern as string, flagsOf('regexp_replace', flags));
      const which = atLeast(nth, 0, 'n') ?? 1;
      return replaced(text, regex, by as string, {start: placeOf(text, start), nth: which});
    },
    bound: BOUND,
    doc: 'The match replaced: `\\1` is the first group, `\\&` the match. Arguments: flags; or start, which match (0 = all), flags.',
    example: ["REGEXP_REPLACE('foobarbaz', 'b(..)', 'X\\1Y', 'g')", 'fooXarYXazY'],
  },
  {
    name: 'REGEXP_COUNT',
    args: ['text', 'text', 'int', 'text'],
    optional: 2,
    result: INT,
    eval: ([value, pattern, start, flags]) => {
      const text = value as string;
      const regex = regexOf(pattern as string, flagsOf('regexp_count', flags));
      let count = 0;
      for (const _ of regex.matches(text, placeOf(text, start))) count++;
      return count;
    },
    bound: BOUND,
    doc: 'How often the pattern matches, from a position on.',
    example: ["REGEXP_COUNT('banana', 'an')", '2'],
  },
  {
    name: 'REGEXP_SUBSTR',
    args: ['text', 'text', 'int', 'int', 'text', 'int'],
    optional: 4,
    result: TEXT,
    eval: ([value, pattern, start, nth, flags, group]) => {
      const text = value as string;
      const regex = regexOf(pattern as string, flagsOf('regexp_substr', flags));
      const found = nthMatch(text, regex, start, nth);
      return taken(text, found, atLeast(group, 0, 'subexpr') ?? 0);
    },
    bound: BOUND,
    doc: 'What the n-th match from a position on holds, or one of its groups.',
    example: ["REGEXP_SUBSTR('a1b22', '[0-9]+', 1, 2)", '22'],
  },
  {
    name: 'REGEXP_INSTR',
    args: ['text', 'text', 'int', 'int', 'int', 'text', 'int'],
    optional: 5,
    result: INT,
    eval: ([value, pattern, start, nth, isEnd, flags, group]) => {
      const text = value as string;
      const regex = regexOf(pattern as string, flagsOf('regexp_instr', flags));
      if (isEnd !== undefined && isEnd !== 0 && isEnd !== 1) throw badValue('endoption', isEnd!);
      const span = spanOf(nthMatch(text, regex, start, nth), atLeast(group, 0, 'subexpr') ?? 0);
      return span === undefined ? 0 : [...text.slice(0, isEnd === 1 ? span.end : span.start)].length + 1;
    },
    bound: BOUND,
    doc: 'Where the n-th match begins, or with 1 as the fifth argument where it has ended; 0 if nowhere.',
    example: ["REGEXP_INSTR('banana', 'an', 1, 2)", '4'],
  },
  {
    name: 'REGEXP_SPLIT_TO_ARRAY',
    args: ['text', 'text', 'text'],
    optional: 1,
    result: JSON_TYPE,
    eval: ([value, pattern, flags]) =>
      JSON.stringify(split(value as string, regexOf(pattern as string, flagsOf('regexp_split_to_array', flags)))),
    bound: BOUND,
    doc: 'A JSON array of the parts between matches.',
    example: ["REGEXP_SPLIT_TO_ARRAY('a, b,c', ',\\s*')", '["a","b","c"]'],
  },
  {
    name: 'SIMILAR_TO',
    args: ['text', 'text', 'text'],
    optional: 1,
    result: BOOLEAN,
    eval: ([value, pattern, sign]) =>
      regexOf(similarPattern(pattern as string, (sign as string | undefined) ?? '\\'), '').test(value as string),
    bound: BOUND,
    doc: 'The operator `SIMILAR TO`: the pattern of the standard, for the whole text.',
    example: ["'abc' SIMILAR TO '%(b|d)c'", 'true'],
  },
];

function placeOf(text: string, start: Value | undefined): number {
  let at = 0;
  for (let i = atLeast(start, 1, 'start') ?? 1; i > 1; i--) {
    if (at >= text.length) return text.length + 1;
    at = nextPlace(text, at);
  }
  return at;
}

function atLeast(value: Value | undefined, least: number, name: string): number | undefined {
  if (value === undefined) return undefined;
  if ((value as number) < least) throw badValue(name, value);
  return value as number;
}

function badValue(name: string, value: Value) {
  return fail.execution(`invalid value for parameter "${name}": ${value}`);
}

function nthMatch(text: string, regex: Regex, start: Value | undefined, nth: Value | undefined): Match | undefined {
  let left = atLeast(nth, 1, 'n') ?? 1;
  for (const match of regex.matches(text, placeOf(text, start))) if (--left === 0) return match;
  return undefined;
}

/** Group 0 is the whole. */
function spanOf(match: Match | undefined, group: number): Span | undefined {
  return group === 0 ? match : match?.groups[group - 1];
}

function taken(text: string, match: Match | undefined, group: number): string | null {
  const span = spanOf(match, group);
  return span === undefined ? null : text.slice(span.start, span.end);
}

function pieces(text: string, match: Match): (string | null)[] {
  if (match.groups.length === 0) return [text.slice(match.start, match.end)];
  return match.groups.map(span => (span === undefined ? null : text.slice(span.start, span.end)));
}

/** `nth` 0: all of them. */
function replaced(text: string, regex: Regex, by: string, {start, nth}: {start: number; nth: number}): string {
  const made: string[] = [];
  let [at, count, length] = [0, 0, 0];
  const put = (part: string) => {
    length += part.length;
    if (length > TEXT_CHARACTERS_MAX) throw tooLong();
    made.push(part);
  };
  for (const match of regex.matches(text, start)) {
    count++;
    if (nth !== 0 && count < nth) continue;
    put(text.slice(at, match.start));
    put(replacement(text, match, by));
    at = match.end;
    if (nth !== 0) break;
  }
  put(text.slice(at));
  return made.join('');
}

function replacement(text: string, match: Match, by: string): string {
  if (!by.includes('\\')) return by;
  return by.replace(/\\([0-9&\\])/g, (_all, sign: string) => {
    if (sign === '\\') return '\\';
    if (sign === '0') return '\\0';
    return taken(text, match, sign === '&' ? 0 : Number(sign)) ?? '';
  });
}

/** Empty matches at the ends, or where the one before ended, divide nothing. */
function split(text: string, regex: Regex): string[] {
  const parts: string[] = [];
  let [at, lastEnd] = [0, 0];
  for (const {start, end} of regex.matches(text)) {
    if (start < text.length && end > lastEnd) {
      parts.push(text.slice(at, start));
      at = end;
    }
    lastEnd = end;
  }
  return [...parts, text.slice(at)];
}

/** The pattern of the standard as a regular expression, as PostgreSQL translates it. */
function similarPattern(pattern: string, sign: string): string {
  if ([...sign].length > 1) throw fail.execution('invalid escape string: it must be empty or one character');
  let regex = '^(?:';
  let inBracket = false;
  const characters = [...pattern];
  for (let i = 0; i < characters.length; i++) {
    const one = characters[i]!;
    if (one === sign) {
      i++;
      if (i < characters.length) regex += /[A-Za-z0-9]/.test(characters[i]!) ? characters[i] : `\\${characters[i]}`;
    } else if (inBracket) {
      regex += one === '\\' ? '\\\\' : one;
      inBracket = one !== ']';
    } else if (one === '[') {
      regex += one;
      inBracket = true;
    } else regex += SIMILAR[one] ?? one;
  }
  return `${regex})$`;
}

const SIMILAR: Readonly<Record<string, string>> = {
  ...{'%': '.*', _: '.', '(': '(?:', '.': '\\.', '^': '\\^', $: '\\$', '\\': '\\\\'},
};
