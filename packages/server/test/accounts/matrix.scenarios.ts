/**
 * The permission matrix: statement × kind of table × role, every cell. One character for each role, in the order of ROLES:
 *
 *     y  answered       e  let in, and refused for a reason that is none of rights       -  PERMISSION_DENIED
 *
 * In a text `$t` is the table of the cell, `$n` a number that no other statement uses, `$me` the caller, `$dir` a directory.
 */
import {tableText} from '../../src/model/names.ts';
import {SYSTEM_TABLES} from '../../src/system/index.ts';

export interface Cell {
  readonly what: string;
  readonly allowed: string;
  readonly sql: string;
  /** Run by root before. */
  readonly made?: string;
}

type Rights = Readonly<Record<Kind, string>>;

/** `v_…` are views of what they are called after. */
export const TABLES = {
  usr: 'app.usr',
  str: 'app.str',
  pub: 'app.pub',
  pri: 'app.pri',
  res: 'app.res',
  dba: 'app.dba',
  sys: 'system.jobs',
  inf: 'information_schema.tables',
} as const;
type Kind = keyof typeof TABLES;

/** How a table like that of the cell is made; nobody makes the last two. */
export const MADE: Readonly<Record<Exclude<Kind, 'sys' | 'inf'>, readonly [kind: string, options: string]>> = {
  usr: ['USER', ''],
  str: ['STREAM', 'WITH (TTL_SECONDS = 3600)'],
  pub: ['SHARED', "WITH (ACCESS_LEVEL = 'public')"],
  pri: ['SHARED', "WITH (ACCESS_LEVEL = 'private')"],
  res: ['SHARED', "WITH (ACCESS_LEVEL = 'restricted')"],
  dba: ['SHARED', "WITH (ACCESS_LEVEL = 'dba')"],
};

const READ: Rights = {
  ...{usr: '-yyyy', str: '-yyyy', pub: 'yyyyy', pri: '--yyy', res: '--yyy', dba: '---yy'},
  ...{sys: '---yy', inf: 'yyyyy'},
};
/** In a statement that writes own rows too. */
const READ_AND_WRITE_OWN: Rights = {...READ, pub: '-yyyy', inf: '-yyyy'};
const WRITE: Rights = {
  ...{usr: '-yyyy', str: '-yyyy', pub: '--yyy', pri: '--yyy', res: '--yyy', dba: '---yy'},
  ...{sys: 'eeeee', inf: 'eeeee'},
};
const FOLLOW: Rights = {...READ, pub: '-yyyy', sys: '---yy', inf: 'eeeee'};

