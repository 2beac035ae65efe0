/** CREATE, ALTER, DROP and SHOW NAMESPACE(S). */
import {fail} from '@kalamdb/protocol/errors.ts';
import {checkName, RESERVED_NAMESPACES} from '../../model/names.ts';
import type {TokenCursor} from '../../parser/cursor.ts';
import {newName} from '../../parser/new-name.ts';
import {defineStatement, done, type StatementContext} from '../define.ts';
import {dropWholly} from './drop-table.ts';
import {selectFixed} from './select.ts';

const listNamespaces = selectFixed('SELECT * FROM system.namespaces');

export const createNamespace = defineStatement<{name: string; ifNotExists: boolean}>({
  name: 'CREATE NAMESPACE',
  heads: ['CREATE NAMESPACE'],
  access: {admin: 'namespace operations'},
  auditTarget: ({name}) => name,
  takesParams: false,
  doc: {
    topic: 'Namespaces',
    syntax: 'CREATE NAMESPACE [IF NOT EXISTS] name',
    about: 'Makes a namespace, in which tables can be made.',
    example: 'CREATE NAMESPACE IF NOT EXISTS blog',
  },
  parse(cursor) {
    cursor.expectKeywords('CREATE', 'NAMESPACE');
    const ifNotExists = cursor.ifNotExists();
    const name = cursor.isKeyword('DEFAULT') ? cursor.label() : newName(cursor);
    return {name: name.name, ifNotExists};
  },
  async run({name, ifNotExists}, context) {
    checkName(name, 'Name');
    if (RESERVED_NAMESPACES.has(name))
      throw fail.invalidOperation(`Namespace '${name}' is reserved and cannot be used`);
    const isNew = await context.services.ddl.createNamespace(name);
    if (!isNew && !ifNotExists) throw fail.alreadyExists(`Namespace '${name}' already exists`);
    return done(context, isNew ? `Namespace '${name}' created successfully` : `Namespace '${name}' already exists`);
  },
});

type OptionValue = string | number | boolean | null;

export const alterNamespace = defineStatement<{name: string; options: Record<string, OptionValue>}>({
  name: 'ALTER NAMESPACE',
  heads: ['ALTER NAMESPACE'],
  access: {admin: 'namespace operations'},
  auditTarget: ({name}) => name,
  takesParams: false,
  doc: {
    topic: 'Namespaces',
    syntax: [
      "ALTER NAMESPACE name SET OPTIONS (key = {'text' | number | TRUE | FALSE | NULL}, …)",
      "ALTER NAMESPACE name SET DESCRIPTION 'text'",
    ],
    about:
      'Puts options beside those the namespace has; one of the same key takes its place. They are notes: nothing in the server reads them. A description is the option `description`.',
    example: "ALTER NAMESPACE shop SET OPTIONS (owner = 'ana', level = 3, open = TRUE)",
  },
  parse(cursor) {
    cursor.expectKeywords('ALTER', 'NAMESPACE');
    if (cursor.atEnd() || cursor.isKeyword('SET')) throw cursor.fail('Namespace name is required');
    const {name} = cursor.name('a namespace name');
    if (cursor.keywords('SET', 'DESCRIPTION')) return {name, options: {description: cursor.string()}};
    if (!cursor.keywords('SET', 'OPTIONS')) throw cursor.fail('Expected SET OPTIONS clause');
    return {name, options: parseOptions(cursor)};
  },
  async run({name, options}, context) {
    if (!(await context.services.ddl.alterNamespace(name, options)))
      throw fail.notFound(`Namespace '${name}' not found`);
    return done(context, `Namespace '${name}' altered successfully`);
  },
});

const OPTIONS_MAX = 100;

/** Keys as they are written. */
function parseOptions(cursor: TokenCursor): Record<string, OptionValue> {
  if (!cursor.acceptSymbol('(')) throw cursor.fail('Options must be enclosed in parentheses');
  const options: [string, OptionValue][] = [];
  while (!cursor.acceptSymbol(')')) {
    if (cursor.atEnd()) throw cursor.fail('Options must be enclosed in parentheses');
    if (options.length > 0) cursor.expectSymbol(',');
    if (options.length === OPTIONS_MAX) throw cursor.limitExceeded(`Too many options (maximum ${OPTIONS_MAX})`);
    const key = cursor.label('an option name').text;
    if (!cursor.acceptSymbol('=')) throw cursor.fail(`Invalid option format: ${key}`);
    options.push([key, optionValue(cursor)]);
  }
  return Object.fromEntries(options);
}

function optionValue(cursor: TokenCursor): OptionValue {
  if (cursor.isString()) return cursor.string();
  const word = cursor.acceptOneOf('TRUE', 'FALSE', 'NULL');
  if (word !== undefined) return word === 'NULL' ? null : word === 'TRUE';
  const isNegative = cursor.acceptSymbol('-');
  const text = cursor.raw;
  const value = Number(text);
  // A number that JSON would give back as another one is refused.
  const isExact = /^\d+(?:\.\d+)?$/.test(text) && text.length <= 15;
  if (!isExact) throw cursor.fail(`Invalid value format: ${text.slice(0, 40)}`);
  cursor.next();
  return isNegative ? -value : value;
}

export const dropNamespace = defineStatement<{name: string; ifExists: boolean; isCascade: boolean}>({
  name: 'DROP NAMESPACE',
  heads: ['DROP NAMESPACE'],
  access: {admin: 'namespace operations'},
  auditTarget: ({name}) => name,
  takesParams: false,
  doc: {
    topic: 'Namespaces',
    syntax: 'DROP NAMESPACE [IF EXISTS] name [CASCADE | RESTRICT]',
    about: 'Drops an empty namespace; with CASCADE all that is in it too.',
    example: 'DROP NAMESPACE shop CASCADE',
  },
  parse(cursor) {
    cursor.expectKeywords('DROP', 'NAMESPACE');
    const ifExists = cursor.ifExists();
    const name = cursor.name().name;
    return {name, ifExists, isCascade: cursor.acceptOneOf('CASCADE', 'RESTRICT') === 'CASCADE'};
  },
  async run({name, ifExists, isCascade}, context) {
    if (RESERVED_NAMESPACES.has(name))
      throw fail.invalidOperation(`Namespace '${name}' is reserved and cannot be dropped`);
    if (isCascade) await dropTablesOf(name, context);
    const isDropped = await context.services.ddl.dropNamespace(name);
    if (!isDropped && !ifExists) throw fail.notFound(`Namespace '${name}' not found`);
    return done(context, isDropped ? `Namespace '${name}' dropped successfully` : `Namespace '${name}' does not exist`);
  },
});

async function dropTablesOf(namespace: string, context: StatementContext): Promise<void> {
  const {catalog, ddl} = context.services;
  for (const {name} of catalog.views()) if (name.namespace === namespace) await ddl.dropView(name);
  for (const schema of catalog.tables().filter(one => one.name.namespace === namespace))
    await dropWholly(schema, context);
}

export const showNamespaces = defineStatement<undefined>({
  name: 'SHOW NAMESPACES',
  heads: ['SHOW NAMESPACES'],
  access: 'any',
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Namespaces',
    syntax: 'SHOW NAMESPACES',
    about: 'The rows of `system.namespaces`, for every role.',
    example: 'SHOW NAMESPACES',
  },
  parse(cursor) {
    cursor.expectKeywords('SHOW', 'NAMESPACES');
    return undefined;
  },
  run: (_, context) => listNamespaces(context),
});
