/**
 * Every bound of the traces, with its reason. What waits for a collector is bounded by the runtime, which
 * drops spans beyond `OTEL_BSP_MAX_QUEUE_SIZE`.
 *
 * @module
 */

/**
 * Spans that are asked for to see whether any would be recorded for itself: a sampler that lets one of a
 * hundred through does not hide among them. They take some milliseconds and are never exported.
 */
export const PROBES = 2_000;

/** Characters of a `traceparent` header that are looked at: version 00 has 55, and a later one may only append (W3C Trace Context section 3.2.2). */
export const TRACEPARENT_CHARS_MAX = 256;

/** Characters of an attribute: names are shorter, and a longer one must not fill a collector. */
export const ATTRIBUTE_CHARS_MAX = 256;
