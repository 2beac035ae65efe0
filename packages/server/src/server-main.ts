/**
 * Server main: the server as a process. Config, database, HTTP, signals, exit codes; everything else lives in rooms.
 *
 * Exit codes: 0 after an orderly stop; 1 if the start failed, a bug escaped, or a second signal asked to stop at once.
 */
import {readFile, stat} from 'node:fs/promises';
import {DbError} from '@kalamdb/protocol/errors.ts';
import type pino from 'pino';
import {type Config, readConfig} from './config.ts';
import {type Database, openDatabase} from './database.ts';
import {databaseOptions} from './database-options.ts';
import {type DbaTables, openDbaTables} from './dba-tables.ts';
import {createHttpServer, type HttpServer, type HttpServerOptions} from './http/server.ts';
import {httpOptions} from './http-options.ts';
import {openServerLog} from './server-log.ts';
import {checkSigners, describeAccounts, startAccounts} from './start-accounts.ts';
import {explainStart} from './start-errors.ts';
import {readMachine} from './std/machine.ts';
import {countOpenFiles} from './std/open-files.ts';
import {systemClock} from './std/system-clock.ts';
import {VERSION} from './std/version.ts';

const DEFAULT_FILE = 'server.toml';
/** Terminals and npm may deliver one Ctrl-C twice. */
const SAME_SIGNAL_MS = 1000;

interface Running {
  readonly database: Database;
  readonly dbaTables: DbaTables;
  readonly server: HttpServer;
  readonly logger: pino.Logger;
}

const USAGE = `Usage: node packages/server/src/main.mjs [CONFIG_PATH]

Without CONFIG_PATH it is ${DEFAULT_FILE} of the working directory, if there is one. Variables of the environment outrank it.
docs/reference/settings.md lists both.
`;

const option = process.argv[2];
if (option === '--version') process.stdout.write(`KalamDB ${VERSION}\n`);
else if (option === '--help') process.stdout.write(USAGE);
else await main();

async function main(): Promise<void> {
  let running: Running | undefined;
  let stopping: {sinceMs: number} | undefined;
  const stop = (signal: NodeJS.Signals) => {
    const nowMs = systemClock.monotonicMs();
    if (stopping === undefined) {
      stopping = {sinceMs: nowMs};
      if (running !== undefined) void shutDown(running, signal);
    } else if (nowMs - stopping.sinceMs > SAME_SIGNAL_MS) process.exit(1);
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    running = await start();
    if (stopping !== undefined) await shutDown(running, 'SIGTERM');
  } catch (error) {
    failStart(explainStart(error));
  }
}

async function start(): Promise<Running> {
  const {config, warnings} = await loadConfig(process.argv[2]);
  const log = openServerLog(config);
  const {logger} = log;
  checkSigners(config, logger);
  for (const text of warnings) logger.warn(text);
  process.on('uncaughtException', error => {
    logger.fatal({err: error}, 'A bug escaped; what was acknowledged is in the log on disk.');
    process.exit(1);
  });

  const http = httpOptions(config);
  const database = await openDatabase(databaseOptions(config, log));
  const server = createHttpServer({
    runSql: database.runSql,
    live: database.live,
    ...authOptions(config, database),
    host: config['server.host'],
    port: config['server.port'],
    ...http,
    measures: () => database.measures(),
    logger,
    version: VERSION,
    buildDate: await buildDate(),
    clock: systemClock,
  });
  try {
    await startAccounts(config, database.auth, logger);
    const dbaTables = await openDbaTables({
      ...{runSql: database.runSql, clock: systemClock, logger, openFiles: countOpenFiles},
      stats: () => database.measures().stats,
      cpuMs: () => readMachine().cpuMs,
      isSampled: config['retention.enable_dba_stats'],
      keepDays: config['retention.dba_stats_retention_days'],
    });
    const {port} = await server.listen();
    sayStart(config, port, database);
    return {database, dbaTables, server, logger};
  } catch (error) {
    await database.close();
    throw error;
  }
}

function authOptions(config: Config, {auth}: Database): Pick<HttpServerOptions, 'sessions' | 'auth'> {
  const {sessions, desk, users} = auth;
  return {
    sessions,
    auth: {
      desk,
      users,
      allowRemoteSetup: config['auth.allow_remote_setup'],
      isCookieSecure: config['auth.cookie_secure'],
      passwordLengthMax: config['auth.max_password_length'],
    },
  };
}

/** Sources run unbuilt, so the date of the build is the day the package was put here. */
async function buildDate(): Promise<string> {
  const {mtime} = await stat(new URL('../package.json', import.meta.url));
  return mtime.toISOString().slice(0, 19).replace('T', ' ') + ' UTC';
}

async function loadConfig(argument: string | undefined): Promise<{config: Config; warnings: string[]}> {
  if (argument?.startsWith('-')) throw new DbError('INVALID_INPUT', `There is no option ${argument}.\n${USAGE}`);
  const name = argument ?? DEFAULT_FILE;
  const text = await readFile(name, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (argument === undefined && error.code === 'ENOENT') return undefined;
    throw new DbError('INVALID_INPUT', `The config file ${name} cannot be read: ${error.code}.`, {cause: error});
  });
  return readConfig({env: process.env, ...(text === undefined ? {} : {file: {name, text}})});
}

function sayStart(config: Config, port: number, database: Database): void {
  const host = config['server.host'];
  const url = `http://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`;
  const lines = [
    `KalamDB ${VERSION} listens on ${url}`,
    ...database.describeStart(),
    ...describeAccounts(database.auth, url),
  ];
  process.stdout.write(lines.join('\n') + '\n');
}

async function shutDown({database, dbaTables, server, logger}: Running, signal: string): Promise<void> {
  process.stdout.write(`Stopping (${signal}): finishing what began.\n`);
  try {
    await server.close();
    await dbaTables.stop();
    await database.close();
    process.stdout.write('Stopped.\n');
    process.exit(0);
  } catch (error) {
    logger.error({err: error}, 'The stop failed; what was acknowledged is in the log on disk.');
    process.exit(1);
  }
}

function failStart(why: string): void {
  process.stderr.write(`KalamDB cannot start: ${why}\n`);
  process.exitCode = 1;
  process.exit();
}
