/**
 * Aggregates over pairs of numbers: correlation, covariance and linear regression, the dependent value first, as in the standard.
 *
 * A pair with a NULL in it counts for none of them. What no line can say (all x are the same, a single pair) is NULL, where DuckDB has NaN.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {Value} from '../model/datatype.ts';
import type {Accumulator} from './accumulators.ts';
import type {AggregateFacts} from './aggregates.ts';
import {castSql, checked} from './duck-forms.ts';
import {BIGINT, DOUBLE} from './numbers.ts';

/** Sums of squares and products are those of the distances from the means. */
interface Moments {
  readonly count: number;
  readonly meanX: number;
  readonly meanY: number;
  readonly xx: number;
  readonly yy: number;
  readonly xy: number;
}

type Finish = (moments: Moments) => number | null;

const slope: Finish = ({xx, xy}) => (xx === 0 ? null : xy / xx);

export const PAIR_AGGREGATES: readonly AggregateFacts[] = [
  pair('CORR', 'Correlation (Pearson) of y and x.', ({xx, yy, xy}) =>
    xx === 0 || yy === 0 ? null : Math.max(-1, Math.min(1, xy / Math.sqrt(xx) / Math.sqrt(yy))),
  ),
  pair('COVAR_POP', 'Covariance of the population.', ({xy, count}) => xy / count),
  pair('COVAR_SAMP', 'Covariance of a sample.', ({xy, count}) => (count < 2 ? null : xy / (count - 1))),
  pair('REGR_SLOPE', 'Slope of the line of least squares.', slope),
  pair('REGR_INTERCEPT', 'Where the line of least squares meets x = 0.', moments => {
    const rise = slope(moments);
    return rise === null ? null : moments.meanY - rise * moments.meanX;
  }),
  pair('REGR_R2', 'Square of the correlation.', ({xx, yy, xy}) =>
    xx === 0 ? null : yy === 0 ? 1 : (xy * xy) / (xx * yy),
  ),
  {
    ...pair('REGR_COUNT', 'Number of pairs without NULL.', ({count}) => count),
    result: () => BIGINT,
    make: () => () => new Pairs(({count}) => count, true),
    duck: () => (invoke, args) => castSql(invoke('regr_count', ...args), BIGINT),
  },
  pair('REGR_AVGX', 'Mean of x.', ({meanX}) => meanX),
  pair('REGR_AVGY', 'Mean of y.', ({meanY}) => meanY),
  pair('REGR_SXX', 'Sum of the squares of x around its mean.', ({xx}) => xx),
  pair('REGR_SYY', 'Sum of the squares of y around its mean.', ({yy}) => yy),
  pair('REGR_SXY', 'Sum of the products of y and x around their means.', ({xy}) => xy),
];

/** Infinite only where a double has no room; NaN is what there is none of. */
const TOO_LARGE = 'v IS NOT NULL AND NOT isfinite(v) AND NOT isnan(v)';

function pair(name: string, doc: string, finish: Finish): AggregateFacts {
  return {
    name,
    call: `${name}(y, x)`,
    argCount: 2,
    given: 'pair',
    result: () => DOUBLE,
    make: () => () => new Pairs(finish, false),
    duck: () => (invoke, args) =>
      `list_transform([${checked(invoke(name.toLowerCase(), ...args), TOO_LARGE, 'double out of range')}], lambda w: CASE WHEN isnan(w) THEN NULL ELSE w END)[1]`,
    doc,
  };
}

/** Running means and sums (Welford 1962; Youngs and Cramer 1971). */
class Pairs implements Accumulator {
  readonly #finish: Finish;
  readonly #isCount: boolean;
  #count = 0;
  #meanX = 0;
  #meanY = 0;
  #xx = 0;
  #yy = 0;
  #xy = 0;
  constructor(finish: Finish, isCount: boolean) {
    this.#finish = finish;
    this.#isCount = isCount;
  }
  add(value: Value, second: Value): void {
    if (second === null) return;
    const [y, x] = [value as number, second as number];
    this.#count++;
    const [stepX, stepY] = [x - this.#meanX, y - this.#meanY];
    this.#meanX += stepX / this.#count;
    this.#meanY += stepY / this.#count;
    this.#xx += stepX * (x - this.#meanX);
    this.#yy += stepY * (y - this.#meanY);
    this.#xy += stepX * (y - this.#meanY);
  }
  result(): Value {
    if (this.#isCount) return BigInt(this.#count);
    if (this.#count === 0) return null;
    const [meanX, meanY, xx, yy, xy] = [this.#meanX, this.#meanY, this.#xx, this.#yy, this.#xy];
    const result = this.#finish({count: this.#count, meanX, meanY, xx, yy, xy});
    if (result !== null && !Number.isFinite(result)) throw fail.execution('double out of range');
    return result;
  }
}
