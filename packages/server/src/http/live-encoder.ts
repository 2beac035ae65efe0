/**
 * Live encoder: events of the live room as messages of the protocol, in both serializations.
 *
 *     event ─ fields, each a JSON text ─ JSON: the texts joined          MessagePack: the same names and values as a map
 *
 * What subscribers of one query share is encoded once per serialization and kept with the group of changes (`Tail`); a client's own part is the
 * head, which names its subscription.
 *
 * Laws: both serializations say the same. Seqs are never doubles: texts in rows, bare digits or 64-bit integers in `last_seq_id`.
 */

import type {ErrorMessage, Serialization} from '@kalamdb/protocol/messages.ts';
import {Encoder} from '@msgpack/msgpack';
import type {Change, ChangeGroup, LiveEvent, LiveRow, RowColumn} from '../live/live.ts';
import type {Seq} from '../model/names.ts';
import {type Message, Tail} from './live-frames.ts';

/** Name and value as JSON text; with a value where MessagePack has a type that the text does not tell. */
type Field = readonly [name: string, json: string, value?: unknown];

type SharedEvent = Exclude<LiveEvent, {kind: 'end'}>;

/** What goes out for an event, in order. `end` is an error message, which is not encoded here. */
export function messagesOf(event: SharedEvent, serialization: Serialization): Message[] {
  const {id} = event.subscription;
  switch (event.kind) {
    case 'ack':
      return [messageOf('subscription_ack', id, ackFields(event), serialization)];
    case 'batch':
      return [messageOf('initial_data_batch', id, batchFields(event), serialization)];
    case 'changes':
      return changeTails(event.group, serialization).map(({tail, fieldCount}) => ({
        isText: serialization === 'json',
        head: changeHead(id, fieldCount, serialization),
        tail,
      }));
    default:
      throw new TypeError(`unknown event ${event satisfies never}`);
  }
}

/** What clients that page by themselves expect after an ack, though a resume brings changes only. */
export function emptyBatch(subscriptionId: string, serialization: Serialization): Message {
  const fields: Field[] = [['rows', '[]'], controlField({batchNum: 0, hasMore: false, status: 'ready', lastSeq: null})];
  return messageOf('initial_data_batch', subscriptionId, fields, serialization);
}

export function errorText(error: Omit<ErrorMessage, 'type'>): string {
  return JSON.stringify({type: 'error', ...error});
}

function messageOf(type: string, id: string, fields: readonly Field[], serialization: Serialization): Message {
  return {
    isText: serialization === 'json',
    head: headOf(type, id, fields.length, serialization),
    tail: new Tail(tailOf(fields, serialization)),
  };
}

// ---- fields ----------------------------------------------------------------------------------------------------------------------------

function ackFields({start, columns, control, subscription}: Extract<LiveEvent, {kind: 'ack'}>): Field[] {
  const fields: Field[] = [
    ['total_rows', '0'],
    controlField({...control, lastSeq: null}),
    ['schema', JSON.stringify(columns)],
  ];
  if (start === 'resync') fields.push(['resync', 'true']);
  if (start === 'changes' || start === 'resume') fields.push(['seq', seqJson(subscription.resumeFrom)]);
  return fields;
}

function batchFields({columns, rows, control, isResync, seq}: Extract<LiveEvent, {kind: 'batch'}>): Field[] {
  const fields: Field[] = [['rows', rowsJson(rows.map(row => rowJson(columns, row.cells)))], controlField(control)];
  if (isResync) fields.push(['resync', 'true']);
  fields.push(['seq', seqJson(seq)]);
  return fields;
}

type Control = Extract<LiveEvent, {kind: 'batch'}>['control'];

function controlField({batchNum, hasMore, status, lastSeq}: Control): Field {
  const json = `{"batch_num":${batchNum},"has_more":${hasMore},"status":"${status}","last_seq_id":${lastSeq}}`;
  return ['batch_control', json, {batch_num: batchNum, has_more: hasMore, status, last_seq_id: lastSeq}];
}

interface SharedTail {
  readonly tail: Tail;
  readonly fieldCount: number;
}

function changeTails(group: ChangeGroup, serialization: Serialization): readonly SharedTail[] {
  const kept = group.encoded.get(serialization) as readonly SharedTail[] | undefined;
  if (kept !== undefined) return kept;
  const tails = group.changes.map((change, i) => {
    const fields = changeFields(group, change, i === group.changes.length - 1);
    return {tail: new Tail(tailOf(fields, serialization)), fieldCount: fields.length};
  });
  group.encoded.set(serialization, tails);
  return tails;
}

