/**
 * Every limit of HTTP/2 connections, each with its reason.
 *
 * @module
 */

/** Limits of one connection; all of them can be set, the defaults are {@linkcode HTTP2_LIMITS}. */
export interface Http2Limits {
  /** From the first packet until the peer's first SETTINGS, all addresses together. */
  readonly connectTimeoutMs: number;
  /** From `exchange` until every request of its block has ended. */
  readonly requestTimeoutMs: number;
  /** Silence of the peer, with nothing asked of it, after which it is sent a PING. */
  readonly pingIntervalMs: number;
  /** Silence after a PING, and of a peer that owes answers before it, that makes it dead; also how long it may not read. */
  readonly pongTimeoutMs: number;
  /** Streams open at once, however many more the peer takes. */
  readonly streamsMax: number;
  /** Requests sent or waiting; a block that would exceed it ends unsent. */
  readonly requestsMax: number;
  /** The largest stream id that is opened; the connection ends in order after it. */
  readonly streamIdMax: number;
  /** Bytes of an answer's header list, 32 added for each field (RFC 9113 section 6.5.2). */
  readonly headerListBytesMax: number;
  /** Bytes of an answer's encoded header block, over all its frames. */
  readonly headerBlockBytesMax: number;
  /** CONTINUATION frames of one header block. */
  readonly continuationFramesMax: number;
  /** Bytes of an answer's body, padding included, that are read before the stream is reset. */
  readonly bodyBytesMax: number;
  /** Bytes of the body of an answer other than 2xx that are kept. */
  readonly bodyKeptBytesMax: number;
  /** Bytes of fields and bodies kept of the answers to one block; an answer that would exceed it is bad. */
  readonly detailBytesMax: number;
  /** Frames that ask for work and bring no answer, in a second; each request allows a few more. */
  readonly idleFramesPerSecondMax: number;
}

/** The defaults. */
export const HTTP2_LIMITS: Http2Limits = {
  // Three lost SYNs on the way to a reachable host; a sender has other connections meanwhile.
  connectTimeoutMs: 10_000,
  // Providers answer in tens of milliseconds; one that needs longer than this is not working.
  requestTimeoutMs: 20_000,
  // Middleboxes forget silent connections after a few minutes, some after one and a half.
  pingIntervalMs: 60_000,
  // Many round trips of the slowest network.
  pongTimeoutMs: 10_000,
  // Apple has been seen to allow 1,500; round trips of 60 ms make 17,000 requests a second of it.
  streamsMax: 1_024,
  // 64 blocks of a thousand: more than any connection sends within the deadline of a request.
  requestsMax: 65_536,
  // RFC 9113 section 5.1.1.
  streamIdMax: 0x7fffffff,
  // Answers of providers have a few hundred bytes of fields; web servers take 8 or 16 KiB.
  headerListBytesMax: 16_384,
  // Huffman coding can be longer than what it codes, and a list of 16 KiB may come uncompressed.
  headerBlockBytesMax: 32_768,
  // Two frames hold the largest block; the flood of empty ones is CVE-2024-27316.
  continuationFramesMax: 8,
  // Error texts of providers are below 4 KiB; error pages of proxies below 64.
  bodyBytesMax: 65_536,
  // Holds every error document of a provider; 1,000 recipients that all fail hold 4 MB.
  bodyKeptBytesMax: 4_096,
  // 1,000 answers with a full body and 4 KiB of fields; Web Push servers need not be friends.
  detailBytesMax: 8_388_608,
  // A peer that works sends a few a second; each costs us an answer or a look.
  idleFramesPerSecondMax: 1_000,
};

/** Frames without an answer that each request allows: window updates and resets that go with it. */
export const IDLE_FRAMES_PER_REQUEST = 8;

/** Size of HPACK tables that both sides begin with (RFC 9113 section 6.5.2), and the largest of ours. */
export const HEADER_TABLE_BYTES = 4_096;

/** A header block up to this size is remembered: the usual answers, not those with large values. */
export const HPACK_REMEMBERED_BYTES_MAX = 512;

/** Requests are packed into one write up to this size: past it, packing more only delays the first. */
export const WRITE_BYTES_MAX = 131_072;

/** Bytes of one read: several hundred answers, or four TLS records. */
export const READ_BYTES_MAX = 65_536;

/** The window for the bodies of all streams together; given back when half of it is used. */
export const RECEIVE_WINDOW_BYTES = 4_194_304;

/**
 * Share of a request's time after which it is not begun any more: it could not be answered in time. A
 * connection that answered nothing for so long, while requests ran out of time, takes no more of them.
 */
export const BEGIN_SHARE = 0.75;

/** Deadlines are looked at so many times in the shortest of them. */
export const TICKS_PER_DEADLINE = 20;

/** Deadlines are not looked at more seldom than this. */
export const TICK_MS_MAX = 1_000;

/** Characters of a GOAWAY's debug data that are told on. */
export const DEBUG_CHARS_MAX = 256;
