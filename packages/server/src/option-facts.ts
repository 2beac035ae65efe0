/** Option facts: what is known of every setting. */
export type OptionValue = string | number | boolean | readonly string[];

export interface OptionFacts {
  /** KALAMDB_… variables; the first that is set is taken. */
  readonly env?: string | readonly string[];
  /** Its type is the option's. A list is an array in TOML; a text, as the environment has it, is cut at its commas. */
  readonly default: OptionValue;
  readonly about: string;
  /** The value stands in no log, no message and no table. '' as the default: there is none. */
  readonly isSecret?: true;
  /** Smallest and largest value of a number; whole numbers only. */
  readonly range?: readonly [number, number];
  readonly unit?: 's' | 'ms' | 'µs' | 'h' | 'days' | 'bytes' | 'rows';
  readonly oneOf?: readonly string[];
}

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;
export const DAY_S = 86_400;
