/**
 * Every limit of the Web Push sender, each with its reason.
 *
 * @module
 */

/** `p256dh` (65 bytes) and `auth` (16) of one recipient. */
export const RECIPIENT_KEYS_BYTES = 81;

/** A push service takes 4,096 bytes of body (RFC 8030 section 7.2); header, delimiter and tag take 103. */
export const PLAINTEXT_BYTES_MAX = 3_993;

/** The record size in the header: more than any message has, as a message is one record (RFC 8291 section 4). */
export const RECORD_BYTES = 4_096;

/** Recipients of one block: a batch has 1,000, and salts for a block are drawn in one call of 64 KiB at most. */
export const BLOCK_RECIPIENTS_MAX = 4_096;

/** Threads that encrypt unless told otherwise: four make 80,000 messages a second, more than is sent. */
export const THREADS_DEFAULT_MAX = 4;

/** Blocks at a thread: one it works on, and one so that it never waits for the next. */
export const THREAD_BLOCKS_MAX = 2;

/** Blocks held for all threads; at 81 KB each this is 41 MB, and what comes beyond is told to come again. */
export const PENDING_BLOCKS_MAX = 512;

/** After this time a block that found no room is worth another try: some blocks take that long. */
export const BUSY_MS = 500;

/** Time after which a block that could not be encrypted is worth another try: threads may live again. */
export const BROKEN_MS = 10_000;

/** A block at which so many threads died is given up: it would take the others with it. */
export const BLOCK_DEATHS_MAX = 3;

/** Threads that die this often without a block in between do not work now, and at the start never will. */
export const THREAD_RESTARTS_MAX = 5;

/** Delay before a dead thread is started again; it doubles with each death. */
export const THREAD_RESTART_MIN_MS = 50;

/** The longest such delay. */
export const THREAD_RESTART_MAX_MS = 5_000;

/** Seconds a VAPID token is good for: half of what RFC 8292 section 2 allows, so that a wrong clock does no harm. */
export const TOKEN_LIFETIME_SECONDS = 43_200;

/** Age at which a token is renewed: at half its life, hours before it ends, and no more often than Apple asks for. */
export const TOKEN_AGE_MS_MAX = 21_600_000;

/** A clock that jumps back by more than this makes a token anew: it would end more than a day ahead. */
export const CLOCK_JUMP_MS_MAX = 60_000;

/** For this long after a push service took a token, a refusal is that of one subscription, not of the credentials. */
export const TOKEN_TRUSTED_MS = 3_600_000;

/** Credentials whose signer is remembered; the one used longest ago is forgotten. */
export const SIGNERS_MAX = 1_024;

/** Origins whose token a signer remembers: the browsers' makers are four, self-hosted services some more. */
export const ORIGINS_MAX = 1_024;

/** Characters of an endpoint URL: real ones have 200 to 600, and a request's head has to hold it. */
export const ENDPOINT_CHARACTERS_MAX = 1_000;

/** Authorities whose verdict is remembered: nearly all endpoints share four. */
export const AUTHORITIES_MAX = 1_024;

/** Connections to one push service at once unless told otherwise: each carries hundreds of requests. */
export const CONNECTIONS_MAX = 4;

/** Addresses of a name that are tried: more than any push service has of one family. */
export const ADDRESSES_MAX = 8;

/** Time for finding the addresses of a name. */
export const LOOKUP_MS = 5_000;

/** Time for TCP and TLS over HTTP/1.1, all addresses together. */
export const HTTP1_CONNECT_MS = 10_000;

/** From `exchange` until every request of its block has ended, over HTTP/1.1; as over HTTP/2. */
export const HTTP1_REQUEST_MS = 20_000;

/** Sockets of one connection over HTTP/1.1, each with one request at a time: a service for one family has few. */
export const HTTP1_SOCKETS_MAX = 8;

/** Requests sent or waiting in one connection over HTTP/1.1; a block that would exceed it ends unsent. */
export const HTTP1_REQUESTS_MAX = 8_192;

/** Bytes of the head of an answer, and of all trailers: those of push services are below 1 KiB. */
export const ANSWER_HEAD_BYTES_MAX = 16_384;

/** Bytes of the line that begins a chunk. */
export const CHUNK_LINE_BYTES_MAX = 256;

/** Bytes of an answer's body that are read; more is no answer of a push service. */
export const ANSWER_BODY_BYTES_MAX = 65_536;

/** Bytes of an answer's body that are kept. */
export const ANSWER_BODY_KEPT_BYTES = 4_096;

/** Bytes of fields and bodies kept of the answers to one block, as over HTTP/2; an answer that would exceed it is bad. */
export const BLOCK_DETAIL_BYTES_MAX = 8_388_608;

/** Informational answers before the final one. */
export const INFORMATIONAL_ANSWERS_MAX = 8;

/** Longest `TTL`: four weeks, the shortest of what the browsers' makers keep messages for. */
export const TTL_SECONDS_MAX = 2_419_200;
