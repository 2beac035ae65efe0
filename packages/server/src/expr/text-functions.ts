/**
 * Text functions of the function table. Positions and lengths count code points, from 1, as in PostgreSQL.
 */
import {createHash} from 'node:crypto';
import {fail} from '@kalamdb/protocol/errors.ts';
import type {Value} from '../model/datatype.ts';
import {valueText} from '../model/values.ts';
import type {FunctionFacts} from './functions.ts';
import {BOOLEAN, clip, INT, TEXT} from './numbers.ts';
import {SUBSTRING_OF_PATTERN} from './regex-functions.ts';
import {bounded, TEXT_CHARACTERS_MAX, tooLong} from './text-limit.ts';

const BOUND = 'at most 16 MB';

export const TEXT_FUNCTIONS: readonly FunctionFacts[] = [
  text('UPPER', value => value.toUpperCase(), 'Upper case.', ["UPPER('abc')", 'ABC']),
  text('LOWER', value => value.toLowerCase(), 'Lower case.', ["LOWER('ABC')", 'abc']),
  text('INITCAP', capitals, 'First letter of each word upper case, the others lower.', [
    "INITCAP('hi THOMAS')",
    'Hi Thomas',
  ]),
  text('REVERSE', value => [...value].reverse().join(''), 'Code points in reverse order.', ["REVERSE('abc')", 'cba']),
  text('MD5', value => createHash('md5').update(value).digest('hex'), 'MD5 of the UTF-8 bytes, hexadecimal.', [
    "MD5('abc')",
    '900150983cd24fb0d6963f7d28e17f72',
  ]),
  hash('SHA224'),
  hash('SHA256'),
  hash('SHA384'),
  hash('SHA512'),
  {
    name: 'ENCODE',
    args: ['bytes', 'text'],
    result: TEXT,
    eval: ([bytes, format]) => encoded(bytes as Uint8Array, format as string),
    bound: BOUND,
    doc: 'Bytes as text: `hex`, `base64` or `escape`.',
    example: ["ENCODE(X'01ff', 'hex')", '01ff'],
  },
  {
    name: 'DECODE',
    args: ['text', 'text'],
    result: {name: 'bytes'},
    eval: ([value, format]) => decoded(value as string, format as string),
    doc: 'The bytes that ENCODE wrote so.',
    example: ["ENCODE(DECODE('Af8=', 'base64'), 'hex')", '01ff'],
  },
  {
    name: 'LENGTH',
    aliases: ['CHAR_LENGTH', 'CHARACTER_LENGTH'],
    args: ['text'],
    result: INT,
    duck: () => sql => `CAST(length(${sql}) AS INTEGER)`,
    eval: ([value]) => countCharacters(value as string),
    doc: 'Number of characters.',
    example: ["LENGTH('żółw')", '4'],
  },
  {
    name: 'OCTET_LENGTH',
    args: ['text'],
    result: INT,
    duck: () => sql => `CAST(strlen(${sql}) AS INTEGER)`,
    eval: ([value]) => Buffer.byteLength(value as string),
    doc: 'Bytes of the text in UTF-8.',
    example: ["OCTET_LENGTH('żółw')", '7'],
  },
  {
    name: 'BIT_LENGTH',
    args: ['text'],
    result: INT,
    eval: ([value]) => Buffer.byteLength(value as string) * 8,
    doc: 'Bits of the text in UTF-8.',
    example: ["BIT_LENGTH('abc')", '24'],
  },
  trim('TRIM', ['BTRIM'], {isLeft: true, isRight: true}, ["TRIM('  a ')", 'a']),
  trim('LTRIM', [], {isLeft: true, isRight: false}, ["LTRIM('xxa', 'x')", 'a']),
  trim('RTRIM', [], {isLeft: false, isRight: true}, ["RTRIM('axx', 'x')", 'a']),
  {
    name: 'SUBSTRING',
    aliases: ['SUBSTR'],
    args: ['text', 'int', 'int'],
    optional: 1,
    forText: SUBSTRING_OF_PATTERN,
    result: TEXT,
    eval: ([value, from, count]) => slice(value as string, from as number, count as number | undefined),
    doc: 'Characters from a position (from 1), at most `count` of them; of a pattern, what it finds.',
    example: ["SUBSTRING('abcdef' FROM 2 FOR 3)", 'bcd'],
  },
  {
    name: 'OVERLAY',
    args: ['text', 'text', 'int', 'int'],
    optional: 1,
    result: TEXT,
    eval: ([value, part, from, count]) =>
      overlaid(value as string, part as string, from as number, count as number | undefined),
    bound: BOUND,
    doc: 'The second text in place of `count` characters from a position; as many as it has, if no count is given.',
    example: ["OVERLAY('abcdef' PLACING 'X' FROM 2 FOR 3)", 'aXef'],
  },
  {
    name: 'LEFT',
    args: ['text', 'int'],
    result: TEXT,
    eval: ([a, n]) => edge(a as string, n as number, true),
    doc: 'First n characters; without the last ones when n is negative.',
    example: ["LEFT('abc', 2)", 'ab'],
  },
  {
    name: 'RIGHT',
    args: ['text', 'int'],
    result: TEXT,
    eval: ([a, n]) => edge(a as string, n as number, false),
    doc: 'Last n characters; without the first ones when n is negative.',
    example: ["RIGHT('abc', 2)", 'bc'],
  },
  {
    name: 'CONCAT',
    args: ['any'],
    isVariadic: true,
    isStrict: false,
    result: TEXT,
    eval: (values, _env, types) =>
      bounded(values.map((value, i) => (value === null ? '' : valueText(types[i]!, value))).join('')),
    bound: BOUND,
    doc: 'All arguments as text; NULLs are left out.',
    example: ["CONCAT('a', NULL, 1)", 'a1'],
  },
  {
    name: 'CONCAT_WS',
    args: ['text', 'any'],
    isVariadic: true,
    isStrict: false,
    result: TEXT,
    eval: ([separator, ...values], _env, types) => {
      if (separator === null) return null;
      const texts = values.flatMap((value, i) => (value === null ? [] : [valueText(types[i + 1]!, value)]));
      const length = texts.reduce((sum, one) => sum + one.length, 0) + (separator as string).length * texts.length;
      if (length > TEXT_CHARACTERS_MAX + (separator as string).length) throw tooLong();
      return texts.join(separator as string);
    },
    bound: BOUND,
    doc: 'The later arguments as text with the first between them; NULLs are left out.',
    example: ["CONCAT_WS(', ', 'a', NULL, 1)", 'a, 1'],
  },
  {
    name: 'REPLACE',
    args: ['text', 'text', 'text'],
    result: TEXT,
    eval: ([value, from, to]) => replaced(value as string, from as string, to as string),
    bound: BOUND,
    doc: 'Every occurrence of the second text becomes the third.',
    example: ["REPLACE('abab', 'a', 'x')", 'xbxb'],
  },
  {
    name: 'TRANSLATE',
    args: ['text', 'text', 'text'],
    result: TEXT,
    eval: ([value, from, to]) => translated(value as string, from as string, to as string),
    doc: 'Each character of the second text becomes that of the third at its place, or nothing.',
    example: ["TRANSLATE('12345', '143', 'ax')", 'a2x5'],
  },
  {
    name: 'SPLIT_PART',
    args: ['text', 'text', 'int'],
    result: TEXT,
    eval: ([value, separator, n]) => part(value as string, separator as string, n as number),
    doc: 'The n-th part between separators; from the end when n is negative.',
    example: ["SPLIT_PART('a,b,c', ',', 2)", 'b'],
  },
  {
    name: 'STARTS_WITH',
    args: ['text', 'text'],
    result: BOOLEAN,
    duck: () => (value, prefix) => `starts_with(${value}, ${prefix})`,
    eval: ([value, prefix]) => (value as string).startsWith(prefix as string),
    doc: 'Does the first text begin with the second?',
    example: ["STARTS_WITH('abc', 'ab')", 'true'],
  },
  {
    name: 'ENDS_WITH',
    args: ['text', 'text'],
    result: BOOLEAN,
    eval: ([value, suffix]) => (value as string).endsWith(suffix as string),
    doc: 'Does the first text end with the second?',
    example: ["ENDS_WITH('abc', 'bc')", 'true'],
  },
  {
    // POSITION('b' IN 'abc') comes from the parser with its arguments in this order.
    name: 'STRPOS',
    aliases: ['POSITION'],
    args: ['text', 'text'],
    result: INT,
    eval: ([value, part]) => {
      const at = (value as string).indexOf(part as string);
      return at < 0 ? 0 : countCharacters((value as string).slice(0, at)) + 1;
    },
    doc: 'Where the second text first occurs in the first, from 1; 0 if nowhere. Also `POSITION(part IN text)`.',
    example: ["POSITION('c' IN 'abc')", '3'],
  },
  pad('LPAD', true, ["LPAD('7', 3, '0')", '007']),
  pad('RPAD', false, ["RPAD('7', 3, '.')", '7..']),
  {
    name: 'REPEAT',
    args: ['text', 'int'],
    result: TEXT,
    eval: ([value, count]) => repeated(value as string, count as number),
    bound: BOUND,
    doc: 'The text n times.',
    example: ["REPEAT('ab', 3)", 'ababab'],
  },
  {
    name: 'ASCII',
    args: ['text'],
    result: INT,
    eval: ([value]) => (value as string).codePointAt(0) ?? 0,
    doc: 'Code point of the first character; 0 of an empty text.',
    example: ["ASCII('a')", '97'],
  },
  {
    name: 'CHR',
    args: ['int'],
    result: TEXT,
    eval: ([code]) => character(code as number),
    doc: 'The character of a code point.',
    example: ['CHR(97)', 'a'],
  },
  {
    name: 'TO_HEX',
    args: ['number'],
    result: TEXT,
    eval: ([value], _env, [type]) => {
      if (type!.name === 'bigint') return BigInt.asUintN(64, value as bigint).toString(16);
      if (type!.name === 'int' || type!.name === 'smallint') return ((value as number) >>> 0).toString(16);
      throw fail.execution(`TO_HEX() does not exist for ${type!.name}`);
    },
    doc: 'Hexadecimal digits of an integer, in two’s complement.',
    example: ['TO_HEX(255)', 'ff'],
  },
  {
    name: 'QUOTE_LITERAL',
    args: ['text'],
    result: TEXT,
    eval: ([value]) => {
      const quoted = `'${(value as string).replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
      return bounded(quoted.includes('\\') ? ` E${quoted}` : quoted).trimStart();
    },
    bound: BOUND,
    doc: 'The text as a literal of SQL.',
    example: ["QUOTE_LITERAL('it''s')", "'it''s'"],
  },
];

function text(
  name: string,
  apply: (value: string) => string,
  doc: string,
  example: FunctionFacts['example'],
): FunctionFacts {
  return {name, args: ['text'], result: TEXT, eval: ([value]) => apply(value as string), doc, example};
}

function hash(name: string): FunctionFacts {
  const digest = (value: string) => createHash(name.toLowerCase()).update(value).digest();
  return {
    name,
    args: ['text'],
    result: {name: 'bytes'},
    eval: ([value]) => new Uint8Array(digest(value as string)),
    doc: `SHA-${name.slice(3)} of the UTF-8 bytes.`,
    example: [`LENGTH(ENCODE(${name}('abc'), 'hex'))`, String(Number(name.slice(3)) / 4)],
  };
}

function trim(
  name: string,
  aliases: readonly string[],
  sides: {isLeft: boolean; isRight: boolean},
  example: FunctionFacts['example'],
): FunctionFacts {
  const side = sides.isLeft && sides.isRight ? 'both ends' : sides.isLeft ? 'the start' : 'the end';
  return {
    name,
    aliases,
    args: ['text', 'text'],
    optional: 1,
    result: TEXT,
    eval: ([value, set]) => trimmed(value as string, (set as string | undefined) ?? ' ', sides),
    doc: `Removes spaces, or the given characters, from ${side}.`,
    example,
  };
}

function pad(name: string, isLeft: boolean, example: FunctionFacts['example']): FunctionFacts {
  return {
    name,
    args: ['text', 'int', 'text'],
    optional: 1,
    result: TEXT,
    eval: args => padded(args, isLeft),
    bound: BOUND,
    doc: `Fills up to n characters at the ${isLeft ? 'left' : 'right'}; cuts what is longer.`,
    example,
  };
}

function capitals(value: string): string {
  return value.toLowerCase().replace(/[\p{L}\p{N}]+/gu, word => {
    const [first = ''] = word;
    return first.toUpperCase() + word.slice(first.length);
  });
}

/** Base64 has lines of 76 characters, as in PostgreSQL. */
function encoded(bytes: Uint8Array, format: string): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length > TEXT_CHARACTERS_MAX / 4) throw tooLong();
  switch (format.toLowerCase()) {
    case 'hex':
      return buffer.toString('hex');
    case 'base64':
      return buffer.toString('base64').replace(/.{76}(?=.)/g, '$&\n');
    case 'escape':
      return Array.from(buffer, escapedByte).join('');
    default:
      throw fail.execution(`unrecognized encoding: "${clip(format)}"`);
  }
}

function escapedByte(byte: number): string {
  if (byte === 0x5c) return '\\\\';
  return byte === 0 || byte >= 0x80 ? `\\${byte.toString(8).padStart(3, '0')}` : String.fromCharCode(byte);
}

function decoded(value: string, format: string): Uint8Array {
  switch (format.toLowerCase()) {
    case 'hex': {
      const hex = value.replace(/[ \n\r\t]/g, '');
      if (!/^(?:[0-9a-fA-F]{2})*$/.test(hex)) throw fail.execution('invalid hexadecimal data');
      return new Uint8Array(Buffer.from(hex, 'hex'));
    }
    case 'base64': {
      const digits = value.replace(/[ \n\r\t]/g, '');
      if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(digits))
        throw fail.execution('invalid base64 data');
      return new Uint8Array(Buffer.from(digits, 'base64'));
    }
    case 'escape':
      return unescaped(value);
    default:
      throw fail.execution(`unrecognized encoding: "${clip(format)}"`);
  }
}

function unescaped(value: string): Uint8Array {
  const parts = value.split(/(\\\\|\\[0-3][0-7]{2}|\\)/);
  const bytes = parts.map((one, i) => {
    if (i % 2 === 0) return Buffer.from(one, 'utf8');
    if (one === '\\') throw fail.execution('invalid input syntax for type bytea');
    return Buffer.from([one === '\\\\' ? 0x5c : Number.parseInt(one.slice(1), 8)]);
  });
  return new Uint8Array(Buffer.concat(bytes));
}

function overlaid(value: string, part: string, from: number, count: number = countCharacters(part)): string {
  if (from <= 0) throw fail.execution('negative substring length not allowed');
  const characters = [...value];
  // Counted from the place, so a negative count repeats what stands before it, as in PostgreSQL.
  const rest = characters.slice(Math.max(0, from - 1 + count)).join('');
  return bounded(characters.slice(0, from - 1).join('') + part + rest);
}

function translated(value: string, from: string, to: string): string {
  const targets = [...to];
  const map = new Map<string, string>();
  for (const [i, source] of [...from].entries()) if (!map.has(source)) map.set(source, targets[i] ?? '');
  return Array.from(value, one => map.get(one) ?? one).join('');
}

function character(code: number): string {
  if (code === 0) throw fail.execution('null character not permitted');
  if (code < 0) throw fail.execution('character number must be positive');
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
    throw fail.execution(`requested character not valid for encoding: ${code}`);
  return String.fromCodePoint(code);
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
  if (value.length + (parts.length - 1) * (to.length - from.length) > TEXT_CHARACTERS_MAX) throw tooLong();
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
  if (count > TEXT_CHARACTERS_MAX) throw tooLong();
  const filler = [...((fill as string | undefined) ?? ' ')];
  if (filler.length === 0) return value as string;
  const missing = count - characters.length;
  const whole =
    filler.join('').repeat(Math.floor(missing / filler.length)) + filler.slice(0, missing % filler.length).join('');
  return isLeft ? whole + (value as string) : (value as string) + whole;
}

function repeated(value: string, count: number): string {
  if (count <= 0 || value === '') return '';
  if (value.length * count > TEXT_CHARACTERS_MAX) throw tooLong();
  return value.repeat(count);
}
