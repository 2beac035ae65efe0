/** A number in digits, for formats: decimals round half away from zero, doubles as their exact binary value, half to even, as C does. */
import type {DataType, Value} from '../model/datatype.ts';
import type {FormattedNumber} from './number-format.ts';
import {divideRound, isFloating, isInteger, outOfRange, scaleOf} from './numbers.ts';

/** Digits that a double is sure of. */
const DOUBLE_DIGITS = 15;
const FLOAT_DIGITS = 6;
const FRACTION_MAX = 100;

export function formattedNumber(value: Value, type: DataType): FormattedNumber {
  if (isFloating(type)) return floating(value as number, type.name === 'float' ? FLOAT_DIGITS : DOUBLE_DIGITS);
  const unscaled = BigInt(value as bigint);
  const scale = scaleOf(type);
  return {
    rounded: (behind, shift) => exact(unscaled * 10n ** BigInt(shift), scale, behind),
    // C has no such format of integers: they are doubles first.
    scientific: behind =>
      isInteger(type)
        ? floating(Number(unscaled), DOUBLE_DIGITS).scientific(behind)
        : scientificOf(unscaled, scale, behind),
  };
}

function exact(unscaled: bigint, scale: number, behind: number): {digits: string; isNegative: boolean} {
  const lifted =
    behind >= scale ? unscaled * 10n ** BigInt(behind - scale) : divideRound(unscaled, 10n ** BigInt(scale - behind));
  const digits = String(lifted < 0n ? -lifted : lifted).padStart(behind + 1, '0');
  const point = digits.length - behind;
  const text = behind === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
  return {digits: text, isNegative: lifted < 0n};
}

function scientificOf(unscaled: bigint, scale: number, behind: number): string {
  const sign = unscaled < 0n ? '-' : '';
  const digits = String(unscaled < 0n ? -unscaled : unscaled);
  const kept = behind + 1;
  let exponent = unscaled === 0n ? 0 : digits.length - 1 - scale;
  let shown =
    digits.length > kept
      ? String(divideRound(BigInt(digits), 10n ** BigInt(digits.length - kept)))
      : digits.padEnd(kept, '0');
  if (shown.length > kept) {
    shown = shown.slice(0, kept);
    exponent++;
  }
  return `${sign}${shown[0]}${behind === 0 ? '' : `.${shown.slice(1)}`}${exponentText(exponent)}`;
}

function exponentText(exponent: number): string {
  return `e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

function floating(value: number, sure: number): FormattedNumber {
  return {
    rounded(behind, shift) {
      const shifted = value * 10 ** shift;
      if (!Number.isFinite(shifted)) throw outOfRange({name: 'double'});
      const wholeLength = Math.abs(shifted) < 1 ? 1 : Math.floor(Math.log10(Math.abs(shifted))) + 1;
      const shown = wholeLength >= sure ? 0 : Math.min(behind, sure - wholeLength);
      return {digits: fixedDigits(Math.abs(shifted), shown), isNegative: shifted < 0 || Object.is(shifted, -0)};
    },
    scientific(behind) {
      const [digits, exponent] = evenExponential(value, Math.min(behind, FRACTION_MAX)).split('e') as [string, string];
      return `${digits}${exponentText(Number(exponent))}`;
    },
  };
}

/** JavaScript rounds ties up. */
function evenExponential(value: number, behind: number): string {
  const text = value.toExponential(behind);
  const [mantissa, exponent] = value.toExponential(FRACTION_MAX).split('e') as [string, string];
  const last = text.split('e')[0]!.at(-1)!;
  if (!/^50*$/.test(mantissa.split('.')[1]!.slice(behind)) || Number(last) % 2 === 0) return text;
  // A tie is not at the end of the digits that are all 9, so nothing is carried.
  return `${mantissa.slice(0, mantissa.indexOf('.') + 1 + behind).replace(/\.$/, '')}e${exponent}`;
}

function fixedDigits(value: number, behind: number): string {
  if (value >= 1e21) return String(BigInt(value));
  const rounded = value.toFixed(behind);
  const tail = value.toFixed(FRACTION_MAX).split('.')[1]!.slice(behind);
  // JavaScript rounds ties up: one that should have gone down to an even digit is one too large.
  if (!/^50*$/.test(tail) || Number(rounded.at(-1)) % 2 === 0) return rounded;
  const down = BigInt(rounded.replace('.', '')) - 1n;
  const digits = String(down).padStart(behind + 1, '0');
  return behind === 0 ? digits : `${digits.slice(0, -behind)}.${digits.slice(-behind)}`;
}
