/**
 * Refuses requests that must not be written (RFC 9113 sections 8.2 and 8.3): a mistake of the
 * caller, found before anything of its block is sent.
 *
 * @module
 */

import type { HeaderField, RequestBlock, RequestHead } from "./exchange.ts";

/** A token in lower case (RFC 9110 section 5.6.2, RFC 9113 section 8.2). */
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
/** Printable ASCII with spaces and tabs inside (RFC 9110 section 5.5, RFC 9113 section 8.2.1). */
const VALUE = /^(?:[!-~](?:[ -~\t]*[!-~])?)?$/;
/** `:path` of an http URL (RFC 9113 section 8.3.1). */
const PATH = /^\/[!-~]*$/;
const AUTHORITY = /^[!-~]+$/;
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Fields that speak of the connection (RFC 9113 section 8.2.2), and the one that `:authority` stands for. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  "connection",
  "host",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** Characters of a wrong value that are shown. */
const SHOWN_CHARS = 40;

/** Heads that were found good: a head is used for many blocks. */
const checkedHeads = new WeakSet<RequestHead>();

/**
 * Checks a block.
 *
 * @throws {TypeError} For a field that cannot be sent, or columns of different lengths.
 */
export function checkBlock(block: RequestBlock): void {
  checkHead(block.head);
  const count = block.paths.length;
  for (let i = 0; i < count; i++) check(PATH, "path", block.paths[i] ?? "");
  if (!(block.bodies instanceof Uint8Array)) checkLength("bodies", block.bodies.length, count);
  for (const { name, values } of block.fields) {
    checkName(name);
    checkLength(`"${name}"`, values.length, count);
    for (let i = 0; i < count; i++) {
      const value = values[i];
      if (value !== undefined) check(VALUE, name, value);
    }
  }
}

function checkHead(head: RequestHead): void {
  if (checkedHeads.has(head)) return;
  check(METHOD, "method", head.method);
  check(AUTHORITY, "authority", head.authority);
  for (const field of head.fields) checkField(field);
  checkedHeads.add(head);
}

function checkField({ name, value, indexing }: HeaderField): void {
  checkName(name);
  if (indexing === "never" || name === "authorization") {
    // A secret: its value is not shown.
    if (!VALUE.test(value)) throw new TypeError(`Cannot send "${name}": its value is not ASCII`);
  } else {
    check(VALUE, name, value);
  }
  if (name === "te" && value !== "trailers") {
    throw new TypeError(`Cannot send "te" with "${cut(value)}": HTTP/2 allows "trailers" only`);
  }
}

function checkName(name: string): void {
  check(NAME, "field name", name);
  if (FORBIDDEN.has(name)) throw new TypeError(`Cannot send "${name}": HTTP/2 has no such field`);
}

function check(pattern: RegExp, what: string, value: string): void {
  if (pattern.test(value)) return;
  throw new TypeError(`Cannot send "${what}" with "${cut(value)}": it must match ${pattern}`);
}

function checkLength(what: string, length: number, count: number): void {
  if (length === count) return;
  throw new TypeError(`Cannot send ${count} requests with ${length} of ${what}`);
}

function cut(value: string): string {
  return value.slice(0, SHOWN_CHARS);
}
