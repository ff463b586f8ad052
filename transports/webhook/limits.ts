/**
 * Every bound of the webhook, with its reason.
 *
 * @module
 */

/** Characters of a receiver's answer that are repeated in an error. */
export const ANSWER_CHARS_MAX = 120;

/** Fewest bytes of a secret: 16 random ones cannot be guessed. */
export const SECRET_BYTES_MIN = 16;

/** Characters of a secret: a longer key than HMAC's block gains nothing (RFC 2104 section 3). */
export const SECRET_CHARS_MAX = 256;
