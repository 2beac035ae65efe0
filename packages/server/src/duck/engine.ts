/**
 * Engine: one DuckDB instance and the run of one request on it. Runs in the child.
 *
 * The instance is opened once, since opening costs more than most queries: without tables, without extensions but those that are built in, without
 * a cache of file contents, its settings locked, files outside of the given directories out of reach. Each request gets a connection of its
 * own, which ends with it, and the next one is opened while nobody waits.
 *
 *     check the files ─ check the SQL ─ relations in place of their names ─ prepare ─ bind ─ stream ─ rows as JSON texts
 *
 * Laws: a request is one SELECT that passed `sql-check.ts`; nothing is created, so nothing is left. `cancel` is repeated until the run has ended:
 * an interrupt that comes before DuckDB has begun is lost.
 */
import duckdb, {type Connection, type Database, type PreparedStatement, type Result} from '@duckdb/node-bindings';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {DataType, Value} from '../model/datatype.ts';
import {duckType, programCall, quoted} from './duck-type.ts';
import {checkFiles} from './file-check.ts';
import type {ChildSettings, Done, RequestHead} from './frames.ts';
import {bindParameter} from './parameters.ts';
import {Programs} from './programs.ts';
import {pathLiteral, type RelationFacts, relationSql, textLiteral} from './relation-sql.ts';
import {type CheckedSql, checkTables, checkTree} from './sql-check.ts';
import {type FunctionSource, type HotRelation, registerFunctions} from './table-functions.ts';
import {Budget, type FragmentReader, resultReaders} from './vector-reader.ts';

/** Before a SELECT that was checked. */
const PROFILE = 'EXPLAIN (ANALYZE, FORMAT JSON) ';
const CANCEL_AGAIN_MS = 20;
const CHECKED_TEXTS_MAX = 500;
const NO_PROGRAMS = {context: '', list: []};
/** A relation of many files is written once. */
const INLINED_LENGTH_MAX = 64 * 1024;
const CHECKED_TEXT_LENGTH_MAX = 8192;
const CHECK_SQL = 'SELECT json_serialize_sql($1::VARCHAR, skip_null := true, skip_empty := true, skip_default := true)';

export interface Job {
  readonly head: RequestHead;
  readonly relations: readonly HotRelation[];
}

/** The query is not to be run: a fault of the one who made it. */
export class RefusedSql extends Error {}

export class Engine {
  readonly #database: Database;
  readonly #source: FunctionSource = {relations: [], deadLists: []};
  readonly #programs: Programs;
  readonly #checked = new Map<string, CheckedSql>();
  readonly #check: PreparedStatement;
  #next: Promise<Connection>;
  #running: Connection | undefined;
  #isCancelled = false;

  static async open(settings: ChildSettings): Promise<Engine> {
    const database = await duckdb.open(':memory:', configOf(settings));
    const connection = await duckdb.connect(database);
    for (const sql of lockingSql(settings)) await duckdb.query(connection, sql);
    const check = await duckdb.prepare(connection, CHECK_SQL);
    return new Engine(database, connection, check, new Programs(settings.programModule));
  }

  private constructor(database: Database, own: Connection, check: PreparedStatement, programs: Programs) {
    this.#database = database;
    this.#check = check;
    this.#programs = programs;
    registerFunctions(own, this.#source);
    this.#next = duckdb.connect(database);
  }

  /** Gives texts of rows, a JSON array a line, to `emit`, which may make it wait. */
  async run(job: Job, emit: (lines: Buffer) => Promise<void> | undefined): Promise<Done> {
    this.#isCancelled = false;
    const connection = await this.#next;
    this.#running = connection;
    this.#source.relations = job.relations;
    let statement: PreparedStatement | undefined;
    try {
      await checkFiles(job.head.unchecked, () => this.#throwIfCancelled());
      const parameters = [...job.head.params];
      const paths: (readonly DataType[])[] = [];
      const programs = job.head.programs ?? NO_PROGRAMS;
      const sql = await this.#completeSql(job, {
        parameter: (type, value) => `$${parameters.push({type, value})}`,
        carry: (value, path) =>
          programCall(programs.list.length + paths.push(path) - 1, path.at(-1)!, [
            `CAST(${value} AS ${duckType(path[0]!)})`,
          ]),
      });
      await this.#programs.open(connection, programs, paths);
      this.#throwIfCancelled();
      const {isProfiled} = job.head;
      statement = await duckdb.prepare(connection, isProfiled ? `${PROFILE}${sql}` : sql);
      bindAll(statement, parameters, isProfiled ? duckdb.StatementType.EXPLAIN : duckdb.StatementType.SELECT);
      this.#throwIfCancelled();
      const result = await duckdb.execute_prepared_streaming(statement);
      return await this.#stream(result, job.head, emit);
    } finally {
      this.#running = undefined;
      this.#source.relations = [];
      this.#source.deadLists = [];
      this.#programs.close();
      if (statement !== undefined) duckdb.destroy_prepare_sync(statement);
      duckdb.disconnect_sync(connection);
      this.#next = duckdb.connect(this.#database);
    }
  }

