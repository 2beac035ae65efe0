/** CREATE NAMESPACE, DROP NAMESPACE, SHOW NAMESPACES. */
import {fail} from '@kalamdb/protocol/errors.ts';
import {checkName, RESERVED_NAMESPACES} from '../../model/names.ts';
import {defineStatement, done, type StatementContext} from '../define.ts';
import {selectFixed} from './select.ts';

const listNamespaces = selectFixed('SELECT * FROM system.namespaces');

export const createNamespace = defineStatement<{name: string; ifNotExists: boolean}>({
  name: 'CREATE NAMESPACE',
  heads: ['CREATE NAMESPACE'],
  access: {admin: 'namespace operations'},
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
    return {name: cursor.name().name, ifNotExists};
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

export const dropNamespace = defineStatement<{name: string; ifExists: boolean; isCascade: boolean}>({
  name: 'DROP NAMESPACE',
  heads: ['DROP NAMESPACE'],
  access: {admin: 'namespace operations'},
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
  const {catalog, ddl, flushes} = context.services;
  for (const {name} of catalog.views()) if (name.namespace === namespace) await ddl.dropView(name);
  for (const schema of catalog.tables().filter(one => one.name.namespace === namespace)) {
    await flushes.cancelFor(schema);
    if (await ddl.dropTable(schema, () => flushes.announceFiles(schema))) await flushes.cleanUp(schema);
  }
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
