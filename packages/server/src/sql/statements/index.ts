/** The statements this server runs. Order does not matter: the longest matching head wins. */
import type {StatementKind} from '../define.ts';
import {alterTable} from './alter-table.ts';
import {changingWith} from './changing-with.ts';
import {cluster} from './cluster.ts';
import {storageCompactAll, storageCompactTable} from './compact.ts';
import {createTable} from './create-table.ts';
import {describe, describeTable, showColumns} from './describe-table.ts';
import {deleteRows, insertRows, updateRows} from './dml.ts';
import {dropTable} from './drop-table.ts';
import {explain, explainAnalyze} from './explain.ts';
import {flushAllTables, flushTable, storageFlushAll, storageFlushTable} from './flush.ts';
import {killJob} from './kill-job.ts';
import {killLiveQuery, subscribeTo} from './live.ts';
import {alterNamespace, createNamespace, dropNamespace, showNamespaces} from './namespaces.ts';
import {select} from './select.ts';
import {setOption, showAll, showSetting} from './settings.ts';
import {showManifest, showStats, showTables} from './show-tables.ts';
import {alterStorage, createStorage, dropStorage, showStorages, storageCheck} from './storages.ts';
import {begin, commit, release, rollback, savepoint} from './transactions.ts';
import {useNamespace} from './use.ts';
import {alterUser, createUser, dropUser} from './users.ts';
import {createView, dropView} from './views.ts';

export const STATEMENTS: readonly StatementKind[] = [
  createUser,
  alterUser,
  dropUser,
  select,
  insertRows,
  updateRows,
  deleteRows,
  changingWith,
  begin,
  commit,
  rollback,
  savepoint,
  release,
  explain,
  explainAnalyze,
  createNamespace,
  alterNamespace,
  dropNamespace,
  showNamespaces,
  useNamespace,
  createTable,
  dropTable,
  alterTable,
  createView,
  dropView,
  showTables,
  describeTable,
  describe,
  showColumns,
  showStats,
  showManifest,
  flushTable,
  flushAllTables,
  storageFlushTable,
  storageFlushAll,
  createStorage,
  alterStorage,
  dropStorage,
  showStorages,
  storageCheck,
  storageCompactTable,
  storageCompactAll,
  killJob,
  cluster,
  subscribeTo,
  killLiveQuery,
  setOption,
  showSetting,
  showAll,
];
