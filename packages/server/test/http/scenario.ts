/**
 * Scenario: one request and what must come back, as a row of a table. A table that changes something says in its names what it found.
 */
import assert from 'node:assert/strict';
import type {OutgoingHttpHeaders} from 'node:http';
import {ERRORS, type ErrorCode} from '@kalamdb/protocol/errors.ts';
import {type Answer, type Sent, send, type TestServer} from './server.ts';

export interface Scenario {
  /** The rule. */
  readonly name: string;
  /** The body, unless `sent` has one. */
  readonly sql?: string;
  readonly params?: unknown;
  readonly namespace?: string;
  readonly user?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly sent?: Sent;
  /** Without a code: 200. Else the status of the code. */
  readonly code?: ErrorCode;
  /** Of the error. */
  readonly message?: string | RegExp;
  /** Line and column of the error. */
  readonly at?: readonly [line: number, column: number];
  /** For what is not an envelope of the SQL route. */
  readonly status?: number;
  /** Rows of the first result. */
  readonly rows?: readonly (readonly unknown[])[];
  /** Every result but its schema, whole. */
  readonly results?: readonly object[];
  /** Looks at the whole answer. */
  readonly check?: (answer: Answer, json: Envelope) => void;
}

export interface Envelope {
  readonly status: 'success' | 'error';
  readonly results: readonly {
    readonly schema?: readonly object[];
    readonly rows?: readonly (readonly unknown[])[];
    readonly row_count: number;
    readonly message?: string;
    readonly truncated?: true;
    readonly as_user: string;
  }[];
  readonly took: number;
  readonly error?: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly details?: string;
    readonly position?: {readonly line: number; readonly column: number};
  };
}

export async function runScenario(server: TestServer, scenario: Scenario): Promise<void> {
  const answer = await send(server.port, requestOf(scenario));
  assert.deepEqual(server.bugs, [], 'nothing is answered by a bug');
  const status = scenario.status ?? (scenario.code === undefined ? 200 : ERRORS[scenario.code].status);
  assert.equal(answer.status, status, answer.text);
  if (scenario.status !== undefined && scenario.code === undefined) {
    scenario.check?.(answer, undefined as never);
    return;
  }
  const json = JSON.parse(answer.text) as Envelope;
  checkEnvelope(json, scenario);
  scenario.check?.(answer, json);
}

function requestOf({sql, params, namespace, user, headers, sent}: Scenario): Sent {
  const body = sql === undefined ? undefined : JSON.stringify({sql, params, namespace_id: namespace});
  return {
    ...(body === undefined ? {} : {body}),
    ...sent,
    headers: {
      'content-type': 'application/json',
      ...(user === undefined ? {} : {'x-user-id': Buffer.from(user).toString('latin1')}),
      ...headers,
      ...sent?.headers,
    },
  };
}

function checkEnvelope(json: Envelope, scenario: Scenario): void {
  const {code, message, at, rows, results} = scenario;
  assert.equal(typeof json.took, 'number');
  if (code === undefined) {
    assert.equal(json.status, 'success', JSON.stringify(json.error));
    assert.deepEqual(Object.keys(json), ['status', 'results', 'took']);
  } else {
    assert.equal(json.status, 'error');
    assert.deepEqual(json.results, []);
    assert.equal(json.error!.code, code, json.error!.message);
    if (typeof message === 'string') assert.equal(json.error?.message, message);
    if (message instanceof RegExp) assert.match(json.error!.message, message);
    if (at !== undefined) assert.deepEqual(json.error?.position, {line: at[0], column: at[1]});
  }
  if (rows !== undefined) assert.deepEqual(json.results[0]?.rows, rows);
  if (results === undefined) return;
  const without = json.results.map(({schema, ...rest}) => rest);
  assert.deepEqual(without, results);
}
