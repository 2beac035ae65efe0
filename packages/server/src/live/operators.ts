/**
 * Operators: a live query is a chain of them, from the changes of a table to the changes of its answer.
 *
 *     row before and after ─ filter ─ project ─ cells before and after
 *
 * A delta says of one row what it was and what it is. An operator takes those of its input, in order of seq, and hands on those of its output;
 * one without state answers each by itself. One with state (groups, the first rows of an order, the other side of a join) would keep it per
 * query, be filled from the snapshot, and hand on at `end` what a whole commit did to it. See docs/adr/0010-live-queries.md.
 *
 * Laws: the deltas that come out, applied in order to the answer before the commit, give the answer after it. An image is a cursor: whoever keeps
 * something of it keeps values.
 */
import type {Seq} from '../model/names.ts';

export interface Delta<Image> {
  readonly seq: Seq;
  /** null: it was not there; undefined: not known. */
  readonly before: Image | null | undefined;
  readonly after: Image | null;
}

export interface Operator<In, Out> {
  push(delta: Delta<In>, emit: (delta: Delta<Out>) => void): void;
  /** All of one commit was pushed. */
  end?(emit: (delta: Delta<Out>) => void): void;
}

/** WHERE: a row that does not match is as if it were not there. */
export class Filter<Image> implements Operator<Image, Image> {
  readonly #matches: (image: Image) => boolean;

  constructor(matches: (image: Image) => boolean) {
    this.#matches = matches;
  }

  push({seq, before, after}: Delta<Image>, emit: (delta: Delta<Image>) => void): void {
    const was = before === undefined || before === null ? before : this.#matches(before) ? before : null;
    const is = after !== null && this.#matches(after) ? after : null;
    if (was !== null || is !== null) emit({seq, before: was, after: is});
  }
}

/** The select list: a row becomes what is shown of it. */
export class Project<Image, Shown> implements Operator<Image, Shown> {
  readonly #show: (image: Image) => Shown;

  constructor(show: (image: Image) => Shown) {
    this.#show = show;
  }

  push({seq, before, after}: Delta<Image>, emit: (delta: Delta<Shown>) => void): void {
    const was = before === undefined ? undefined : before === null ? null : this.#show(before);
    emit({seq, before: was, after: after === null ? null : this.#show(after)});
  }
}
