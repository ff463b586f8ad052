/**
 * Typed access to the replies of commands and scripts, which this program knows the shape of: another
 * shape is a bug of this program, not a state of the world, and throws.
 *
 * Blobs come as bytes and numbers as numbers; a status is a text.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { invariant } from "./errors.ts";

/** The whole number a reply is. */
export function integerReply(reply: unknown): number {
  invariant(Number.isSafeInteger(reply), "a reply is no integer");
  return Number(reply);
}

/** The text a reply is, be it a blob or a status. */
export function textReply(reply: unknown): string {
  if (typeof reply === "string") return reply;
  invariant(Buffer.isBuffer(reply), "a reply is no text");
  return reply.toString("utf8");
}

/** The text a reply is, `undefined` when there is none. */
export function optionalTextReply(reply: unknown): string | undefined {
  return reply === null ? undefined : textReply(reply);
}

/** The bytes a reply is. */
export function bytesReply(reply: unknown): Uint8Array {
  invariant(Buffer.isBuffer(reply), "a reply is no blob");
  return reply;
}

/** The items of a reply. */
export function arrayReply(reply: unknown): readonly unknown[] {
  invariant(Array.isArray(reply), "a reply is no array");
  return reply;
}
