/**
 * What went over a relayed WebSocket, as messages: the proof of what was really on the wire.
 *
 * Reads the recorded bytes of both directions after the upgrade (RFC 6455 section 5.2) and keeps
 * each text message with its direction, and each Close with its code. Made for the traffic of
 * tests: unfragmented frames; anything else is kept as its opcode.
 *
 * @module
 */

import { Arrivals } from "./arrivals.ts";
import type { Direction, Relay, RelayedConnection } from "./relay.ts";

/** One message seen on the wire. */
export interface WireMessage {
  /** Which way it went. */
  readonly direction: Direction;
  /** Number of the connection, from 1. */
  readonly connection: number;
  /** Its `messageType`, `"ping"` for `{}`, `"close"` for a Close frame, else `"frame"`. */
  readonly type: string;
  /** The JSON object, empty for control frames. */
  readonly body: ReadonlyMap<string, unknown>;
  /** The text as sent, or the code of a Close. */
  readonly text: string;
}

/** One direction of one connection, as far as it is read. */
interface Stream {
  rest: Uint8Array;
  upgraded: boolean;
}

/** Collects the messages of every connection through a relay. */
export function logMessages(relay: Relay): Arrivals<WireMessage> {
  const log = new Arrivals<WireMessage>();
  const numbers = new Map<RelayedConnection, number>();
  const streams = new Map<RelayedConnection, { up: Stream; down: Stream }>();
  relay.onBytes = (conn, direction, bytes) => {
    const connection = numbers.get(conn) ?? numbers.size + 1;
    numbers.set(conn, connection);
    const both = streams.get(conn) ?? { up: fresh(), down: fresh() };
    streams.set(conn, both);
    const stream = both[direction];
    stream.rest = join(stream.rest, bytes);
    if (!stream.upgraded) skipHead(stream);
    for (let frame = takeFrame(stream); frame !== undefined; frame = takeFrame(stream)) {
      log.add({ direction, connection, ...read(frame) });
    }
  };
  return log;
}

function fresh(): Stream {
  return { rest: new Uint8Array(0), upgraded: false };
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** Drops the HTTP request or response that precedes the frames. */
function skipHead(stream: Stream): void {
  const end = new TextDecoder("latin1").decode(stream.rest).indexOf("\r\n\r\n");
  if (end < 0) return;
  stream.rest = stream.rest.subarray(end + 4);
  stream.upgraded = true;
}

function takeFrame(stream: Stream): { opcode: number; payload: Uint8Array } | undefined {
  const { rest } = stream;
  if (!stream.upgraded || rest.length < 2) return undefined;
  const view = new DataView(rest.buffer, rest.byteOffset, rest.byteLength);
  const masked = (view.getUint8(1) & 0x80) !== 0;
  let length = view.getUint8(1) & 0x7f;
  let at = 2;
  if (length === 126) {
    if (rest.length < 4) return undefined;
    length = view.getUint16(2);
    at = 4;
  } else if (length === 127) {
    if (rest.length < 10) return undefined;
    length = Number(view.getBigUint64(2));
    at = 10;
  }
  const mask = masked ? rest.subarray(at, at + 4) : undefined;
  if (masked) at += 4;
  if (rest.length < at + length) return undefined;
  const payload = rest.slice(at, at + length);
  if (mask !== undefined) {
    for (let i = 0; i < length; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0);
  }
  stream.rest = rest.subarray(at + length);
  return { opcode: view.getUint8(0) & 0x0f, payload };
}

function read(
  frame: { opcode: number; payload: Uint8Array },
): Pick<WireMessage, "type" | "body" | "text"> {
  const none = new Map<string, unknown>();
  if (frame.opcode === 8) {
    const [high = 0, low = 0] = frame.payload;
    return { type: "close", body: none, text: `${high * 256 + low}` };
  }
  if (frame.opcode !== 1) return { type: "frame", body: none, text: `${frame.opcode}` };
  const text = new TextDecoder().decode(frame.payload);
  const value: unknown = JSON.parse(text);
  const body = new Map(typeof value === "object" && value !== null ? Object.entries(value) : []);
  const type = body.get("messageType");
  return { type: typeof type === "string" ? type : "ping", body, text };
}