  cancel(): void {
    this.#isCancelled = true;
    const running = this.#running;
    if (running === undefined) return;
    duckdb.interrupt(running);
    setTimeout(() => {
      if (this.#running === running) this.cancel();
    }, CANCEL_AGAIN_MS);
  }

  #throwIfCancelled(): void {
    if (this.#isCancelled) throw new DbError('STATEMENT_TIMEOUT', 'The statement was stopped.');
  }

  /**
   * The SQL with its relations: as subqueries where they are named, as WITH queries in front when they are long or named without an alias. DuckDB
   * 1.5 fails to make some correlated subqueries into joins when they read WITH queries.
   */
  async #completeSql({head, relations}: Job, given: Pick<RelationFacts, 'parameter' | 'carry'>): Promise<string> {
    const checked = await this.#checkedSql(head.sql);
    const names = relations.map(relation => relation.head.name);
    refusing(() => checkTables(checked, names));
    const parts: string[] = [];
    let text = head.sql;
    for (const [number, relation] of relations.entries()) {
      if (!checked.tables.has(relation.head.name.toLowerCase())) continue;
      const sql = relationSql(relation.head, {
        ...given,
        number,
        hotRowCount: relation.rowCount,
        hiddenKeyCount: relation.hiddenKeyCount,
        deadRows: files => this.#source.deadLists.push(files.map(file => file.dead)) - 1,
      });
      const name = quoted(relation.head.name);
      const inlined = sql.length > INLINED_LENGTH_MAX ? text : text.replaceAll(`${name} AS "`, () => `(${sql}) AS "`);
      if (inlined === text) parts.push(`${name} AS NOT MATERIALIZED (${sql})`);
      text = inlined;
    }
    if (parts.length === 0) return text;
    const own = /^\s*WITH\s+(RECURSIVE\s)?/i.exec(text);
    const rest = own === null ? ` ${text}` : `, ${text.slice(own[0].length)}`;
    return `WITH ${own?.[1] ?? ''}${parts.join(', ')}${rest}`;
  }

