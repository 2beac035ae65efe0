/** Places: how many subscriptions there may be, of a connection, of a user and in all, and how many there are. */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Session} from '../model/session.ts';

export interface LiveLimits {
  readonly connectionSubscriptionsMax: number;
  readonly userSubscriptionsMax: number;
  readonly subscriptionsMax: number;
  /** On its way to one socket. */
  readonly queuedBytesMax: number;
  /** A socket that is held may take so long to drain. */
  readonly slowMs: number;
  /** A client may take so long to ask for the next batch. */
  readonly snapshotIdleMs: number;
  /** Rows all histories remember together, and how long after the last subscriber has left. */
  readonly historyRowsMax: number;
  readonly historyMs: number;
  /** Who asked for it is told its cursor when it heard of none for so long. */
  readonly progressMs: number;
}

const ID_LENGTH_MAX = 256;

export class Places {
  readonly #limits: LiveLimits;
  readonly #ofUsers = new Map<string, number>();
  #taken = 0;

  constructor(limits: LiveLimits) {
    this.#limits = limits;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Throws SUBSCRIPTION_LIMIT_EXCEEDED if there is none for one more. */
  check({
    subscriptions,
    session,
  }: {
    readonly subscriptions: ReadonlyMap<string, unknown>;
    readonly session: Session;
  }): void {
    const {connectionSubscriptionsMax, userSubscriptionsMax, subscriptionsMax} = this.#limits;
    if (subscriptions.size >= connectionSubscriptionsMax)
      throw refused('The connection', connectionSubscriptionsMax, 'live.max_subscriptions_per_connection');
    if ((this.#ofUsers.get(session.userId) ?? 0) >= userSubscriptionsMax)
      throw refused(`User '${session.userId}'`, userSubscriptionsMax, 'rate_limit.max_subscriptions_per_user');
    if (this.#taken >= subscriptionsMax) throw refused('The server', subscriptionsMax, 'live.max_subscriptions');
  }

  count({userId}: Session, change: 1 | -1): void {
    this.#taken += change;
    const count = (this.#ofUsers.get(userId) ?? 0) + change;
    if (count === 0) this.#ofUsers.delete(userId);
    else this.#ofUsers.set(userId, count);
  }
}

function refused(whose: string, max: number, setting: string): DbError {
  return new DbError(
    'SUBSCRIPTION_LIMIT_EXCEEDED',
    `${whose} has as many live queries as it may: ${max}. Close one, or raise ${setting}.`,
  );
}

export function checkId(id: string): void {
  if (id.trim() !== '' && id.length <= ID_LENGTH_MAX) return;
  throw new DbError('INVALID_INPUT', `A subscription id has 1 to ${ID_LENGTH_MAX} characters and is not blank.`);
}
