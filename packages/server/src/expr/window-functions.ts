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
  readonly doc: string;
}

export const WINDOW_FUNCTIONS: ReadonlyMap<string, WindowFacts> = new Map(
  [
    {name: 'ROW_NUMBER', args: [0, 0] as const, result: BIGINT, doc: 'Place of the row in its partition, from 1.'},
    {name: 'RANK', args: [0, 0] as const, result: BIGINT, doc: 'Place of the first of its peers: with gaps.'},
    {name: 'DENSE_RANK', args: [0, 0] as const, result: BIGINT, doc: 'Number of its group of peers: without gaps.'},
    {name: 'PERCENT_RANK', args: [0, 0] as const, result: DOUBLE, doc: '(RANK − 1) / (rows − 1).'},
    {name: 'CUME_DIST', args: [0, 0] as const, result: DOUBLE, doc: 'Part of the rows up to its peers.'},
    {name: 'NTILE', args: [1, 1] as const, result: INT, doc: 'Which of x nearly equal parts holds the row.'},
    {
      name: 'LAG',
      args: [1, 3] as const,
      result: undefined,
      takesNulls: true,
      doc: 'The value so many rows before (1), or a default.',
    },
    {
      name: 'LEAD',
      args: [1, 3] as const,
      result: undefined,
      takesNulls: true,
      doc: 'The value so many rows later (1), or a default.',
    },
    {
      name: 'FIRST_VALUE',
      args: [1, 1] as const,
      result: undefined,
      takesNulls: true,
      doc: 'The value of the first row of the frame.',
    },
    {
      name: 'LAST_VALUE',
      args: [1, 1] as const,
      result: undefined,
      takesNulls: true,
      doc: 'The value of the last row of the frame.',
    },
    {
      name: 'NTH_VALUE',
      args: [2, 2] as const,
      result: undefined,
      takesNulls: true,
      doc: 'The value of the y-th row of the frame.',
    },
  ].map(facts => [facts.name, facts]),
);
