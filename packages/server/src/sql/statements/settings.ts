/** SET, SHOW, SHOW ALL: settings of the server, which are read, and of the request, which last until it ends. */
import {type DbError, fail} from '@kalamdb/protocol/errors.ts';
import {didYouMean, nearNames} from '../../expr/near.ts';
import type {TokenCursor} from '../../parser/cursor.ts';
import {SystemTable} from '../../system/index.ts';
import {SETTINGS} from '../../system/settings.ts';
import {defineStatement, done, listed, resultColumns, type StatementContext, systemRecords} from '../define.ts';
import {switchNamespace} from './use.ts';

const SETTING_COLUMNS = resultColumns({name: 'Text', value: 'Text'});

interface SetTree {
  readonly name: string;
  readonly value: string;
}

export const setOption = defineStatement<SetTree>({
  name: 'SET',
  heads: ['SET'],
  access: {admin: 'SET commands'},
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Settings',
    syntax: ['SET {search_path | timezone} {TO | =} value', 'SET TIME ZONE value'],
    about:
      'Sets what a request may set: `search_path`, which is what USE sets, and `timezone`, which is always UTC. Options of the server are set in `server.toml` or by the environment.',
    example: ["SET search_path TO 'shop'", 'SELECT name FROM items'],
  },
  parse(cursor) {
    cursor.expectKeyword('SET');
    if (cursor.isKeyword('TRANSACTION') || cursor.areKeywords('SESSION', 'CHARACTERISTICS'))
      throw cursor.notSupported('transaction modes; every transaction reads one snapshot and may write');
    if (!cursor.keywords('SESSION')) cursor.keywords('LOCAL');
    if (cursor.keywords('TIME', 'ZONE')) return {name: 'timezone', value: settingValue(cursor)};
    const name = settingName(cursor);
    if (!cursor.acceptKeyword('TO') && !cursor.acceptSymbol('=')) throw cursor.expected('TO or =');
    return {name, value: settingValue(cursor)};
  },
  run({name, value}, context) {
    if (name === 'search_path' || name === 'namespace') return switchNamespace(value.toLowerCase(), context);
    if (name === 'timezone') {
      if (/^(?:utc|gmt|z|etc\/utc|default|0|\+00(?::?00)?)$/i.test(value)) return done(context, "Time zone is 'UTC'");
      throw fail.notSupported(`time zone '${value.slice(0, 40)}': moments are UTC; AT TIME ZONE converts`);
    }
    if (settingsOf(context).some(setting => setting.name === name)) {
      throw fail.invalidOperation(
        `Setting '${name}' is the server's: it is set in server.toml or by the environment, and read when the server starts`,
      );
    }
    throw unknownSetting(name, context);
  },
});

export const showSetting = defineStatement<string>({
  name: 'SHOW',
  heads: ['SHOW'],
  access: {admin: 'SHOW commands'},
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Settings',
    syntax: 'SHOW setting',
    about: 'The name and value of one setting: of the server, or of the request.',
    example: 'SHOW search_path',
  },
  parse(cursor) {
    cursor.expectKeyword('SHOW');
    if (cursor.atEnd())
      throw cursor.expected('ALL, COLUMNS, MANIFEST, NAMESPACES, STATS, STORAGES, TABLES or a setting');
    if (cursor.keywords('TIME', 'ZONE')) return 'timezone';
    return settingName(cursor);
  },
  run(name, context) {
    const setting = settingsOf(context).find(one => one.name === name);
    if (setting === undefined) throw unknownShown(name, context);
    return listed(context, SETTING_COLUMNS, [JSON.stringify([name, setting.value])]);
  },
});

export const showAll = defineStatement<undefined>({
  name: 'SHOW ALL',
  heads: ['SHOW ALL'],
  access: {admin: 'SHOW ALL'},
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Settings',
    syntax: 'SHOW ALL',
    about: 'Every setting by name; what each means is in `system.settings`.',
    example: 'SHOW ALL',
  },
  parse(cursor) {
    cursor.expectKeywords('SHOW', 'ALL');
    return undefined;
  },
  run(_, context) {
    const rows = settingsOf(context).map(({name, value}) => JSON.stringify([name, value]));
    return listed(context, SETTING_COLUMNS, rows);
  },
});

function settingsOf(context: StatementContext): {readonly name: string; readonly value: string}[] {
  const ofRequest = [
    {name: 'search_path', value: context.namespace},
    {name: 'timezone', value: 'UTC'},
  ];
  return [...systemRecords(context, SETTINGS), ...ofRequest].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Who says SHOW and a word may mean no setting. */
function unknownShown(name: string, context: StatementContext): DbError {
  const lists = nearNames(name, LISTS).map(list => `SHOW ${list.toUpperCase()}`);
  const table = SystemTable.isSystemTable(name) ? [`SELECT * FROM system.${name}`] : [];
  const meant = [...(OTHER_WORDS.get(name) ?? []), ...lists, ...table];
  if (meant.length === 0) return unknownSetting(name, context);
  return fail.notFound(`Setting '${name}' not found.${didYouMean(meant)}`);
}

const LISTS = ['namespaces', 'storages', 'tables', 'manifest', 'columns', 'stats'];

/** Of other servers. */
const OTHER_WORDS: ReadonlyMap<string, readonly string[]> = new Map([
  ['databases', ['SHOW NAMESPACES']],
  ['schemas', ['SHOW NAMESPACES']],
  ['views', ['SHOW TABLES']],
  ['variables', ['SHOW ALL']],
  ['functions', ['SELECT * FROM information_schema.routines']],
]);

function unknownSetting(name: string, context: StatementContext): DbError {
  const names = settingsOf(context).map(setting => setting.name);
  // Most people leave the category out.
  const same = names.filter(one => one.endsWith(`.${name}`));
  return fail.notFound(`Setting '${name}' not found.${didYouMean([...same, ...nearNames(name, names)])}`);
}

function settingName(cursor: TokenCursor): string {
  let name = cursor.label('the name of a setting').name;
  while (cursor.acceptSymbol('.')) name += `.${cursor.label('the rest of the name').name}`;
  return name;
}

/** A string, a word or a number. */
function settingValue(cursor: TokenCursor): string {
  if (cursor.isString()) return cursor.string();
  const value = cursor.raw;
  if (value === '') throw cursor.expected('a value');
  cursor.next();
  return value;
}
