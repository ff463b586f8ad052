/**
 * Every bound of the APNs provider, each with its reason.
 *
 * @module
 */

/** Bytes of a payload: Apple refuses more with 413 `PayloadTooLarge`. */
export const PAYLOAD_BYTES_MAX = 4_096;

/** Bytes of a payload of the push type `voip`. */
export const VOIP_PAYLOAD_BYTES_MAX = 5_120;

/** Bytes of `apns-collapse-id`: Apple refuses more with 400 `BadCollapseId`. */
export const COLLAPSE_ID_BYTES_MAX = 64;

/** Characters of a device token. Apple fixes no length; beside the other fields this fits the 8,000 bytes its servers take for a header block. */
export const TOKEN_CHARACTERS_MAX = 2_048;

/** Characters of a topic: a bundle id has at most 155, a push type's suffix 25. */
export const TOPIC_CHARACTERS_MAX = 255;

/** Characters of a certificate with its chain: three certificates have about 6,000. */
export const CERTIFICATE_CHARACTERS_MAX = 65_536;

/** Keys whose signer is remembered, the ones not used for longest forgotten first: about 10 MB when full. */
export const SIGNERS_MAX = 4_096;

/** Connections of one key at once: Apple allows several, and closes connections that are not used well. */
export const CONNECTIONS_MAX = 8;

/** Connections for recipients whose last answer was a failure: each failure may bring its stream limit down to one, so more would only annoy. */
export const SUSPECT_CONNECTIONS_MAX = 1;

/** Age at which a token is replaced. Apple refuses one whose `iat` is an hour old. */
export const TOKEN_AGE_MS_MAX = 45 * 60_000;

/** Life of a token: Apple refuses one whose `iat` is older. */
export const TOKEN_LIFE_MS = 60 * 60_000;

/** Time between two tokens: Apple answers 429 to a connection that sees a new one within 20 minutes. */
export const TOKEN_INTERVAL_MS_MIN = 20 * 60_000;

/** `iat` is a multiple of this, so that all processes with the key sign tokens of the same time. */
export const TOKEN_GRID_MS = 30 * 60_000;

/** Wait after `TooManyProviderTokenUpdates`: the token stays the same, and the connection forgets the others. */
export const TOKEN_UPDATES_RETRY_MS = 60_000;
