/**
 * Backend: what a chat must not leave to its pages.
 *
 *     table           kind             who reads it                       who writes it
 *     chat.rooms      SHARED, public   everybody who is signed in         the backend, for whoever opens a room
 *     chat.people     SHARED, public   everybody who is signed in         the backend, at sign-up
 *     chat.messages   SHARED, public   everybody who is signed in         the backend, so that an author is who signed in and nobody else
 *     chat.reads      USER             each user their own                the page itself: how far its user has read each room
 *     chat.typing     STREAM, 6 s      each user their own                the backend, into the tables of all others
 *
 * Pages read everything live and straight from the database; writes that speak for somebody to others come through here, with the token that
 * proves who it is. Law: what a page says about its user is never believed.
 */
import {Auth, createClient, KalamError, withLiterals} from '@kalamdb/client';

export interface Schema {
  'chat.rooms': {name: string; opened_by: string; opened_at: number; _seq: string};
  'chat.people': {name: string; joined_at: number; _seq: string};
  'chat.messages': {id: string; room: string; author: string; body: string; sent_at: number; _seq: string};
  'chat.reads': {room: string; read_at: number; _seq: string};
  'chat.typing': {room: string; author: string; _seq: string};
}

export interface BackendOptions {
  readonly url: string;
  readonly rootPassword: string;
  readonly servicePassword: string;
}

const SERVICE = 'chat-backend';

const TABLES = [
  'CREATE NAMESPACE IF NOT EXISTS chat',
  `CREATE SHARED TABLE IF NOT EXISTS chat.rooms (name TEXT PRIMARY KEY, opened_by TEXT NOT NULL, opened_at TIMESTAMP DEFAULT NOW())
   WITH (ACCESS_LEVEL = 'public')`,
  `CREATE SHARED TABLE IF NOT EXISTS chat.people (name TEXT PRIMARY KEY, joined_at TIMESTAMP DEFAULT NOW()) WITH (ACCESS_LEVEL = 'public')`,
  `CREATE SHARED TABLE IF NOT EXISTS chat.messages (id UUID PRIMARY KEY, room TEXT NOT NULL, author TEXT NOT NULL, body TEXT NOT NULL,
   sent_at TIMESTAMP DEFAULT NOW()) WITH (ACCESS_LEVEL = 'public')`,
  'CREATE USER TABLE IF NOT EXISTS chat.reads (room TEXT PRIMARY KEY, read_at TIMESTAMP NOT NULL)',
  'CREATE STREAM TABLE IF NOT EXISTS chat.typing (room TEXT NOT NULL, author TEXT NOT NULL) WITH (TTL_SECONDS = 6)',
];

/** Who came with the example; a person may try it with these. */
export const DEMO_USERS = [
  {user: 'ana', password: 'ana-likes-tea'},
  {user: 'ben', password: 'ben-likes-rain'},
] as const;

const ROOMS = ['lobby', 'kitchen', 'music'];
const NAME = /^[a-z][a-z0-9-]{1,19}$/;
const BODY_LENGTH_MAX = 2000;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A request that a page should not have sent. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export class Backend {
  readonly #url: string;
  /** Makes tables and accounts, and nothing else. */
  readonly #root;
  /** May act for users, and write to public tables; no administrator. */
  readonly #service;
  readonly #servicePassword: string;

  constructor({url, rootPassword, servicePassword}: BackendOptions) {
    this.#url = url;
    this.#servicePassword = servicePassword;
    this.#root = createClient({url, auth: Auth.basic('root', rootPassword)});
    this.#service = createClient<Schema>({url, auth: Auth.basic(SERVICE, servicePassword)});
  }

  async prepare(): Promise<void> {
    for (const sql of TABLES) await this.#root.query(sql);
    await this.#root.query(
      withLiterals(`CREATE USER IF NOT EXISTS '${SERVICE}' WITH PASSWORD $1 ROLE service`, [this.#servicePassword]),
    );
    for (const {user, password} of DEMO_USERS) await this.#addPerson(user, password, 'IF NOT EXISTS ');
    for (const name of ROOMS) await this.openRoom(SERVICE, name);
  }

  async signUp(user: string, password: string): Promise<void> {
    checkName(user, 'A name');
    await this.#addPerson(user, password, '');
  }

  /** The user whom the token proves. */
  async userOf(authorization: string): Promise<string> {
    const response = await fetch(`${this.#url}/v1/api/auth/me`, {headers: {Authorization: authorization}});
    if (!response.ok) throw new Refused(401, 'Sign in first.');
    const {user} = (await response.json()) as {user: {id: string}};
    return user.id;
  }

  /** `id` is the page's, so that a message which is sent again after a lost answer is the same message. */
  async post(author: string, {id, room, body}: {id: string; room: string; body: string}): Promise<void> {
    if (!UUID.test(id)) throw new Refused(400, 'A message needs a UUID.');
    if (body.trim() === '' || body.length > BODY_LENGTH_MAX)
      throw new Refused(400, `A message has 1 to ${BODY_LENGTH_MAX} characters.`);
    if ((await this.#service.table('chat.rooms').rows({where: 'name = $1', params: [room]})).length === 0)
      throw new Refused(404, 'There is no such room.');
    await this.#service.query(
      'INSERT INTO chat.messages (id, room, author, body) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING',
      [id, room, author, body],
    );
  }

  async openRoom(user: string, name: string): Promise<void> {
    checkName(name, 'A room');
    await this.#service.query(
      'INSERT INTO chat.rooms (name, opened_by) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING',
      [name, user],
    );
  }

  /** Tells all others; what they see of it is gone after the seconds that the table says. */
  async typing(author: string, room: string): Promise<void> {
    const people = await this.#service.table('chat.people').rows({where: 'name <> $1', params: [author], limit: 1000});
    const insert = 'INSERT INTO chat.typing (room, author) VALUES ($1, $2)';
    await Promise.all(people.map(({name}) => this.#service.executeAsUser(insert, name, [room, author])));
  }

  async close(): Promise<void> {
    await this.#root.shutdown();
    await this.#service.shutdown();
  }

  async #addPerson(user: string, password: string, unless: 'IF NOT EXISTS ' | ''): Promise<void> {
    try {
      await this.#root.query(withLiterals(`CREATE USER ${unless}$1 WITH PASSWORD $2 ROLE user`, [user, password]));
    } catch (error) {
      if (error instanceof KalamError && error.status === 400) throw new Refused(400, error.message);
      throw error;
    }
    await this.#service.query('INSERT INTO chat.people (name) VALUES ($1) ON CONFLICT (name) DO NOTHING', [user]);
  }
}

function checkName(name: string, what: string): void {
  if (!NAME.test(name))
    throw new Refused(400, `${what} has 2 to 20 small letters, digits and hyphens, and begins with a letter.`);
}
