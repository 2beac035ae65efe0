/** SHOW TABLES [IN [NAMESPACE] ns]: newest versions, by namespace and name. */
import {fail} from '@kalamdb/protocol/errors.ts';
import {defineStatement} from '../define.ts';
import {selectFixed} from './select.ts';

const COLUMNS = 'namespace_id, table_name, table_type, created_at, schema_version, storage_id, access_level';
const ORDER = 'ORDER BY namespace_id, table_name';
const listAll = selectFixed(`SELECT ${COLUMNS} FROM system.schemas WHERE is_latest ${ORDER}`);
const listOne = selectFixed(`SELECT ${COLUMNS} FROM system.schemas WHERE is_latest AND namespace_id = $1 ${ORDER}`);

export const showTables = defineStatement<string | undefined>({
  name: 'SHOW TABLES',
  heads: ['SHOW TABLES'],
  access: 'any',
  takesParams: false,
  isReadOnly: true,
  doc: {
    topic: 'Tables',
    syntax: 'SHOW TABLES [IN [NAMESPACE] name]',
    about: 'The newest version of each table, by namespace and name.',
    example: 'SHOW TABLES IN shop',
  },
  parse(cursor) {
    cursor.expectKeywords('SHOW', 'TABLES');
    if (!cursor.acceptKeyword('IN')) return undefined;
    cursor.acceptKeyword('NAMESPACE');
    return cursor.name().name;
  },
  run(namespace, context) {
    if (namespace === undefined) return listAll(context);
    if (context.services.catalog.namespace(namespace) === undefined)
      throw fail.namespaceNotFound(`Namespace '${namespace}' does not exist`);
    return listOne(context, [namespace]);
  },
});
