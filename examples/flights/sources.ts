/**
 * Sources: the two files of `vega-datasets` and what of them goes into which table.
 *
 * Flights are 200,000 rows of three numbers. Movies are messy on purpose: some titles are numbers, dates are English text, most columns have
 * holes. Their types are declared here; `raw` keeps each object as it was. Routes are made from the distances that are flown; every seventh is
 * left out and a few are added that nobody flies, so that joins find holes on both sides.
 */
import {readFile} from 'node:fs/promises';
import {fileURLToPath} from 'node:url';

export const FLIGHTS_FILE = dataFile('flights-200k.json');
export const MOVIES_FILE = dataFile('movies.json');

export const FLIGHTS_DDL = `CREATE SHARED TABLE example.flights (
  id INT PRIMARY KEY, delay SMALLINT, distance INT NOT NULL, time DOUBLE) WITH (ACCESS_LEVEL = 'public')`;

export const MOVIES_DDL = `CREATE USER TABLE example.movies (
  id INT PRIMARY KEY, title TEXT, us_gross BIGINT, worldwide_gross BIGINT, production_budget BIGINT, release_date DATE,
  mpaa_rating TEXT, running_minutes SMALLINT, distributor TEXT, major_genre TEXT, director TEXT, rotten_tomatoes SMALLINT,
  imdb_rating DECIMAL(3, 1), imdb_votes INT, raw JSON NOT NULL)`;

export const ROUTES_DDL = `CREATE SHARED TABLE example.routes (
  distance INT PRIMARY KEY, code TEXT NOT NULL, band TEXT, via INT) WITH (ACCESS_LEVEL = 'public')`;

/** A route of more miles than this goes by way of the longest one that is at most half as long. */
export const DIRECT_MILES = 500;
export const UNFLOWN_MILES = 5000;

/** Each row as the inside of a VALUES list; the first row has key 1. */
export async function flightRows(): Promise<string[]> {
  const flights: Flight[] = JSON.parse(await readFile(FLIGHTS_FILE, 'utf8'));
  return flights.map(({delay, distance, time}, i) => [i + 1, delay, distance, time].map(literal).join(', '));
}

export async function routeRows(): Promise<string[]> {
  const flights: Flight[] = JSON.parse(await readFile(FLIGHTS_FILE, 'utf8'));
  const flown = [...new Set(flights.map(flight => flight.distance))].filter(distance => distance % 7 !== 0);
  const distances = [...flown, UNFLOWN_MILES, UNFLOWN_MILES + 1, UNFLOWN_MILES + 2].sort((a, b) => a - b);
  return distances.map(distance => {
    const via = distance > DIRECT_MILES ? distances.findLast(other => other * 2 <= distance)! : null;
    const band = distance < 500 ? 'short' : distance < 1500 ? 'medium' : distance < 3000 ? 'long' : null;
    return [distance, `R${distance}`, band, via].map(literal).join(', ');
  });
}

export async function movieRows(): Promise<string[]> {
  const movies: Movie[] = JSON.parse(await readFile(MOVIES_FILE, 'utf8'));
  return movies.map((movie, i) =>
    movieValues(movie, i + 1)
      .map(literal)
      .join(', '),
  );
}

type Flight = Readonly<Record<'delay' | 'distance' | 'time', number>>;
type Movie = Readonly<Record<string, string | number | null>>;

function movieValues(movie: Movie, id: number): (string | number | null)[] {
  const title = movie['Title'] ?? null;
  return [
    id,
    title === null ? null : String(title),
    movie['US Gross']!,
    movie['Worldwide Gross']!,
    movie['Production Budget']!,
    isoDate(String(movie['Release Date'])),
    movie['MPAA Rating']!,
    movie['Running Time min']!,
    movie['Distributor']!,
    movie['Major Genre']!,
    movie['Director']!,
    movie['Rotten Tomatoes Rating']!,
    movie['IMDB Rating']!,
    movie['IMDB Votes']!,
    JSON.stringify(movie),
  ];
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Jun 12 1998` → `1998-06-12`. */
function isoDate(text: string): string {
  const [month, day, year] = text.split(' ');
  return `${year}-${String(MONTHS.indexOf(month!) + 1).padStart(2, '0')}-${day}`;
}

function literal(value: string | number | null): string {
  return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value);
}

function dataFile(name: string): string {
  return fileURLToPath(new URL(`../data/${name}`, import.meta.resolve('vega-datasets')));
}
