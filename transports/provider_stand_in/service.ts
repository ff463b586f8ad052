/**
 * What a provider is to its connections: requests in, answers out, whatever carries them.
 *
 * @module
 */

import { ByteBuffer } from "../http2/byte_buffer.ts";
import { HpackEncoder } from "../http2/hpack_encoder.ts";
import type { HpackField } from "../http2/hpack_table.ts";
import type { World } from "./world.ts";

/** A request that arrived completely. */
export interface ProviderRequest {
  /** Its method. */
  readonly method: string;
  /** Its path with its query. */
  readonly path: string;
  /** Its other fields, pseudo-fields too, in their order. */
  readonly fields: readonly HpackField[];
  /** Its body; valid until the answer was given. */
  readonly body: Uint8Array;
}

/** The part of an answer that many have in common; encoded once. */
export class Reply {
  /** Its status. */
  readonly status: number;
  /** Its fields, lower-case. */
  readonly fields: readonly HpackField[];
  /** Its body, unless the answer has one of its own. */
  readonly body: Uint8Array;
  /** Status and fields for HPACK, referring to no dynamic table. */
  readonly head: Uint8Array;

  /** An answer's common part. */
  constructor(status: number, fields: Readonly<Record<string, string>> = {}, body = "") {
    this.status = status;
    this.fields = Object.entries(fields).map(([name, value]) => ({ name, value }));
    this.body = new TextEncoder().encode(body);
    const out = new ByteBuffer(256);
    const encoder = new HpackEncoder();
    for (const field of [{ name: ":status", value: `${status}` }, ...this.fields]) {
      encoder.writeField(out, { ...field, indexing: "literal" });
    }
    this.head = out.view().slice();
  }
}

/** A reply with a JSON body. */
export function jsonReply(status: number, body: unknown): Reply {
  return new Reply(status, { "content-type": "application/json" }, JSON.stringify(body));
}

/** An answer. */
export interface Answer {
  /** What it has in common with others. */
  readonly reply: Reply;
  /** A field of its own. */
  readonly own?: HpackField;
  /** A body of its own, at most `ANSWER_BODY_BYTES_MAX`. */
  readonly body?: Uint8Array;
}

/** What a provider remembers of one connection. */
export interface Peer {
  /** Whether a request with a valid token was answered. */
  authenticated: boolean;
  /** When the token in use was issued, in seconds. */
  issuedAtSeconds: number | undefined;
}

/** A provider. */
export interface Service {
  /** Its recipients. */
  readonly world: World;
  /** Answers a request and counts it. */
  answer(request: ProviderRequest, peer: Peer): Answer;
  /** The answer to a request whose body or headers exceed what is read. */
  tooLarge(): Answer;
}
