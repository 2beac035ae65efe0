/**
 * Oracle: what a table may hold after concurrent statements, whatever became of those that nobody answered.
 *
 * A table's rows are cut into slots: one key, or several keys that are always written together. What happened to a slot is a set of events, each with
 * the time it began and, if it was answered, the time and the answer. A state is explained if some order of the events leads to it in which every
 * event gives the answer that was heard, none comes before one that was answered when it began, and only such as nobody heard of are left out.
 * Reads are events too: they change nothing and must meet the state they saw. So one search shows atomicity, isolation and durability at once.
 */

/** `extra`: the columns that came by ALTER. */
export interface Row {
  readonly v: string;
  readonly n: number;
  readonly extra: Readonly<Record<string, number | null>>;
}

export interface SlotState {
  /** What ALTER added, in order; undefined: there is no such table. */
  readonly columns: readonly string[] | undefined;
  /** One per key of the slot. */
  readonly rows: readonly (Row | undefined)[];
}

/** A row count, or a word for why nothing was done. */
export type Answer = number | string;

export interface Event {
  readonly text: string;
  readonly begun: number;
  /** Infinity while nobody heard the answer. */
  ended: number;
  /** Undefined: it may have happened or not. */
  answer: Answer | undefined;
  readonly slots: ReadonlySet<Slot>;
  readonly isRead: boolean;
  /** What the event makes of a slot, and what it then answers; an undefined answer says nothing about this slot. */
  apply(state: SlotState, slot: Slot): {state: SlotState; answer: Answer | undefined};
}

export interface Slot {
  readonly scope: Scope;
  readonly keys: readonly string[];
}

export interface Scope {
  readonly table: Table;
  readonly user: string;
  readonly slots: Slot[];
}

export interface Table {
  readonly name: string;
  readonly kind: 'USER' | 'SHARED';
  readonly keyType: 'TEXT' | 'BIGINT';
  readonly storage: 'local' | 'cloud';
  readonly scopes: Scope[];
}

export type States = ReadonlyMap<Slot, SlotState>;

export function emptyState(slot: Slot): SlotState {
  return {columns: [], rows: slot.keys.map(() => undefined)};
}

export const NO_TABLE: SlotState = {columns: undefined, rows: []};

export function isSame(a: SlotState, b: SlotState): boolean {
  return a === b || textOf(a) === textOf(b);
}

/**
 * The slots whose found state no order of the events explains. `mayForget`: from some moment on, answered events may be missing too.
 *
 * Each slot is searched alone; what ties them together is decided one by one, and only the slots that a decision touches are searched again.
 */
export function unexplained(
  base: States,
  events: readonly Event[],
  found: States,
  {mayForget}: {mayForget: boolean},
): Slot[] {
  const isOpen = (event: Event) => event.answer === undefined || mayForget;
  const decided: Decided = {fates: new Map(), orders: []};
  const fate = (event: Event): Fate => decided.fates.get(event) ?? (isOpen(event) ? 'open' : 'happened');
  const isBefore = (a: Event, b: Event): boolean =>
    a.ended < b.begun || decided.orders.some(([first, second]) => first === a && second === b);
  const wrongOf = (slots: Iterable<Slot>): Slot[] =>
    [...slots].filter(slot => {
      const state = found.get(slot);
      const own = events.filter(event => event.slots.has(slot));
      return (
        state !== undefined && !isExplained({slot, base: base.get(slot)!, found: state, events: own, fate, isBefore})
      );
    });
  const wrong = wrongOf(found.keys());
  if (wrong.length > 0) return wrong;
  const decisions = [...fatesToDecide(events, isOpen), ...ordersToDecide(events)];
  let farthest: {depth: number; wrong: Slot[]} = {depth: -1, wrong: []};
  const decide = (depth: number): boolean => {
    const decision = decisions[depth];
    if (decision === undefined) return true;
    for (const choose of decision.choices) {
      const undo = choose(decided);
      const broken = wrongOf(decision.slots);
      if (broken.length === 0 && decide(depth + 1)) return true;
      undo();
      if (broken.length > 0 && depth > farthest.depth) farthest = {depth, wrong: broken};
    }
    return false;
  };
  return decide(0) ? [] : farthest.wrong;
}

