/**
 * Server log: where messages go, and the newest of them for `system.server_logs`.
 *
 *     pino ─ one JSON line per message ─┬─ compact: a line for people, on stderr      json: the line itself, on stdout
 *                                       └─ recent: so many, none longer than its limit, in memory
 */
import pino from 'pino';
import type {Config} from './config.ts';
import {Recent} from './std/recent.ts';
import type {ServerLogRecord} from './system/server-logs.ts';

/** Of one that is kept; what is written is whole. */
const MESSAGE_CHARS_MAX = 4096;

export interface ServerLog {
  readonly logger: pino.Logger;
  /** The oldest first. */
  recent(): ServerLogRecord[];
}

export function openServerLog(config: Config): ServerLog {
  const recent = new Recent<ServerLogRecord>(config['logging.recent_messages']);
  const options: pino.LoggerOptions = {
    level: config['logging.level'],
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  const asJson = config['logging.format'] === 'json' ? pino.destination(1) : undefined;
  const stream: pino.DestinationStream = {
    write(line: string) {
      const message = messageOf(line);
      recent.add({...message, message: message.message.slice(0, MESSAGE_CHARS_MAX)});
      if (asJson !== undefined) asJson.write(line);
      else process.stderr.write(`${message.timestamp} ${message.level} ${message.message}\n`);
    },
  };
  return {logger: pino(options, stream), recent: () => recent.all()};
}

/** Text, facts, and the stack of an error. */
export function messageOf(line: string): ServerLogRecord {
  const {level, time, msg, err, ...facts} = JSON.parse(line);
  const more = Object.keys(facts).length > 0 ? ' ' + JSON.stringify(facts) : '';
  const stack = err === undefined ? '' : '\n' + (err.stack ?? err.message);
  return {
    ...{timestamp: time, level: pino.levels.labels[level] ?? String(level)},
    ...{thread: null, target: null, line: null, message: `${msg ?? ''}${more}${stack}`},
  };
}
