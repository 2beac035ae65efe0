/** Open live: hands the live room what it needs of the rooms below it. */
import type {Auth} from './auth/auth.ts';
import {scopeToFollow} from './auth/scope.ts';
import type {Catalog} from './catalog/catalog.ts';
import {versionSeq} from './catalog/ddl.ts';
import {tombstoneMark} from './catalog/tombstone-mark.ts';
import type {Hot} from './hot/hot.ts';
import {type LiveOptions, LiveRoom} from './live/room.ts';
import {TABLE_KINDS} from './model/schema.ts';
import type {Commit} from './table/commit.ts';

interface Below extends Pick<LiveOptions, 'feed' | 'tables' | 'streams' | 'clock' | 'limits' | 'start' | 'onFault'> {
  readonly auth: Auth;
  readonly hot: Hot;
  readonly commit: Commit;
  readonly catalog: Catalog;
}

export function openLive({
  auth,
  hot,
  commit,
  catalog,
  feed,
  tables,
  streams,
  clock,
  limits,
  start,
  onFault,
}: Below): LiveRoom {
  return new LiveRoom({
    sessions: auth.sessions,
    ...{feed, tables, catalog, scopeFor: scopeToFollow, streams, clock, limits, start, onFault},
    // Rows of a stream take their seqs in the turn in which they are told.
    newestSeq: ({kind}) => (TABLE_KINDS[kind].isDurable ? commit.watermark : commit.nextId()),
    secureIds: () => commit.secureIds(),
    versions: incarnation => catalog.versions(incarnation),
    versionSeq: schema => versionSeq(hot, schema),
    tombstonesDropped: incarnation => tombstoneMark(hot, incarnation),
  });
}
