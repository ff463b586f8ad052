/**
 * HTTP/2 for senders of many small requests: {@linkcode connectHttp2} opens a connection that takes
 * blocks of them.
 *
 * The frame and header codecs under it serve both ends, for whoever builds the other one.
 *
 * @module
 */

export * from "./byte_buffer.ts";
export * from "./clock.ts";
export * from "./connect.ts";
export * from "./errors.ts";
export * from "./exchange.ts";
export * from "./frames.ts";
export * from "./hpack_decoder.ts";
export * from "./hpack_encoder.ts";
export { FIELD_OVERHEAD_BYTES, fieldBytes, type HpackField } from "./hpack_table.ts";
export * from "./latencies.ts";
export { HTTP2_LIMITS, type Http2Limits } from "./limits.ts";
