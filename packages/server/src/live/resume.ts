/**
 * Resume: whether everything that changed after a seq can still be found.
 *
 * Laws: yes only if (1) the table is the same one, and the columns that the query shows and asks for have been the same ever since, as rows that no
 * commit changed would look different; and (2) the history of the scope goes back to it, or, in a table with tombstones, none above it was dropped,
 * and the seq is one that this log gave out and kept: a client may hold one from a future that a power cut took back, in durability classes that
 * allow it.
 */
import type {Incarnation, Seq} from '../model/names.ts';
import {type Schema, TABLE_KINDS} from '../model/schema.ts';
import type {Group} from './matcher.ts';
import {isSame} from './shape.ts';

export interface ResumeFacts {
  /** Every change up to it was told, and later ones get a higher one. */
  readonly newestSeq: (schema: Schema) => Seq;
  /** Oldest first. */
  readonly versions: (incarnation: Incarnation) => readonly Schema[];
  /** When the version became the current one. */
  readonly versionSeq: (schema: Schema) => Seq;
  /** Tombstones of the table up to this seq may be gone. */
  readonly tombstonesDropped: (incarnation: Incarnation) => Seq;
  /** What a start found in its log, and the first seq it gave out itself. */
  readonly start: {readonly found: Seq; readonly began: Seq};
}

export function canResume<Member>(facts: ResumeFacts, group: Group<Member>, from: Seq, newest: Seq): boolean {
  const {history, table} = group.scope;
  const {schema} = table;
  if (from > newest || shownSince(facts, group, schema) > from) return false;
  if (history.floor <= from) return true;
  const {found, began} = facts.start;
  if (from > found && from < began) return false;
  return TABLE_KINDS[schema.kind].hasDeleted && facts.tombstonesDropped(schema.incarnation) <= from;
}

/** Since when the table has the columns of the query. */
function shownSince<Member>(facts: ResumeFacts, group: Group<Member>, schema: Schema): Seq {
  const versions = facts.versions(schema.incarnation);
  for (let i = versions.length - 1; i > 0; i--) {
    if (!isSame(group.shape.query.tree, versions[i - 1]!, versions[i]!)) return facts.versionSeq(versions[i]!);
  }
  return facts.versionSeq(versions[0] ?? schema);
}
