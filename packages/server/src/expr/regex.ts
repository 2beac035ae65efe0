/**
 * Regex: PostgreSQL's regular expressions, without its back references and lookaround.
 *
 *     pattern ─ regex-parser.ts → tree ─ regex-automaton.ts → which spans match ─ here → where, and what its groups hold
 *
 * As in PostgreSQL: of all matches the leftmost, of those the longest or the shortest, as the whole pattern prefers; within that span each part
 * takes the longest or shortest piece that lets the rest match, earlier parts first. What a part prefers is what the first of its quantifiers
 * says; a choice between branches prefers the longest.
 */
import {assert} from '../std/assert.ts';
import {Automaton, Budget, Classes} from './regex-automaton.ts';
import {type ParsedRegex, parseRegex, type RegexNode, type RegexOptions} from './regex-parser.ts';

/** UTF-16 places in the text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Match extends Span {
  /** Of each group, from 1 at index 0; undefined: it took no part. */
  readonly groups: readonly (Span | undefined)[];
}

export class Regex {
  readonly #parsed: ParsedRegex;
  readonly #classes: Classes;
  readonly #anywhere: Automaton;
  readonly #backward: Automaton;
  readonly #whole: Automaton;
  readonly #isShortest: boolean;
  /** Automata of parts, made when a group asks where it begins or ends. */
  readonly #parts = new Map<RegexNode, Map<string, Automaton>>();

  /** Throws SQL_EXECUTION_ERROR or NOT_SUPPORTED for patterns that are not taken. */
  constructor(pattern: string, options: RegexOptions) {
    this.#parsed = parseRegex(pattern, options);
    const {root, sets} = this.#parsed;
    this.#classes = new Classes(sets);
    this.#anywhere = new Automaton(root, this.#classes, {isAnywhere: true});
    this.#backward = new Automaton(root, this.#classes, {isAnywhere: true, isBackward: true});
    this.#whole = new Automaton(root, this.#classes);
    this.#isShortest = isGreedy(root) === false;
  }

  get groupCount(): number {
    return this.#parsed.groupCount;
  }

  test(text: string): boolean {
    return this.#isAnywhere(text, 0, new Budget(text));
  }

  #isAnywhere(text: string, from: number, budget: Budget): boolean {
    let isFound = false;
    this.#anywhere.run(text, from, text.length, budget, () => {
      isFound = true;
      return false;
    });
    return isFound;
  }

  first(text: string): Match | undefined {
    for (const match of this.matches(text)) return match;
    return undefined;
  }

  /** Matches that do not overlap, from `from` on. */
  *matches(text: string, from = 0): IterableIterator<Match> {
    const budget = new Budget(text);
    if (from > text.length || !this.#isAnywhere(text, from, budget)) return;
    const starts = this.#backward.starts(text, text.length, from, budget);
    for (let at = from; ; ) {
      const start = starts.indexOf(1, at - from) + from;
      if (start < from) return;
      const end = this.#endFrom(text, start, budget);
      const groups: (Span | undefined)[] = new Array(this.groupCount).fill(undefined);
      new Division(text, budget, groups, this.#part).divide(this.#parsed.root, {start, end});
      yield {start, end, groups};
      at = end > start ? end : nextPlace(text, end);
    }
  }

  #endFrom(text: string, start: number, budget: Budget): number {
    let last = -1;
    this.#whole.run(text, start, text.length, budget, end => {
      last = end;
      return !this.#isShortest;
    });
    assert(last >= start, 'where a match begins it ends');
    return last;
  }

  readonly #part: PartOf = (node, name, rest) => {
    const parts = this.#parts.get(node) ?? new Map<string, Automaton>();
    const automaton =
      parts.get(name) ??
      (rest === undefined
        ? new Automaton(node, this.#classes)
        : new Automaton(rest(), this.#classes, {isBackward: true}));
    this.#parts.set(node, parts.set(name, automaton));
    return automaton;
  };
}

export function nextPlace(text: string, at: number): number {
  return at + ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1);
}

/** undefined: it has no choice. */
function isGreedy(node: RegexNode): boolean | undefined {
  switch (node.kind) {
    case 'empty':
    case 'set':
    case 'edge':
      return undefined;
    case 'group':
      return isGreedy(node.item);
    case 'either':
      return true;
    case 'repeat':
      return node.isGreedy ?? isGreedy(node.item);
    case 'concat':
      for (const item of node.items) {
        const said = isGreedy(item);
        if (said !== undefined) return said;
      }
      return undefined;
    default:
      return node satisfies never;
  }
}

