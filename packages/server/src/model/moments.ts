/**
 * Moments: dates, times and timestamps as text and as numbers. Proleptic Gregorian calendar, UTC, microseconds.
 *
 * Parsing answers undefined for what is not a moment; `values.ts` makes the error. Calendar arithmetic after Howard Hinnant's
 * "chrono-compatible low-level date algorithms": years begin in March, so that the leap day is the last of its year.
 */
export const MICROS_PER_SECOND = 1_000_000n;
export const MICROS_PER_DAY = 86_400_000_000n;

const DATE = String.raw`([+-]?\d{4,6})-(\d{1,2})-(\d{1,2})`;
const CLOCK = String.raw`(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,12}))?)?`;
const ZONE = String.raw`(?:\s*(Z|[+-]\d{2}(?::?\d{2})?))?`;
const TIMESTAMP_TEXT = new RegExp(`^${DATE}(?:(?:[T ]|\\s+)${CLOCK}${ZONE})?$`, 'i');
const TIME_TEXT = new RegExp(`^${CLOCK}$`);
const INT64_MAX = 2n ** 63n - 1n;
const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Microseconds since the epoch of `YYYY-MM-DD[ T]HH:MM[:SS[.f]][Z|±hh[:mm]]` or of a date alone. */
export function parseTimestamp(text: string): bigint | undefined {
  const match = TIMESTAMP_TEXT.exec(text);
  if (match === null) return undefined;
  const days = daysOf(match[1]!, match[2]!, match[3]!);
  if (days === undefined) return undefined;
  let micros = BigInt(days) * MICROS_PER_DAY;
  if (match[4] !== undefined) {
    const clock = clockMicros(match[4], match[5]!, match[6], match[7]);
    const zone = zoneMinutes(match[8]);
    if (clock === undefined || zone === undefined) return undefined;
    micros += clock - BigInt(zone) * 60n * MICROS_PER_SECOND;
  }
  return micros > INT64_MAX || micros < -INT64_MAX ? undefined : micros;
}

/** Days since the epoch; a time after the date is read and left out. */
export function parseDate(text: string): number | undefined {
  const match = TIMESTAMP_TEXT.exec(text);
  if (match === null) return undefined;
  if (match[4] !== undefined && parseTimestamp(text) === undefined) return undefined;
  return daysOf(match[1]!, match[2]!, match[3]!);
}

/** Microseconds since midnight. */
export function parseTime(text: string): bigint | undefined {
  const match = TIME_TEXT.exec(text);
  if (match === null) return undefined;
  const micros = clockMicros(match[1]!, match[2]!, match[3], match[4]);
  return micros === MICROS_PER_DAY ? undefined : micros;
}

export function dateText(days: number): string {
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1;
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${yearText(year)}-${two(month)}-${two(day)}`;
}

/** `HH:MM:SS`, and the fraction without trailing zeros if there is one. */
export function timeText(micros: bigint): string {
  const seconds = Number(micros / MICROS_PER_SECOND);
  const fraction = Number(micros % MICROS_PER_SECOND);
  const clock = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return fraction === 0 ? clock : `${clock}.${String(fraction).padStart(6, '0').replace(/0+$/, '')}`;
}

export function timestampText(micros: bigint): string {
  const days = daysOfTimestamp(micros);
  return `${dateText(days)} ${timeText(micros - BigInt(days) * MICROS_PER_DAY)}`;
}

/** The day a timestamp falls on; days before the epoch are negative. */
export function daysOfTimestamp(micros: bigint): number {
  const days = micros / MICROS_PER_DAY;
  return Number(days * MICROS_PER_DAY > micros ? days - 1n : days);
}

function daysOf(yearDigits: string, monthDigits: string, dayDigits: string): number | undefined {
  const [year, month, day] = [Number(yearDigits), Number(monthDigits), Number(dayDigits)];
  if (month < 1 || month > 12 || day < 1) return undefined;
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  if (day > (month === 2 && isLeap ? 29 : MONTH_DAYS[month - 1]!)) return undefined;
  const shiftedYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(shiftedYear / 400);
  const yearOfEra = shiftedYear - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** More than six digits of a second are rounded. */
function clockMicros(hours: string, minutes: string, seconds = '0', fraction = ''): bigint | undefined {
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return undefined;
  const whole = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
  const digits = fraction.padEnd(7, '0');
  const micros = Number(digits.slice(0, 6)) + (digits[6]! >= '5' ? 1 : 0);
  return BigInt(whole) * MICROS_PER_SECOND + BigInt(micros);
}

function zoneMinutes(zone: string | undefined): number | undefined {
  if (zone === undefined || zone === 'Z' || zone === 'z') return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(3).replace(':', '') || 0);
  if (hours > 15 || minutes > 59) return undefined;
  return (zone[0] === '-' ? -1 : 1) * (hours * 60 + minutes);
}

function yearText(year: number): string {
  const digits = String(Math.abs(year)).padStart(4, '0');
  return year < 0 ? `-${digits}` : digits;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}
