/**
 * Auth routes: sign in, refresh, sign out, who am I, and the setup of a new server.
 *
 *     POST login     {user, password}                       tokens, in the body and as cookies
 *     POST refresh   cookie, else Bearer                    the next pair
 *     POST logout    cookie or Bearer, if there is one      ends that sign-in
 *     GET  me        Bearer, else cookie                    the account
 *     GET  status    of this machine, unless allowed        whether root has a password
 *     POST setup     of this machine, unless allowed        root's password and the first dba
 *
 * Errors have the form {"error": word, "message": text}, with words of their own. Laws: pages of origins that may not ask are refused before anything
 * is read, so a cookie is of no use to them. A token leaves only when its sign-in is durable.
 */
import type {IncomingMessage, ServerResponse} from 'node:http';
import {DbError, ERRORS, type ErrorCode} from '@kalamdb/protocol/errors.ts';
import {isAdmin} from '../auth/roles.ts';
import {developmentSession} from '../auth/sessions.ts';
import type {Caller, SignedIn} from '../auth/sign-in-desk.ts';
import type {Role, Session} from '../model/session.ts';
import {RETRY_HEADERS, sendJson} from './answer.ts';
import {limitKey} from './client.ts';
import {ACCESS_COOKIE, cookieText, REFRESH_COOKIE, readCookie} from './cookies.ts';
import {checkJson, checkLocal, checkOrigin, userIdOf} from './guard.ts';
import {NodeExchange} from './node-exchange.ts';
import type {Handler, RouteContext} from './routes.ts';
import {expected} from './sql-route.ts';

interface Call {
  readonly exchange: NodeExchange;
  readonly context: RouteContext;
  readonly caller: Caller;
  /** Set-Cookie lines of the answer. */
  readonly cookies: string[];
}

type Answer = (call: Call) => object | Promise<object>;

export const login = route(async call => {
  takeSignIn(call);
  checkJson(call.exchange);
  const {passwordLengthMax} = call.context.options.auth;
  const body = await readFields(call, ['user', 'username', 'password']);
  const user = textField(body, ['user', 'username'], USER_LENGTH_MAX);
  const password = textField(body, ['password'], passwordLengthMax);
  return signedIn(call, await call.context.options.auth.desk.signIn(user, password, call.caller));
});

export const refresh = route(async call => {
  takeSignIn(call);
  const {headers} = call.exchange;
  const token = readCookie(headers.cookie, REFRESH_COOKIE) ?? bearer(headers.authorization);
  if (token === undefined) throw new DbError('MISSING_AUTHORIZATION', 'Authentication required');
  return signedIn(call, await call.context.options.auth.desk.refresh(token, call.caller));
});

export const logout = route(async call => {
  const {headers} = call.exchange;
  const tokens = [
    readCookie(headers.cookie, REFRESH_COOKIE),
    readCookie(headers.cookie, ACCESS_COOKIE),
    bearer(headers.authorization),
  ];
  for (const token of new Set(tokens)) {
    if (token !== undefined) await call.context.options.auth.desk.signOut(token, call.caller);
  }
  for (const name of [ACCESS_COOKIE, REFRESH_COOKIE]) setCookie(call, name, '', 0);
  return {message: 'Logged out successfully'};
});

export const me = route(async call => {
  const session = await sessionOf(call);
  return {user: userJson(session, call), admin_ui_access: isAdmin(session)};
});

export const status = route(call => {
  checkSetupCaller(call, 'Server status can only be asked for from localhost');
  const {needsSetup} = call.context.options.sessions.accounts;
  const message = needsSetup
    ? 'Server requires initial setup: POST /v1/api/auth/setup with user, password and root_password.'
    : 'Server is set up.';
  return {needs_setup: needsSetup, message};
});

export const setup = route(async call => {
  checkSetupCaller(call, 'Server setup can only be performed from localhost');
  takeSignIn(call);
  checkJson(call.exchange);
  const body = await readFields(call, ['user', 'username', 'password', 'root_password', 'email']);
  const {auth} = call.context.options;
  const account = await auth.users.setUp(
    {
      user: textField(body, ['user', 'username'], USER_LENGTH_MAX),
      password: textField(body, ['password'], auth.passwordLengthMax),
      rootPassword: textField(body, ['root_password'], auth.passwordLengthMax),
      email:
        body['email'] === undefined || body['email'] === null ? null : textField(body, ['email'], EMAIL_LENGTH_MAX),
    },
    call.caller.address,
  );
  return {
    user: accountJson(account),
    message:
      'Server setup complete. Root has a password, and development sign-in has ended; sign in with your account.',
  };
});

const USER_LENGTH_MAX = 128;
const EMAIL_LENGTH_MAX = 320;
const BODY_LENGTH_MAX = 16 * 1024;

/** What these routes call an error, and its status where it is another than elsewhere. */
const WORDS: Partial<Record<ErrorCode, readonly [word: string, status?: number]>> = {
  INVALID_INPUT: ['bad_request'],
  MISSING_AUTHORIZATION: ['unauthorized'],
  INVALID_CREDENTIALS: ['unauthorized'],
  TOKEN_EXPIRED: ['unauthorized'],
  INSUFFICIENT_PERMISSIONS: ['forbidden'],
  REMOTE_ACCESS_DENIED: ['forbidden'],
  AUTHENTICATION_ERROR: ['internal_error'],
  SETUP_REQUIRED: ['setup_required', 428],
  RATE_LIMIT_EXCEEDED: ['rate_limited'],
  PERMISSION_DENIED: ['forbidden'],
};

