/**
 * Questions: what both engines are told to change and asked, word for word the same.
 *
 * Only where PostgreSQL, whose semantics KalamDB follows, and DuckDB differ by design a question says more than it would have to: where
 * NULLs stand, and how many digits of an average are meant. An UPDATE spares rows that are already as it wants them: DuckDB would count them.
 */

export interface Change {
  readonly user: string;
  readonly sql: string;
}

export interface Question {
  readonly about: string;
  readonly user: string;
  readonly sql: string;
  /** Asked in pages of the primary key `id`, since one answer has at most 1,000 rows. `sql` then ends with its FROM. */
  readonly isPaged?: boolean;
}

const FLIGHT_COLUMNS = 'id, delay, distance, time';
const MOVIE_COLUMNS =
  'id, title, us_gross, worldwide_gross, production_budget, release_date, mpaa_rating, running_minutes, distributor, ' +
  'major_genre, director, rotten_tomatoes, imdb_rating, imdb_votes, raw';

/** Over flushed rows: each statement changes, hides or brings back rows that lie in segments. */
export const CHANGES: readonly Change[] = [
  {user: 'ana', sql: 'UPDATE example.flights SET delay = delay - 15 WHERE distance > 2400 AND delay > 15'},
  {user: 'ana', sql: 'UPDATE example.flights SET time = NULL, delay = NULL WHERE time < 0.2'},
  {user: 'ben', sql: 'DELETE FROM example.flights WHERE delay < -35'},
  {user: 'ben', sql: 'DELETE FROM example.flights WHERE id BETWEEN 150001 AND 151000'},
  {user: 'ana', sql: 'INSERT INTO example.flights VALUES (150001, 7, 100, 12.5), (150003, NULL, 4000, NULL)'},
  {user: 'ana', sql: 'UPDATE example.movies SET imdb_rating = NULL, imdb_votes = NULL WHERE imdb_votes < 500'},
  {user: 'ana', sql: "UPDATE example.movies SET title = UPPER(title) WHERE major_genre = 'Musical'"},
  {
    user: 'ana',
    sql: 'UPDATE example.movies SET worldwide_gross = worldwide_gross * 4000000 + 1 WHERE worldwide_gross > 1000000000',
  },
  {user: 'ana', sql: "DELETE FROM example.movies WHERE release_date > '2010-12-31'"},
  {user: 'ben', sql: 'UPDATE example.movies SET distributor = NULL WHERE id <= 300 AND distributor IS NOT NULL'},
];

