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

/** The slots whose found state no order of the events explains. `mayForget`: from some moment on, answered events may be missing too. */
export function unexplained(
  base: States,
  events: readonly Event[],
  found: States,
  {mayForget}: {mayForget: boolean},
): Slot[] {
  const isOpen = (event: Event) => event.answer === undefined || mayForget;
  // What touches several slots happened in all of them or in none.
  const whole = events.filter(event => event.slots.size > 1 && !event.isRead);
  const maybe = whole.filter(isOpen);
  const orders = ordersToChoose(events, whole);
  let fewest: Slot[] | undefined;
  for (let choice = 0; choice < 2 ** (maybe.length + orders.length); choice++) {
    const isChosen = (bit: number) => (choice & (2 ** bit)) !== 0;
    const fate = (event: Event): Fate => {
      const bit = maybe.indexOf(event);
      if (bit >= 0) return isChosen(bit) ? 'happened' : 'never';
      return isOpen(event) ? 'open' : 'happened';
    };
    const isBefore = (a: Event, b: Event): boolean => {
      if (a.ended < b.begun) return true;
      const bit = orders.findIndex(([one, other]) => (one === a && other === b) || (one === b && other === a));
      return bit >= 0 && (orders[bit]![0] === a) === isChosen(maybe.length + bit);
    };
    const wrong = [...found].filter(([slot, state]) => {
      const own = events.filter(event => event.slots.has(slot));
      return !isExplained({slot, base: base.get(slot)!, found: state, events: own, fate, isBefore});
    });
    if (wrong.length === 0) return [];
    if (fewest === undefined || wrong.length < fewest.length) fewest = wrong.map(([slot]) => slot);
  }
  return fewest!;
}

const ORDERS_MAX = 6;

/** A read of several slots sees one moment: what else touches several of them at that time is before it in all, or in none. */
function ordersToChoose(events: readonly Event[], whole: readonly Event[]): [read: Event, other: Event][] {
  const found: [Event, Event][] = [];
  for (const read of events) {
    if (!read.isRead || read.slots.size < 2) continue;
    for (const other of whole) {
      const isBeside = other.begun < read.ended && read.begun < other.ended;
      if (isBeside && [...other.slots].some(slot => read.slots.has(slot))) found.push([read, other]);
    }
  }
  return found.slice(0, ORDERS_MAX);
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
