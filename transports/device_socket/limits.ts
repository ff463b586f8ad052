/**
 * Every limit of the device door, each with its reason.
 *
 * @module
 */

/** Limits of one listener; all of them can be set, the defaults are {@linkcode DEVICE_LIMITS}. */
export interface DeviceLimits {
  /** Upgraded connections of this listener; the next upgrade is answered 503. */
  readonly connectionsMax: number;
  /** Connections, upgraded or not, of one remote address (one /64 for IPv6). */
  readonly connectionsPerAddressMax: number;
  /** Connections not upgraded yet; at the limit accepting waits, the kernel's backlog holds the rest. */
  readonly handshakesMax: number;
  /** Bytes of the request line and the header fields together. */
  readonly headBytesMax: number;
  /** Header fields of one request. */
  readonly headerFieldsMax: number;
  /** From accepting until the request is complete, TLS handshake included. */
  readonly headTimeoutMs: number;
  /** Payload of one message, over all of its fragments. */
  readonly messageBytesMax: number;
  /** Bytes of incomplete messages over 4 KiB, of all devices together; above it the oldest are cut. */
  readonly messagesBytesMax: number;
  /** Frames of one message. */
  readonly fragmentsMax: number;
  /** From the first byte of a message until its last. */
  readonly messageTimeoutMs: number;
  /** Ping and Pong frames taken in one second. */
  readonly controlFramesPerSecondMax: number;
  /** Bytes that may wait for a device which does not read. */
  readonly sendQueueBytesMax: number;
  /** Bytes that may wait for all devices together; above it those that have not read for longest are cut. */
  readonly sendQueuesBytesMax: number;
  /** From sending Close, or an HTTP error, until TCP is ended. */
  readonly closeTimeoutMs: number;
}

/** The defaults. */
export const DEVICE_LIMITS: DeviceLimits = {
  // About 8 KB each make 400 MB; a process that wants more says so, and raises its open files.
  connectionsMax: 50_000,
  // Many phones share one address behind a carrier's NAT, and one attacker has few addresses.
  connectionsPerAddressMax: 1_000,
  // A restart brings all devices back at once. Waiting in the backlog smooths that wave; a
  // handshake holds 4 KiB, so all of them hold 16 MiB, and none holds its place beyond 10 s.
  handshakesMax: 4_096,
  // Firefox sends about 500 bytes in 14 fields; proxies add a few.
  headBytesMax: 16_384,
  headerFieldsMax: 100,
  // A phone on a bad network needs a few round trips for TLS; a slow sender is cut.
  headTimeoutMs: 10_000,
  // The frame limit that devices know from autopush; messages are a few hundred bytes.
  messageBytesMax: 65_536,
  // A thousand of the largest at the same moment; real ones are complete within milliseconds.
  messagesBytesMax: 67_108_864,
  // No client is known to fragment; a library may at 2 KiB.
  fragmentsMax: 32,
  // 64 KiB at 20 kbit/s. Between messages an idle connection stays for ever.
  messageTimeoutMs: 30_000,
  // A device answers one Ping in minutes; more is a flood that costs an answer each.
  controlFramesPerSecondMax: 10,
  // About 200 of the largest messages: what a session may have on its way, with a margin.
  sendQueueBytesMax: 1_048_576,
  // 64 devices that read nothing at all: a thousand of them must not take a gigabyte.
  sendQueuesBytesMax: 67_108_864,
  // Firefox never answers a Close and stays deaf until TCP ends.
  closeTimeoutMs: 1_000,
};

/** A read of an idle connection waits with so many bytes: Pong, `{}` and the shortest frames fit. */
export const IDLE_BUFFER_BYTES = 128;

/** The buffer while a request or a larger frame is being read; then it goes back to the pool. */
export const BURST_BUFFER_BYTES = 4_096;

/** Burst buffers kept for reuse: 256 KiB; more at the same time are allocated and dropped. */
export const BURST_BUFFERS_KEPT_MAX = 64;

/** Idle buffers are cut from slabs of this many: 64 KiB each, one allocation instead of 512. */
export const IDLE_BUFFERS_PER_SLAB = 512;

/** Longest `User-Agent` and `Origin` handed on, in characters: enough for any browser. */
export const HEADER_VALUE_CHARS_MAX = 256;

/** Largest payload of a control frame (RFC 6455 section 5.5). */
export const CONTROL_PAYLOAD_BYTES_MAX = 125;

/** Wait after a failed accept, most often because the process has no file descriptor left. */
export const ACCEPT_RETRY_MS = 100;
