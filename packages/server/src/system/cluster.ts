/**
 * Cluster: the nodes, and the logs they keep. A server is one node, which leads the one log there is.
 *
 * Columns of May 2026; what only followers and votes would have is null.
 */
import {defineSystemTable} from './define.ts';

export const CLUSTER = defineSystemTable({
  name: 'cluster',
  incarnation: 38,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'Nodes: this server.',
  primaryKey: 'node_id',
  columns: [
    {id: 1, name: 'cluster_id', type: 'text', isNullable: false, doc: 'cluster.'},
    {id: 2, name: 'node_id', type: 'bigint', isNullable: false, doc: '1.'},
    {id: 3, name: 'role', type: 'text', isNullable: false, doc: 'leader.'},
    {
      id: 4,
      name: 'status',
      type: 'text',
      isNullable: false,
      doc: 'active, or read_only after a failed write of the log.',
    },
    {id: 5, name: 'rpc_addr', type: 'text', isNullable: false, doc: 'Empty: nodes do not speak to each other.'},
    {id: 6, name: 'api_addr', type: 'text', isNullable: false, doc: 'Address of the HTTP API, as it is set.'},
    {id: 7, name: 'is_self', type: 'boolean', isNullable: false, doc: 'true.'},
    {id: 8, name: 'is_leader', type: 'boolean', isNullable: false, doc: 'true.'},
    {id: 9, name: 'groups_leading', type: 'int', isNullable: false, doc: '1.'},
    {id: 10, name: 'total_groups', type: 'int', isNullable: false, doc: '1.'},
    {id: 11, name: 'current_term', type: 'bigint', isNullable: true, doc: 'Nobody votes.'},
    {
      id: 12,
      name: 'last_applied_log',
      type: 'bigint',
      isNullable: true,
      doc: 'Seq of the newest commit that is visible.',
    },
    {id: 13, name: 'leader_last_log_index', type: 'bigint', isNullable: true, doc: 'The same.'},
    {id: 14, name: 'snapshot_index', type: 'bigint', isNullable: true, doc: 'Seq of the newest checkpoint.'},
    {id: 15, name: 'catchup_progress_pct', type: 'smallint', isNullable: true, doc: 'There are no followers.'},
    {id: 16, name: 'replication_lag', type: 'bigint', isNullable: true, doc: '0.'},
    {id: 17, name: 'hostname', type: 'text', isNullable: true, doc: 'Name of the machine.'},
    {id: 18, name: 'version', type: 'text', isNullable: true, doc: 'Version of the server.'},
    {id: 19, name: 'memory_mb', type: 'bigint', isNullable: true, doc: 'Memory of the machine.'},
    {id: 20, name: 'memory_usage_mb', type: 'bigint', isNullable: true, doc: 'Memory of the process.'},
    {id: 21, name: 'cpu_usage_percent', type: 'float', isNullable: true, doc: 'Of one core, since the process began.'},
    {id: 22, name: 'uptime_seconds', type: 'bigint', isNullable: true, doc: 'Time since the start.'},
    {id: 23, name: 'uptime_human', type: 'text', isNullable: true, doc: 'The same for people.'},
    {id: 24, name: 'os', type: 'text', isNullable: true, doc: 'Operating system.'},
    {id: 25, name: 'arch', type: 'text', isNullable: true, doc: 'Architecture of the processor.'},
  ],
});

export const CLUSTER_GROUPS = defineSystemTable({
  name: 'cluster_groups',
  incarnation: 39,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'Logs and the nodes that keep them: one, and this server.',
  primaryKey: 'group_id',
  columns: [
    {id: 1, name: 'group_id', type: 'bigint', isNullable: false, doc: '1.'},
    {id: 2, name: 'cluster_id', type: 'text', isNullable: false, doc: 'cluster.'},
    {id: 3, name: 'node_id', type: 'bigint', isNullable: false, doc: '1.'},
    {id: 4, name: 'group_type', type: 'text', isNullable: false, doc: 'log: of all tables, users and system tables.'},
    {id: 5, name: 'current_term', type: 'bigint', isNullable: true, doc: '1: nobody votes.'},
    {id: 6, name: 'vote', type: 'json', isNullable: true, doc: 'Nobody votes.'},
    {id: 7, name: 'last_log_index', type: 'bigint', isNullable: true, doc: 'Seq of the newest commit.'},
    {id: 8, name: 'last_applied', type: 'bigint', isNullable: true, doc: 'Seq of the newest commit that is visible.'},
    {id: 9, name: 'snapshot', type: 'bigint', isNullable: true, doc: 'Seq of the newest checkpoint.'},
    {id: 10, name: 'purged', type: 'bigint', isNullable: true, doc: 'Files of the log go whole, not by seq.'},
    {id: 11, name: 'committed', type: 'bigint', isNullable: true, doc: 'Seq of the newest commit.'},
    {id: 12, name: 'state', type: 'text', isNullable: true, doc: 'Leader.'},
    {id: 13, name: 'current_leader', type: 'bigint', isNullable: true, doc: '1.'},
    {id: 14, name: 'millis_since_quorum_ack', type: 'bigint', isNullable: true, doc: 'There is nobody to ask.'},
  ],
});
