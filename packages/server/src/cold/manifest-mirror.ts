/**
 * Manifest mirror: the text of the `manifest.json` that lies beside the segments of a scope, for people and other programs; never read back.
 */
import type {Schema} from '../model/schema.ts';
import type {Manifest} from './manifest.ts';
import {COLD_FORMAT_VERSION, type ListedSegment} from './segment.ts';

export function manifestJson(manifest: Manifest, schema: Schema): string {
  const json = {
    format_version: COLD_FORMAT_VERSION,
    table_id: {namespace_id: schema.name.namespace, table_name: schema.name.table},
    incarnation: manifest.scope.incarnation,
    user_id: manifest.scope.owner,
    version: manifest.version,
    created_at: manifest.createdAt,
    updated_at: manifest.updatedAt,
    segments: manifest.segments.map(segmentMirror),
    last_sequence_number: Math.max(0, manifest.batch),
    flushed_through: String(manifest.flushedThrough),
    files: null,
  };
  return JSON.stringify(json, null, 2);
}

/** `min` and `max` are the values' own JSON fragments, spliced in as they are parsed: they are small and few. */
function segmentMirror(segment: ListedSegment): object {
  const stats = Object.entries(segment.columnStats).map(([columnId, {min, max, nullCount}]) => [
    columnId,
    {
      min: min === undefined ? null : JSON.parse(min),
      max: max === undefined ? null : JSON.parse(max),
      null_count: nullCount,
      value_count: segment.rowCount - nullCount,
    },
  ]);
  return {
    id: segment.name,
    path: segment.name,
    storage_id: segment.storageId,
    columns_present: Object.keys(segment.columnStats).map(Number),
    column_stats: Object.fromEntries(stats),
    min_key: segment.minKey.toString('base64url'),
    max_key: segment.maxKey.toString('base64url'),
    min_seq: String(segment.minSeq),
    max_seq: String(segment.maxSeq),
    row_count: segment.rowCount,
    delete_count: segment.deadCount,
    tombstone_count: segment.tombstoneCount,
    size_bytes: segment.sizeBytes,
    footer_bytes: segment.footerBytes,
    checksum: segment.checksum.toString(16).padStart(8, '0'),
    created_at: segment.createdAt,
    schema_version: segment.schemaVersion,
    status: 'committed',
  };
}
