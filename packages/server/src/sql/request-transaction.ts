/**
 * Request transaction: the explicit transaction of one request, between its BEGIN and its COMMIT or ROLLBACK.
 *
 * Laws: a request has at most one at a time, and none outlives it: what is open when the request ends, however it ends, is rolled back. The places
 * that the statements up to the end of the request name are captured at BEGIN, since all of them are known by then; names that cannot be read are
 * left to the statements that say them. Inside run queries, INSERT, UPDATE and DELETE; everything else is refused by name.
 */
import {DbError, fail} from '@kalamdb/protocol/errors.ts';
import {tablesOf} from '../expr/walk.ts';
import type {UserId} from '../model/names.ts';
import type {Schema} from '../model/schema.ts';
import type {Session} from '../model/session.ts';
import type {View} from '../model/view.ts';
import {viewQuery} from '../query/bind-view.ts';
import type {WriteRow} from '../table/commit.ts';
import type {Place, Transaction} from '../table/table.ts';
import {resolveName, type Services, type StatementContext, type StatementKind} from './define.ts';
import {sessionOf} from './gate.ts';
import type {OpenTransaction} from './open-transactions.ts';

/** The statements of a request, as they were parsed. */
export interface RequestStatement {
  readonly kind: StatementKind;
  readonly tree: unknown;
  /** Whom EXECUTE AS names. */
  readonly target: UserId | undefined;
}

type BeginContext = Pick<StatementContext, 'services' | 'session' | 'namespace'>;

export class RequestTransaction {
  readonly #statements: readonly RequestStatement[];
  #open: OpenTransaction | undefined;
  #services: Services | undefined;
  #next = 0;

  constructor(statements: readonly RequestStatement[]) {
    this.#statements = statements;
  }

  /** Where the statements read and write: the open transaction. */
  get tables(): Transaction | undefined {
    return this.#open?.transaction;
  }

  /** Called before each statement runs. Throws what it may not do here. */
  enter(index: number, {kind}: RequestStatement): void {
    this.#next = index + 1;
    if (this.#open === undefined) return;
    this.#open.usedMs = this.#services!.clock.monotonicMs();
    if (kind.runsInTransaction || kind.isReadOnly) return;
    const {id} = this.#open.transaction;
    if (DDL.test(kind.name)) throw fail.invalidOperation(`DDL is not allowed inside explicit transaction '${id}'`);
    throw fail.invalidOperation(`${kind.name} is not allowed inside explicit transaction '${id}'`);
  }

  begin(context: BeginContext): string {
    const {services} = context;
    if (this.#open !== undefined) {
      const {owner, transaction} = this.#open;
      throw fail.conflict(`request owner '${owner}' already has an active transaction '${transaction.id}'`);
    }
    const id = services.newEnv({...context, params: []}).uuidV7();
    const transaction = services.begin(this.#places(context), id);
    const beganMs = services.clock.monotonicMs();
    const owner = `sql-req-${services.nonce()}`;
    this.#services = services;
    this.#open = {transaction, owner, beganMs, usedMs: beganMs, isCommitting: false};
    services.openTransactions.add(this.#open);
    return id;
  }

  /** The open one; `what` is the statement that needs it. */
  current(what: string): Transaction {
    if (this.#open === undefined) throw fail.invalidOperation(`${what} requires an active explicit SQL transaction`);
    return this.#open.transaction;
  }

  /** `beside`: rows for the same batch. */
  async commit(signal: AbortSignal, beside: readonly WriteRow[] = []): Promise<string> {
    const transaction = this.current('COMMIT');
    this.#open!.isCommitting = true;
    await transaction.commit(signal, beside);
    this.end();
    return transaction.id;
  }

  rollback(): string {
    const {id} = this.current('ROLLBACK');
    this.end();
    return id;
  }

  /** All statements have run. */
  checkEnded(): void {
    if (this.#open === undefined) return;
    throw new DbError(
      'SQL_EXECUTION_ERROR',
      'Request completed with an open explicit transaction; rolled back automatically',
      {isSafe: true},
    );
  }

  /** However the request went. */
  end(): void {
    if (this.#open === undefined) return;
    this.#services!.openTransactions.delete(this.#open);
    this.#open.transaction.end();
    this.#open = undefined;
  }

  #places(context: BeginContext): Place[] {
    const places = new Map<string, Place>();
    // Whoever BEGIN is said as, the statements after it are the caller's.
    const {proof} = context.session;
    const caller = proof.kind === 'actor' ? proof.actor : context.session;
    for (const {kind, tree, target} of this.#statements.slice(this.#next)) {
      if (!kind.takesParams) continue;
      const session = sessionOf(context.services, caller, target);
      addPlaces(places, {...context, session}, tree as Parameters<typeof tablesOf>[0]);
    }
    return [...places.values()];
  }
}

/** What the session may read of the tables that the statement names. */
export function placesOf(context: BeginContext, tree: Parameters<typeof tablesOf>[0]): Place[] {
  const places = new Map<string, Place>();
  addPlaces(places, context, tree);
  return [...places.values()];
}

function addPlaces(places: Map<string, Place>, context: BeginContext, tree: Parameters<typeof tablesOf>[0]): void {
  for (const schema of schemasOf(context, tree)) {
    const id = `${schema.incarnation} ${context.session.userId}`;
    const place = places.has(id) ? undefined : placeOf(context, context.session, schema);
    if (place !== undefined) places.set(id, place);
  }
}

/** Tables that the statement names, by itself or through views. */
function schemasOf(context: BeginContext, tree: Parameters<typeof tablesOf>[0]): Schema[] {
  const {catalog} = context.services;
  const schemas: Schema[] = [];
  const views = new Set<View>();
  const refs = tablesOf(tree);
  for (let ref = refs.pop(); ref !== undefined; ref = refs.pop()) {
    const name = resolveName(context, ref);
    const schema = catalog.find(name);
    if (schema !== undefined && schema.kind !== 'system') schemas.push(schema);
    const view = catalog.view(name);
    if (view === undefined || views.has(view)) continue;
    views.add(view);
    refs.push(...tablesOf(viewQuery(view)));
  }
  return schemas;
}

const DDL = /^(?:CREATE|ALTER|DROP)\b/;

function placeOf({services}: BeginContext, session: Session, schema: Schema): Place | undefined {
  try {
    return {schema, scope: services.scopeFor(session, schema, 'read')};
  } catch (error) {
    if (error instanceof DbError) return undefined;
    throw error;
  }
}