interface Decided {
  readonly fates: Map<Event, Fate>;
  /** Of the two the first comes before the second, in every slot. */
  orders: (readonly [first: Event, second: Event])[];
}

interface Decision {
  readonly slots: Iterable<Slot>;
  /** Each returns what takes it back. */
  readonly choices: readonly ((decided: Decided) => () => void)[];
}

/** What touches several slots happened in all of them or in none. */
function fatesToDecide(events: readonly Event[], isOpen: (event: Event) => boolean): Decision[] {
  const whole = events.filter(event => event.slots.size > 1 && !event.isRead && isOpen(event));
  return whole.map(event => ({
    slots: event.slots,
    choices: (['happened', 'never'] as const).map(fate => (decided: Decided) => {
      decided.fates.set(event, fate);
      return () => decided.fates.delete(event);
    }),
  }));
}

/** A read of several slots sees one moment: what else touches several of them at that time is before it in all, or in none. */
function ordersToDecide(events: readonly Event[]): Decision[] {
  const decisions: Decision[] = [];
  for (const read of events) {
    if (!read.isRead || read.slots.size < 2) continue;
    for (const other of events) {
      const isBeside = !other.isRead && other.begun < read.ended && read.begun < other.ended;
      const slots = [...other.slots].filter(slot => read.slots.has(slot));
      if (!isBeside || slots.length < 2) continue;
      const choices = [[other, read] as const, [read, other] as const].map(order => (decided: Decided) => {
        decided.orders = [...decided.orders, order];
        return () => {
          decided.orders = decided.orders.filter(one => one !== order);
        };
      });
      decisions.push({slots, choices});
    }
  }
  return decisions;
}

/** `open`: it happened or not, in this slot, whatever it did elsewhere. */
type Fate = 'happened' | 'never' | 'open';

interface Question {
  readonly slot: Slot;
  readonly base: SlotState;
  readonly found: SlotState;
  readonly events: readonly Event[];
  readonly fate: (event: Event) => Fate;
  readonly isBefore: (a: Event, b: Event) => boolean;
}

function isExplained({slot, base, found, events, fate, isBefore}: Question): boolean {
  const all = [...events].sort((a, b) => a.begun - b.begun);
  const fates = all.map(fate);
  const must = fates.reduce((mask, one, i) => (one === 'happened' ? mask | (1 << i) : mask), 0);
  const goal = textOf(found);
  const seen = new Set<string>();
  const search = (state: SlotState, taken: number): boolean => {
    const text = textOf(state);
    if ((taken & must) === must && text === goal) return true;
    const place = `${taken} ${text}`;
    if (seen.has(place)) return false;
    seen.add(place);
    for (const [i, event] of all.entries()) {
      if (fates[i] === 'never' || (taken & (1 << i)) !== 0) continue;
      if (all.some((other, k) => (taken & (1 << k)) === 0 && k !== i && isBefore(other, event))) continue;
      const next = event.apply(state, slot);
      if (event.answer === undefined) {
        // Refused here, it would have been refused everywhere.
        if (fates[i] === 'happened' && typeof next.answer === 'string') continue;
      } else if (next.answer !== undefined && next.answer !== event.answer) continue;
      if (search(next.state, taken | (1 << i))) return true;
    }
    return false;
  };
  return search(base, 0);
}

const texts = new WeakMap<SlotState, string>();

function textOf(state: SlotState): string {
  let text = texts.get(state);
  if (text === undefined) {
    const rows = state.rows.map(row => row && [row.v, row.n, Object.entries(row.extra).sort()]);
    text = JSON.stringify([state.columns, rows]);
    texts.set(state, text);
  }
  return text;
}
