/** Regular expressions: what they match, what is refused, and that none is too bad. What PostgreSQL answers was asked of PostgreSQL 15. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Regex} from './regex.ts';
import {PLAIN, withOptions} from './regex-parser.ts';

function found(pattern: string, text: string, flags = ''): (string | null)[] | undefined {
  const match = new Regex(pattern, withOptions(PLAIN, flags)).first(text);
  if (match === undefined) return undefined;
  const of = (span: {start: number; end: number} | undefined) =>
    span === undefined ? null : text.slice(span.start, span.end);
  return [match, ...match.groups].map(of);
}

const MATCHES: [why: string, pattern: string, text: string, match: (string | null)[] | undefined, flags?: string][] = [
  ['a choice takes its longest branch', 'a|ab', 'abc', ['ab']],
  ['the leftmost match wins over a longer one', 'b|ab*', 'xabbb b', ['abbb']],
  ['the first quantifier decides: shortest', 'a*?b?', 'aab', ['']],
  ['and longest, though a later one asks for less', 'a+b??', 'aab', ['aab']],
  ['a part takes its own longest within the whole', '(a*)(ab)*(b*)', 'abb', ['abb', 'a', null, 'bb']],
  ['a part takes its own shortest within the whole', '(a*?)(a*)', 'aa', ['', '', '']],
  ['the last turn of a group is what it holds', '(a|b)+', 'aba', ['aba', 'a']],
  ['a group in a turn that did not take it holds nothing', '(?:(a)|b)+', 'ab', ['ab', null]],
  ['one empty turn is there where no other can be', '(a*)*', 'b', ['', '']],
  ['but no turn where it cannot be empty', '(a)*', 'b', ['', null]],
  ['so many times', '(a{2,3}){2}', 'aaaaa', ['aaaaa', 'aa']],
  ['^ is the start of the text', '^b', 'a\nb', undefined],
  ['or of a line', '^b', 'a\nb', ['b'], 'n'],
  ['. is any character', 'a.b', 'a\nb', ['a\nb']],
  ['but a line end for n', 'a.b', 'a\nb', undefined, 'n'],
  ['words', '\\mfoo\\M', 'xfoo foo', ['foo']],
  ['case', 'É+', 'éÉ', ['éÉ'], 'i'],
  ['classes', '[[:alpha:]_]+[^[:space:]]', '12 żó_9 ', ['żó_9']],
  ['ranges and signs in brackets', '[]a-c-]+', 'x]-bad', [']-ba']],
  ['characters beyond 16 bits are one', '^.$', '😀', ['😀']],
  ['a brace that counts nothing is a brace', 'a{,2}', 'a{,2}', ['a{,2}']],
  ['a literal pattern', 'a.b', 'xa.b', ['a.b'], 'q'],
  ['options inside', '(?i)ABC', 'abc', ['abc']],
  ['blanks and notes', 'a b # c', 'ab', ['ab'], 'x'],
  ['escapes of characters', '\\x41\\u0042\\t\\.', 'AB\t.', ['AB\t.']],
];

for (const [why, pattern, text, match, flags] of MATCHES)
  test(`matches: ${why}`, () => assert.deepEqual(found(pattern, text, flags), match));

const REFUSED: [pattern: string, message: RegExp, code?: string][] = [
  ['(a', /parentheses \(\) not balanced/],
  ['a)', /parentheses \(\) not balanced/],
  ['[a', /brackets \[\] not balanced/],
  ['*a', /quantifier operand invalid/],
  ['a**', /quantifier operand invalid/],
  ['^*', /quantifier operand invalid/],
  ['a{1', /braces \{\} not balanced/],
  ['a{2,1}', /invalid repetition count/],
  ['a{256}', /invalid repetition count/],
  ['[b-a]', /invalid character range/],
  ['[[:what:]]', /invalid character class/],
  ['\\q', /invalid escape/],
  ['((a{255}){255}){255}', /too complex/],
  ['(a)\\1', /Back references/, 'NOT_SUPPORTED'],
  ['a(?=b)', /Lookahead/, 'NOT_SUPPORTED'],
];

for (const [pattern, message, code = 'SQL_EXECUTION_ERROR'] of REFUSED)
  test(`refused: ${pattern}`, () => assert.throws(() => found(pattern, 'a'), {code, message}));

const LONG = 'a'.repeat(100_000);
const BAD: [why: string, pattern: string, text: string][] = [
  ['stars in stars', '(a*)*$b', LONG],
  ['choices of the same', '(a|a|aa)+$b', LONG],
  ['a start everywhere, an end nowhere', 'a*b', LONG],
  ['a start everywhere, an end far away', 'a*b', `${LONG}cb`],
  ['a group in each of many turns', '(a)*', LONG],
  ['many counts', '(?:a?){200}a{200}', LONG],
];

for (const [why, pattern, text] of BAD) {
  test(`linear: ${why}`, () => {
    const startMs = performance.now();
    new Regex(pattern, PLAIN).first(text);
    assert.ok(performance.now() - startMs < 2000);
  });
}

test('what would take too many steps is refused', () => {
  // Each turn looks for its c to the end.
  const regex = new Regex('(a|a*c)*', PLAIN);
  assert.throws(() => regex.first('a'.repeat(20_000)), {message: /too many steps/});
});
