/**
 * Time zones: how far the clocks of a place are from UTC at a moment. Names are those of the IANA database that the platform has.
 *
 * Law: offsets that were looked up are remembered for quarters of an hour, in which no zone changes; so many, and no more.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import {Lru} from '../std/lru.ts';
import {clip} from './numbers.ts';

const SECOND = 1_000_000n;
const QUARTER_MS = 900_000;
const OFFSETS_MAX = 4096;
const ZONES_MAX = 256;
/** The years 1 to 9999: nobody set clocks by zones before or after. */
const [FIRST_MS, LAST_MS] = [-62_135_596_800_000, Date.UTC(9999, 11, 31)];

const zones = new Lru<string, Intl.DateTimeFormat>(ZONES_MAX);
const offsets = new Lru<string, bigint>(OFFSETS_MAX);

/** Microseconds to add to UTC. `zone`: UTC, an offset such as +05:30, or a name such as Europe/Vienna. */
export function zoneOffset(zone: string, utcMicros: bigint): bigint {
  return fixedOffset(zone) ?? namedOffset(zone, utcMicros);
}

/** The moment at which clocks of the zone show this; of two the later one, of none the one as if they had not been moved yet. */
export function fromLocal(zone: string, localMicros: bigint): bigint {
  const fixed = fixedOffset(zone);
  if (fixed !== undefined) return localMicros - fixed;
  const day = 86_400n * SECOND;
  const before = namedOffset(zone, localMicros - day);
  const after = namedOffset(zone, localMicros + day);
  for (const offset of [after, before]) {
    if (namedOffset(zone, localMicros - offset) === offset) return localMicros - offset;
  }
  return localMicros - before;
}

function fixedOffset(zone: string): bigint | undefined {
  if (/^(?:utc|gmt|z|zulu)$/i.test(zone)) return 0n;
  const [, sign, hours, minutes = '0'] = /^(?:utc|gmt)?([+-])(\d{1,2})(?::?(\d{2}))?$/i.exec(zone) ?? [];
  if (hours === undefined) return undefined;
  if (Number(hours) > 15 || Number(minutes) > 59) throw unknownZone(zone);
  const offset = (BigInt(hours) * 60n + BigInt(minutes)) * 60n * SECOND;
  return sign === '-' ? -offset : offset;
}

function namedOffset(zone: string, utcMicros: bigint): bigint {
  const ms = Math.min(Math.max(Number(utcMicros / 1000n), FIRST_MS), LAST_MS);
  const quarter = Math.floor(ms / QUARTER_MS);
  const key = `${zone} ${quarter}`;
  const known = offsets.get(key);
  if (known !== undefined) return known;
  const offset = readOffset(formatOf(zone), quarter * QUARTER_MS);
  offsets.set(key, offset, 1);
  return offset;
}

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = zones.get(zone);
  if (known !== undefined) return known;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {timeZone: zone, timeZoneName: 'longOffset'});
  } catch (error) {
    if (error instanceof RangeError) throw unknownZone(zone);
    throw error;
  }
  zones.set(zone, format, 1);
  return format;
}

/** Of `GMT`, `GMT+02:00` or `GMT-00:25:21`. */
function readOffset(format: Intl.DateTimeFormat, ms: number): bigint {
  const text = format.formatToParts(ms).find(part => part.type === 'timeZoneName')!.value;
  const [, sign, hours, minutes, seconds = '0'] = /([+-])(\d+):(\d+)(?::(\d+))?/.exec(text) ?? [];
  if (hours === undefined) return 0n;
  const offset = ((BigInt(hours) * 60n + BigInt(minutes!)) * 60n + BigInt(seconds)) * SECOND;
  return sign === '-' ? -offset : offset;
}

function unknownZone(zone: string) {
  return fail.execution(`time zone "${clip(zone)}" not recognized`);
}
