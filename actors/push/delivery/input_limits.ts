/**
 * Every bound of what callers give to the delivery pipeline, with its reason.
 *
 * @module
 */

/** Levels of lists and objects in a value: content for people has three or four, and deeper ones cost a stack. */
export const DEPTH_MAX = 32;

/** Problems told in one answer; further ones are counted. */
export const PROBLEMS_MAX = 100;

/** Characters of a wrong value that an answer repeats. */
export const SHOWN_CHARS_MAX = 60;

/** Targets of one call, of any kind: beyond it an open notification takes them as a stream. */
export const TARGETS_MAX = 10_000;

/** Characters of a device's id: a UUID has 36, an identifier with a tenant in it three times that. */
export const ID_CHARS_MAX = 128;

/** Characters of a person's id: an e-mail address has at most 254. */
export const USER_CHARS_MAX = 256;

/** Characters of a tag. */
export const TAG_CHARS_MAX = 64;

/** Tags of one device: each is a row of an index. */
export const TAGS_MAX = 100;

/** Characters of a token: APNs tokens have 64 to 200, FCM tokens about 170, and neither promises a bound. */
export const TOKEN_CHARS_MAX = 4_096;

/** Characters of a subscription's endpoint: real ones have 200 to 600. */
export const ENDPOINT_CHARS_MAX = 1_000;

/** Characters of a subscription's key as text, whatever is in it: 65 bytes are 88. */
export const KEY_CHARS_MAX = 256;

/** Bytes of a subscription's `p256dh`: an uncompressed point (RFC 8291 section 2.1). */
export const POINT_BYTES = 65;

/** Bytes of a subscription's `auth` (RFC 8291 section 2.1). */
export const AUTH_BYTES = 16;

/** Characters of a signing key or certificate with its chain, as PEM. */
export const PEM_CHARS_MAX = 65_536;

/** Characters of a bundle id, a subject and the like. */
export const NAME_CHARS_MAX = 256;

/** Longest time a provider may be asked to keep a notification: 28 days, FCM's bound. */
export const TTL_SECONDS_MAX = 2_419_200;

/** How long a notification with TTL 0 may be on its way from us to the provider, in seconds. */
export const NOW_OR_NEVER_SECONDS = 600;

/** Characters of a topic. */
export const TOPIC_CHARS_MAX = 64;

/** Bytes of `apns-collapse-id`, Apple's bound. */
export const COLLAPSE_ID_CHARS_MAX = 64;

/** How far ahead a notification may be scheduled, in milliseconds: a year. */
export const AHEAD_MS_MAX = 366 * 86_400_000;

/** Recipients a second that may be asked for: more than a node sends. */
export const RATE_PER_SECOND_MAX = 1_000_000;

/** Characters of an idempotency key: a UUID, or a source's name and entry. */
export const IDEMPOTENCY_KEY_CHARS_MAX = 255;

/** Entries of one page of a list. */
export const PAGE_MAX = 1_000;

/** Entries of a page when nobody says how many. */
export const PAGE_DEFAULT = 100;

/** Devices written by one call to the store, and read by one step of an export. */
export const DEVICES_STEP = 1_000;

/** Characters that notifications are searched for. */
export const SEARCH_CHARS_MAX = 100;

/** Notifications that one call of a search reads at most; where the next one goes on it says. */
export const SEARCH_READ_MAX = 5_000;

/** Notifications a search reads at once, with all they say: as many as a page without a limit has. */
export const SEARCH_STEP = 100;
