/**
 * Duck types: which DuckDB type holds the values of each of ours. Relations, parameters and outputs use these and no others.
 */
import type {DataType} from '../model/datatype.ts';

/** As SQL text, for casts. */
export function duckType(type: DataType): string {
  switch (type.name) {
    case 'boolean':
    case 'smallint':
    case 'bigint':
    case 'float':
    case 'double':
    case 'date':
    case 'time':
    case 'uuid':
      return type.name.toUpperCase();
    case 'int':
      return 'INTEGER';
    case 'decimal':
      return `DECIMAL(${type.precision},${type.scale})`;
    case 'text':
    case 'json':
    case 'file':
      return 'VARCHAR';
    case 'timestamp':
    case 'datetime':
      return 'TIMESTAMP';
    case 'bytes':
    case 'embedding':
      return 'BLOB';
    default:
      return type satisfies never;
  }
}

/** A quoted identifier. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Calls the program of this number of the request; the arguments are of its types. */
export function programCall(number: number, result: DataType, args: readonly string[]): string {
  return `${programName(result)}(${[number, ...args].join(', ')})`;
}

/** DuckDB knows a function by its result; one per type serves all programs. */
export function programName(result: DataType): string {
  return result.name === 'decimal' ? `kalam_decimal_${result.precision}_${result.scale}` : `kalam_${result.name}`;
}
