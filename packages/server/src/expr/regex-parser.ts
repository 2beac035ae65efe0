/**
 * Regex parser: an advanced regular expression of PostgreSQL as a tree.
 *
 * Sets of characters are tests of a code point, so classes of any alphabet cost the same; equal sets are one object, known by its text.
 * What needs memory of the text (back references) or looks around (`(?=…)`) is refused: everything else runs in linear time.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import {clip} from './numbers.ts';

/** Where between two characters a place may be. */
export type Edge =
  | 'textStart'
  | 'textEnd'
  | 'lineStart'
  | 'lineEnd'
  | 'wordStart'
  | 'wordEnd'
  | 'wordEdge'
  | 'noWordEdge';

export type RegexNode =
  | {readonly kind: 'empty'}
  /** One character of the set. */
  | {readonly kind: 'set'; readonly set: CharacterSet}
  | {readonly kind: 'edge'; readonly edge: Edge}
  | {readonly kind: 'concat'; readonly items: readonly RegexNode[]}
  | {readonly kind: 'either'; readonly options: readonly RegexNode[]}
  | {
      readonly kind: 'repeat';
      readonly item: RegexNode;
      readonly min: number;
      readonly max: number;
      /** undefined: `{m}`, which prefers what its item prefers. */
      readonly isGreedy: boolean | undefined;
    }
  /** `index` from 1. */
  | {readonly kind: 'group'; readonly item: RegexNode; readonly index: number};

export interface CharacterSet {
  readonly index: number;
  readonly has: (code: number) => boolean;
}

export interface ParsedRegex {
  readonly root: RegexNode;
  readonly groupCount: number;
  readonly sets: readonly CharacterSet[];
}

export interface RegexOptions {
  readonly isCaseless: boolean;
  /** `.` and `[^…]` leave line ends out; `\\D` and `\\W` do not. */
  readonly stopsAtLines: boolean;
  /** `^` and `$` also stand at line ends. */
  readonly hasLineEdges: boolean;
  readonly isExpanded: boolean;
  readonly isLiteral: boolean;
}

export const PLAIN: RegexOptions = {
  isCaseless: false,
  stopsAtLines: false,
  hasLineEdges: false,
  isExpanded: false,
  isLiteral: false,
};

const PATTERN_CHARACTERS_MAX = 10_000;
const DEPTH_MAX = 100;
const REPEAT_MAX = 255;
const NEWLINE = 10;

/** Letters of options in the order they are given: a later one wins. Throws on one that is not known. */
export function withOptions(options: RegexOptions, letters: string): RegexOptions {
  let changed = options;
  for (const letter of letters) changed = {...changed, ...optionOf(letter)};
  return changed;
}

function optionOf(letter: string): Partial<RegexOptions> {
  switch (letter) {
    case 'i':
      return {isCaseless: true};
    case 'c':
      return {isCaseless: false};
    case 'n':
    case 'm':
      return {stopsAtLines: true, hasLineEdges: true};
    case 'p':
      return {stopsAtLines: true, hasLineEdges: false};
    case 'w':
      return {stopsAtLines: false, hasLineEdges: true};
    case 's':
      return {stopsAtLines: false, hasLineEdges: false};
    case 'x':
      return {isExpanded: true};
    case 't':
      return {isExpanded: false};
    case 'q':
      return {isLiteral: true};
    default:
      throw fail.execution(`invalid regular expression option: "${clip(letter)}"`);
  }
}

/** Throws SQL_EXECUTION_ERROR for what is no regular expression, NOT_SUPPORTED for what is refused. */
export function parseRegex(pattern: string, options: RegexOptions): ParsedRegex {
  if (pattern.length > PATTERN_CHARACTERS_MAX) throw invalid('regular expression is too complex');
  const director = /^\*\*\*([:=])/.exec(pattern)?.[1];
  const text = director === undefined ? pattern : pattern.slice(4);
  if (director === '=' || options.isLiteral) return new Parser(text, {...options, isLiteral: true}).literal();
  const embedded = /^\(\?([a-z]+)\)/.exec(text);
  if (embedded === null) return new Parser(text, options).parse();
  const all = withOptions(options, embedded[1]!);
  const rest = new Parser(text.slice(embedded[0].length), all);
  return all.isLiteral ? rest.literal() : rest.parse();
}

function invalid(why: string) {
  return fail.execution(`invalid regular expression: ${why}`);
}

const EMPTY: RegexNode = {kind: 'empty'};

