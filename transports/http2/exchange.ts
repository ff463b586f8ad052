/**
 * What is asked of a connection to an HTTP origin: blocks of requests that differ in little, and
 * blocks of answers.
 *
 * A push provider gets thousands of requests that share their method, authority, token and most of
 * their headers; a block names the shared part once. Answers come back as columns: a status and an
 * end for each request, and headers and body only of those that are worth reading. Why blocks: a
 * promise, an object and a map of headers for each request cost more than sending it.
 *
 * Both HTTP/2 and HTTP/1.1 connections speak this. Types and constants only.
 *
 * @module
 */

import type { Latencies } from "./latencies.ts";

/** One header field; names are lower-case (RFC 9113 section 8.2). */
export interface HeaderField {
  /** Its name, such as `apns-topic`. */
  readonly name: string;
  /** Its value, printable ASCII. */
  readonly value: string;
  /**
   * How HPACK may treat it: `"indexed"` enters the dynamic table, `"literal"` does not (values that
   * differ each time, or tokens that Apple asks to keep out), `"never"` tells proxies the same
   * (RFC 7541 section 7.1.3).
   */
  readonly indexing: "indexed" | "literal" | "never";
}

/** The part of the requests of a block that is the same for all; encoded once for a connection. */
export interface RequestHead {
  /** The method, such as `POST`. */
  readonly method: string;
  /** Host and port for `:authority` and `Host`. */
  readonly authority: string;
  /** Further fields, in this order. */
  readonly fields: readonly HeaderField[];
}

/** A field whose value differs from request to request; always a literal that enters no table. */
export interface VaryingField {
  /** Its name. */
  readonly name: string;
  /** Its value for each request, printable ASCII; `undefined` leaves it out. */
  readonly values: readonly (string | undefined)[];
}

/** Requests that differ in path, a few fields and body. */
export interface RequestBlock {
  /** What they share; the same object again is encoded faster. */
  readonly head: RequestHead;
  /** The path of each, with its query; as many as there are requests. */
  readonly paths: readonly string[];
  /** Further fields that differ. */
  readonly fields: readonly VaryingField[];
  /** One body for all, or one for each; an empty one sends no DATA frame. */
  readonly bodies: Uint8Array | readonly Uint8Array[];
}

/** The peer answered: its status is known, and unless that is a success, the whole answer has come. */
export const ANSWERED = 0;
/**
 * The peer has not processed the request: it was not written, or its stream is above the last one of
 * a GOAWAY, or was refused (RFC 9113 sections 6.8 and 8.7). It may be sent again elsewhere.
 */
export const UNSENT = 1;
/** The connection ended, or the stream was reset, without an answer: whether it was processed is unknown. */
export const LOST = 2;
/** No answer within the deadline: whether it was processed is unknown. */
export const TIMED_OUT = 3;
/** The answer broke the protocol or a limit of this client: a header block or body too large, no valid status. */
export const BAD_ANSWER = 4;

/** How one request ended: {@link ANSWERED}, {@link UNSENT}, {@link LOST}, {@link TIMED_OUT} or {@link BAD_ANSWER}. */
export type End = 0 | 1 | 2 | 3 | 4;

/** What is worth reading of an answer. */
export interface AnswerDetail {
  /** Its header fields by lower-case name; the last one wins. */
  readonly headers: ReadonlyMap<string, string>;
  /** The beginning of its body, bounded. */
  readonly body: Uint8Array;
}

/** The answers to a block, by the place of the request in it. */
export interface AnswerBlock {
  /** How each request ended, an {@link End}. */
  readonly ends: Uint8Array;
  /** The status of each answer, 0 where there is none. */
  readonly statuses: Uint16Array;
  /** Headers and body of every answer whose status is not 2xx. */
  readonly details: ReadonlyMap<number, AnswerDetail>;
  /** Why requests were lost, for people: the reason of a GOAWAY, an error of the socket; empty when none was. */
  readonly reason: string;
  /** From writing each request that was answered to its answer. */
  readonly latencies: Latencies;
}

/** An open connection to one origin. */
export interface HttpConnection extends AsyncDisposable {
  /** Requests the peer takes at once, as it says now; what is sent beyond waits in the connection. */
  readonly streamsMax: number;
  /** Requests sent or waiting in the connection that have not ended. */
  readonly inFlight: number;
  /** Resolves, with a reason for people, when the connection takes no more requests: closed, lost or going away. */
  readonly ended: Promise<string>;
  /**
   * Sends a block; resolves when every request of it has ended, at the latest a little after the
   * connection's request deadline. Never rejects for what a peer or a network does.
   */
  exchange(block: RequestBlock): Promise<AnswerBlock>;
  /**
   * Takes no more requests, ends those that have not begun as {@link UNSENT}, waits for the others until
   * their deadline, and closes.
   */
  close(): Promise<void>;
}
