/**
 * Decimals: exact numbers as `unscaled / 10^scale`. Rounding is half away from zero, as PostgreSQL's NUMERIC does.
 */
const NUMBER_TEXT = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,5}))?$/;
/** Longer texts cannot be worth their cost. */
const TEXT_LENGTH_MAX = 400;
/** A number other than 0 that is moved further left has too many digits for any decimal. */
const SHIFT_MAX = 80;
const POWERS = Array.from({length: 80}, (_, exponent) => 10n ** BigInt(exponent));

function pow10(exponent: number): bigint {
  return POWERS[exponent] ?? 10n ** BigInt(exponent);
}

/** `12.30` with scale 2 → 1230n. Undefined if the text is no number or has more than `precision` digits at that scale. */
export function parseDecimal(text: string, precision: number, scale: number): bigint | undefined {
  if (text.length > TEXT_LENGTH_MAX) return undefined;
  const match = NUMBER_TEXT.exec(text);
  if (match === null) return undefined;
  const fraction = match[3] ?? '';
  const digits = match[2]! + fraction;
  if (digits === '') return undefined;
  const magnitude = BigInt(digits);
  if (magnitude === 0n) return 0n;
  const shift = Number(match[4] ?? 0) - fraction.length + scale;
  if (shift > SHIFT_MAX) return undefined;
  const scaled =
    shift >= 0 ? magnitude * pow10(shift) : -shift > digits.length ? 0n : dividedRounded(magnitude, pow10(-shift));
  return inPrecision(match[1] === '-' ? -scaled : scaled, precision);
}

/** The same number at another scale, or undefined if it has more than `precision` digits there. */
export function rescale(unscaled: bigint, fromScale: number, toScale: number, precision: number): bigint | undefined {
  const shift = toScale - fromScale;
  return inPrecision(shift >= 0 ? unscaled * pow10(shift) : dividedRounded(unscaled, pow10(-shift)), precision);
}

/** With exactly `scale` digits after the point; a negative number keeps its sign though its whole part is 0. */
export function decimalText(unscaled: bigint, scale: number): string {
  if (scale === 0) return String(unscaled);
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  const cut = digits.length - scale;
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, cut)}.${digits.slice(cut)}`;
}

function dividedRounded(value: bigint, divisor: bigint): bigint {
  const half = divisor / 2n;
  return value < 0n ? (value - half) / divisor : (value + half) / divisor;
}

function inPrecision(unscaled: bigint, precision: number): bigint | undefined {
  const limit = pow10(precision);
  return unscaled < limit && unscaled > -limit ? unscaled : undefined;
}
