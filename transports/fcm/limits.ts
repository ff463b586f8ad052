/**
 * Every bound of the FCM provider, each with its reason.
 *
 * @module
 */

/** Bytes of the keys and values of notification and data: Google refuses messages with more. */
export const PAYLOAD_BYTES_MAX = 4_096;

/** Seconds Google keeps a message at most: 28 days. */
export const TTL_SECONDS_MAX = 2_419_200;

/** Age of a rendered message at which its lifetime is counted anew, so that a campaign of hours does not prolong it. */
export const RENDERED_MS_MAX = 10_000;

/** Characters of a registration token: Google's have about 170. */
export const TOKEN_CHARACTERS_MAX = 4_096;

/** Requests at once on a connection: Google ends connections that exceed it, whatever its SETTINGS say. */
export const STREAMS_MAX = 100;

/** Connections at once: at 50 ms a request, five of them reach the quota of a project. */
export const CONNECTIONS_MAX = 8;

/** Messages a minute that Google takes from a project, unless it has granted more. */
export const MESSAGES_PER_MINUTE = 600_000;

/** Time's worth of messages that may go at once, so that the minute is not spent in its first second. */
export const QUOTA_BURST_MS = 1_000;

/** Longest time a block waits for its turn; what has no turn until then is given back. */
export const QUOTA_WAIT_MS_MAX = 5_000;

/** Service accounts and projects remembered, the ones not used for longest forgotten first: about 20 MB when full. */
export const ACCOUNTS_MAX = 4_096;

/** Shortest wait before a message is tried again: Google asks for it. */
export const RETRY_MS_MIN = 10_000;

/** Wait after an exceeded quota when Google names none. */
export const QUOTA_RETRY_MS = 60_000;

/** Time before its end at which an access token is replaced; it is used until the next one is there. */
export const TOKEN_EARLY_MS = 300_000;

/** Life of an access token: what is assumed when the answer does not say. */
export const TOKEN_LIFE_SECONDS = 3_600;

/** Life of an access token that is believed: a day. */
export const TOKEN_LIFE_SECONDS_MAX = 86_400;

/** Life of an assertion: Google takes no longer one. */
export const ASSERTION_LIFE_SECONDS = 3_600;

/** Time a token endpoint has to answer. */
export const TOKEN_TIMEOUT_MS = 10_000;

/** Time after a failure for which no token is asked for again. */
export const TOKEN_RETRY_MS = 10_000;

/** Bytes of a token endpoint's answer: Google's have about 1,500. */
export const TOKEN_ANSWER_BYTES_MAX = 65_536;

/** Characters of an access token: Google documents at most 2,048. */
export const ACCESS_TOKEN_CHARACTERS_MAX = 4_096;

/** Characters of an access token that enters the peer's compression table of 4,096 bytes with room for the rest. */
export const INDEXED_TOKEN_CHARACTERS_MAX = 2_048;
