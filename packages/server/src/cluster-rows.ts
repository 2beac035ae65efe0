/** Cluster rows: what a server that is one node tells of itself in the tables of nodes and of their logs. */
import type {Value} from './model/datatype.ts';
import type {Machine} from './std/machine.ts';
import {CLUSTER, CLUSTER_GROUPS} from './system/cluster.ts';
import type {Checkpointer} from './table/checkpointer.ts';
import type {Commit} from './table/commit.ts';

/** One server is one node. */
export const NODE_ID = 1n;
export const CLUSTER_ID = 'cluster';

export interface NodeOptions {
  readonly version: string;
  /** Address of the HTTP API as it is set; empty where nobody set one. */
  readonly apiAddress: string;
  readonly machine: () => Machine;
  readonly uptimeMs: () => number;
  readonly commit: Pick<Commit, 'watermark'>;
  readonly checkpointer: Pick<Checkpointer, 'newest'>;
  readonly log: {stats(): {readonly state: string}};
}

export function clusterRow({version, apiAddress, machine, uptimeMs, ...state}: NodeOptions): readonly Value[] {
  const {hostname, os, arch, totalBytes, rss, cpuPercent} = machine();
  const {newestSeq, checkpointSeq} = seqsOf(state);
  return CLUSTER.toValues({
    ...{cluster_id: CLUSTER_ID, node_id: NODE_ID, role: 'leader'},
    status: state.log.stats().state === 'open' ? 'active' : 'read_only',
    ...{rpc_addr: '', api_addr: apiAddress},
    ...{is_self: true, is_leader: true, groups_leading: 1, total_groups: 1, current_term: 1n},
    ...{last_applied_log: newestSeq, leader_last_log_index: newestSeq, snapshot_index: checkpointSeq},
    ...{catchup_progress_pct: null, replication_lag: 0n},
    ...{hostname, version, memory_mb: megabytes(totalBytes), memory_usage_mb: megabytes(rss)},
    cpu_usage_percent: Math.fround(cpuPercent),
    uptime_seconds: BigInt(Math.floor(uptimeMs() / 1000)),
    ...{uptime_human: uptimeText(uptimeMs()), os, arch},
  });
}

export function clusterGroupRow(state: Pick<NodeOptions, 'commit' | 'checkpointer'>): readonly Value[] {
  const {newestSeq, checkpointSeq} = seqsOf(state);
  return CLUSTER_GROUPS.toValues({
    ...{group_id: 1n, cluster_id: CLUSTER_ID, node_id: NODE_ID, group_type: 'log', current_term: 1n, vote: null},
    ...{
      last_log_index: newestSeq,
      last_applied: newestSeq,
      snapshot: checkpointSeq,
      purged: null,
      committed: newestSeq,
    },
    ...{state: 'Leader', current_leader: NODE_ID, millis_since_quorum_ack: null},
  });
}

function seqsOf({commit, checkpointer}: Pick<NodeOptions, 'commit' | 'checkpointer'>) {
  const {newest} = checkpointer;
  return {newestSeq: commit.watermark, checkpointSeq: newest === 0n ? null : newest};
}

export function uptimeText(uptimeMs: number): string {
  const seconds = Math.floor(uptimeMs / 1000);
  return `${Math.floor(seconds / 3600)}h ${Math.floor((seconds % 3600) / 60)}m ${seconds % 60}s`;
}

export function megabytes(bytes: number): bigint {
  return BigInt(Math.round(bytes / 1024 / 1024));
}
