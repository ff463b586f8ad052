/**
 * What a scripted peer does while a request is open on stream 1, for tables.
 *
 * @module
 */

import { type ByteBuffer, writeFrameHeader } from "../../../transports/http2/mod.ts";
import type { Peer } from "./scripted_peer.ts";

/** What a peer does while a request is open on stream 1. */
export type Act = (out: ByteBuffer, peer: Peer) => void;

/** A frame as it stands. */
export function raw(
  type: number,
  flags: number,
  streamId: number,
  payload: readonly number[],
): Act {
  return (out) => {
    writeFrameHeader(out, payload.length, type, flags, streamId);
    out.append(Uint8Array.from(payload));
  };
}

/** HEADERS of stream 1 that end it. */
export function head(...fields: readonly (readonly [string, string])[]): Act {
  return (out, peer) => peer.writeHeaders(out, 1, fields, true);
}

/** HEADERS of stream 1 with more to follow. */
export function openHead(...fields: readonly (readonly [string, string])[]): Act {
  return (out, peer) => peer.writeHeaders(out, 1, fields, false);
}

/** One after the other. */
export function all(...acts: readonly Act[]): Act {
  return (out, peer) => acts.forEach((act) => act(out, peer));
}

/** The usual status. */
export const OK = [":status", "200"] as const;
