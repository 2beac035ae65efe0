/**
 * Commands: THE table of meta commands. To add one, add a row; `\?` and the guide read it.
 */
import {FORMATS, type Format} from './format.ts';
import {runSql, type Session} from './session.ts';

type RunScript = (session: Session, text: string) => Promise<boolean>;

export interface Command {
  readonly names: readonly string[];
  readonly argument?: string;
  readonly about: string;
  /** False if it failed. `script` runs a text of several inputs. */
  readonly run: (session: Session, argument: string, script: RunScript) => unknown;
}

const TABLES = `SELECT namespace_id AS namespace, table_name, table_type FROM system.tables ORDER BY namespace_id, table_name`;
const JOBS = `SELECT job_id, job_type, status, table_name, message FROM system.jobs ORDER BY created_at DESC LIMIT 20`;
const STATS = 'SELECT metric_name, metric_value FROM system.stats ORDER BY metric_name';

export const COMMANDS: readonly Command[] = [
  {names: ['d'], argument: '[TABLE]', about: 'columns of a table, or all tables', run: describe},
  {names: ['dt'], about: 'all tables', run: session => runSql(session, TABLES)},
  {names: ['dn'], about: 'all namespaces', run: session => runSql(session, 'SHOW NAMESPACES')},
  {names: ['ds'], about: 'all storages', run: session => runSql(session, 'SHOW STORAGES')},
  {names: ['jobs'], about: 'the newest jobs', run: session => runSql(session, JOBS)},
  {names: ['stats'], about: 'counters of the server', run: session => runSql(session, STATS)},
  {names: ['flush'], about: 'flush all tables of the namespace', run: flush},
  {names: ['c'], argument: '[NAMESPACE]', about: 'unqualified names mean tables of this namespace', run: useNamespace},
  {names: ['user'], argument: '[NAME]', about: 'ask as this user (development sign-in)', run: useUser},
  {names: ['as'], argument: 'NAME SQL', about: 'run one text as this user (development sign-in)', run: asUser},
  {
    names: ['x'],
    argument: '[on|off]',
    about: 'one line per column',
    run: (session, word) => toggle(session, 'isExpanded', word),
  },
  {
    names: ['timing'],
    argument: '[on|off]',
    about: 'who ran it and how long it took',
    run: (session, word) => toggle(session, 'isTimed', word),
  },
  {names: ['format'], argument: FORMATS.join('|'), about: 'form of the output', run: useFormat},
  {names: ['i'], argument: 'FILE', about: 'run a file', run: include},
  {names: ['info'], about: 'server, user and settings of this shell', run: info},
  {names: ['?', 'h', 'help'], about: 'this list', run: session => session.write(helpText())},
  {names: ['q', 'quit', 'exit'], about: 'leave', run: leave},
];

function helpText(): string {
  const lines = COMMANDS.map(({names, argument = '', about}) => {
    const left = `${names.map(name => `\\${name}`).join(', ')} ${argument}`.trim();
    return `  ${left.padEnd(26)} ${about}\n`;
  });
  return `Statements end with a semicolon and may go over several lines.\n${lines.join('')}`;
}

function describe(session: Session, table: string): Promise<boolean> {
  return table === '' ? runSql(session, TABLES) : runSql(session, `DESCRIBE TABLE ${table}`);
}

function flush(session: Session): Promise<boolean> {
  return runSql(
    session,
    session.namespace === undefined ? 'STORAGE FLUSH ALL' : `STORAGE FLUSH ALL IN ${session.namespace}`,
  );
}

function useNamespace(session: Session, name: string): void {
  session.namespace = name === '' ? undefined : name;
  session.write(`Unqualified names mean tables of ${session.namespace ?? 'default'}.\n`);
}

function useUser(session: Session, name: string): void {
  session.user = name === '' ? undefined : name;
  session.write(name === '' ? 'You are whom the connection signs in.\n' : `You are ${name}.\n`);
}

async function asUser(session: Session, argument: string): Promise<boolean> {
  const [, name, sql] = /^(\S+)\s+([\s\S]+)$/.exec(argument) ?? [];
  if (name === undefined || sql === undefined) return usage(session, '\\as NAME SQL');
  const before = session.user;
  session.user = name;
  try {
    return await runSql(session, sql);
  } finally {
    session.user = before;
  }
}

function toggle(session: Session, setting: 'isExpanded' | 'isTimed', word: string): boolean {
  if (word !== '' && word !== 'on' && word !== 'off') return usage(session, 'on or off');
  session[setting] = word === '' ? !session[setting] : word === 'on';
  const what = setting === 'isTimed' ? 'Timing' : 'Expanded output';
  session.write(`${what} is ${session[setting] ? 'on' : 'off'}.\n`);
  return true;
}

function useFormat(session: Session, word: string): boolean {
  if (!FORMATS.includes(word as Format)) return usage(session, `\\format ${FORMATS.join('|')}`);
  session.format = word as Format;
  return true;
}

async function include(session: Session, path: string, script: RunScript): Promise<boolean> {
  if (path === '') return usage(session, '\\i FILE');
  const text = await session.readFile(path).catch((error: NodeJS.ErrnoException) => {
    session.writeError(`${path} cannot be read: ${error.code ?? error.message}\n`);
    return undefined;
  });
  return text === undefined ? false : await script(session, text);
}

async function info(session: Session): Promise<void> {
  const reply = await session.ask("SELECT metric_value FROM system.stats WHERE metric_name = 'server_version'");
  const version = reply.results[0]?.rows?.[0]?.[0] ?? 'unknown';
  session.write(
    `Server ${session.url}, version ${version}. User ${session.user ?? 'of the connection'}, namespace ${session.namespace ?? 'default'}, ` +
      `format ${session.format}${session.isExpanded ? ', expanded' : ''}${session.isTimed ? ', timed' : ''}.\n`,
  );
}

function leave(session: Session): void {
  session.isOver = true;
}

function usage(session: Session, text: string): false {
  session.writeError(`Use: ${text}\n`);
  return false;
}
