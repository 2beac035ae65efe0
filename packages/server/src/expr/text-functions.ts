/**
 * Text functions of the function table. Positions and lengths count code points, from 1, as in PostgreSQL.
 */
import {createHash} from 'node:crypto';
import {fail} from '@kalamdb/protocol/errors.ts';
import type {Value} from '../model/datatype.ts';
import {valueText} from '../model/values.ts';
import type {FunctionFacts} from './functions.ts';
import {BOOLEAN, INT, TEXT} from './numbers.ts';

const CHARACTERS_MAX = 16 * 1024 * 1024;

export const TEXT_FUNCTIONS: readonly FunctionFacts[] = [
  text('UPPER', value => value.toUpperCase(), 'Upper case.'),
  text('LOWER', value => value.toLowerCase(), 'Lower case.'),
  text('REVERSE', value => [...value].reverse().join(''), 'Code points in reverse order.'),
  text('MD5', value => createHash('md5').update(value).digest('hex'), 'MD5 of the UTF-8 bytes, hexadecimal.'),
  {
    name: 'SHA256',
    args: ['text'],
    result: {name: 'bytes'},
    eval: ([value]) =>
      new Uint8Array(
        createHash('sha256')
          .update(value as string)
          .digest(),
      ),
    doc: 'SHA-256 of the UTF-8 bytes.',
  },
  length('LENGTH'),
  length('CHAR_LENGTH'),
  length('CHARACTER_LENGTH'),
  {
    name: 'OCTET_LENGTH',
    args: ['text'],
    result: INT,
    duck: () => sql => `CAST(strlen(${sql}) AS INTEGER)`,
    eval: ([value]) => Buffer.byteLength(value as string),
    doc: 'Bytes of the text in UTF-8.',
  },
  trim('TRIM', true, true),
  trim('BTRIM', true, true),
  trim('LTRIM', true, false),
  trim('RTRIM', false, true),
  substring('SUBSTR'),
  substring('SUBSTRING'),
  {
    name: 'LEFT',
    args: ['text', 'int'],
    result: TEXT,
    eval: ([a, n]) => edge(a as string, n as number, true),
    doc: 'First n characters.',
  },
  {
    name: 'RIGHT',
    args: ['text', 'int'],
    result: TEXT,
    eval: ([a, n]) => edge(a as string, n as number, false),
    doc: 'Last n characters.',
  },
  {
    name: 'CONCAT',
    args: ['any'],
    isVariadic: true,
    isStrict: false,
    result: TEXT,
    eval: (values, _env, types) =>
      bounded(values.map((value, i) => (value === null ? '' : valueText(types[i]!, value))).join('')),
    doc: 'All arguments as text; NULLs are left out.',
  },
  {
    name: 'REPLACE',
    args: ['text', 'text', 'text'],
    result: TEXT,
    eval: ([value, from, to]) => replaced(value as string, from as string, to as string),
    doc: 'Every occurrence of the second text becomes the third.',
  },
  {
    name: 'SPLIT_PART',
    args: ['text', 'text', 'int'],
    result: TEXT,
    eval: ([value, separator, n]) => part(value as string, separator as string, n as number),
    doc: 'The n-th part between separators; from the end when n is negative.',
  },
  {
    name: 'STARTS_WITH',
    args: ['text', 'text'],
    result: BOOLEAN,
    duck: () => (value, prefix) => `starts_with(${value}, ${prefix})`,
    eval: ([value, prefix]) => (value as string).startsWith(prefix as string),
    doc: 'Does the first text begin with the second?',
  },
  position('STRPOS'),
  position('POSITION'),
  {
    name: 'LPAD',
    args: ['text', 'int', 'text'],
    optional: 1,
    result: TEXT,
    eval: args => padded(args, true),
    doc: 'Fills up to n at the left.',
  },
  {
    name: 'RPAD',
    args: ['text', 'int', 'text'],
    optional: 1,
    result: TEXT,
    eval: args => padded(args, false),
    doc: 'Fills up to n at the right.',
  },
  {
    name: 'REPEAT',
    args: ['text', 'int'],
    result: TEXT,
    eval: ([value, count]) => repeated(value as string, count as number),
    doc: 'The text n times; at most 16 MB.',
  },
];

function text(name: string, apply: (value: string) => string, doc: string): FunctionFacts {
  return {name, args: ['text'], result: TEXT, eval: ([value]) => apply(value as string), doc};
}

