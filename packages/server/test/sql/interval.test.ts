/**
 * Intervals: random ones, also times random numbers, move random moments to where PostgreSQL moves them, and are as long as it says.
 *
 *     KALAMDB_ORACLE_SEED=7 node --test packages/server/test/sql/interval.test.ts     those of one seed
 */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {moved, parseInterval, sizeOf, timesInterval} from '../../src/expr/interval.ts';
import {parseTimestamp, timestampText} from '../../src/model/moments.ts';
import {openPostgres, postgresPrograms} from './oracle.ts';
import {Random} from './random.ts';

const COUNT = 400;
const SEED = Number(process.env['KALAMDB_ORACLE_SEED'] ?? 7);
const MOMENTS = [
  '2024-01-31 10:20:30.123456',
  '2024-02-29 00:00:00',
  '1999-12-31 23:59:59.999999',
  '1960-08-31 04:05:06.7',
];
const UNITS = [
  ...['decade', 'year', 'years', 'y', 'month', 'mons', 'week', 'w', 'day', 'days', 'd', 'hour', 'hours', 'h'],
  ...['minute', 'mins', 'm', 'seconds', 'sec', 's', 'ms', 'us'],
];

const programs = postgresPrograms();
const skip = programs === undefined ? 'PostgreSQL is not installed' : false;

test(`${COUNT} random intervals move moments as PostgreSQL does`, {skip}, async () => {
  const random = new Random(SEED);
  const postgres = await openPostgres(programs!);
  try {
    for (let i = 0; i < COUNT; i++) {
      const interval = randomInterval(random);
      const [moment, op] = [random.pick(MOMENTS), random.pick(['+', '-'] as const)];
      const parsed = parseInterval(interval);
      const answer = await postgres.query(`SELECT CAST(TIMESTAMP '${moment}' ${op} INTERVAL '${interval}' AS TEXT)`);
      const expected = 'error' in answer ? 'no interval' : answer.rows[0]![0];
      if (parsed === undefined && isForgotten(interval)) continue;
      const side = op === '+' ? 1 : -1;
      const actual =
        parsed === undefined
          ? 'no interval'
          : timestampText(moved({name: 'timestamp'}, parseTimestamp(moment)!, parsed, side) as bigint);
      assert.equal(plain(actual), plain(expected!), `${moment} ${op} '${interval}', seed ${SEED}`);
    }
  } finally {
    await postgres.stop();
  }
});

test(`${COUNT} random intervals times a number are those of PostgreSQL, and are longer than the same spans`, {
  skip,
}, async () => {
  const random = new Random(SEED);
  const postgres = await openPostgres(programs!);
  try {
    for (let i = 0; i < COUNT; i++) {
      const interval = randomInterval(random);
      const parsed = parseInterval(interval);
      if (parsed === undefined) continue;
      const [moment, other] = [random.pick(MOMENTS), random.pick(MOMENTS)];
      const times = random.below(9) - 4;
      const product = `${times} * INTERVAL '${interval}'`;
      const answer = await postgres.query(
        `SELECT CAST(TIMESTAMP '${moment}' + ${product} AS TEXT), TIMESTAMP '${moment}' - TIMESTAMP '${other}' > ${product}`,
      );
      assert.ok('rows' in answer, product);
      const [expected, isLonger] = answer.rows[0]!;
      const [start, from] = [parseTimestamp(moment)!, parseTimestamp(other)!];
      const multiplied = timesInterval(parsed, BigInt(times));
      const end = moved({name: 'timestamp'}, start, multiplied, 1) as bigint;
      // Years before the first are written in another way.
      const shown = plain(timestampText(end));
      if (!expected!.endsWith(' BC')) assert.equal(shown, plain(expected!), `${moment} + ${product}, seed ${SEED}`);
      const text = `${moment} - ${other} > ${product}, seed ${SEED}`;
      assert.equal(start - from > sizeOf(multiplied) ? 't' : 'f', isLonger, text);
    }
  } finally {
    await postgres.stop();
  }
});

/** PostgreSQL takes a fraction of days behind a time, and forgets it; we do not take it. */
function isForgotten(interval: string): boolean {
  return /:.*\d\.\d+ (?:mon|w|d(?!ec))/.test(interval);
}

function randomInterval(random: Random): string {
  const part = () => {
    const sign = random.pick(['', '', '-', '+']);
    if (random.chance(0.2))
      return `${sign}${random.below(30)}:${10 + random.below(50)}${random.pick(['', ':07', ':59.5', ':01.000001'])}`;
    const fraction = random.chance(0.25) ? `.${random.pick(['5', '25', '125', '3', '01'])}` : '';
    return `${sign}${random.below(40)}${fraction} ${random.pick(UNITS)}`;
  };
  return Array.from({length: 1 + random.below(3)}, part).join(' ') + random.pick(['', '', '', ' ago']);
}

/** Without zeros that end a fraction. */
function plain(text: string): string {
  return text.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '');
}
