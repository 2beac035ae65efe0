/**
 * Test S3: an S3-compatible server on loopback, whose requests can be made to fail.
 */
import {mkdir} from 'node:fs/promises';
import {createRequire} from 'node:module';
import type {AddressInfo} from 'node:net';
import {systemClock} from '../std/system-clock.ts';
import {openS3Blob, type S3Options} from './s3-blob.ts';

export const BUCKET = 'kalamdb-test';
const KEY = 'S3RVER';

interface Context {
  readonly method: string;
  status: number;
  body: string;
}

/** The part of the server package that is used here; it has no types of its own. */
interface S3Server {
  readonly middleware: ((context: Context, next: () => Promise<void>) => Promise<void>)[];
  run(): Promise<AddressInfo>;
  close(): Promise<void>;
}

const S3rver = createRequire(import.meta.url)('@20minutes/s3rver') as new (options: object) => S3Server;

export interface TestS3 {
  readonly endpoint: string;
  /** `changes` may give wrong credentials, or another bucket. */
  open(prefix: string, changes?: Partial<S3Options>): ReturnType<typeof openS3Blob>;
  /** The next `count` requests are answered with this status. */
  fail(count: number, status?: number): void;
  /** The next put is done, and answered as if it had failed. */
  loseNextPutAnswer(): void;
  /** Requests so far. */
  readonly requestCount: number;
  stop(): Promise<void>;
}

export async function startS3(directory: string): Promise<TestS3> {
  await mkdir(directory, {recursive: true});
  const server = new S3rver({
    port: 0,
    address: '127.0.0.1',
    silent: true,
    directory,
    configureBuckets: [{name: BUCKET}],
  });
  const failing = {count: 0, status: 503};
  let isAnswerLost = false;
  let requestCount = 0;
  server.middleware.unshift(async (context, next) => {
    requestCount++;
    if (failing.count === 0) {
      await next();
      if (!isAnswerLost || context.method !== 'PUT') return;
      isAnswerLost = false;
      context.status = 500;
      return;
    }
    failing.count--;
    context.status = failing.status;
    context.body = '<Error><Code>SlowDown</Code></Error>';
  });
  const {port} = await server.run();
  const endpoint = `http://127.0.0.1:${port}`;
  return {
    endpoint,
    open: (prefix, changes = {}) =>
      openS3Blob({
        ...{bucket: BUCKET, prefix, region: 'us-east-1', endpoint, accessKeyId: KEY, secretAccessKey: KEY},
        ...{sessionToken: undefined, clock: systemClock, pauseMs: 1},
        ...changes,
      }),
    fail(count, status = 503) {
      failing.count = count;
      failing.status = status;
    },
    loseNextPutAnswer() {
      isAnswerLost = true;
    },
    get requestCount() {
      return requestCount;
    },
    stop: () => server.close(),
  };
}
