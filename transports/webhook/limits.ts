/**
 * Every bound of the webhook, with its reason.
 *
 * @module
 */

/** Time a receiver has to take a batch, its connection included; Standard Webhooks advises 15 to 30 seconds. */
export const WEBHOOK_TIMEOUT_MS = 15_000;

/** Bytes of a receiver's answer that are read: enough to say what it did not like. */
export const ANSWER_BYTES_MAX = 4_096;

/** Characters of a receiver's answer that are repeated in an error. */
export const ANSWER_CHARS_MAX = 120;

/** Fewest bytes of a secret: 16 random ones cannot be guessed. */
export const SECRET_BYTES_MIN = 16;

/** Characters of a secret: a longer key than HMAC's block gains nothing (RFC 2104 section 3). */
export const SECRET_CHARS_MAX = 256;

/** Characters of the URL. */
export const URL_CHARS_MAX = 2_048;
