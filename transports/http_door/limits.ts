/**
 * Every bound of an HTTP door, each with its reason. Durations are defaults; a door may be given others.
 *
 * @module
 */

/** Milliseconds for the whole head of a request: a browser on a bad line needs one or two seconds. */
export const HEADERS_TIMEOUT_MS = 10_000;

/** Milliseconds for the whole request with its body: at 100 bytes a second still 3,000 bytes. */
export const REQUEST_TIMEOUT_MS = 30_000;

/** Milliseconds an idle connection is kept: more than the 60 s for which proxies commonly reuse one. */
export const KEEP_ALIVE_TIMEOUT_MS = 75_000;

/** Bytes of a request's head, URL and headers together. */
export const HEADER_BYTES_MAX = 16_384;

/** Headers of a request. */
export const HEADERS_MAX = 100;

/** Characters of a request's URL; endpoint URLs have about 250. */
export const URL_CHARACTERS_MAX = 8_192;

/** Connections of a door. */
export const CONNECTIONS_MAX = 10_000;

/**
 * Connections from one address that is not loopback: a sender needs a few dozen, a reverse proxy on
 * another machine a few hundred, and one address cannot take the whole door.
 */
export const CONNECTIONS_PER_ADDRESS_MAX = 1_000;

/** Requests in work on one connection: only pipelining makes more than one, and no browser does that. */
export const PIPELINED_MAX = 64;

/** Seconds after which a client that sent too much at a time may come back: its answers take milliseconds. */
export const RETRY_AFTER_SECONDS = 1;

/** Bytes of an unwanted body that are read and dropped, so that its sender sees our answer and not a reset. */
export const DISCARDED_BYTES_MAX = 1_048_576;

/** Spellings of allowed `Host` headers remembered, so that the usual one costs one look-up. */
export const HOST_SPELLINGS_MAX = 64;

/** Characters of what a client wrote that an error message repeats. */
export const QUOTED_CHARACTERS_MAX = 60;
