/**
 * Ledger: what a history knows of its tables, and whether what it finds there can be.
 *
 * A moment is a state at rest and the events since. Of all moments the newest tells what is there now; an older one may be found again only after a
 * death that the durability class does not promise to survive.
 */
import {type Event, type Slot, type SlotState, type States, unexplained} from './oracle.ts';

interface Moment {
  readonly states: States;
  readonly events: Event[];
}

/** What a start may have lost. */
export type Loss = 'nothing' | 'answered writes';

export class Ledger {
  #moments: Moment[];

  constructor(states: States) {
    this.#moments = [{states, events: []}];
  }

  /** At the last rest. */
  state(slot: Slot): SlotState {
    return this.#now.states.get(slot)!;
  }

  add(event: Event): void {
    this.#now.events.push(event);
  }

  /** It certainly did nothing. */
  withdraw(event: Event): void {
    const {events} = this.#now;
    events.splice(events.indexOf(event), 1);
  }

  /** Nothing is going on, and this is there. Throws if no order of the events explains it. */
  rest(found: States): void {
    const {states, events} = this.#now;
    const wrong = unexplained(states, events, found, {mayForget: false});
    if (wrong.length > 0) throw accusation(wrong, this.#now, found);
    this.#moments.push({states: found, events: []});
  }

  /** What is there now is on disk, whatever the durability class. */
  forgetThePast(): void {
    this.#moments = this.#moments.slice(-1);
  }

  /** A life has begun and finds this. Throws if it cannot be; says what became of the writes it may tell about. */
  begin(found: States, loss: Loss): string[] {
    const seen = loss === 'nothing' ? this.#explainWhole(found) : this.#explainForgotten(found);
    if (seen === undefined) {
      const {states, events} = this.#now;
      throw accusation(unexplained(states, events, found, {mayForget: loss !== 'nothing'}), this.#now, found);
    }
    this.#moments = [{states: found, events: []}];
    return seen;
  }

  #explainWhole(found: States): string[] | undefined {
    const {states, events} = this.#now;
    if (unexplained(states, events, found, {mayForget: false}).length > 0) return undefined;
    const answered = events.filter(event => event.answer !== undefined);
    if (answered.length === events.length) return [];
    const isKept = unexplained(states, answered, found, {mayForget: false}).length > 0;
    return [isKept ? 'kept an unanswered write' : 'lost an unanswered write'];
  }

  #explainForgotten(found: States): string[] | undefined {
    if (this.#explainWhole(found) !== undefined) return [];
    const isPossible = ({states, events}: Moment) => unexplained(states, events, found, {mayForget: true}).length === 0;
    return this.#moments.toReversed().some(isPossible) ? ['forgot answered writes'] : undefined;
  }

  get #now(): Moment {
    return this.#moments.at(-1)!;
  }
}

function accusation(wrong: readonly Slot[], {states, events}: Moment, found: States): Error {
  const lines = wrong.map(slot => {
    const told = events
      .filter(event => event.slots.has(slot))
      .map(event => `    ${event.begun}–${event.ended} ${event.text.slice(0, 100)} → ${event.answer}`);
    const {table, user} = slot.scope;
    const before = `  ${table.name} of ${user}, ${JSON.stringify(slot.keys)}: was ${shown(states.get(slot)!)}`;
    return [before, ...told, `    is ${shown(found.get(slot)!)}`].join('\n');
  });
  return new Error(`no order of what was said explains what is there:\n${lines.join('\n')}`);
}

function shown(state: SlotState): string {
  return JSON.stringify(state, (_, value) => (typeof value === 'string' ? value.slice(0, 30) : value));
}
