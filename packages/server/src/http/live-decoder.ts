/**
 * Live decoder: frames of clients as messages of the protocol.
 *
 *     text ─ JSON                                              in either serialization
 *     binary ─ gunzip if it begins with 1f 8b ─ MessagePack    where MessagePack was agreed on
 *
 * Laws: nothing is inflated or decoded beyond the size of a message that is allowed; what cannot be read is a MessageError, whatever the bytes are.
 */
import {gunzipSync} from 'node:zlib';
import {MessageError, parseClientMessage, readClientMessage} from '@kalamdb/protocol/message-reader.ts';
import {type ClientMessage, ERROR_IDS, type Serialization} from '@kalamdb/protocol/messages.ts';
import {Decoder} from '@msgpack/msgpack';
import {isDeeper} from '../model/json-text.ts';

/** No message needs more than four. */
const DEPTH_MAX = 32;

/** Throws MessageError. */
export function decodeFrame(
  frame: {readonly bytes: Buffer; readonly isBinary: boolean},
  {serialization, bytesMax}: {readonly serialization: Serialization; readonly bytesMax: number},
): ClientMessage {
  const {bytes, isBinary} = frame;
  if (bytes.length > bytesMax) throw tooLarge(bytesMax);
  if (!isBinary) return parseText(bytes.toString());
  if (serialization !== 'msgpack') throw unsupported('Binary not supported');
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b ? inflate(bytes, bytesMax) : bytes;
  return readClientMessage(unpack(packed, bytesMax));
}

function parseText(text: string): ClientMessage {
  if (isDeeper(text, DEPTH_MAX))
    throw new MessageError('PROTOCOL', ERROR_IDS.protocol, `Invalid message: it nests deeper than ${DEPTH_MAX} levels`);
  return parseClientMessage(text);
}

function inflate(bytes: Buffer, bytesMax: number): Buffer {
  try {
    return gunzipSync(bytes, {maxOutputLength: bytesMax});
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(bytesMax);
    throw unsupported('The frame begins like gzip and cannot be inflated');
  }
}

function unpack(bytes: Buffer, bytesMax: number): unknown {
  const limits = {maxStrLength: bytesMax, maxBinLength: 0, maxArrayLength: 0, maxMapLength: DEPTH_MAX, maxExtLength: 0};
  try {
    return new Decoder({useBigInt64: true, ...limits}).decode(bytes);
  } catch (error) {
    // Whatever a decoder throws at bytes of a stranger says the same.
    throw unsupported(`The frame is not MessagePack: ${error instanceof Error ? error.message : 'unreadable'}`);
  }
}

function tooLarge(bytesMax: number): MessageError {
  return new MessageError('MESSAGE_TOO_LARGE', ERROR_IDS.protocol, `Message exceeds the limit of ${bytesMax} bytes`);
}

function unsupported(why: string): MessageError {
  return new MessageError('UNSUPPORTED_DATA', ERROR_IDS.protocol, why);
}
