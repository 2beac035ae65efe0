/**
 * Oracle: DuckDB in memory, reading the source files by itself. It holds what KalamDB should hold.
 *
 * A USER table is one table per user here, in a schema of the user's name.
 */
import {
  type DuckDBConnection,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBInstance,
  type DuckDBValue,
} from '@duckdb/node-api';
import {DIRECT_MILES, FLIGHTS_FILE, MOVIES_FILE, UNFLOWN_MILES} from './sources.ts';

const FLIGHTS = `CREATE TABLE example.flights AS
  SELECT CAST(row_number() OVER () AS INT) AS id, CAST(delay AS SMALLINT) AS delay, CAST(distance AS INT) AS distance, time
  FROM read_json(${quoted(FLIGHTS_FILE)}, columns = {delay: 'INT', distance: 'INT', time: 'DOUBLE'})`;

const ROUTES = `CREATE TABLE example.routes AS
  WITH flown AS (
    SELECT DISTINCT distance FROM example.flights WHERE distance % 7 <> 0
    UNION ALL SELECT CAST(unnest(range(${UNFLOWN_MILES}, ${UNFLOWN_MILES} + 3)) AS INT)
  )
  SELECT distance, 'R' || distance AS code, CASE WHEN distance < 500 THEN 'short' WHEN distance < 1500 THEN 'medium' WHEN distance < 3000 THEN 'long' END AS band,
    CASE WHEN distance > ${DIRECT_MILES} THEN (SELECT max(other.distance) FROM flown other WHERE other.distance * 2 <= flown.distance) END AS via
  FROM flown`;

/** Objects are read as JSON text, so that DuckDB guesses no type. */
const MOVIES = `CREATE TABLE ana.movies AS
  SELECT CAST(row_number() OVER () AS INT) AS id, json ->> 'Title' AS title, CAST(json ->> 'US Gross' AS BIGINT) AS us_gross,
    CAST(json ->> 'Worldwide Gross' AS BIGINT) AS worldwide_gross, CAST(json ->> 'Production Budget' AS BIGINT) AS production_budget,
    CAST(strptime(json ->> 'Release Date', '%b %d %Y') AS DATE) AS release_date, json ->> 'MPAA Rating' AS mpaa_rating,
    CAST(json ->> 'Running Time min' AS SMALLINT) AS running_minutes, json ->> 'Distributor' AS distributor,
    json ->> 'Major Genre' AS major_genre, json ->> 'Director' AS director,
    CAST(json ->> 'Rotten Tomatoes Rating' AS SMALLINT) AS rotten_tomatoes, CAST(json ->> 'IMDB Rating' AS DECIMAL(3, 1)) AS imdb_rating,
    CAST(json ->> 'IMDB Votes' AS INT) AS imdb_votes, json(json) AS raw
  FROM read_json_objects(${quoted(MOVIES_FILE)}, format = 'array')`;

export class Oracle {
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;

  constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance;
    this.#connection = connection;
  }

  static async open(): Promise<Oracle> {
    const instance = await DuckDBInstance.create(':memory:');
    const oracle = new Oracle(instance, await instance.connect());
    for (const schema of ['example', 'ana', 'ben']) await oracle.#connection.run(`CREATE SCHEMA ${schema}`);
    await oracle.#connection.run(FLIGHTS);
    await oracle.#connection.run(ROUTES);
    await oracle.#connection.run(MOVIES);
    await oracle.#connection.run('CREATE TABLE ben.movies AS SELECT * FROM ana.movies WHERE id % 3 = 0');
    return oracle;
  }

  /** How many rows the statement changed. */
  async change(user: string, sql: string): Promise<number> {
    return (await this.#connection.run(asUser(user, sql))).rowsChanged;
  }

  async ask(user: string, sql: string): Promise<string[][]> {
    const reader = await this.#connection.runAndReadAll(asUser(user, sql));
    return reader.getRows().map(row => row.map(shown));
  }

  close(): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }
}

function asUser(user: string, sql: string): string {
  return sql.replaceAll('example.movies', `${user}.movies`);
}

/** The form in which answers are compared: texts quoted, numbers in all their digits, dates as days since 1970. */
function shown(value: DuckDBValue): string {
  if (value === null) return 'NULL';
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (value instanceof DuckDBDecimalValue) return value.toString();
  if (value instanceof DuckDBDateValue) return `day ${value.days}`;
  throw new Error(`no question answers with a ${value.constructor.name}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
