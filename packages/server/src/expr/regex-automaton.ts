/**
 * Regex automaton: which spans of a text a tree of `regex-parser.ts` matches, in linear time, whatever the pattern.
 *
 *     tree ─ Thompson's construction → steps ─ subset construction, state by state as texts need them → states
 *
 * Characters that no set of the pattern tells apart are one class, so a state has as many ways out as there are classes. Edges (`^`, `\m`) look
 * at the classes on both sides of a place: a state knows what stood before it, and a way out what comes next.
 *
 * Law: every step is counted against the budget of its call, and the states kept are bounded; so no pattern and no text are too bad.
 * After Thompson 1968 and Cox, "Regular Expression Matching: the Virtual Machine Approach".
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import {type CharacterSet, type Edge, isWordCharacter, type RegexNode} from './regex-parser.ts';

/** Steps of one call besides those in proportion to its text: some 100 ms. */
const STEPS_MAX = 4_000_000;
const PROGRAM_STEPS_MAX = 20_000;
const STATES_MAX = 1000;
const CLASSES_MAX = 1000;
const NEWLINE = 10;

export class Budget {
  #left: number;

  constructor(text: string) {
    this.#left = STEPS_MAX + text.length * 16;
  }

  take(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) throw fail.execution('the regular expression takes too many steps on this text');
  }
}

/** What stands beside a place. */
const OUTSIDE = 0;
const LINE_END = 1;
const WORD = 2;
const OTHER = 3;
type Side = typeof OUTSIDE | typeof LINE_END | typeof WORD | typeof OTHER;

/** Classes of the characters that a pattern tells apart; 0 is the end of the text. */
export class Classes {
  readonly #sets: readonly CharacterSet[];
  readonly #ascii = new Int32Array(128);
  #others = new Map<number, number>();
  readonly #bySignature = new Map<string, number>();
  readonly sides: Side[] = [OUTSIDE];
  /** Per class: is it in the set? */
  readonly members: (readonly boolean[])[] = [[]];

  constructor(sets: readonly CharacterSet[]) {
    this.#sets = sets;
  }

  of(code: number): number {
    if (code < 128) {
      const known = this.#ascii[code]!;
      if (known !== 0) return known;
      const made = this.#intern(code);
      this.#ascii[code] = made;
      return made;
    }
    const known = this.#others.get(code);
    if (known !== undefined) return known;
    if (this.#others.size >= CLASSES_MAX) this.#others = new Map();
    const made = this.#intern(code);
    this.#others.set(code, made);
    return made;
  }

  #intern(code: number): number {
    const members = this.#sets.map(set => set.has(code));
    const side = code === NEWLINE ? LINE_END : isWordCharacter(code) ? WORD : OTHER;
    const signature = `${side}${members.map(Number).join('')}`;
    const known = this.#bySignature.get(signature);
    if (known !== undefined) return known;
    const index = this.sides.push(side) - 1;
    this.members.push(members);
    this.#bySignature.set(signature, index);
    return index;
  }
}

type Step =
  | {readonly kind: 'set'; readonly set: number; next: number}
  | {readonly kind: 'edge'; readonly edge: Edge; next: number}
  | {readonly kind: 'fork'; next: number; other: number}
  | {readonly kind: 'end'};

interface State {
  readonly steps: readonly number[];
  readonly before: Side;
  /** By class: the state behind it, when it is known. */
  readonly next: (State | undefined)[];
  /** By the class that comes next: does a match end here? */
  readonly ends: (boolean | undefined)[];
}

/** Whole matches of one tree. */
export class Automaton {
  readonly #classes: Classes;
  readonly #program: readonly Step[];
  readonly #first: number;
  readonly #isAnywhere: boolean;
  readonly #isBackward: boolean;
  #states = new Map<string, State>();

  /** `isAnywhere`: matches may begin behind the start. `isBackward`: it reads from the end of texts to their start. */
  constructor(node: RegexNode, classes: Classes, {isAnywhere = false, isBackward = false} = {}) {
    this.#classes = classes;
    const program: Step[] = [{kind: 'end'}];
    this.#first = construct(isBackward ? turnedRound(node) : node, 0, program);
    this.#program = program;
    this.#isAnywhere = isAnywhere;
    this.#isBackward = isBackward;
  }

  /** Calls `found` with the end of each match that begins at `from`, ascending, none beyond `to`, until it answers false. */
  run(text: string, from: number, to: number, budget: Budget, found: (end: number) => boolean): void {
    const classes = this.#classes;
    let state = this.#state([this.#first], sideBefore(text, from, classes), budget);
    for (let at = from; ; ) {
      const code = at < text.length ? text.codePointAt(at)! : undefined;
      const next = code === undefined ? 0 : classes.of(code);
      const isEnd = state.ends[next] ?? this.#isEnd(state, next, budget);
      if (isEnd && !found(at)) return;
      if (at >= to || code === undefined) return;
      budget.take(1);
      state = state.next[next] ?? this.#step(state, next, budget);
      if (state.steps.length === 0) return;
      at += code > 0xffff ? 2 : 1;
    }
  }