const ROWS: readonly Cell[] = [
  ...cells('SELECT', READ, 'SELECT * FROM $t'),
  ...cells('SELECT count', READ, 'SELECT count(*) FROM $t'),
  ...cells('SELECT in a subquery', READ, 'SELECT 1 WHERE 1 IN (SELECT count(*) FROM $t)'),
  ...cells('SELECT in EXISTS', READ, 'SELECT 1 WHERE EXISTS (SELECT 1 FROM $t)'),
  ...cells('SELECT in WITH', READ, 'WITH w AS (SELECT count(*) AS n FROM $t) SELECT n FROM w'),
  ...cells(
    'SELECT in WITH RECURSIVE',
    READ,
    'WITH RECURSIVE w(n) AS (SELECT count(*) FROM $t UNION SELECT n FROM w) SELECT * FROM w',
  ),
  ...cells('SELECT in a set operation', READ, 'SELECT 1 UNION SELECT count(*) FROM $t'),
  ...cells('SELECT in EXCEPT', READ, 'SELECT 1 EXCEPT SELECT count(*) FROM $t'),
  ...cells('SELECT in a join', READ, 'SELECT 1 FROM app.pub p JOIN $t o ON true'),
  ...cells('SELECT in LATERAL', READ, 'SELECT 1 FROM app.pub p, LATERAL (SELECT count(*) FROM $t) o'),
  ...cells('SELECT in VALUES', READ, 'VALUES ((SELECT count(*) FROM $t))'),
  ...cells('TABLE', READ, 'TABLE $t'),
  ...cells('SELECT through a view', READ, 'SELECT * FROM app.v_$k'),
  ...cells('SELECT through a view of a view', READ, 'SELECT * FROM app.w_$k'),
  ...cells('DESCRIBE TABLE', READ, 'DESCRIBE TABLE $t HISTORY'),
  ...cells('SHOW STATS', READ, 'SHOW STATS FOR TABLE $t'),
  ...cells('SUBSCRIBE TO', FOLLOW, 'SUBSCRIBE TO $t'),
  ...cells('INSERT', WRITE, 'INSERT INTO $t (id, v) VALUES ($n, 1)'),
  ...cells('UPDATE', {...WRITE, str: '-eeee'}, 'UPDATE $t SET v = 2 WHERE id = $n'),
  ...cells('DELETE', WRITE, 'DELETE FROM $t WHERE id = $n'),
  ...cells('INSERT … SELECT from', READ_AND_WRITE_OWN, 'INSERT INTO app.usr (id, v) SELECT count(*) + $n, 1 FROM $t'),
  ...cells('UPDATE … FROM', READ_AND_WRITE_OWN, 'UPDATE app.usr SET v = 1 FROM $t o WHERE app.usr.id = -1'),
  ...cells(
    'UPDATE with a query of',
    READ_AND_WRITE_OWN,
    'UPDATE app.usr SET v = (SELECT count(*) FROM $t) WHERE id = -1',
  ),
  ...cells(
    'DELETE with a query of',
    READ_AND_WRITE_OWN,
    'DELETE FROM app.usr WHERE id = -1 AND v IN (SELECT count(*) FROM $t)',
  ),
  ...cells(
    'INSERT inside WITH',
    {...WRITE, str: 'eeeee'},
    'WITH w AS (INSERT INTO $t (id, v) VALUES ($n, 1) RETURNING id) SELECT id FROM w',
  ),
  ...cells(
    'UPDATE inside WITH',
    {...WRITE, str: 'eeeee'},
    'WITH w AS (UPDATE $t SET v = 2 WHERE id = $n RETURNING id) SELECT id FROM w',
  ),
  ...cells(
    'DELETE inside WITH',
    {...WRITE, str: 'eeeee'},
    'WITH w AS (DELETE FROM $t WHERE id = $n RETURNING id) SELECT id FROM w',
  ),
  ...cells(
    'SELECT beside a change inside WITH',
    READ_AND_WRITE_OWN,
    'WITH w AS (DELETE FROM app.usr WHERE id = -1), r AS (SELECT count(*) AS n FROM $t) SELECT n FROM r',
  ),
  ...cells(
    'BEGIN, INSERT, ROLLBACK',
    {...WRITE, str: '-eeee', sys: '-eeee', inf: '-eeee'},
    'BEGIN; INSERT INTO $t (id, v) VALUES ($n, 1); ROLLBACK',
  ),
  ...cells(
    'ALTER TABLE',
    {
      ...{usr: '--yyy', str: '--yyy', pub: '--yyy', pri: '--yyy', res: '--yyy', dba: '---yy'},
      ...{sys: 'eeeee', inf: 'eeeee'},
    },
    'ALTER TABLE $t ADD COLUMN c$n INT',
  ),
  ...cells('DESCRIBE', all('---yy'), 'DESCRIBE $t'),
  ...cells('SHOW COLUMNS', all('---yy'), 'SHOW COLUMNS FROM $t'),
  ...cells('EXPLAIN', all('---yy'), 'EXPLAIN SELECT * FROM $t'),
  ...cells('EXPLAIN ANALYZE', all('---yy'), 'EXPLAIN ANALYZE SELECT * FROM $t'),
  ...cells('DROP TABLE of system tables', {sys: 'eeeee', inf: 'eeeee'}, 'DROP TABLE $t'),
  ...Object.entries(MADE).flatMap(([kind, [word, options]]) => [
    {
      what: `CREATE TABLE ${kind}`,
      allowed: word === 'SHARED' ? '--yyy' : '-yyyy',
      sql: `CREATE ${word} TABLE app.c$n (id INT PRIMARY KEY) ${options}`,
    },
    {
      what: `DROP TABLE ${kind}`,
      allowed: '---yy',
      sql: 'DROP TABLE app.m$n',
      made: `CREATE ${word} TABLE app.m$n (id INT PRIMARY KEY) ${options}`,
    },
    ...['FLUSH TABLE', 'STORAGE FLUSH TABLE', 'STORAGE COMPACT TABLE'].map(statement => ({
      what: `${statement} ${kind}`,
      allowed: word === 'STREAM' ? '--eee' : '--yyy',
      sql: `${statement} app.m$n`,
      made: `CREATE ${word} TABLE app.m$n (id INT PRIMARY KEY) ${options}`,
    })),
  ]),
  ...['FLUSH TABLE', 'STORAGE FLUSH TABLE', 'STORAGE COMPACT TABLE'].flatMap(statement =>
    cells(statement, {sys: '--eee', inf: '--eee'}, `${statement} $t`),
  ),
];