function route(answer: Answer): Handler {
  return async (request: IncomingMessage, response: ServerResponse, context: RouteContext) => {
    const cookies: string[] = [];
    let answered = {status: 200, body: {}};
    try {
      const exchange = new NodeExchange(request, response, context);
      const {client} = exchange;
      checkOrigin(exchange, context.options.cors);
      if (context.isClosing()) throw new DbError('SHUTTING_DOWN', 'The server is stopping.');
      const caller = {address: limitKey(client.address), isLocal: client.isLocal};
      answered = {status: 200, body: await answer({exchange, context, caller, cookies})};
    } catch (thrown) {
      answered = authFailure(expected(thrown, context.requestId, context.options.logger));
    }
    if (response.headersSent || response.destroyed) return void response.destroy();
    if (!request.complete) request.resume();
    if (cookies.length > 0) response.setHeader('set-cookie', cookies);
    const {status: code, body} = answered;
    sendJson(response, code, JSON.stringify(body), {...(code === 429 ? RETRY_HEADERS : {}), ...context.headers});
  };
}

/** An error in the form of these routes. */
export function authFailure({code, message}: DbError): {status: number; body: object} {
  const [word, ownStatus] = WORDS[code] ?? [code.toLowerCase()];
  return {status: ownStatus ?? ERRORS[code].status, body: {error: word, message}};
}

/** Sign-ins of one address per second. */
function takeSignIn({exchange: {client}, context: {rates, options, traffic}}: Call): void {
  const refusal = rates.of(client)?.takeSignIn(options.clock.monotonicMs());
  if (refusal === undefined) return;
  traffic.refused[refusal.code]++;
  throw new DbError('RATE_LIMIT_EXCEEDED', 'Too many requests; slow down.');
}

function checkSetupCaller({exchange, context}: Call, refusal: string): void {
  if (context.options.auth.allowRemoteSetup) return;
  // A page could have its name re-bound to this machine: Host and Origin must name it too.
  if (!exchange.client.isLocal) throw new DbError('REMOTE_ACCESS_DENIED', refusal);
  checkLocal(exchange);
}

/** Throws INVALID_INPUT for what is no JSON object of these fields. */
async function readFields({exchange}: Call, known: readonly string[]): Promise<Record<string, unknown>> {
  const text = await exchange.body();
  if (text.length > BODY_LENGTH_MAX) throw bad(`The body has more than ${BODY_LENGTH_MAX} characters.`);
  const body = parseObject(text);
  const unknown = Object.keys(body).find(name => !known.includes(name));
  if (unknown !== undefined) throw bad(`Unknown field ${JSON.stringify(unknown.slice(0, 40))}.`);
  return body;
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw bad('The body must be a JSON object.');
}

/** The field under one of its names. Lengths are counted in characters. */
function textField(body: Record<string, unknown>, names: readonly string[], lengthMax: number): string {
  const [name, ...more] = names.filter(one => body[one] !== undefined);
  if (name === undefined) throw bad(`The field ${names[0]} is missing.`);
  if (more.length > 0) throw bad(`The fields ${name} and ${more[0]} say the same; send one.`);
  const value = body[name];
  if (typeof value !== 'string' || !value.isWellFormed()) throw bad(`The field ${name} must be a text.`);
  if ([...value].length > lengthMax) throw bad(`The field ${name} has more than ${lengthMax} characters.`);
  return value;
}

function bad(message: string): DbError {
  return new DbError('INVALID_INPUT', message);
}

function bearer(authorization: string | undefined): string | undefined {
  return /^Bearer +(.+)$/.exec(authorization ?? '')?.[1];
}

/** By header, else by cookie, else by development sign-in. */
function sessionOf({exchange, context: {options}}: Call): Session | Promise<Session> {
  const {sessions} = options;
  const cookie = readCookie(exchange.headers.cookie, ACCESS_COOKIE);
  const {authorization} = exchange.headers;
  if (authorization === undefined && cookie !== undefined) return sessions.authenticateBearer(cookie);
  if (sessions.isDevelopment) checkLocal(exchange);
  return sessions.authenticate(authorization) ?? developmentSession(userIdOf(exchange));
}

function signedIn(call: Call, {account, ...tokens}: SignedIn): object {
  setCookie(call, ACCESS_COOKIE, tokens.accessToken, tokens.expiresAtMs);
  setCookie(call, REFRESH_COOKIE, tokens.refreshToken, tokens.refreshExpiresAtMs);
  return {
    user: accountJson(account),
    admin_ui_access: isAdmin({role: account.role as Role}),
    expires_at: moment(tokens.expiresAtMs),
    access_token: tokens.accessToken,
    refresh_token: tokens.refreshToken,
    refresh_expires_at: moment(tokens.refreshExpiresAtMs),
  };
}

function setCookie(
  {cookies, exchange: {client}, context: {options}}: Call,
  name: string,
  token: string,
  untilMs: number,
) {
  cookies.push(cookieText(name, token, {untilMs, isSecure: options.auth.isCookieSecure && client.isSecure}));
}

/** In development somebody may ask who has no account. */
function userJson({userId, role}: Session, {context}: Call): object {
  const {accounts} = context.options.sessions;
  const account = accounts.living(userId) ?? accounts.living('root')!;
  return {...accountJson(account), id: userId, role, email: account.user_id === userId ? account.email : null};
}

interface AccountFacts {
  readonly user_id: string;
  readonly role: string;
  readonly email: string | null;
  readonly created_at: bigint;
  readonly updated_at: bigint;
}

function accountJson({user_id, role, email, created_at, updated_at}: AccountFacts): object {
  const [created, updated] = [created_at, updated_at].map(micros => moment(Number(micros / 1000n)));
  return {id: user_id, role, email, created_at: created, updated_at: updated};
}

/** RFC 3339, as `2026-05-04T10:00:00+00:00`. */
function moment(ms: number): string {
  return new Date(ms).toISOString().replace(/(?:\.000)?Z$/, '+00:00');
}