function length(name: string): FunctionFacts {
  return {
    name,
    args: ['text'],
    result: INT,
    duck: () => sql => `CAST(length(${sql}) AS INTEGER)`,
    eval: ([value]) => countCharacters(value as string),
    doc: 'Number of characters.',
  };
}

function trim(name: string, isLeft: boolean, isRight: boolean): FunctionFacts {
  const side = isLeft && isRight ? 'both ends' : isLeft ? 'the start' : 'the end';
  return {
    name,
    args: ['text', 'text'],
    optional: 1,
    result: TEXT,
    eval: ([value, set]) => trimmed(value as string, (set as string | undefined) ?? ' ', {isLeft, isRight}),
    doc: `Removes spaces, or the given characters, from ${side}.`,
  };
}

function substring(name: string): FunctionFacts {
  return {
    name,
    args: ['text', 'int', 'int'],
    optional: 1,
    result: TEXT,
    eval: ([value, from, count]) => slice(value as string, from as number, count as number | undefined),
    doc: 'Characters from a position (from 1), at most `count` of them.',
  };
}

/** POSITION('b' IN 'abc') comes from the parser with its arguments in STRPOS order. */
function position(name: string): FunctionFacts {
  return {
    name,
    args: ['text', 'text'],
    result: INT,
    eval: ([value, part]) => {
      const at = (value as string).indexOf(part as string);
      return at < 0 ? 0 : countCharacters((value as string).slice(0, at)) + 1;
    },
    doc: 'Where the second text first occurs in the first, from 1; 0 if nowhere.',
  };
}

function countCharacters(value: string): number {
  let count = value.length;
  for (let i = 0; i < value.length - 1; i++) {
    if ((value.charCodeAt(i) & 0xfc00) === 0xd800 && (value.charCodeAt(i + 1) & 0xfc00) === 0xdc00) count--;
  }
  return count;
}

function trimmed(value: string, set: string, {isLeft, isRight}: {isLeft: boolean; isRight: boolean}): string {
  const characters = [...value];
  const dropped = new Set(set);
  let [start, end] = [0, characters.length];
  while (isLeft && start < end && dropped.has(characters[start]!)) start++;
  while (isRight && end > start && dropped.has(characters[end - 1]!)) end--;
  return characters.slice(start, end).join('');
}

function slice(value: string, from: number, count: number | undefined): string {
  if (count !== undefined && count < 0) throw fail.execution('negative substring length not allowed');
  const start = Math.max(0, from - 1);
  const end = count === undefined ? undefined : Math.max(0, from - 1 + count);
  return countCharacters(value) === value.length ? value.slice(start, end) : [...value].slice(start, end).join('');
}

function edge(value: string, count: number, isLeft: boolean): string {
  const characters = [...value];
  const kept = count < 0 ? Math.max(0, characters.length + count) : Math.min(count, characters.length);
  return (isLeft ? characters.slice(0, kept) : characters.slice(characters.length - kept)).join('');
}

function replaced(value: string, from: string, to: string): string {
  if (from === '') return value;
  const parts = value.split(from);
  if (value.length + (parts.length - 1) * (to.length - from.length) > CHARACTERS_MAX) throw tooLong();
  return parts.join(to);
}

function part(value: string, separator: string, n: number): string {
  if (n === 0) throw fail.execution('field position must not be zero');
  const parts = separator === '' ? [value] : value.split(separator);
  return parts.at(n > 0 ? n - 1 : n) ?? '';
}

function padded([value, size, fill]: readonly Value[], isLeft: boolean): string {
  const characters = [...(value as string)];
  const count = Math.max(0, size as number);
  if (count <= characters.length) return characters.slice(0, count).join('');
  if (count > CHARACTERS_MAX) throw tooLong();
  const filler = [...((fill as string | undefined) ?? ' ')];
  if (filler.length === 0) return value as string;
  const missing = count - characters.length;
  const whole =
    filler.join('').repeat(Math.floor(missing / filler.length)) + filler.slice(0, missing % filler.length).join('');
  return isLeft ? whole + (value as string) : (value as string) + whole;
}

function repeated(value: string, count: number): string {
  if (count <= 0 || value === '') return '';
  if (value.length * count > CHARACTERS_MAX) throw tooLong();
  return value.repeat(count);
}

function bounded(value: string): string {
  if (value.length > CHARACTERS_MAX) throw tooLong();
  return value;
}

function tooLong() {
  return fail.execution('the text is longer than 16 MB');
}
