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
  {user: 'ben', sql: "UPDATE example.routes SET band = 'edge' WHERE distance BETWEEN 480 AND 520"},
  {user: 'ana', sql: 'DELETE FROM example.routes WHERE distance % 100 = 1'},
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
  {
    about: 'JOIN, groups of both sides',
    user: 'ana',
    sql:
      'SELECT r.band, COUNT(*) AS n, SUM(f.delay), COUNT(DISTINCT r.code), MIN(f.id) FROM example.flights f ' +
      'JOIN example.routes AS r ON r.distance = f.distance GROUP BY r.band ORDER BY r.band ASC NULLS LAST',
  },
  {
    about: 'FULL JOIN, holes on both sides',
    user: 'ben',
    sql:
      'SELECT distance, r.code, f.n FROM (SELECT distance, COUNT(*) AS n FROM example.flights GROUP BY distance) f ' +
      'FULL JOIN example.routes r USING (distance) WHERE f.n IS NULL OR r.code IS NULL ORDER BY distance LIMIT 1000',
  },
  {
    about: "a user's table joined with all's",
    user: 'ben',
    sql:
      'SELECT m.id, m.title, m.running_minutes, r.code, r.band FROM example.movies m ' +
      "LEFT JOIN example.routes r ON r.distance = m.running_minutes AND r.band <> 'long' " +
      'WHERE m.running_minutes > 140 ORDER BY m.id LIMIT 1000',
  },
  {
    about: 'ranks within partitions',
    user: 'ana',
    sql:
      'SELECT major_genre, title, imdb_votes, ROW_NUMBER() OVER w AS place, LAG(imdb_votes) OVER w AS better, ' +
      'SUM(imdb_votes) OVER (PARTITION BY major_genre) AS votes, ' +
      'DENSE_RANK() OVER (PARTITION BY major_genre ORDER BY imdb_rating DESC NULLS LAST) AS by_rating FROM example.movies ' +
      'WINDOW w AS (PARTITION BY major_genre ORDER BY imdb_votes DESC NULLS LAST, id) ' +
      'QUALIFY ROW_NUMBER() OVER w <= 5 ORDER BY major_genre ASC NULLS FIRST, place LIMIT 1000',
  },
  {
    about: 'a moving window over groups',
    user: 'ana',
    sql:
      'SELECT CAST(FLOOR(time) AS INT) AS hour, COUNT(*) AS n, SUM(COUNT(*)) OVER (ORDER BY CAST(FLOOR(time) AS INT) ASC NULLS LAST) AS so_far, ' +
      'MAX(SUM(delay)) OVER (ORDER BY CAST(FLOOR(time) AS INT) ASC NULLS LAST ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS worst_of_3 ' +
      'FROM example.flights GROUP BY 1 ORDER BY hour ASC NULLS LAST LIMIT 1000',
  },
  {
    about: 'WITH, one name used twice',
    user: 'ana',
    sql:
      'WITH by_route AS (SELECT distance, COUNT(*) AS n, SUM(delay) AS late FROM example.flights GROUP BY distance), ' +
      'busy (miles, n) AS (SELECT distance, n FROM by_route WHERE n > (SELECT AVG(n) * 3 FROM by_route)) ' +
      'SELECT b.miles, b.n, o.distance, o.n, o.late FROM busy b JOIN by_route o ON o.distance BETWEEN b.miles + 1 AND b.miles + 3 ' +
      'ORDER BY b.miles, o.distance LIMIT 1000',
  },
  {
    about: 'WITH RECURSIVE',
    user: 'ben',
    sql:
      'WITH RECURSIVE way (distance, via, hops, path) AS (' +
      'SELECT distance, via, 0, code FROM example.routes WHERE distance > 2500 UNION ALL ' +
      "SELECT way.distance, r.via, way.hops + 1, way.path || ' > ' || r.code FROM way JOIN example.routes r ON r.distance = way.via) " +
      'SELECT distance, hops, path FROM way WHERE hops > 0 ORDER BY distance, hops LIMIT 1000',
  },
  {
    about: 'UNION, EXCEPT, INTERSECT',
    user: 'ana',
    sql:
      'SELECT distance FROM example.flights WHERE delay > 300 INTERSECT SELECT distance FROM example.routes ' +
      'EXCEPT SELECT distance FROM example.flights WHERE delay < -25 UNION ALL SELECT running_minutes FROM example.movies WHERE running_minutes > 200 ' +
      'ORDER BY distance DESC LIMIT 1000',
  },
  {
    about: 'UNION ALL of two tables',
    user: 'ben',
    sql:
      "SELECT what, COUNT(*) AS n, SUM(miles) FROM (SELECT 'flight' AS what, CAST(distance AS BIGINT) AS miles FROM example.flights " +
      "UNION ALL SELECT COALESCE(band, 'far'), distance FROM example.routes UNION ALL SELECT 'movie', us_gross FROM example.movies) every " +
      'GROUP BY what ORDER BY what',
  },
  {
    about: 'correlated subqueries',
    user: 'ana',
    sql:
      'SELECT m.director, m.title, m.imdb_rating, (SELECT COUNT(*) FROM example.movies n WHERE n.director = m.director) AS films ' +
      'FROM example.movies m WHERE m.imdb_rating = (SELECT MAX(imdb_rating) FROM example.movies b WHERE b.director = m.director) ' +
      'AND EXISTS (SELECT 1 FROM example.movies w WHERE w.director = m.director AND w.imdb_rating < 5) ORDER BY m.director, m.id LIMIT 1000',
  },
  {
    about: 'IN and NOT IN over NULLs',
    user: 'ana',
    sql:
      'SELECT COUNT(*), COUNT(*) FILTER (WHERE distance NOT IN (SELECT via FROM example.routes)), ' +
      'COUNT(*) FILTER (WHERE distance NOT IN (SELECT via FROM example.routes WHERE via IS NOT NULL)) FROM example.flights ' +
      'WHERE distance IN (SELECT distance FROM example.routes WHERE band IS NULL OR via < 400) OR distance > ALL (SELECT via FROM example.routes WHERE via > 0)',
  },
  {
    about: 'DISTINCT ON',
    user: 'ana',
    sql:
      `SELECT DISTINCT ON (distance) ${FLIGHT_COLUMNS} FROM example.flights WHERE distance < 2600 ` +
      'ORDER BY distance, delay DESC NULLS LAST, id LIMIT 1000',
  },
  {
    about: 'LATERAL',
    user: 'ben',
    sql:
      'SELECT r.code, f.id, f.delay, f.time FROM example.routes r CROSS JOIN LATERAL (' +
      'SELECT id, delay, time FROM example.flights WHERE distance = r.distance ORDER BY delay DESC NULLS LAST, id LIMIT 2) f ' +
      "WHERE r.band = 'long' ORDER BY r.distance, f.delay DESC, f.id LIMIT 1000",
  },
  {
    about: 'ROLLUP',
    user: 'ben',
    sql:
      'SELECT major_genre, mpaa_rating, GROUPING(major_genre, mpaa_rating) AS level, COUNT(*) AS n, SUM(us_gross), MAX(release_date) ' +
      'FROM example.movies GROUP BY ROLLUP (major_genre, mpaa_rating) ' +
      'ORDER BY level, major_genre ASC NULLS FIRST, mpaa_rating ASC NULLS FIRST LIMIT 1000',
  },
  {about: 'every movie', user: 'ana', sql: `SELECT ${MOVIE_COLUMNS} FROM example.movies`, isPaged: true},
  {about: "every movie of ben's", user: 'ben', sql: `SELECT ${MOVIE_COLUMNS} FROM example.movies`, isPaged: true},
  {about: 'every flight', user: 'ana', sql: `SELECT ${FLIGHT_COLUMNS} FROM example.flights`, isPaged: true},
];
