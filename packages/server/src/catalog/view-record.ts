/** How a view is stored. Law: what `viewFromRecord` reads is what `viewRecord` was given, for every release that wrote it. */
import type {DataTypeJson} from '@kalamdb/protocol/values.ts';
import {tableText} from '../model/names.ts';
import {typeJson} from '../model/type-table.ts';
import type {View} from '../model/view.ts';
import type {ViewRecord} from '../system/views.ts';
import {typeFromJson} from './schema-json.ts';

interface ColumnJson {
  readonly name: string;
  readonly data_type: DataTypeJson;
}

export function viewRecord({name, text, columns, createdAt, updatedAt}: View): ViewRecord {
  return {
    view_id: tableText(name),
    namespace_id: name.namespace,
    view_name: name.table,
    query: text,
    columns: JSON.stringify(
      columns.map(({name: column, type}): ColumnJson => ({name: column, data_type: typeJson(type)})),
    ),
    created_at: createdAt,
    updated_at: updatedAt,
  };
}

export function viewFromRecord(record: ViewRecord): View {
  const columns = JSON.parse(record.columns) as ColumnJson[];
  return {
    kind: 'view',
    name: {namespace: record.namespace_id, table: record.view_name},
    text: record.query,
    columns: columns.map(({name, data_type}) => ({name, type: typeFromJson(data_type)})),
    createdAt: record.created_at,
    updatedAt: record.updated_at,
  };
}