function changeFields(group: ChangeGroup, change: Change, isLast: boolean): Field[] {
  const {columns} = group;
  const {kind, rows} = change;
  const fields: Field[] = [['change_type', `"${kind}"`]];
  if (kind === 'insert') fields.push(['rows', rowsJson(rows.map(row => rowJson(columns, row.cells)))]);
  if (kind === 'update') {
    const shown = columns.map(({name}) => name !== '_deleted');
    fields.push(['rows', rowsJson(rows.map(row => rowJson(columns, row.cells, shown)))]);
    fields.push(['old_values', rowsJson(rows.map(row => oldJson(columns, row)))]);
  }
  if (kind === 'delete') {
    fields.push(['old_values', rowsJson(rows.map(row => goneJson(columns, row, change.reason === 'deleted')))]);
    const removed = rows.map(row => row.removedSeq);
    if (removed.length > 0 && removed.every(seq => seq !== undefined))
      fields.push(['removed_seqs', `[${removed.map(seqJson).join(',')}]`]);
  }
  const reason = REASONS[change.reason];
  if (reason !== undefined) fields.push(['reason', `"${reason}"`]);
  fields.push(['seq', seqJson(isLast ? group.lastSeq : rows.at(-1)!.seq)]);
  if (!isLast || group.hasMore) fields.push(['more', 'true']);
  return fields;
}

const REASONS: Record<Change['reason'], string | undefined> = {
  new: undefined,
  enter: 'enter',
  stay: undefined,
  leave: 'leave',
  deleted: undefined,
  evicted: 'expired',
};

// ---- rows ------------------------------------------------------------------------------------------------------------------------------

function rowsJson(rows: readonly string[]): string {
  return `[${rows.join(',')}]`;
}

/** Cells that are not known are left out, and those of columns that are not shown. */
function rowJson(columns: readonly RowColumn[], cells: LiveRow['cells'], shown?: readonly boolean[]): string {
  let json = '';
  for (let i = 0; i < columns.length; i++) {
    const cell = cells[i];
    if (cell === undefined || shown?.[i] === false) continue;
    json += `${json === '' ? '' : ','}${nameJson(columns[i]!.name)}:${cell}`;
  }
  return `{${json}}`;
}

/** Without `_seq`: clients that were released earlier would take it for one that they have seen. Unknown: the key, which does not change. */
function oldJson(columns: readonly RowColumn[], {cells, old}: LiveRow): string {
  const shown = columns.map(({name, isKey}) => name !== '_seq' && (old !== undefined || isKey));
  return rowJson(columns, old ?? cells, shown);
}

/** The row as it was last, with the seq of what took it away. */
function goneJson(columns: readonly RowColumn[], {cells, seq}: LiveRow, isDeleted: boolean): string {
  const gone = columns.map(({name}, i) => {
    if (name === '_seq') return seqJson(seq);
    return name === '_deleted' && isDeleted ? 'true' : cells[i];
  });
  return rowJson(columns, gone);
}

const nameTexts = new Map<string, string>();
const NAMES_KEPT_MAX = 10_000;

/** Names of columns as JSON, kept: they come again with every row. */
function nameJson(name: string): string {
  const kept = nameTexts.get(name);
  if (kept !== undefined) return kept;
  if (nameTexts.size >= NAMES_KEPT_MAX) nameTexts.clear();
  const json = JSON.stringify(name);
  nameTexts.set(name, json);
  return json;
}

function seqJson(seq: Seq): string {
  return `"${seq}"`;
}

// ---- serializations --------------------------------------------------------------------------------------------------------------------

const packer = new Encoder({useBigInt64: true});
/** A map of up to 15 members begins with one byte. */
const FIXMAP = 0x80;
const FIXMAP_MEMBERS_MAX = 15;

function headOf(type: string, id: string, fieldCount: number, serialization: Serialization): Buffer {
  if (serialization === 'json') return Buffer.from(`{"type":"${type}","subscription_id":${JSON.stringify(id)},`);
  const members = 2 + fieldCount;
  if (members > FIXMAP_MEMBERS_MAX) throw new RangeError(`a message of ${members} members`);
  const parts = ['type', type, 'subscription_id', id].map(text => packer.encodeSharedRef(text).slice());
  return Buffer.concat([Buffer.from([FIXMAP | members]), ...parts]);
}

/** Heads of changes, by number of members and id, kept: they come again with every change. Of JSON the number does not matter. */
const changeHeads: Map<string, Buffer>[] = [];
const HEADS_KEPT_MAX = 10_000;

function changeHead(id: string, fieldCount: number, serialization: Serialization): Buffer {
  const at = serialization === 'json' ? 0 : fieldCount;
  changeHeads[at] ??= new Map();
  const heads = changeHeads[at];
  const kept = heads.get(id);
  if (kept !== undefined) return kept;
  if (heads.size >= HEADS_KEPT_MAX) heads.clear();
  const head = headOf('change', id, fieldCount, serialization);
  heads.set(id, head);
  return head;
}

function tailOf(fields: readonly Field[], serialization: Serialization): Buffer {
  if (serialization === 'json') return Buffer.from(`${fields.map(([name, json]) => `"${name}":${json}`).join(',')}}`);
  const parts = fields.flatMap(([name, json, value]) => [
    packer.encode(name),
    packer.encode(value === undefined ? JSON.parse(json) : value),
  ]);
  return Buffer.concat(parts);
}
