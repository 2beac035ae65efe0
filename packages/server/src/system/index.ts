/**
 * The table of system tables, and how they are named.
 *
 * A system table goes by `jobs`, `system.jobs` or, as the column family it once was, `system_jobs`, in any case.
 * Laws: every visible name reads back as itself in all three forms. No two tables share a name or an incarnation.
 */
import {fail} from '@kalamdb/protocol/errors.ts';
import type {Value} from '../model/datatype.ts';
import type {Incarnation} from '../model/names.ts';
import type {Session} from '../model/session.ts';
import {AUDIT_LOG} from './audit-log.ts';
import {CLUSTER, CLUSTER_GROUPS} from './cluster.ts';
import {COLUMNS} from './columns.ts';
import {DATATYPES} from './datatypes.ts';
import type {SystemTableFacts} from './define.ts';
import {DESCRIBE} from './describe.ts';
import {IDEMPOTENCY_KEYS} from './idempotency-keys.ts';
import {
  DF_SETTINGS,
  INFORMATION_COLUMNS,
  INFORMATION_SCHEMATA,
  INFORMATION_TABLES,
  INFORMATION_VIEWS,
  KEY_COLUMN_USAGE,
  PARAMETERS,
  ROUTINES,
  TABLE_CONSTRAINTS,
} from './information.ts';
import {JOB_NODES} from './job-nodes.ts';
import {JOBS} from './jobs.ts';
import {LIVE, LIVE_QUERIES} from './live-queries.ts';
import {MANIFEST} from './manifest.ts';
import {META} from './meta.ts';
import {NAMESPACES, NAMESPACES_VIEW} from './namespaces.ts';
import {SCHEMAS, SCHEMAS_VIEW} from './schemas.ts';
import {SERVER_LOGS} from './server-logs.ts';
import {SESSIONS} from './sessions.ts';
import {SETTINGS} from './settings.ts';
import {SIGN_INS} from './sign-ins.ts';
import {STATS} from './stats.ts';
import {STORAGE_LOCATIONS} from './storage-locations.ts';
import {STORAGES} from './storages.ts';
import {TABLE_SCHEMAS} from './table-schemas.ts';
import {TABLES} from './tables.ts';
import {TRANSACTIONS} from './transactions.ts';
import {USERS} from './users.ts';
import {VIEWS} from './views.ts';

/** The first eight are those of October 2025, in their order; the later ones follow. */
const VISIBLE = [
  USERS,
  NAMESPACES_VIEW,
  TABLES,
  TABLE_SCHEMAS,
  STORAGE_LOCATIONS,
  STORAGES,
  LIVE_QUERIES,
  JOBS,
  SCHEMAS_VIEW,
  MANIFEST,
  STATS,
  SETTINGS,
  LIVE,
  COLUMNS,
  DATATYPES,
  DESCRIBE,
  JOB_NODES,
  AUDIT_LOG,
  SESSIONS,
  TRANSACTIONS,
  SERVER_LOGS,
  CLUSTER,
  CLUSTER_GROUPS,
] as const;

/** Of the namespace `information_schema`. */
const INFORMATION = [
  INFORMATION_TABLES,
  INFORMATION_COLUMNS,
  INFORMATION_SCHEMATA,
  INFORMATION_VIEWS,
  TABLE_CONSTRAINTS,
  KEY_COLUMN_USAGE,
  ROUTINES,
  DF_SETTINGS,
  PARAMETERS,
] as const;

const HIDDEN = [NAMESPACES, SCHEMAS, META, VIEWS, SIGN_INS, IDEMPOTENCY_KEYS] as const;

type Declared = (typeof VISIBLE)[number] | (typeof HIDDEN)[number];

export type SystemTableName = (typeof VISIBLE)[number]['name'];

/** For a session, which may find there what it may read and no more. Values are in column order. */
export type SystemReader = (session: Session) => Iterable<readonly Value[]>;

/** Readers of all computed tables, by name: a forgotten one does not compile. */
export type ComputedTables = {
  readonly [Name in Extract<Declared, {kind: 'computed'}>['name']]: SystemReader;
};

/** The same of `information_schema`. */
export type InformationTables = {readonly [Name in (typeof INFORMATION)[number]['name']]: SystemReader};

/** Every declaration, hidden ones included: what the catalog starts from. */
export const SYSTEM_TABLES: readonly SystemTableFacts[] = [...VISIBLE, ...HIDDEN, ...INFORMATION];

const BY_NAME: ReadonlyMap<string, SystemTableName> = new Map(VISIBLE.map(table => [table.name, table.name]));
const BY_INCARNATION: ReadonlyMap<Incarnation, SystemTableFacts> = new Map(
  SYSTEM_TABLES.map(table => [table.schema.incarnation, table]),
);

/** The declaration of a system table's schema; undefined for tables of users. */
export function systemTable(incarnation: Incarnation): SystemTableFacts | undefined {
  return BY_INCARNATION.get(incarnation);
}

export const SystemTable = {
  all: VISIBLE.map(table => table.name) as readonly SystemTableName[],

  tableName(table: SystemTableName): string {
    return table;
  },

  columnFamilyName(table: SystemTableName): string {
    return `system_${table}`;
  },

  /** Throws Not found on an unknown name. */
  fromName(text: string): SystemTableName {
    const table = find(text);
    if (table === undefined) throw fail.notFound(`System table '${text}' not found`);
    return table;
  },

  isSystemTable(text: string): boolean {
    return find(text) !== undefined;
  },
} as const;

function find(text: string): SystemTableName | undefined {
  const name = text.toLowerCase();
  return BY_NAME.get(name) ?? BY_NAME.get(name.replace(/^system[._]/, ''));
}
