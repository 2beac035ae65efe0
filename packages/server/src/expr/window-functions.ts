/**
 * Window functions: the table of those that have no meaning without OVER. Aggregates may have one.
 */
import type {DataType} from '../model/datatype.ts';
import {BIGINT, DOUBLE, INT} from './numbers.ts';

export interface WindowFacts {
  readonly name: string;
  readonly args: readonly [least: number, most: number];
  /** undefined: that of the first argument. */
  readonly result: DataType | undefined;
  readonly takesNulls?: boolean;
}

export const WINDOW_FUNCTIONS: ReadonlyMap<string, WindowFacts> = new Map(
  [
    {name: 'ROW_NUMBER', args: [0, 0] as const, result: BIGINT},
    {name: 'RANK', args: [0, 0] as const, result: BIGINT},
    {name: 'DENSE_RANK', args: [0, 0] as const, result: BIGINT},
    {name: 'PERCENT_RANK', args: [0, 0] as const, result: DOUBLE},
    {name: 'CUME_DIST', args: [0, 0] as const, result: DOUBLE},
    {name: 'NTILE', args: [1, 1] as const, result: INT},
    {name: 'LAG', args: [1, 3] as const, result: undefined, takesNulls: true},
    {name: 'LEAD', args: [1, 3] as const, result: undefined, takesNulls: true},
    {name: 'FIRST_VALUE', args: [1, 1] as const, result: undefined, takesNulls: true},
    {name: 'LAST_VALUE', args: [1, 1] as const, result: undefined, takesNulls: true},
    {name: 'NTH_VALUE', args: [2, 2] as const, result: undefined, takesNulls: true},
  ].map(facts => [facts.name, facts]),
);
