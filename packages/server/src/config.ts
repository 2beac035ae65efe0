/**
 * Config: the values that the settings (`options.ts`) have in this run.
 *
 *     default  <  server.toml  <  environment          the right one wins
 *
 * Laws: a value that cannot be used stops the start with an error that names its key and where it came from. An unknown key or variable is a
 * warning that names the nearest known one, and one that has no effect here a warning that says why. Nothing below `database.ts` sees this file: rooms get plain options.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import {parse, TomlError} from 'smol-toml';
import type {OptionFacts, OptionValue} from './option-facts.ts';
import {OPTIONS, type OptionKey} from './options.ts';
import {whyUnread} from './unread-options.ts';

type Choice<Facts> = Facts extends {oneOf: readonly (infer Word)[]}
  ? Word
  : Facts extends {default: number}
    ? number
    : Facts extends {default: boolean}
      ? boolean
      : Facts extends {default: readonly string[]}
        ? readonly string[]
        : string;

export type Config = {readonly [Key in OptionKey]: Choice<(typeof OPTIONS)[Key]>};

export interface ConfigSources {
  /** Text of server.toml, and its name for messages. */
  readonly file?: {readonly name: string; readonly text: string};
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Throws INVALID_INPUT naming the key. */
export function readConfig({file, env}: ConfigSources): {config: Config; warnings: string[]} {
  const config: Record<string, OptionValue> = {};
  for (const [key, facts] of optionRows()) config[key] = facts.default;
  const warnings = [...(file === undefined ? [] : applyFile(config, file)), ...unreadVariables(env)];
  for (const [key, facts] of optionRows()) {
    const name = [facts.env ?? []].flat().find(one => env[one] !== undefined);
    if (name === undefined) continue;
    const value = fromText(facts, env[name]!);
    config[key] = checkValue(facts, value, `environment variable ${name}`);
  }
  checkTogether(config as Config);
  return {config: config as Config, warnings};
}

/** How `system.settings` and the start show it. */
export function shownValue(key: OptionKey, config: Config): string {
  const facts: OptionFacts = OPTIONS[key];
  const value: OptionValue = config[key];
  if (facts.isSecret) return value === '' ? '' : '***';
  return Array.isArray(value) ? value.join(', ') : String(value);
}

function optionRows(): [OptionKey, OptionFacts][] {
  return Object.entries(OPTIONS) as [OptionKey, OptionFacts][];
}

function applyFile(config: Record<string, OptionValue>, {name, text}: {name: string; text: string}): string[] {
  const warnings: string[] = [];
  for (const [written, value] of flatten(parseToml(name, text), '')) {
    // Another name of the section, as in server.toml of KalamDB.
    const key = written.replace(/^authentication\./, 'auth.');
    if (Object.hasOwn(OPTIONS, key)) config[key] = checkValue(OPTIONS[key as OptionKey], value, `${key} in ${name}`);
    else warnings.push(withoutEffect(key, `key ${key} in ${name}`, Object.keys(OPTIONS)));
  }
  return warnings;
}

function parseToml(name: string, text: string): object {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new DbError(
      'INVALID_INPUT',
      `${name} is not valid TOML: ${error.message.split('\n')[0]} (line ${error.line}, column ${error.column})`,
    );
  }
}

function* flatten(table: object, prefix: string): Generator<[key: string, value: unknown]> {
  for (const [name, value] of Object.entries(table)) {
    const isTable = typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
    if (isTable) yield* flatten(value, `${prefix}${name}.`);
    else yield [prefix + name, value];
  }
}

const TRUE = /^\s*(?:true|1|yes)\s*$/i;
const FALSE = /^\s*(?:false|0|no)\s*$/i;

/** What an environment variable says, as far as it can be understood. */
function fromText(facts: OptionFacts, text: string): unknown {
  if (typeof facts.default === 'number') return /^\s*-?\d+\s*$/.test(text) ? Number(text) : text;
  if (typeof facts.default === 'boolean') return TRUE.test(text) ? true : FALSE.test(text) ? false : text;
  return text;
}

function checkValue(facts: OptionFacts, value: unknown, where: string): OptionValue {
  const wrong = (expected: string) => {
    const found = facts.isSecret ? '' : `, not ${JSON.stringify(value)}`;
    return new DbError('INVALID_INPUT', `${where} must be ${expected}${found}.`);
  };
  switch (typeof facts.default) {
    case 'string':
      if (facts.oneOf !== undefined && !facts.oneOf.includes(value as string))
        throw wrong(`one of ${facts.oneOf.join(', ')}`);
      if (typeof value !== 'string') throw wrong('a text');
      // An empty secret is none: environments are often filled from files in which it is left out.
      if (value.trim() === '' && facts.isSecret !== true) throw wrong('a text that is not empty');
      return value;
    case 'boolean':
      if (typeof value !== 'boolean') throw wrong('true or false');
      return value;
    case 'number':
      return checkNumber(facts, value, wrong);
    default:
      return checkList(value, wrong);
  }
}

function checkNumber(facts: OptionFacts, value: unknown, wrong: (expected: string) => DbError): number {
  const [min, max] = facts.range ?? [0, Number.MAX_SAFE_INTEGER];
  const unit = facts.unit === undefined ? '' : ` (${facts.unit})`;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    throw wrong(`a whole number from ${min} to ${max}${unit}`);
  }
  return value;
}

function checkList(value: unknown, wrong: (expected: string) => DbError): readonly string[] {
  const parts: unknown = typeof value === 'string' ? value.split(',') : value;
  if (!Array.isArray(parts) || parts.some(part => typeof part !== 'string')) throw wrong('a list of texts');
  return parts.map(part => part.trim()).filter(part => part !== '');
}

function checkTogether(config: Config): void {
  const soft = config['memory.soft_limit_bytes'];
  const hard = config['memory.hard_limit_bytes'];
  if (soft > hard)
    throw new DbError(
      'INVALID_INPUT',
      `memory.soft_limit_bytes (${soft}) must not exceed memory.hard_limit_bytes (${hard}).`,
    );
}

/** One of those that are ours by their name. */
function unreadVariables(env: ConfigSources['env']): string[] {
  const known = new Set(optionRows().flatMap(([, {env: names}]) => [names ?? []].flat()));
  return Object.keys(env)
    .filter(name => name.startsWith('KALAMDB_') && !known.has(name))
    .map(name => withoutEffect(name, `environment variable ${name}`, [...known]));
}

/** Values are not told: some are secrets. */
function withoutEffect(name: string, where: string, known: readonly string[]): string {
  const why = whyUnread(name);
  return why === undefined
    ? `Unknown ${where} is ignored.${nearest(name, known)}`
    : `The ${where} has no effect: ${why}.`;
}

function nearest(name: string, known: readonly string[]): string {
  const distances = known.map((one): [string, number] => [one, editDistance(name, one)]);
  const [best, distance] = distances.reduce((least, next) => (next[1] < least[1] ? next : least));
  return distance <= Math.max(3, name.length / 3) ? ` Did you mean ${best}?` : '';
}

/** Levenshtein's distance: inserted, removed and changed characters. */
function editDistance(a: string, b: string): number {
  let row = Array.from({length: b.length + 1}, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
