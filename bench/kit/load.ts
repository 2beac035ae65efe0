/**
 * Load: runs the load generator against a server. The requests are made beforehand, so that making them costs no time of the run.
 */
import {randomUUID} from 'node:crypto';
import {rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {startProgram} from './child.ts';

const MAIN = fileURLToPath(new URL('./load-main.ts', import.meta.url));

export interface LoadJob {
  readonly port: number;
  /** Each has one request in flight. */
  readonly connections: number;
  readonly durationMs: number;
  /** HTTP requests as they go over the wire; taken in turn by whichever connection is free. */
  readonly requests: readonly string[];
  readonly firstRequest: number;
  /** Requests arrive at an even rate, answered or not; 0 or undefined: whenever the last one was answered. */
  readonly perSecond?: number;
  /** Each request is sent at most once; else they go round. */
  readonly isOnce: boolean;
  /** What the body of a good answer begins with. */
  readonly bodyBegins: string;
}

export interface LoadOutcome {
  readonly requests: number;
  readonly failed: number;
  readonly firstFailure: string | undefined;
  readonly seconds: number;
  /** Of the load generator. */
  readonly cpuSeconds: number;
  /** `firstRequest` of a run that goes on where this one ended. */
  readonly nextRequest: number;
  readonly micros: {readonly p50: number; readonly p90: number; readonly p99: number; readonly max: number};
}

const SUCCESS = '{"status":"success"';

type Shape = Pick<LoadJob, 'port' | 'connections' | 'durationMs' | 'requests'> & Partial<LoadJob>;

export async function runLoad(directory: string, shape: Shape): Promise<LoadOutcome> {
  return (await startLoad(directory, shape)).outcome;
}

/**
 * `end` lets it end before its time. The outcome rejects if an answer was not what a good one begins with: a rate of failures means
 * nothing.
 */
export async function startLoad(
  directory: string,
  shape: Shape,
): Promise<{readonly outcome: Promise<LoadOutcome>; end(): void}> {
  const file = join(directory, `load-${randomUUID()}.json`);
  await writeFile(file, JSON.stringify({firstRequest: 0, isOnce: false, bodyBegins: SUCCESS, ...shape}));
  const {output, end} = startProgram(process.execPath, [MAIN, file]);
  return {outcome: outcomeOf(output).finally(() => rm(file)), end};
}

async function outcomeOf(text: Promise<string>): Promise<LoadOutcome> {
  const outcome = JSON.parse(await text) as LoadOutcome;
  if (outcome.failed === 0) return outcome;
  throw new Error(`${outcome.failed} of ${outcome.requests} requests failed; the first:\n${outcome.firstFailure}`);
}
