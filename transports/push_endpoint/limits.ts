/**
 * Every bound of the push endpoint, each with its reason.
 *
 * @module
 */

/** Endpoint keys a list may hold: each wrong token costs one HMAC per key. */
export const ENDPOINT_KEYS_MAX = 16;

/** Opened endpoint tokens remembered, the ones not used for longest forgotten first: about 8 MB when full. */
export const OPENED_TOKENS_MAX = 16_384;

/** Characters of a token or message id; ours have at most 228, the rest is room for other issuers' ids. */
export const TOKEN_CHARACTERS_MAX = 512;

/**
 * Bytes of a message body. RFC 8030 section 7.2 asks for at least 4,096; autopush takes 5,630, which
 * is what 4,096 bytes become in the older base64 transports, and its own tests send 5,624.
 */
export const PAYLOAD_BYTES_MAX = 5_630;

/** Seconds a message is kept at most (30 days); a larger TTL is capped, RFC 8030 section 5.2. */
export const TTL_SECONDS_MAX = 2_592_000;

/** Characters of a topic, RFC 8030 section 5.4. */
export const TOPIC_CHARACTERS_MAX = 32;

/** Characters of a VAPID token; real ones have about 250, and each is hashed and kept while valid. */
export const VAPID_TOKEN_CHARACTERS_MAX = 2_048;

/** Seconds a VAPID token may expire ahead of now, RFC 8292 section 2. */
export const VAPID_LIFETIME_SECONDS_MAX = 86_400;

/** Seconds an expired VAPID token is still taken, for clocks that differ. */
export const VAPID_SKEW_SECONDS_MAX = 60;

/** Verified VAPID tokens remembered; one is about 1 KB with its key, and one sender uses one for hours. */
export const VERIFIED_TOKENS_MAX = 8_192;

/** Imported VAPID public keys remembered: importing costs more than an HMAC, less than a verification. */
export const IMPORTED_KEYS_MAX = 2_048;

/** Seconds a sender is asked to wait when the service is not available; autopush's number. */
export const RETRY_AFTER_SECONDS = 120;

/** Seconds a sender is asked to wait when a device has too many messages waiting: they drain in bulk or not at all. */
export const OVER_LIMIT_RETRY_AFTER_SECONDS = 3_600;

/** Seconds a browser may remember a CORS preflight; autopush's number. */
export const PREFLIGHT_SECONDS = 3_600;