const STATEMENTS: readonly Cell[] = [
  cell('CREATE VIEW', '---yy', 'CREATE VIEW app.x$n AS SELECT 1 AS one'),
  cell('DROP VIEW', '---yy', 'DROP VIEW app.m$n', 'CREATE VIEW app.m$n AS SELECT 1 AS one'),
  cell('CREATE NAMESPACE', '---yy', 'CREATE NAMESPACE n$n'),
  cell('ALTER NAMESPACE', '---yy', 'ALTER NAMESPACE app SET OPTIONS (level = $n)'),
  cell('DROP NAMESPACE', '---yy', 'DROP NAMESPACE m$n', 'CREATE NAMESPACE m$n'),
  cell('SHOW NAMESPACES', 'yyyyy', 'SHOW NAMESPACES'),
  cell('USE', 'yyyyy', 'USE app'),
  cell('CREATE STORAGE', '---yy', "CREATE STORAGE s$n TYPE filesystem PATH '$dir/$n'"),
  cell('ALTER STORAGE', '---yy', "ALTER STORAGE local SET DESCRIPTION 'again'"),
  cell('DROP STORAGE', '---yy', 'DROP STORAGE m$n', "CREATE STORAGE m$n TYPE filesystem PATH '$dir/$n'"),
  cell('STORAGE CHECK', '---yy', 'STORAGE CHECK local'),
  cell('SHOW STORAGES', 'yyyyy', 'SHOW STORAGES'),
  cell('SHOW TABLES', 'yyyyy', 'SHOW TABLES'),
  cell('SHOW MANIFEST', 'yyyyy', 'SHOW MANIFEST'),
  cell('SHOW setting', '---yy', 'SHOW search_path'),
  cell('SHOW ALL', '---yy', 'SHOW ALL'),
  cell('SET', '---yy', "SET search_path TO 'app'"),
  cell('FLUSH ALL TABLES', '--yyy', 'FLUSH ALL TABLES'),
  cell('STORAGE FLUSH ALL', '--yyy', 'STORAGE FLUSH ALL'),
  cell('STORAGE COMPACT ALL', '--yyy', 'STORAGE COMPACT ALL IN app'),
  cell('CLUSTER', '---ee', 'CLUSTER SNAPSHOT'),
  cell('KILL JOB', '---ee', "KILL JOB 'FL-000000000000'"),
  cell('KILL LIVE QUERY', '---ee', "KILL LIVE QUERY 'none'"),
  cell('BEGIN, COMMIT', '-yyyy', 'BEGIN; COMMIT'),
  cell('BEGIN, SAVEPOINT, RELEASE, ROLLBACK', '-yyyy', 'BEGIN; SAVEPOINT s; RELEASE SAVEPOINT s; ROLLBACK'),
  cell('COMMIT of nothing', 'eeeee', 'COMMIT'),
  cell('SELECT of nothing', 'yyyyy', 'SELECT 1'),

  cell('CREATE USER', '---yy', "CREATE USER 'user$n' WITH PASSWORD 'correct horse' ROLE dba"),
  cell('CREATE USER with role system', '----y', "CREATE USER 'high$n' WITH PASSWORD 'correct horse' ROLE system"),
  cell('ALTER USER of a user', '---yy', "ALTER USER 'somebody' SET EMAIL 'x@example.org'"),
  cell('ALTER USER of one with role system', '----y', "ALTER USER 'm_system' SET EMAIL 'x@example.org'"),
  cell('ALTER USER of a user: the password', '---yy', "ALTER USER 'somebody' SET PASSWORD 'battery staple'"),
  cell('ALTER USER root SET PASSWORD', '----y', "ALTER USER root SET PASSWORD 'Another-r00t'"),
  cell('ALTER USER … ROLE system', '----y', "ALTER USER 'm$n' SET ROLE system", newUser('dba')),
  cell('ALTER USER … ROLE', '---yy', "ALTER USER 'm$n' SET ROLE service", newUser('dba')),
  cell('ALTER USER of oneself: address', '-yyyy', "ALTER USER '$me' SET EMAIL 'me@example.org'"),
  cell('ALTER USER of oneself: a higher role', '----y', "ALTER USER '$me' SET ROLE system"),
  cell('DROP USER', '---yy', "DROP USER 'm$n'", newUser('dba')),
  cell('DROP USER with role system', '----y', "DROP USER 'm$n'", newUser('system')),
  cell('DROP USER root', '----e', 'DROP USER root'),

  cell('system tables by their other name', '---yy', 'SELECT * FROM system.system_jobs'),
  ...SYSTEM_TABLES.map(({schema: {name}, isVisible}) => {
    const isForAll = name.namespace === 'information_schema' && name.table !== 'df_settings';
    const allowed = isForAll ? 'yyyyy' : isVisible ? '---yy' : 'eeeee';
    return cell(tableText(name), allowed, `SELECT * FROM ${tableText(name)}`);
  }),

  cell('EXECUTE AS oneself', '-yyyy', "EXECUTE AS USER '$me' (SELECT * FROM app.usr)"),
  cell('EXECUTE AS somebody without account', '--yyy', "EXECUTE AS USER 'stranger' (SELECT * FROM app.usr)"),
  cell('EXECUTE AS a user', '--yyy', "EXECUTE AS 'somebody' (INSERT INTO app.usr (id, v) VALUES ($n, 1))"),
  cell('EXECUTE AS a service', '--yyy', "EXECUTE AS USER 'm_service' (SELECT 1)"),
  cell('EXECUTE AS a dba', '---yy', "EXECUTE AS USER 'm_dba' (SELECT 1)"),
  cell('EXECUTE AS a system user', '----y', "EXECUTE AS USER 'm_system' (SELECT 1)"),
  cell(
    'EXECUTE AS a user: their password',
    '-----',
    "EXECUTE AS USER 'somebody' (ALTER USER 'somebody' SET PASSWORD 'taken over')",
  ),
  cell(
    'EXECUTE AS a user: an account',
    '-----',
    "EXECUTE AS 'somebody' (CREATE USER 'x$n' WITH PASSWORD 'correct horse' ROLE user)",
  ),
  cell('EXECUTE AS: system tables', '-----', "EXECUTE AS '$me' (SELECT * FROM system.users)"),
  cell('EXECUTE AS: a shared table of services', '-----', "EXECUTE AS USER '$me' (SELECT * FROM app.pri)"),
  cell('EXECUTE AS: a shared table for all', '-yyyy', "EXECUTE AS USER '$me' (SELECT * FROM app.pub)"),
  cell('EXECUTE AS: a change of one', '-eeee', "EXECUTE AS USER '$me' (INSERT INTO app.pub (id, v) VALUES ($n, 1))"),
];

export const MATRIX: readonly Cell[] = [...ROWS, ...STATEMENTS];

function cell(what: string, allowed: string, sql: string, made?: string): Cell {
  return made === undefined ? {what, allowed, sql} : {what, allowed, sql, made};
}

function cells(what: string, rights: Partial<Rights>, sql: string): Cell[] {
  return (Object.entries(rights) as [Kind, string][]).map(([kind, allowed]) =>
    cell(`${what} ${kind}`, allowed, sql.replaceAll('$t', TABLES[kind]).replaceAll('$k', kind)),
  );
}

function all(allowed: string): Rights {
  return Object.fromEntries(Object.keys(TABLES).map(kind => [kind, allowed])) as unknown as Rights;
}

function newUser(role: string): string {
  return `CREATE USER 'm$n' WITH PASSWORD 'correct horse' ROLE ${role}`;
}
