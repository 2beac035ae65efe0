#!/usr/bin/env node
/**
 * The `kalam` program: a shell for a KalamDB server, or one run of statements.
 *
 *     kalam                          interactive
 *     kalam -c 'SELECT 1' [-c …]     runs and leaves
 *     kalam -f file.sql              the same with a file; - is the standard input, as it is when it is no terminal
 *
 * Exit codes: 0 all ran, 1 a statement failed or the server cannot be reached, 2 the arguments cannot be used.
 */
import {mkdir, readFile, writeFile} from 'node:fs/promises';
import {homedir} from 'node:os';
import {dirname, join} from 'node:path';
import {createInterface} from 'node:readline';
import {text as textOf} from 'node:stream/consumers';
import {setTimeout as sleep} from 'node:timers/promises';
import {parseArgs} from 'node:util';
import {createCompleter} from './completion.ts';
import {FORMATS, type Format} from './format.ts';
import {run, runScript} from './input.ts';
import {CliError, connect} from './server.ts';
import type {Session} from './session.ts';
import {runShell} from './shell.ts';

const HISTORY_MAX = 1000;
const OPTIONS = {
  url: {type: 'string', short: 'u'},
  host: {type: 'string', short: 'H'},
  port: {type: 'string', short: 'p'},
  user: {type: 'string'},
  password: {type: 'string'},
  token: {type: 'string'},
  command: {type: 'string', short: 'c', multiple: true},
  file: {type: 'string', short: 'f', multiple: true},
  format: {type: 'string'},
  json: {type: 'boolean'},
  csv: {type: 'boolean'},
  expanded: {type: 'boolean', short: 'x'},
  timeout: {type: 'string'},
  help: {type: 'boolean', short: 'h'},
} as const;

const HELP = `kalam: a shell for KalamDB

  -u, --url URL         the server; default http://127.0.0.1:8080
  -H, --host, -p, --port  the same in two parts
      --user NAME       who asks; under development sign-in that is enough
      --password TEXT   theirs; better in KALAM_PASSWORD, where no list of processes shows it
      --token TOKEN     access token
  -c, --command SQL     run and leave; may be given several times
  -f, --file FILE       run a file and leave; - is the standard input
      --format ${FORMATS.join('|')}, --json, --csv
  -x, --expanded        one line per column
      --timeout SECONDS longest wait for an answer; default 30
`;

type Values = ReturnType<typeof readArguments>;

process.exitCode = await main();

async function main(): Promise<number> {
  let values: Values;
  try {
    values = readArguments();
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${HELP}`);
    return 2;
  }
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  try {
    return (await runAll(createSession(values), values)) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

function readArguments() {
  const {values} = parseArgs({options: OPTIONS, allowPositionals: false});
  const format = values.json ? 'json' : values.csv ? 'csv' : (values.format ?? 'table');
  if (!FORMATS.includes(format as Format)) throw new Error(`--format is one of ${FORMATS.join(', ')}`);
  const seconds = Number(values.timeout ?? 30);
  if (!(seconds > 0)) throw new Error('--timeout is a number of seconds');
  const byParts = values.host !== undefined || values.port !== undefined;
  const parts = `http://${values.host ?? '127.0.0.1'}:${values.port ?? '8080'}`;
  const url = values.url ?? (byParts ? parts : 'http://127.0.0.1:8080');
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new Error(`'${url}' is not an http address`);
  return {...values, format: format as Format, timeoutMs: seconds * 1000, url};
}

function createSession({
  url,
  user,
  password,
  token,
  timeoutMs,
  format,
  expanded = false,
  command,
  file,
}: Values): Session {
  const isInteractive = command === undefined && file === undefined && process.stdin.isTTY === true;
  return {
    ask: connect({url, user: undefined, account: accountOf(user, password), token, timeoutMs}),
    url,
    write: text => void process.stdout.write(text),
    writeError: text => void process.stderr.write(text),
    readFile: path => readFile(path, 'utf8'),
    sleep: ms => sleep(ms),
    isTerminal: process.stdout.isTTY === true && format === 'table',
    format,
    isExpanded: expanded,
    isTimed: isInteractive,
    user,
    namespace: undefined,
    isOver: false,
  };
}

function accountOf(user: string | undefined, given: string | undefined) {
  const password = given ?? process.env['KALAM_PASSWORD'];
  return password === undefined ? undefined : {user, password};
}

async function runAll(session: Session, {command = [], file = []}: Values): Promise<boolean> {
  if (command.length === 0 && file.length === 0) {
    if (process.stdin.isTTY !== true) return await runScript(session, await textOf(process.stdin));
    await interact(session);
    return true;
  }
  for (const text of command) if (!(await run(session, text))) return false;
  for (const path of file) if (!(await runScript(session, await scriptText(session, path)))) return false;
  return true;
}

async function scriptText(session: Session, path: string): Promise<string> {
  if (path === '-') return await textOf(process.stdin);
  return await session.readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new CliError(`${path} cannot be read: ${error.code ?? error.message}`);
  });
}

async function interact(session: Session): Promise<void> {
  // Before the first prompt: whoever mistyped the address wants to know now.
  await session.ask('SELECT 1', session.user === undefined ? {} : {user: session.user});
  const path = process.env['KALAM_HISTORY'] ?? join(homedir(), '.kalam', 'history');
  const history = (await readFile(path, 'utf8').catch(() => '')).split('\n').filter(Boolean);
  const lines = createInterface({
    input: process.stdin,
    output: process.stdout,
    history: history.toReversed().slice(0, HISTORY_MAX),
    historySize: HISTORY_MAX,
    removeHistoryDuplicates: true,
    completer: await createCompleter(session.ask),
  });
  let kept = history;
  lines.on('history', (newestFirst: string[]) => {
    kept = newestFirst.toReversed();
  });
  session.write(`KalamDB at ${session.url}. \\? lists commands, \\q leaves.\n`);
  await runShell(session, lines);
  await mkdir(dirname(path), {recursive: true, mode: 0o700});
  await writeFile(path, kept.map(line => `${line}\n`).join(''), {mode: 0o600});
}