  /** Of an automaton that goes backward: 1 for each place from `to` to `from` where a match begins that ends at `from`, or before it if anywhere. */
  starts(text: string, from: number, to: number, budget: Budget): Uint8Array {
    const starts = new Uint8Array(from - to + 1);
    const classes = this.#classes;
    const side = from === text.length ? OUTSIDE : classes.sides[classes.of(text.codePointAt(from)!)]!;
    let state = this.#state([this.#first], side, budget);
    for (let at = from; ; ) {
      const code = at > 0 ? codeBefore(text, at) : undefined;
      const next = code === undefined ? 0 : classes.of(code);
      if (state.ends[next] ?? this.#isEnd(state, next, budget)) starts[at - to] = 1;
      if (at <= to || code === undefined) return starts;
      budget.take(1);
      state = state.next[next] ?? this.#step(state, next, budget);
      if (state.steps.length === 0) return starts;
      at -= code > 0xffff ? 2 : 1;
    }
  }

  /** Does it match exactly this span? */
  matches(text: string, from: number, to: number, budget: Budget): boolean {
    let isMatch = false;
    this.run(text, from, to, budget, end => {
      isMatch = end === to;
      return !isMatch;
    });
    return isMatch;
  }

  #state(steps: readonly number[], before: Side, budget: Budget): State {
    const key = `${before}:${steps.join(',')}`;
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    budget.take(steps.length);
    if (this.#states.size >= STATES_MAX) this.#states = new Map();
    const made: State = {steps, before, next: [], ends: []};
    this.#states.set(key, made);
    return made;
  }

  #isEnd(state: State, next: number, budget: Budget): boolean {
    const isEnd = this.#reached(state, this.#classes.sides[next]!, budget).has(0);
    state.ends[next] = isEnd;
    return isEnd;
  }

  #step(state: State, next: number, budget: Budget): State {
    const members = this.#classes.members[next]!;
    const behind = new Set<number>(this.#isAnywhere ? [this.#first] : []);
    for (const index of this.#reached(state, this.#classes.sides[next]!, budget)) {
      const step = this.#program[index]!;
      if (step.kind === 'set' && members[step.set]) behind.add(step.next);
    }
    const made = this.#state(
      [...behind].sort((a, b) => a - b),
      this.#classes.sides[next]!,
      budget,
    );
    state.next[next] = made;
    return made;
  }

  /** All steps that can be stood at in this state, when `after` comes next. */
  #reached(state: State, after: Side, budget: Budget): Set<number> {
    const reached = new Set<number>();
    const open = [...state.steps];
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      if (reached.has(index)) continue;
      reached.add(index);
      const step = this.#program[index]!;
      if (step.kind === 'fork') open.push(step.next, step.other);
      else if (step.kind === 'edge' && this.#isAt(step.edge, state.before, after)) open.push(step.next);
    }
    budget.take(reached.size);
    return reached;
  }

  #isAt(edge: Edge, before: Side, after: Side): boolean {
    return this.#isBackward ? isAtEdge(edge, after, before) : isAtEdge(edge, before, after);
  }
}

function codeBefore(text: string, at: number): number {
  const unit = text.charCodeAt(at - 1);
  return unit >= 0xdc00 && unit <= 0xdfff && at > 1 ? text.codePointAt(at - 2)! : unit;
}

/** The tree of the same matches, read from their ends. */
function turnedRound(node: RegexNode): RegexNode {
  switch (node.kind) {
    case 'concat':
      return {kind: 'concat', items: node.items.map(turnedRound).reverse()};
    case 'either':
      return {kind: 'either', options: node.options.map(turnedRound)};
    case 'repeat':
    case 'group':
      return {...node, item: turnedRound(node.item)};
    default:
      return node;
  }
}

function sideBefore(text: string, at: number, classes: Classes): Side {
  return at === 0 ? OUTSIDE : classes.sides[classes.of(codeBefore(text, at))]!;
}

function isAtEdge(edge: Edge, before: Side, after: Side): boolean {
  switch (edge) {
    case 'textStart':
      return before === OUTSIDE;
    case 'textEnd':
      return after === OUTSIDE;
    case 'lineStart':
      return before === OUTSIDE || before === LINE_END;
    case 'lineEnd':
      return after === OUTSIDE || after === LINE_END;
    case 'wordStart':
      return before !== WORD && after === WORD;
    case 'wordEnd':
      return before === WORD && after !== WORD;
    case 'wordEdge':
      return (before === WORD) !== (after === WORD);
    case 'noWordEdge':
      return (before === WORD) === (after === WORD);
    default:
      return edge satisfies never;
  }
}

/** Appends the steps of the node, built from the last to the first; answers where it begins. `next`: what follows it. */
function construct(node: RegexNode, next: number, program: Step[]): number {
  const add = (step: Step): number => {
    if (program.length >= PROGRAM_STEPS_MAX)
      throw fail.execution('invalid regular expression: regular expression is too complex');
    return program.push(step) - 1;
  };
  switch (node.kind) {
    case 'empty':
      return next;
    case 'set':
      return add({kind: 'set', set: node.set.index, next});
    case 'edge':
      return add({kind: 'edge', edge: node.edge, next});
    case 'concat':
      return node.items.reduceRight((behind, item) => construct(item, behind, program), next);
    case 'either':
      return node.options
        .map(option => construct(option, next, program))
        .reduceRight((other, first) => add({kind: 'fork', next: first, other}));
    case 'group':
      return construct(node.item, next, program);
    case 'repeat': {
      let behind = next;
      if (node.max === Number.POSITIVE_INFINITY) {
        const loop: Step = {kind: 'fork', next: 0, other: next};
        behind = add(loop);
        loop.next = construct(node.item, behind, program);
      } else {
        for (let i = node.min; i < node.max; i++)
          behind = add({kind: 'fork', next: construct(node.item, behind, program), other: next});
      }
      for (let i = 0; i < node.min; i++) behind = construct(node.item, behind, program);
      return behind;
    }
    default:
      return node satisfies never;
  }
}
