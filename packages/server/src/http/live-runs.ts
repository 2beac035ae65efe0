/**
 * Live runs: the bytes of all that one turn brings to a connection, shared by the connections to which it brings the same.
 *
 * Clients derive the ids of their subscriptions from the query or count them, so that most who follow the same queries, in the same encoding, get the
 * same bytes; a turn of many commits is then one buffer for all of them.
 *
 * Law: a run lies with the first group of its changes and lives no longer than that, and one at a time.
 */
import type {Encoding} from '@kalamdb/protocol/messages.ts';
import type {LiveEvent} from '../live/live.ts';

interface Run {
  readonly events: readonly LiveEvent[];
  readonly bytes: Buffer;
}

/** undefined: nobody was sent these events as one buffer a moment ago. */
export function sharedRun(events: readonly LiveEvent[], encoding: Encoding): Buffer | undefined {
  const [first] = events;
  if (first?.kind !== 'changes') return undefined;
  const run = first.group.encoded.get(keyOf(encoding)) as Run | undefined;
  return run !== undefined && isSame(run.events, events) ? run.bytes : undefined;
}

/** Whoever is sent the same events next is sent the same bytes. */
export function shareRun(events: readonly LiveEvent[], encoding: Encoding, bytes: Buffer): void {
  const [first] = events;
  if (first?.kind === 'changes') first.group.encoded.set(keyOf(encoding), {events, bytes} satisfies Run);
}

function isSame(before: readonly LiveEvent[], events: readonly LiveEvent[]): boolean {
  if (before.length !== events.length) return false;
  for (let i = 0; i < events.length; i++) {
    const [one, other] = [before[i]!, events[i]!];
    if (one.kind !== 'changes' || other.kind !== 'changes') return false;
    if (one.group !== other.group || one.subscription.id !== other.subscription.id) return false;
  }
  return true;
}

function keyOf({serialization, compression}: Encoding): string {
  return compression === 'none' ? RUNS[serialization].plain : RUNS[serialization].gzip;
}

const RUNS = {
  json: {plain: 'json run', gzip: 'json gzip run'},
  msgpack: {plain: 'msgpack run', gzip: 'msgpack gzip run'},
} as const;
