/** Parameters: values of ours bound to a prepared statement of DuckDB, each as the type that `duckType` names. Runs in the child. */
import duckdb, {type PreparedStatement} from '@duckdb/node-bindings';
import type {DataType, Value} from '../model/datatype.ts';

/** `number` counts from 1. A null has no type of its own: the SQL casts it. */
export function bindParameter(statement: PreparedStatement, number: number, type: DataType, value: Value): void {
  if (value === null) {
    duckdb.bind_null(statement, number);
    return;
  }
  switch (type.name) {
    case 'boolean':
      duckdb.bind_boolean(statement, number, value as boolean);
      break;
    case 'smallint':
      duckdb.bind_int16(statement, number, value as number);
      break;
    case 'int':
      duckdb.bind_int32(statement, number, value as number);
      break;
    case 'bigint':
      duckdb.bind_int64(statement, number, value as bigint);
      break;
    case 'float':
      duckdb.bind_float(statement, number, value as number);
      break;
    case 'double':
      duckdb.bind_double(statement, number, value as number);
      break;
    case 'decimal':
      duckdb.bind_decimal(statement, number, {
        width: type.precision,
        scale: type.scale,
        value: value as bigint,
      });
      break;
    case 'text':
    case 'json':
    case 'file':
      duckdb.bind_varchar(statement, number, value as string);
      break;
    case 'timestamp':
    case 'datetime':
      duckdb.bind_timestamp(statement, number, {micros: value as bigint});
      break;
    case 'date':
      duckdb.bind_date(statement, number, {days: value as number});
      break;
    case 'time':
      duckdb.bind_time(statement, number, {micros: value as bigint});
      break;
    case 'bytes':
    case 'embedding':
      duckdb.bind_blob(statement, number, value as Uint8Array);
      break;
    case 'uuid':
      duckdb.bind_value(statement, number, duckdb.create_uuid(BigInt(`0x${(value as string).replaceAll('-', '')}`)));
      break;
    default:
      throw type satisfies never;
  }
}
