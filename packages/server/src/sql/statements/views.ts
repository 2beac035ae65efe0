/** CREATE VIEW, DROP VIEW. */
import {fail} from '@kalamdb/protocol/errors.ts';
import {maxParam} from '../../expr/walk.ts';
import {checkName, RESERVED_NAMESPACES, type TableName, tableText} from '../../model/names.ts';
import type {TableRef} from '../../parser/ast.ts';
import {parseQuery} from '../../parser/query.ts';
import {defineView, type ViewTree} from '../../query/define-view.ts';
import {
  auditTable,
  defineStatement,
  done,
  placed,
  requireAdmin,
  resolveName,
  type StatementContext,
} from '../define.ts';
import {tableFor} from '../read.ts';

interface CreateView extends ViewTree {
  readonly ref: TableRef;
  readonly isReplacing: boolean;
  readonly ifNotExists: boolean;
}

export const createView = defineStatement<CreateView>({
  name: 'CREATE VIEW',
  heads: ['CREATE VIEW', 'CREATE OR REPLACE VIEW'],
  access: 'any',
  auditTarget: auditTable,
  takesParams: false,
  doc: {
    topic: 'Views',
    syntax: 'CREATE [OR REPLACE] VIEW [IF NOT EXISTS] view [(column, …)] AS query',
    about:
      'Gives a query a name, under which it is read like a table: by the rights of whoever reads, so that a USER table in it shows the rows of the caller. A `*` stands for the columns there are now. When a table in it changes so that it no longer fits, reading it is an error that says why.',
    example: [
      'CREATE VIEW shop.totals AS SELECT item, SUM(pieces) AS pieces FROM shop.orders GROUP BY item',
      'SELECT i.name, t.pieces FROM shop.totals t JOIN shop.items i ON i.id = t.item',
    ],
  },
  parse(cursor) {
    cursor.expectKeyword('CREATE');
    const isReplacing = cursor.keywords('OR', 'REPLACE');
    cursor.expectKeyword('VIEW');
    const ifNotExists = !isReplacing && cursor.ifNotExists();
    const ref = cursor.tableRef('a view name');
    const columns: CreateView['columns'][number][] = [];
    if (cursor.acceptSymbol('(')) {
      do columns.push(cursor.columnName());
      while (cursor.acceptSymbol(','));
      cursor.expectSymbol(')');
    }
    cursor.expectKeyword('AS');
    const {start} = cursor;
    const query = parseQuery(cursor);
    if (maxParam(query) > 0) throw cursor.fail('A view takes no parameters', start);
    return {ref, isReplacing, ifNotExists, columns, query, start};
  },
  async run({ref, isReplacing, ifNotExists, ...tree}, context) {
    requireAdmin(context, 'Only DBA or System roles can create views');
    const name = resolveName(context, ref);
    placed(context, ref, () => checkViewName(name));
    const {catalog, ddl} = context.services;
    if (!isReplacing && catalog.view(name) !== undefined) return exists(name, ifNotExists, context);
    const view = defineView(name, tree, context.text, tableFor(context));
    if (!(await ddl.createView(view, isReplacing))) return exists(name, ifNotExists, context);
    return done(context, `View ${tableText(name)} created successfully`);
  },
});

function exists(name: TableName, isSkipped: boolean, context: StatementContext) {
  if (isSkipped) return done(context, `View ${tableText(name)} already exists (skipped)`);
  throw fail.alreadyExists(`View ${tableText(name)} already exists`);
}

function checkViewName({namespace, table}: TableName): void {
  if (RESERVED_NAMESPACES.has(namespace) && namespace !== 'default')
    throw fail.invalidOperation(`Namespace '${namespace}' is reserved and cannot be used`);
  checkName(table, 'Name');
}

export const dropView = defineStatement<{ref: TableRef; ifExists: boolean}>({
  name: 'DROP VIEW',
  heads: ['DROP VIEW'],
  access: 'any',
  auditTarget: auditTable,
  takesParams: false,
  doc: {
    topic: 'Views',
    syntax: 'DROP VIEW [IF EXISTS] view',
    about: 'Drops a view. Views that read it stay, and are an error until there is one of its name again.',
    example: ['CREATE VIEW shop.cheap AS SELECT * FROM shop.items WHERE price < 0.5', 'DROP VIEW shop.cheap'],
  },
  parse(cursor) {
    cursor.expectKeywords('DROP', 'VIEW');
    const ifExists = cursor.ifExists();
    const ref = cursor.tableRef('a view name');
    if (cursor.isSymbol(',')) throw cursor.notSupported('several views in one DROP VIEW');
    if (cursor.isKeyword('CASCADE') || cursor.isKeyword('RESTRICT'))
      throw cursor.notSupported('DROP VIEW CASCADE/RESTRICT; views that read it stay');
    return {ref, ifExists};
  },
  async run({ref, ifExists}, context) {
    requireAdmin(context, 'Only DBA or System roles can drop views');
    const name = resolveName(context, ref);
    if (context.services.catalog.find(name) !== undefined)
      throw fail.invalidOperation(`${tableText(name)} is a table; use DROP TABLE`);
    if (await context.services.ddl.dropView(name)) return done(context, `View ${tableText(name)} dropped successfully`);
    if (ifExists) return done(context, `View ${tableText(name)} does not exist (skipped)`);
    throw fail.notFound(`View '${name.table}' not found in namespace '${name.namespace}'`);
  },
});
