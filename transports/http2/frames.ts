/**
 * Frames (RFC 9113 section 4 and 6): constants, a reader that allocates nothing, and writers.
 *
 * The reader owns one buffer. A socket reads into `room()`, `received` says how much, and `next`
 * goes from frame to frame: the current one is the reader's own fields, its payload the bytes from
 * `start` to `end` of `bytes`, valid until the next call of `room`. A frame larger than allowed is
 * found out by its header, so the buffer is bounded by what was allowed.
 *
 * Both ends of a connection can be built on this; nothing here knows who is the client.
 *
 * @module
 */

import type { ByteBuffer } from "./byte_buffer.ts";
import { ERROR_CODE, Http2Error } from "./errors.ts";

/** Frame types (RFC 9113 section 6). */
export const FRAME = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  rstStream: 0x3,
  settings: 0x4,
  pushPromise: 0x5,
  ping: 0x6,
  goaway: 0x7,
  windowUpdate: 0x8,
  continuation: 0x9,
} as const;

/** Flags; which of them a frame type knows is in RFC 9113 section 6. */
export const FLAG = {
  ack: 0x1,
  endStream: 0x1,
  endHeaders: 0x4,
  padded: 0x8,
  priority: 0x20,
} as const;

/** Settings (RFC 9113 section 6.5.2). */
export const SETTING = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
} as const;

/** What the letters `HTT` of an HTTP/1 answer are as the length of a frame. */
const HTTP1_LENGTH = 0x485454;

/** Bytes of a frame header. */
export const FRAME_HEADER_BYTES = 9;

/** The largest payload before SETTINGS_MAX_FRAME_SIZE says otherwise (RFC 9113 section 4.2). */
export const FRAME_PAYLOAD_BYTES_DEFAULT = 16_384;

/** The largest SETTINGS_MAX_FRAME_SIZE (RFC 9113 section 6.5.2). */
export const FRAME_PAYLOAD_BYTES_LIMIT = 16_777_215;

/** Windows of streams and of the connection at its beginning (RFC 9113 section 6.9.2). */
export const WINDOW_BYTES_DEFAULT = 65_535;

/** The largest window (RFC 9113 section 6.9.1), and the largest stream id. */
export const UINT31_MAX = 0x7fffffff;

/** What a client sends first (RFC 9113 section 3.4). */
export const CLIENT_PREFACE: Uint8Array<ArrayBuffer> = new TextEncoder().encode(
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
);

/** Reads frames out of what a socket brings. */
export class FrameReader {
  /** The buffer the current frame's payload lies in. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Type of the current frame; unknown ones are for the caller to ignore. */
  type = 0;
  /** Flags of the current frame. */
  flags = 0;
  /** Stream of the current frame, without the reserved bit. */
  streamId = 0;
  /** Where its payload begins in {@linkcode bytes}. */
  start = 0;
  /** Where its payload ends. */
  end = 0;
  readonly #payloadBytesMax: number;
  /** Beginning of what was not read as a frame yet. */
  #from = 0;
  /** End of what was received. */
  #to = 0;

  /**
   * A reader of frames.
   *
   * @param payloadBytesMax What SETTINGS_MAX_FRAME_SIZE tells the peer.
   * @param bufferBytes Bytes of a read at most; raised to hold the largest frame.
   */
  constructor(payloadBytesMax: number = FRAME_PAYLOAD_BYTES_DEFAULT, bufferBytes = 65_536) {
    this.#payloadBytesMax = payloadBytesMax;
    this.bytes = new Uint8Array(Math.max(bufferBytes, payloadBytesMax + FRAME_HEADER_BYTES));
  }