function hasGroups(node: RegexNode): boolean {
  switch (node.kind) {
    case 'group':
      return true;
    case 'repeat':
      return hasGroups(node.item);
    case 'concat':
      return node.items.some(hasGroups);
    case 'either':
      return node.options.some(hasGroups);
    default:
      return false;
  }
}

/** The automaton of a node itself, forward, or of the `rest` of it, which has this name, backward. */
type PartOf = (node: RegexNode, name: string, rest?: () => RegexNode) => Automaton;

/** Divides a span that a node matches among the parts of the node, and notes what groups hold. */
class Division {
  readonly #text: string;
  readonly #budget: Budget;
  readonly #groups: (Span | undefined)[];
  readonly #part: PartOf;

  constructor(text: string, budget: Budget, groups: (Span | undefined)[], part: PartOf) {
    this.#text = text;
    this.#budget = budget;
    this.#groups = groups;
    this.#part = part;
  }

  divide(node: RegexNode, span: Span): void {
    if (!hasGroups(node)) return;
    switch (node.kind) {
      case 'group':
        this.#groups[node.index - 1] = span;
        this.divide(node.item, span);
        return;
      case 'either': {
        const taken = node.options.find(option => this.#matches(option, span));
        if (taken !== undefined) this.divide(taken, span);
        return;
      }
      case 'concat':
        this.#divideItems(node, span);
        return;
      case 'repeat':
        this.#divideTurns(node, span);
    }
  }

  #divideItems(node: Extract<RegexNode, {kind: 'concat'}>, {start, end}: Span): void {
    let at = start;
    for (const [i, item] of node.items.entries()) {
      const rest = node.items.slice(i + 1);
      if (![item, ...rest].some(hasGroups)) return;
      const behind = this.#part(node, `${i + 1}`, () => ({kind: 'concat', items: rest}));
      const places = behind.starts(this.#text, end, at, this.#budget);
      const first = at;
      const middle = this.#middle(item, {start: at, end}, place => places[place - first] === 1);
      if (middle === undefined) return;
      this.divide(item, {start: at, end: middle});
      at = middle;
    }
  }

  /** Turns are not empty, save one where nothing else is, and those that the least count asks for behind the end. */
  #divideTurns(node: Extract<RegexNode, {kind: 'repeat'}>, {start, end}: Span): void {
    const {item, max} = node;
    const isOneEmpty = start === end && node.min === 0 && max > 0 && this.#matches(item, {start, end});
    const min = isOneEmpty ? 1 : node.min;
    let at = start;
    let behind: Automaton | undefined;
    let places: Uint8Array = new Uint8Array();
    for (let turn = 0; at < end || turn < min; turn++) {
      if (turn >= max) return;
      const least = Math.max(0, min - turn - 1);
      const most = max - turn - 1;
      const rest = this.#part(node, `${least},${most}`, () => ({...node, min: least, max: most}));
      // Without an end to the count all later turns have the same rest.
      if (rest !== behind) places = rest.starts(this.#text, end, start, this.#budget);
      behind = rest;
      const known = places;
      const from = at;
      const middle =
        at === end ? end : this.#middle(item, {start: at, end}, place => place > from && known[place - start] === 1);
      if (middle === undefined) return;
      this.#forget(item);
      this.divide(item, {start: at, end: middle});
      at = middle;
    }
  }

  #forget(node: RegexNode): void {
    switch (node.kind) {
      case 'group':
        this.#groups[node.index - 1] = undefined;
        this.#forget(node.item);
        return;
      case 'repeat':
        this.#forget(node.item);
        return;
      case 'concat':
        for (const item of node.items) this.#forget(item);
        return;
      case 'either':
        for (const option of node.options) this.#forget(option);
    }
  }

  /** Where the item ends, so that the rest matches: as far or as near as the item prefers. */
  #middle(item: RegexNode, {start, end}: Span, isRest: (place: number) => boolean): number | undefined {
    const isShortest = isGreedy(item) === false;
    let last: number | undefined;
    this.#own(item).run(this.#text, start, end, this.#budget, place => {
      if (isRest(place)) last = place;
      return !isShortest || last === undefined;
    });
    return last;
  }

  #matches(node: RegexNode, {start, end}: Span): boolean {
    return this.#own(node).matches(this.#text, start, end, this.#budget);
  }

  #own(node: RegexNode): Automaton {
    return this.#part(node, '');
  }
}
