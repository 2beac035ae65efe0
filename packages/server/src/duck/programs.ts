/**
 * Programs: how DuckDB calls our own code for what it has no exact form of. Runs in the child.
 *
 * One scalar function per result type is registered with the instance, when it is first needed; its first argument is the number of the
 * program of the request of the moment. DuckDB calls it on the main thread, a vector at a time. The code itself comes from a module that
 * the server names, and is loaded when the first query needs it.
 */
import duckdb, {type Connection, type DataChunk, type ScalarFunctionInfo, type Vector} from '@duckdb/node-bindings';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {carried} from '../model/evolution.ts';
import {assert} from '../std/assert.ts';
import type {DuckRequest, LoadProgram} from './duck.ts';
import {programName} from './duck-type.ts';
import {raisedText} from './errors.ts';
import {type ValueReader, valueReader} from './vector-values.ts';
import {type ColumnView, type ColumnWriter, columnWriter, logicalType} from './vector-writer.ts';

interface Program {
  readonly run: (values: readonly Value[]) => Value;
  readonly readers: readonly ValueReader[];
  readonly writer: ColumnWriter;
}

export class Programs {
  readonly #module: string | undefined;
  readonly #registered = new Set<string>();
  #load: LoadProgram | undefined;
  #current: readonly Program[] = [];

  constructor(module: string | undefined) {
    this.#module = module;
  }

  /** Makes the programs of a request callable on the instance of the connection, and behind them the `paths` that its files' values go. */
  async open(
    connection: Connection,
    programs: NonNullable<DuckRequest['programs']>,
    paths: readonly (readonly DataType[])[],
  ): Promise<void> {
    this.#current = [...(await this.#loaded(programs)), ...paths.map(carrier)];
    for (const {result} of programs.list) this.#register(connection, result);
    for (const path of paths) this.#register(connection, path.at(-1)!);
  }

  async #loaded({context, list}: NonNullable<DuckRequest['programs']>): Promise<Program[]> {
    if (list.length === 0) return [];
    assert(this.#module !== undefined, 'a child that is asked for programs knows their module');
    this.#load ??= ((await import(this.#module)) as {loadProgram: LoadProgram}).loadProgram;
    const load = this.#load;
    return list.map(({text, args, result}) => ({
      run: load(text, context),
      readers: args.map(valueReader),
      writer: columnWriter(result),
    }));
  }

  close(): void {
    this.#current = [];
  }

  #register(connection: Connection, result: DataType): void {
    const name = programName(result);
    if (this.#registered.has(name)) return;
    this.#registered.add(name);
    const made = duckdb.create_scalar_function();
    duckdb.scalar_function_set_name(made, name);
    duckdb.scalar_function_add_parameter(made, duckdb.create_logical_type(duckdb.Type.INTEGER));
    duckdb.scalar_function_set_varargs(made, duckdb.create_logical_type(duckdb.Type.ANY));
    duckdb.scalar_function_set_return_type(made, logicalType(result));
    duckdb.scalar_function_set_special_handling(made);
    duckdb.scalar_function_set_function(made, (info, input, output) => this.#call(info, input, output));
    duckdb.register_scalar_function(connection, made);
  }

  /** An exception must not pass through DuckDB. */
  #call(info: ScalarFunctionInfo, input: DataChunk, output: Vector): void {
    try {
      const count = duckdb.data_chunk_get_size(input);
      if (count > 0) this.#fill(input, count, output);
    } catch (error) {
      duckdb.scalar_function_set_error(info, error instanceof DbError ? raisedText(error) : String(error));
    }
  }

  #fill(input: DataChunk, count: number, output: Vector): void {
    const number = NUMBER(duckdb.data_chunk_get_vector(input, 0), count)(0) as number;
    const program = this.#current[number];
    assert(program !== undefined, 'a program is known by its number');
    const {run, readers, writer} = program;
    const columns = readers.map((read, i) => read(duckdb.data_chunk_get_vector(input, i + 1), count));
    const values: Value[] = new Array(columns.length);
    const view = new ValueView();
    for (let row = 0; row < count; row++) {
      for (let i = 0; i < columns.length; i++) values[i] = columns[i]!(row);
      view.current = run(values);
      writer.write(row, view, 0);
    }
    writer.flush(output, count);
  }
}

function carrier(path: readonly DataType[]): Program {
  return {
    run: ([value]) => carried(value!, path),
    readers: [valueReader(path[0]!)],
    writer: columnWriter(path.at(-1)!),
  };
}

const NUMBER = valueReader({name: 'int'});

/** One value as the row that a column writer reads. */
class ValueView implements ColumnView {
  readonly seq = 0n;
  readonly isTombstone = false;
  current: Value = null;

  value(): Value {
    return this.current;
  }

  textBytes(): Uint8Array | null {
    return this.current === null ? null : Buffer.from(this.current as string, 'utf8');
  }
}
