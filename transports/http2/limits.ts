/**
 * Every limit of HTTP/2 connections, each with its reason.
 *
 * @module
 */

/** Size of HPACK tables that both sides begin with (RFC 9113 section 6.5.2), and the largest of ours. */
export const HEADER_TABLE_BYTES = 4_096;

/** A header block up to this size is remembered: the usual answers, not those with large values. */
export const HPACK_REMEMBERED_BYTES_MAX = 512;