  /** Where to read to, never empty; ends the validity of the current frame. */
  room(): Uint8Array<ArrayBuffer> {
    if (this.#from > 0) {
      this.bytes.copyWithin(0, this.#from, this.#to);
      this.#to -= this.#from;
      this.#from = 0;
    }
    return this.bytes.subarray(this.#to);
  }

  /** So many bytes were read to the beginning of the last {@linkcode room}. */
  received(count: number): void {
    this.#to += count;
  }

  /**
   * Takes so many bytes that are no frame, such as the client's preface; a view, or `undefined`
   * while fewer have arrived.
   */
  take(count: number): Uint8Array<ArrayBuffer> | undefined {
    if (this.#to - this.#from < count) return undefined;
    this.#from += count;
    return this.bytes.subarray(this.#from - count, this.#from);
  }

  /**
   * Goes to the next frame; `false` when it has not arrived completely.
   *
   * @throws {Http2Error} FRAME_SIZE_ERROR when it is larger than allowed (RFC 9113 section 4.2).
   */
  next(): boolean {
    const from = this.#from;
    if (this.#to - from < FRAME_HEADER_BYTES) return false;
    const bytes = this.bytes;
    // Inside the buffer by the check above; the fallback only satisfies the type.
    const length = (bytes[from] ?? 0) << 16 | (bytes[from + 1] ?? 0) << 8 | (bytes[from + 2] ?? 0);
    if (length > this.#payloadBytesMax) {
      const what = length === HTTP1_LENGTH
        ? "The peer speaks HTTP/1"
        : `A frame of ${length} bytes exceeds ${this.#payloadBytesMax}`;
      throw new Http2Error(ERROR_CODE.frameSizeError, what);
    }
    const start = from + FRAME_HEADER_BYTES;
    if (this.#to - start < length) return false;
    this.type = bytes[from + 3] ?? 0;
    this.flags = bytes[from + 4] ?? 0;
    this.streamId = readUint31(bytes, from + 5);
    this.start = start;
    this.end = start + length;
    this.#from = this.end;
    return true;
  }

  /** Bytes of the current frame's payload, padding included. */
  get payloadBytes(): number {
    return this.end - this.start;
  }

  /**
   * Narrows the payload of a DATA, HEADERS or PUSH_PROMISE frame to its content: without padding,
   * and for HEADERS without the deprecated priority fields (RFC 9113 sections 6.1 and 6.2). Once
   * for each frame.
   *
   * @throws {Http2Error} When there is no room for what the flags announce.
   */
  strip(): void {
    if ((this.flags & FLAG.padded) !== 0) {
      const padding = this.bytes[this.start] ?? 0;
      if (this.start === this.end) {
        throw new Http2Error(ERROR_CODE.frameSizeError, "A padded frame without its pad length");
      }
      if (padding >= this.end - this.start) {
        throw new Http2Error(ERROR_CODE.protocolError, "Padding longer than its frame");
      }
      this.start++;
      this.end -= padding;
    }
    if (this.type === FRAME.headers && (this.flags & FLAG.priority) !== 0) {
      if (this.end - this.start < 5) {
        throw new Http2Error(ERROR_CODE.frameSizeError, "HEADERS too short for its priority");
      }
      this.start += 5;
    }
  }
}

/** Reads 31 bits, ignoring the reserved one; the caller knows that four bytes are there. */
export function readUint31(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at) & UINT31_MAX;
}

/** Reads 32 bits; the caller knows that four bytes are there. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 24 | (bytes[at + 1] ?? 0) << 16 | (bytes[at + 2] ?? 0) << 8 |
    (bytes[at + 3] ?? 0)) >>> 0;
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Writes a frame header at a place that was reserved. */
export function putFrameHeader(
  bytes: Uint8Array,
  at: number,
  payloadBytes: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  bytes[at] = payloadBytes >>> 16;
  bytes[at + 1] = payloadBytes >>> 8;
  bytes[at + 2] = payloadBytes;
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  writeUint32(bytes, at + 5, streamId);
}

/** Appends a frame header; the caller appends the payload. */
export function writeFrameHeader(
  out: ByteBuffer,
  payloadBytes: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  out.reserve(FRAME_HEADER_BYTES);
  putFrameHeader(out.bytes, out.length, payloadBytes, type, flags, streamId);
  out.length += FRAME_HEADER_BYTES;
}

/** Appends a DATA frame; the caller keeps to windows and to the peer's frame size. */
export function writeData(
  out: ByteBuffer,
  streamId: number,
  content: Uint8Array,
  endStream: boolean,
): void {
  const flags = endStream ? FLAG.endStream : 0;
  writeFrameHeader(out, content.length, FRAME.data, flags, streamId);
  out.append(content);
}

/**
 * Begins HEADERS: leaves room for its header and returns where that is. The caller appends the
 * encoded block and calls {@linkcode finishHeaders}.
 */
export function beginHeaders(out: ByteBuffer): number {
  out.reserve(FRAME_HEADER_BYTES);
  const at = out.length;
  out.length += FRAME_HEADER_BYTES;
  return at;
}

/**
 * Ends HEADERS that began at `at`; a block over the peer's frame size is cut into CONTINUATION
 * frames (RFC 9113 section 6.10).
 */
export function finishHeaders(
  out: ByteBuffer,
  at: number,
  streamId: number,
  endStream: boolean,
  payloadBytesMax: number = FRAME_PAYLOAD_BYTES_DEFAULT,
): void {
  const blockBytes = out.length - at - FRAME_HEADER_BYTES;
  const end = endStream ? FLAG.endStream : 0;
  if (blockBytes <= payloadBytesMax) {
    putFrameHeader(out.bytes, at, blockBytes, FRAME.headers, end | FLAG.endHeaders, streamId);
    return;
  }
  const rest = out.bytes.slice(at + FRAME_HEADER_BYTES + payloadBytesMax, out.length);
  putFrameHeader(out.bytes, at, payloadBytesMax, FRAME.headers, end, streamId);
  out.length = at + FRAME_HEADER_BYTES + payloadBytesMax;
  for (let from = 0; from < rest.length; from += payloadBytesMax) {
    const part = rest.subarray(from, from + payloadBytesMax);
    const last = from + payloadBytesMax >= rest.length ? FLAG.endHeaders : 0;
    writeFrameHeader(out, part.length, FRAME.continuation, last, streamId);
    out.append(part);
  }
}

/** Appends RST_STREAM. */
export function writeRstStream(out: ByteBuffer, streamId: number, code: number): void {
  writeFrameHeader(out, 4, FRAME.rstStream, 0, streamId);
  appendUint32(out, code);
}

/** Appends SETTINGS; pairs of identifier and value. */
export function writeSettings(
  out: ByteBuffer,
  settings: readonly (readonly [id: number, value: number])[],
): void {
  writeFrameHeader(out, settings.length * 6, FRAME.settings, 0, 0);
  for (const [id, value] of settings) {
    out.appendByte(id >>> 8);
    out.appendByte(id);
    appendUint32(out, value);
  }
}

/** Appends the acknowledgement of SETTINGS. */
export function writeSettingsAck(out: ByteBuffer): void {
  writeFrameHeader(out, 0, FRAME.settings, FLAG.ack, 0);
}

/** Appends PING, or the answer to one, with its eight bytes. */
export function writePing(out: ByteBuffer, opaque: Uint8Array, ack: boolean): void {
  writeFrameHeader(out, 8, FRAME.ping, ack ? FLAG.ack : 0, 0);
  out.append(opaque);
}

/** Appends GOAWAY with debug data for people. */
export function writeGoaway(
  out: ByteBuffer,
  lastStreamId: number,
  code: number,
  debug: Uint8Array = new Uint8Array(0),
): void {
  writeFrameHeader(out, 8 + debug.length, FRAME.goaway, 0, 0);
  appendUint32(out, lastStreamId);
  appendUint32(out, code);
  out.append(debug);
}

/** Appends WINDOW_UPDATE; stream 0 is the connection. */
export function writeWindowUpdate(out: ByteBuffer, streamId: number, increment: number): void {
  writeFrameHeader(out, 4, FRAME.windowUpdate, 0, streamId);
  appendUint32(out, increment);
}

function appendUint32(out: ByteBuffer, value: number): void {
  out.reserve(4);
  writeUint32(out.bytes, out.length, value);
  out.length += 4;
}