export const QUESTIONS: readonly Question[] = [
  {
    about: 'totals',
    user: 'ana',
    sql: 'SELECT COUNT(*), COUNT(delay), SUM(delay), SUM(distance), MIN(delay), MAX(delay), MIN(time), MAX(time) FROM example.flights',
  },
  {
    about: 'filter: AND, OR, BETWEEN',
    user: 'ana',
    sql: 'SELECT COUNT(*) FROM example.flights WHERE delay > 60 AND (distance BETWEEN 500 AND 1000 OR time < 6.5)',
  },
  {
    about: 'distinct values counted',
    user: 'ben',
    sql: 'SELECT COUNT(DISTINCT time), COUNT(DISTINCT distance), COUNT(DISTINCT delay) FROM example.flights',
  },
  {
    about: 'GROUP BY an expression',
    user: 'ana',
    sql:
      'SELECT CAST(FLOOR(time) AS INT) AS hour, COUNT(*) AS flights, COUNT(*) FILTER (WHERE delay <= 0) AS on_time, ' +
      'CAST(AVG(delay) AS DECIMAL(18, 6)) AS mean_delay FROM example.flights GROUP BY 1 ORDER BY hour ASC NULLS FIRST LIMIT 1000',
  },
  {
    about: 'GROUP BY, HAVING',
    user: 'ben',
    sql:
      'SELECT distance, COUNT(*) AS n, MAX(delay) AS worst FROM example.flights WHERE delay IS NOT NULL ' +
      'GROUP BY distance HAVING COUNT(*) > 400 AND MAX(delay) < 600 ORDER BY n DESC, distance LIMIT 1000',
  },
  {
    about: 'CASE as a group',
    user: 'ana',
    sql:
      "SELECT CASE WHEN delay IS NULL THEN 'unknown' WHEN delay < 0 THEN 'early' WHEN delay < 15 THEN 'fine' ELSE 'late' END AS how, " +
      'COUNT(*), MIN(id), MAX(id) FROM example.flights GROUP BY 1 ORDER BY how',
  },
  {
    about: 'DISTINCT',
    user: 'ana',
    sql: 'SELECT DISTINCT distance FROM example.flights WHERE distance > 2400 ORDER BY distance DESC LIMIT 1000',
  },
  {
    about: 'top 20',
    user: 'ana',
    sql: `SELECT ${FLIGHT_COLUMNS} FROM example.flights ORDER BY delay DESC NULLS LAST, id LIMIT 20`,
  },
  {
    about: 'a later page',
    user: 'ana',
    sql: `SELECT ${FLIGHT_COLUMNS} FROM example.flights ORDER BY distance, id DESC LIMIT 25 OFFSET 1000`,
  },
  {
    about: 'keys one by one',
    user: 'ben',
    sql: `SELECT ${FLIGHT_COLUMNS} FROM example.flights WHERE id IN (1, 77777, 150000, 150001, 150002, 150003, 200000, 200001) ORDER BY id`,
  },
  {
    about: 'a range of keys',
    user: 'ben',
    sql: `SELECT ${FLIGHT_COLUMNS} FROM example.flights WHERE id >= 149900 AND id < 151100 AND time IS NOT NULL ORDER BY id LIMIT 1000`,
  },
  {
    about: 'NULLs counted',
    user: 'ana',
    sql:
      'SELECT COUNT(*), COUNT(title), COUNT(us_gross), COUNT(running_minutes), COUNT(director), COUNT(imdb_votes), ' +
      'COUNT(*) FILTER (WHERE director IS NULL AND NOT (rotten_tomatoes > 50)) FROM example.movies',
  },
  {
    about: 'a group of NULLs',
    user: 'ana',
    sql:
      'SELECT mpaa_rating, COUNT(*) AS n, SUM(imdb_rating), CAST(AVG(imdb_rating) AS DECIMAL(18, 6)), MIN(running_minutes) ' +
      'FROM example.movies GROUP BY mpaa_rating ORDER BY mpaa_rating ASC NULLS LAST',
  },
  {
    about: 'order with NULLs first',
    user: 'ana',
    sql: 'SELECT id, running_minutes, title FROM example.movies WHERE us_gross > 200000000 ORDER BY running_minutes DESC NULLS FIRST, id LIMIT 1000',
  },
  {
    about: 'LIKE, ILIKE',
    user: 'ana',
    sql:
      "SELECT id, title FROM example.movies WHERE (title LIKE 'The %' AND title LIKE '%''%') OR title ILIKE '%of the _ings%' " +
      "OR title LIKE '%é%' ORDER BY title, id LIMIT 1000",
  },
  {
    about: 'text functions, order by bytes',
    user: 'ana',
    sql:
      "SELECT id, LENGTH(title) AS characters, UPPER(SUBSTR(title, 1, 3)), REPLACE(title, ' ', '_'), director || '!' FROM example.movies " +
      'WHERE LENGTH(title) > 38 ORDER BY title, id LIMIT 1000',
  },
  {
    about: 'date functions',
    user: 'ana',
    sql:
      'SELECT EXTRACT(YEAR FROM release_date) AS year, COUNT(*), MIN(release_date), MAX(release_date), COUNT(DISTINCT EXTRACT(MONTH FROM release_date)) ' +
      'FROM example.movies GROUP BY 1 ORDER BY year LIMIT 1000',
  },
  {
    about: 'months cut from dates',
    user: 'ana',
    sql:
      "SELECT CAST(DATE_TRUNC('month', release_date) AS DATE) AS month, COUNT(*) AS n, SUM(us_gross) FROM example.movies " +
      "WHERE release_date >= '2005-01-01' GROUP BY 1 HAVING COUNT(*) >= 5 ORDER BY month LIMIT 1000",
  },
  {
    about: 'integers beyond 2^53',
    user: 'ana',
    sql:
      'SELECT id, worldwide_gross, worldwide_gross - us_gross AS abroad, worldwide_gross % 1000 FROM example.movies ' +
      'WHERE worldwide_gross > 700000000 ORDER BY worldwide_gross DESC, id LIMIT 1000',
  },
  {
    about: 'inside JSON',
    user: 'ana',
    sql:
      "SELECT (raw ->> 'Distributor') AS who, COUNT(*) AS n, MAX(raw ->> 'Title') FROM example.movies " +
      "WHERE (raw ->> 'Creative Type') = 'Science Fiction' GROUP BY 1 ORDER BY n DESC, who ASC NULLS LAST LIMIT 1000",
  },
  {
    about: "another user's table",
    user: 'ben',
    sql: 'SELECT COUNT(*), COUNT(distributor), COUNT(imdb_votes), MIN(id), MAX(id), SUM(worldwide_gross) FROM example.movies',
  },
  {about: 'every movie', user: 'ana', sql: `SELECT ${MOVIE_COLUMNS} FROM example.movies`, isPaged: true},
  {about: "every movie of ben's", user: 'ben', sql: `SELECT ${MOVIE_COLUMNS} FROM example.movies`, isPaged: true},
  {about: 'every flight', user: 'ana', sql: `SELECT ${FLIGHT_COLUMNS} FROM example.flights`, isPaged: true},
];
