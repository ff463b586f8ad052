/**
 * Every limit of the stand-in, each with its reason.
 *
 * @module
 */

/** Connections of one provider at once: a sender under test opens a few dozen. */
export const CONNECTIONS_MAX = 1_024;

/** Recipients whose requests are counted: four campaigns of a million, 12 bytes for each of 2^23 slots. */
export const RECIPIENTS_MAX = 4_194_304;

/** Bytes of a request's body that are read; above them 413 is said at once. APNs takes 5,120 of a call. */
export const BODY_BYTES_MAX = 8_192;

/** Bytes of a header list, as SETTINGS_MAX_HEADER_LIST_SIZE says; APNs says 8,000. */
export const HEADER_LIST_BYTES_MAX = 8_000;

/** Bytes of a header block over all its frames: none that keeps to the list's limit is larger. */
export const HEADER_BLOCK_BYTES_MAX = 16_384;

/** Largest body of an answer; a client's window for a stream must have room for it. */
export const ANSWER_BODY_BYTES_MAX = 1_024;

/** Milliseconds a connection goes on reading after GOAWAY: closing it with unread requests would destroy answers. */
export const LINGER_MS = 5_000;

/** Answers that wait for the client's window on one connection; a client that opens none is cut. */
export const BLOCKED_ANSWERS_MAX = 10_000;

/** Verdicts on tokens remembered; a sender has one token for each app and hour. */
export const TOKENS_MAX = 1_000;

/** Names under which refusals are counted; there are some forty. */
export const REASONS_MAX = 100;
