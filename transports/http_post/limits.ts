/**
 * Every bound of posts to addresses of the operator's, with its reason.
 *
 * @module
 */

/** Time a post may take, its connection included: Standard Webhooks advises 15 to 30 seconds, and a sink's page may take 30, so that its reason is told. */
export const POST_TIMEOUT_MS = 15_000;

/** Bytes of an answer that are read: enough to say what the other side did not like. */
export const ANSWER_BYTES_MAX = 4_096;

/** Characters of an address. */
export const URL_CHARS_MAX = 2_048;