class Parser {
  readonly #characters: readonly string[];
  readonly #options: RegexOptions;
  readonly #sets = new Map<string, CharacterSet>();
  #at = 0;
  #groupCount = 0;
  #depth = 0;

  constructor(pattern: string, options: RegexOptions) {
    this.#characters = [...pattern];
    this.#options = options;
  }

  literal(): ParsedRegex {
    return this.#parsed({kind: 'concat', items: this.#characters.map(one => this.#character(one.codePointAt(0)!))});
  }

  parse(): ParsedRegex {
    const root = this.#either();
    if (this.#at < this.#characters.length) throw invalid('parentheses () not balanced');
    return this.#parsed(root);
  }

  #parsed(root: RegexNode): ParsedRegex {
    return {root, groupCount: this.#groupCount, sets: [...this.#sets.values()]};
  }

  get #next(): string | undefined {
    return this.#characters[this.#at];
  }

  #skipLine(): void {
    while (this.#at < this.#characters.length && this.#characters[this.#at] !== '\n') this.#at++;
  }

  #accept(text: string): boolean {
    for (let i = 0; i < text.length; i++) if (this.#characters[this.#at + i] !== text[i]) return false;
    this.#at += text.length;
    return true;
  }

  #either(): RegexNode {
    const options = [this.#branch()];
    while (this.#accept('|')) options.push(this.#branch());
    return options.length === 1 ? options[0]! : {kind: 'either', options};
  }

  #branch(): RegexNode {
    const items: RegexNode[] = [];
    for (;;) {
      this.#skipBlanks();
      const next = this.#next;
      if (next === undefined || next === '|' || (next === ')' && this.#depth > 0)) break;
      items.push(this.#quantified(this.#atom()));
    }
    return items.length === 0 ? EMPTY : items.length === 1 ? items[0]! : {kind: 'concat', items};
  }

  #skipBlanks(): void {
    while (this.#options.isExpanded && this.#next !== undefined) {
      if (/\s/.test(this.#next)) this.#at++;
      else if (this.#next === '#') this.#skipLine();
      else return;
    }
  }

  #quantified(item: RegexNode): RegexNode {
    this.#skipBlanks();
    const counts = this.#counts();
    if (counts === undefined) return item;
    if (item.kind === 'edge') throw invalid('quantifier operand invalid');
    const isGreedy = !this.#accept('?');
    this.#skipBlanks();
    const {min, max, isExact} = counts;
    if (this.#counts() !== undefined) throw invalid('quantifier operand invalid');
    return {kind: 'repeat', item, min, max, isGreedy: isExact ? undefined : isGreedy};
  }

  #counts(): {min: number; max: number; isExact: boolean} | undefined {
    if (this.#accept('*')) return {min: 0, max: Number.POSITIVE_INFINITY, isExact: false};
    if (this.#accept('+')) return {min: 1, max: Number.POSITIVE_INFINITY, isExact: false};
    if (this.#accept('?')) return {min: 0, max: 1, isExact: false};
    if (this.#next !== '{' || !/\d/.test(this.#characters[this.#at + 1] ?? '')) return undefined;
    const rest = this.#characters.slice(this.#at, this.#at + 20).join('');
    const bounds = /^\{(\d+)(?:(,)(\d*))?\}/.exec(rest);
    if (bounds === null) throw invalid(rest.includes('}') ? 'invalid repetition count(s)' : 'braces {} not balanced');
    this.#at += bounds[0].length;
    const min = Number(bounds[1]);
    const isExact = bounds[2] === undefined;
    const max = isExact ? min : bounds[3] === '' ? Number.POSITIVE_INFINITY : Number(bounds[3]);
    if (min > max || min > REPEAT_MAX || (max > REPEAT_MAX && max !== Number.POSITIVE_INFINITY))
      throw invalid('invalid repetition count(s)');
    return {min, max, isExact};
  }

  #atom(): RegexNode {
    const character = this.#next!;
    const {hasLineEdges, stopsAtLines} = this.#options;
    this.#at++;
    switch (character) {
      case '(':
        return this.#group();
      case '[':
        return this.#bracket();
      case '\\':
        return this.#escape();
      case '.':
        return stopsAtLines ? this.#set('.n', code => code !== NEWLINE) : this.#set('.', () => true);
      case '^':
        return {kind: 'edge', edge: hasLineEdges ? 'lineStart' : 'textStart'};
      case '$':
        return {kind: 'edge', edge: hasLineEdges ? 'lineEnd' : 'textEnd'};
      case '*':
      case '+':
      case '?':
        throw invalid('quantifier operand invalid');
      case '{':
        if (/\d/.test(this.#next ?? '')) throw invalid('quantifier operand invalid');
        break;
      case ')':
        throw invalid('parentheses () not balanced');
    }
    return this.#character(character.codePointAt(0)!);
  }

  #group(): RegexNode {
    let index = 0;
    if (this.#accept('?')) {
      if (/^[=!<]$/.test(this.#next ?? ''))
        throw fail.notSupported('Lookahead and lookbehind in regular expressions are not supported');
      if (!this.#accept(':')) throw invalid('quantifier operand invalid');
    } else index = ++this.#groupCount;
    if (++this.#depth > DEPTH_MAX) throw invalid('regular expression is too complex');
    const item = this.#either();
    this.#depth--;
    if (!this.#accept(')')) throw invalid('parentheses () not balanced');
    if (index > 0) return {kind: 'group', item, index};
    // A place may not be repeated, but what stands in brackets may.
    return item.kind === 'edge' ? {kind: 'concat', items: [item]} : item;
  }

  #character(code: number): RegexNode {
    return this.#set(`=${code}`, one => one === code, this.#options.isCaseless);
  }

  #set(key: string, has: (code: number) => boolean, isCaseless = false): RegexNode {
    const name = isCaseless ? `i${key}` : key;
    const known = this.#sets.get(name);
    if (known !== undefined) return {kind: 'set', set: known};
    const set = {index: this.#sets.size, has: isCaseless ? caseless(has) : has};
    this.#sets.set(name, set);
    return {kind: 'set', set};
  }

  #escape(): RegexNode {
    const letter = this.#next;
    if (letter === undefined) throw invalid('invalid escape \\ sequence');
    const edge = EDGES[letter];
    if (edge !== undefined) {
      this.#at++;
      return {kind: 'edge', edge};
    }
    const named = SHORTHANDS[letter.toLowerCase()];
    if (named !== undefined) {
      this.#at++;
      const has = CLASSES[named]!;
      if (letter === letter.toLowerCase()) return this.#set(`:${named}`, has);
      return this.#set(`^${named}`, code => !has(code));
    }
    if (/[1-9]/.test(letter)) throw fail.notSupported('Back references in regular expressions are not supported');
    return this.#character(this.#escapedCharacter());
  }

  /** Behind the backslash: a letter for a control character, digits of a code point, or a symbol that stands for itself. */
  #escapedCharacter(): number {
    const letter = this.#next;
    if (letter === undefined) throw invalid('invalid escape \\ sequence');
    this.#at++;
    const control = CONTROLS[letter];
    if (control !== undefined) return control;
    switch (letter) {
      case 'c': {
        const other = this.#next;
        if (other === undefined) throw invalid('invalid escape \\ sequence');
        this.#at++;
        return other.codePointAt(0)! & 0x1f;
      }
      case 'u':
        return this.#digits(/^[0-9a-fA-F]{4}/, 16);
      case 'U':
        return this.#digits(/^[0-9a-fA-F]{8}/, 16);
      case 'x':
        return this.#digits(/^[0-9a-fA-F]+/, 16);
      case '0':
        return this.#digits(/^[0-7]{0,2}/, 8);
    }
    if (/[A-Za-z0-9]/.test(letter)) throw invalid('invalid escape \\ sequence');
    return letter.codePointAt(0)!;
  }

  #digits(form: RegExp, base: number): number {
    const digits = form.exec(this.#characters.slice(this.#at, this.#at + 256).join(''))?.[0];
    if (digits === undefined) throw invalid('invalid escape \\ sequence');
    this.#at += digits.length;
    const code = digits === '' ? 0 : Number.parseInt(digits, base);
    if (code > 0x10ffff) throw invalid('invalid escape \\ sequence');
    return code;
  }

  #bracket(): RegexNode {
    if (this.#accept('[:<:]]')) return {kind: 'edge', edge: 'wordStart'};
    if (this.#accept('[:>:]]')) return {kind: 'edge', edge: 'wordEnd'};
    const start = this.#at;
    const isNegated = this.#accept('^');
    const parts: ((code: number) => boolean)[] = [];
    for (let isFirst = true; isFirst || this.#next !== ']'; isFirst = false) {
      if (this.#next === undefined) throw invalid('brackets [] not balanced');
      parts.push(this.#bracketPart(isFirst));
    }
    this.#at++;
    const {isCaseless, stopsAtLines} = this.#options;
    const among = (code: number) => parts.some(part => part(code));
    const has = isCaseless ? caseless(among) : among;
    const key = `[${isCaseless}${stopsAtLines}${this.#characters.slice(start, this.#at).join('')}`;
    if (!isNegated) return this.#set(key, has);
    return this.#set(key, code => !has(code) && !(stopsAtLines && code === NEWLINE));
  }

  #bracketPart(isFirst: boolean): (code: number) => boolean {
    const named = this.#className();
    if (named !== undefined) return named;
    if (this.#next === '-' && !isFirst && this.#characters[this.#at + 1] !== ']')
      throw invalid('invalid character range');
    const low = this.#bracketCharacter();
    if (this.#next !== '-' || this.#characters[this.#at + 1] === ']') return code => code === low;
    this.#at++;
    if (this.#next === undefined) throw invalid('brackets [] not balanced');
    if (this.#className() !== undefined) throw invalid('invalid character range');
    const high = this.#bracketCharacter();
    if (low > high) throw invalid('invalid character range');
    return code => code >= low && code <= high;
  }

  /** `[:alpha:]` or `\d` inside of brackets. */
  #className(): ((code: number) => boolean) | undefined {
    if (this.#accept('[:')) {
      const name = /^([a-z]*):\]/.exec(this.#characters.slice(this.#at, this.#at + 12).join(''))?.[1];
      if (name === undefined || !Object.hasOwn(CLASSES, name)) throw invalid('invalid character class');
      this.#at += name.length + 2;
      return CLASSES[name];
    }
    const letter = this.#next === '\\' ? this.#characters[this.#at + 1] : undefined;
    const named = letter === undefined ? undefined : SHORTHANDS[letter.toLowerCase()];
    if (named === undefined) return undefined;
    this.#at += 2;
    const has = CLASSES[named]!;
    return letter === letter!.toLowerCase() ? has : code => !has(code);
  }

  #bracketCharacter(): number {
    for (const sign of ['.', '=']) {
      if (!this.#accept(`[${sign}`)) continue;
      const code = this.#next?.codePointAt(0);
      this.#at++;
      if (code === undefined || !this.#accept(`${sign}]`)) throw invalid('invalid collating element');
      return code;
    }
    if (this.#accept('\\')) return this.#escapedCharacter();
    return this.#characters[this.#at++]!.codePointAt(0)!;
  }
}

function caseless(has: (code: number) => boolean): (code: number) => boolean {
  return code => {
    if (has(code)) return true;
    const character = String.fromCodePoint(code);
    return [character.toLowerCase(), character.toUpperCase()].some(other => {
      const otherCode = other.codePointAt(0)!;
      return otherCode !== code && String.fromCodePoint(otherCode) === other && has(otherCode);
    });
  };
}

const EDGES: Readonly<Record<string, Edge | undefined>> = {
  A: 'textStart',
  Z: 'textEnd',
  m: 'wordStart',
  M: 'wordEnd',
  y: 'wordEdge',
  Y: 'noWordEdge',
};

const SHORTHANDS: Readonly<Record<string, string | undefined>> = {d: 'digit', s: 'space', w: 'word'};

const CONTROLS: Readonly<Record<string, number | undefined>> = {
  ...{a: 7, b: 8, e: 27, f: 12, n: 10, r: 13, t: 9, v: 11},
  B: 0x5c,
};

const property =
  (pattern: RegExp) =>
  (code: number): boolean =>
    pattern.test(String.fromCodePoint(code));

export const isWordCharacter = property(/^[\p{L}\p{N}\p{M}_]$/u);

const CLASSES: Readonly<Record<string, (code: number) => boolean>> = {
  alnum: property(/^[\p{L}\p{N}]$/u),
  alpha: property(/^\p{L}$/u),
  ascii: code => code < 128,
  blank: code => code === 32 || code === 9,
  cntrl: property(/^\p{Cc}$/u),
  digit: code => code >= 48 && code <= 57,
  graph: property(/^[^\s\p{Cc}\p{Cs}\p{Cn}]$/u),
  lower: property(/^\p{Ll}$/u),
  print: property(/^[^\p{Cc}\p{Cs}\p{Cn}]$/u),
  punct: property(/^[\p{P}\p{S}]$/u),
  space: property(/^\s$/u),
  upper: property(/^\p{Lu}$/u),
  word: isWordCharacter,
  xdigit: property(/^[0-9a-fA-F]$/),
};
