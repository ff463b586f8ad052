/**
 * What a node does for another, and how a call ends that does not succeed.
 *
 * @module
 */

import type { Content, ContentHeaders, PushMessage } from "../message_store/records.ts";

export type { Content, ContentHeaders, PushMessage };

/** A session named from another node. */
export interface DisplacedSession {
  /** The user agent, 32 lower-case hexadecimal digits. */
  readonly uaid: string;
  /** Its session there, 1 to 128 printable ASCII characters. */
  readonly session: string;
}

/** A node as another sees it. A rejection means that it could not be reached or could not do it now. */
export interface Peer {
  /** Hands messages to their sessions; answers, by place, whether the session was there. */
  push(messages: readonly PushMessage[]): Promise<readonly boolean[]>;
  /** Has the sessions of these user agents look into the store; answers, by place, whether they were there. */
  notify(uaids: readonly string[]): Promise<readonly boolean[]>;
  /** Ends these sessions, whose user agents have connected elsewhere. */
  displace(sessions: readonly DisplacedSession[]): Promise<void>;
}

/** Why a call to another node has no answer. */
export type PeerErrorCode =
  /** Nobody listens there, or the connection broke. */
  | "unreachable"
  /** The deadline passed; the node may or may not have done it. */
  | "timeout"
  /** The node shares none of our keys. */
  | "unauthorized"
  /** The node found fault with the request: its version of this program is another one. */
  | "refused"
  /** The node cannot do it now. */
  | "unavailable"
  /** What answers there is no node. */
  | "bad_answer"
  /** Too many calls at once, on this side. */
  | "overloaded"
  /** The client was closed. */
  | "closed";

/** A call to another node that has no answer. Its text names the node's origin and never a secret. */
export class PeerError extends Error {
  /** Name of the class. */
  override readonly name = "PeerError";
  /** Stable name of the reason. */
  readonly code: PeerErrorCode;

  /** Of this reason; `message` is for people. */
  constructor(code: PeerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
