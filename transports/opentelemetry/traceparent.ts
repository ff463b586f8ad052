/**
 * The `traceparent` header of W3C Trace Context: which trace and span a caller's request belongs to.
 *
 * @module
 */

import { TRACEPARENT_CHARS_MAX } from "./limits.ts";

/** Where a request comes from. */
export interface RemoteParent {
  /** 32 lower-case hexadecimal digits, not all zero. */
  readonly traceId: string;
  /** 16 lower-case hexadecimal digits, not all zero. */
  readonly spanId: string;
  /** Whether the caller records its part. */
  readonly sampled: boolean;
}

const HEADER = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;

/**
 * Reads the header (W3C Trace Context sections 3.2 and 4.3); what cannot be read is as good as absent.
 *
 * @param header The header, if there is one.
 */
export function readTraceparent(header: string | undefined): RemoteParent | undefined {
  if (header === undefined || header.length > TRACEPARENT_CHARS_MAX) return undefined;
  const [, version, traceId = "", spanId = "", flags = "", more] = HEADER.exec(header) ?? [];
  if (version === undefined || version === "ff") return undefined;
  if (version === "00" && more !== undefined) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}
