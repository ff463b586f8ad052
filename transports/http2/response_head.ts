/**
 * Reads the head of an answer (RFC 9113 section 8.3.2) and says what is wrong with one.
 *
 * @module
 */

import { fieldBytes, type HpackField } from "./hpack_table.ts";

/** The head of an answer. */
export interface ResponseHead {
  /** Its status, 100 to 999. */
  readonly status: number;
  /** What `content-length` says, -1 when absent. */
  readonly contentBytes: number;
  /** Its fields by name, the last of each; only for an answer other than 2xx, whose fields nobody reads. */
  readonly headers: ReadonlyMap<string, string> | undefined;
  /** Bytes of these fields, as a header list counts them. */
  readonly headerBytes: number;
}

/** Fields that no answer may have (RFC 9113 section 8.2.2). */
const FORBIDDEN: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** Reads a head; a string says why it is malformed (RFC 9113 section 8.1.1). */
export function readResponseHead(fields: readonly HpackField[]): ResponseHead | string {
  const [first] = fields;
  if (first?.name !== ":status" || !/^[1-9][0-9]{2}$/.test(first.value)) {
    return "an answer without a valid status";
  }
  const status = Number(first.value);
  const headers = new Map<string, string>();
  let headerBytes = 0;
  for (let i = 1; i < fields.length; i++) {
    const field = fields[i];
    if (field === undefined) continue;
    const wrong = checkField(field);
    if (wrong !== undefined) return wrong;
    headers.set(field.name, field.value);
    headerBytes += fieldBytes(field);
  }
  const contentBytes = readContentLength(status, headers.get("content-length"));
  if (contentBytes === undefined) return "an answer with a wrong content-length";
  return { status, contentBytes, headers: isSuccess(status) ? undefined : headers, headerBytes };
}

/** Checks trailers; a string says why they are malformed. */
export function checkTrailers(fields: readonly HpackField[]): string | undefined {
  for (const field of fields) {
    const wrong = checkField(field);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** Whether an answer with this status is one whose headers and body are of no interest. */
export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function checkField({ name, value }: HpackField): string | undefined {
  if (name.startsWith(":")) return "an answer with a pseudo-header field out of place";
  // Names that RFC 9113 section 8.2.1 excludes at the least: controls, upper case, delimiters of text.
  if (!/^[!-9;-@[-~]+$/.test(name)) return "an answer with an invalid field name";
  if (FORBIDDEN.has(name)) return "an answer with a connection-specific field";
  if (/[\0\r\n]|^[ \t]|[ \t]$/.test(value)) return "an answer with an invalid field value";
  return undefined;
}

function readContentLength(status: number, text: string | undefined): number | undefined {
  // These have no content whatever the field says (RFC 9110 sections 8.6, 15.3.5 and 15.4.5).
  if (text === undefined || status === 204 || status === 304) return -1;
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}