  async #checkedSql(sql: string): Promise<CheckedSql> {
    const known = this.#checked.get(sql);
    if (known !== undefined) return known;
    duckdb.bind_varchar(this.#check, 1, sql);
    const result = await duckdb.execute_prepared(this.#check);
    const lines: string[] = [];
    const [reader] = resultReaders(result, [{name: 'text'}]);
    reader!(duckdb.data_chunk_get_vector(duckdb.result_get_chunk(result, 0), 0), 1, lines, new Budget(Infinity));
    const checked = refusing(() => checkTree(JSON.parse(lines[0]!)));
    if (this.#checked.size >= CHECKED_TEXTS_MAX) this.#checked.clear();
    if (sql.length <= CHECKED_TEXT_LENGTH_MAX) this.#checked.set(sql, checked);
    return checked;
  }

  /**
   * Stops what still runs for a result that nobody reads on. Threads of it may wait for this one to serve a table function: closing the connection
   * would wait for them in turn, for ever.
   */
  async #abandon(result: Result): Promise<void> {
    duckdb.interrupt(this.#running!);
    try {
      for (let chunk = await duckdb.fetch_chunk(result); chunk !== null; chunk = await duckdb.fetch_chunk(result)) {
        if (duckdb.data_chunk_get_size(chunk) === 0) return;
      }
    } catch {
      // The interrupt has arrived.
    }
  }

  async #stream(
    result: Result,
    {outputs, maxRows, maxBytes}: RequestHead,
    emit: (lines: Buffer) => Promise<void> | undefined,
  ): Promise<Done> {
    const budget = new Budget(maxBytes);
    let rowsLeft = maxRows;
    let isTruncated = false;
    let isWhole = false;
    try {
      const readers = refusing(() => resultReaders(result, outputs));
      while (!isTruncated) {
        const chunk = await duckdb.fetch_chunk(result);
        this.#throwIfCancelled();
        const rowCount = chunk === null ? 0 : duckdb.data_chunk_get_size(chunk);
        isWhole = rowCount === 0;
        if (chunk === null || isWhole) break;
        const count = Math.min(rowCount, rowsLeft);
        isTruncated = rowCount > rowsLeft;
        rowsLeft -= count;
        if (count > 0) await emit(linesOf(chunk, count, readers, budget));
      }
    } finally {
      if (!isWhole) await this.#abandon(result);
    }
    return {isTruncated, residentBytes: process.memoryUsage.rss()};
  }
}

function refusing<T>(check: () => T): T {
  try {
    return check();
  } catch (cause) {
    throw new RefusedSql(cause instanceof Error ? cause.message : String(cause), {cause});
  }
}

function configOf({memoryBytes, threads, tempDirectory}: ChildSettings): duckdb.Config {
  const config = duckdb.create_config();
  const options = {
    threads: String(threads),
    memory_limit: `${memoryBytes}B`,
    temp_directory: tempDirectory ?? '',
    max_temp_directory_size: `${memoryBytes}B`,
    errors_as_json: 'true',
    enable_external_file_cache: 'false',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
    allow_unsigned_extensions: 'false',
    allow_persistent_secrets: 'false',
  };
  for (const [name, value] of Object.entries(options)) duckdb.set_config(config, name, value);
  return config;
}

/** Footers are kept: files are immutable, and a name is never used again. The last two statements cannot be taken back. */
function lockingSql({directories}: ChildSettings): string[] {
  // A pattern must be allowed as it is written, and what it finds again.
  const list = new Set(directories.flatMap(directory => [textLiteral(directory), pathLiteral(directory)]));
  return [
    "SET GLOBAL TimeZone='UTC'",
    'SET GLOBAL parquet_metadata_cache=true',
    `SET allowed_directories=[${[...list].join(',')}]`,
    'SET enable_external_access=false',
    'SET lock_configuration=true',
  ];
}

function bindAll(
  statement: PreparedStatement,
  parameters: readonly {type: DataType; value: Value}[],
  kind: duckdb.StatementType,
): void {
  const count = duckdb.nparams(statement);
  if (count !== parameters.length) throw new RefusedSql(`The SQL has ${count} parameters, not ${parameters.length}.`);
  if (duckdb.prepared_statement_type(statement) !== kind) throw new RefusedSql('No SELECT.');
  for (const [i, {type, value}] of parameters.entries()) bindParameter(statement, i + 1, type, value);
}

function linesOf(chunk: duckdb.DataChunk, count: number, readers: readonly FragmentReader[], budget: Budget): Buffer {
  const before = budget.taken;
  const columns = readers.map((read, column) => {
    const fragments: string[] = new Array(count);
    read(duckdb.data_chunk_get_vector(chunk, column), count, fragments, budget);
    return fragments;
  });
  let text = '';
  for (let row = 0; row < count; row++) {
    let line = columns[0]![row]!;
    for (let column = 1; column < columns.length; column++) line += `,${columns[column]![row]}`;
    text += row === 0 ? `[${line}]` : `\n[${line}]`;
  }
  const lines = Buffer.from(text, 'utf8');
  // Characters were counted so far; bytes are what was asked for.
  budget.take(lines.length - (budget.taken - before));
  return lines;
}
