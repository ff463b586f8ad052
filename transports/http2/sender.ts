/**
 * The sending half of a connection: which request goes next, as far as the peer takes it.
 *
 * Blocks wait as they are and are encoded when they are written, so what waits was surely not sent.
 * A request is begun only when a stream is free and the connection's window is open; what of its
 * body the windows do not take yet waits with its stream, and goes before new requests.
 *
 * Invariants: streams open <= what the peer allows now, but for those it allowed before it changed
 * its mind; no window is overrun (RFC 9113 sections 5.1.2 and 6.9).
 *
 * @module
 */

import type { ByteBuffer } from "./byte_buffer.ts";
import { ERROR_CODE, Http2Error } from "./errors.ts";
import {
  beginHeaders,
  finishHeaders,
  FRAME_PAYLOAD_BYTES_DEFAULT,
  FRAME_PAYLOAD_BYTES_LIMIT,
  SETTING,
  UINT31_MAX,
  WINDOW_BYTES_DEFAULT,
  writeData,
} from "./frames.ts";
import { HpackEncoder } from "./hpack_encoder.ts";
import { type Http2Limits, WRITE_BYTES_MAX } from "./limits.ts";
import type { PendingBlock } from "./pending_block.ts";
import { RequestEncoder } from "./request_encoder.ts";
import type { Stream, StreamTable } from "./streams.ts";

/** Sends the requests of one connection. */
export class Sender {
  readonly #limits: Http2Limits;
  readonly #streams: StreamTable;
  readonly #encoder = new HpackEncoder();
  readonly #requests: RequestEncoder;
  /** Blocks with requests that were not begun; the first may have been emptied meanwhile. */
  readonly #queue: PendingBlock[] = [];
  /** Streams whose bodies wait for a window. */
  readonly #unfinished = new Set<Stream>();
  #peerStreamsMax = UINT31_MAX;
  #peerFrameBytes: number = FRAME_PAYLOAD_BYTES_DEFAULT;
  #streamWindow: number = WINDOW_BYTES_DEFAULT;
  #window: number = WINDOW_BYTES_DEFAULT;
  #nextId = 1;

  /** Nothing is sent yet. */
  constructor(limits: Http2Limits, streams: StreamTable, scheme: "http" | "https") {
    this.#limits = limits;
    this.#streams = streams;
    this.#requests = new RequestEncoder(this.#encoder, scheme);
  }

  /** Streams that may be open at once, as the peer says now. */
  get streamsMax(): number {
    return Math.min(this.#peerStreamsMax, this.#limits.streamsMax);
  }

  /** The id of the next stream; lower odd ones have been used. */
  get nextId(): number {
    return this.#nextId;
  }

  /** Whether no stream can be opened any more (RFC 9113 section 5.1.1). */
  get usedUp(): boolean {
    return this.#nextId > this.#limits.streamIdMax;
  }

  /** Queues a block. */
  enqueue(pending: PendingBlock): void {
    this.#queue.push(pending);
  }

  /** Takes one setting of the peer (RFC 9113 section 6.5.2). */
  applySetting(id: number, value: number): void {
    switch (id) {
      case SETTING.headerTableSize:
        this.#encoder.setTableLimit(value);
        break;
      case SETTING.enablePush:
        // A server that says anything but 0 breaks section 6.5.2.
        if (value !== 0) throw protocolError("The peer allows pushes");
        break;
      case SETTING.maxConcurrentStreams:
        this.#peerStreamsMax = value;
        break;
      case SETTING.initialWindowSize:
        this.#setStreamWindow(value);
        break;
      case SETTING.maxFrameSize:
        if (value < FRAME_PAYLOAD_BYTES_DEFAULT || value > FRAME_PAYLOAD_BYTES_LIMIT) {
          throw protocolError(`The peer allows frames of ${value} bytes`);
        }
        this.#peerFrameBytes = value;
        break;
      default:
        // The header list limit is advice, and unknown settings are to be ignored (section 6.5.2).
        break;
    }
  }

  /** Windows of open streams move with the setting and may become negative (section 6.9.2). */
  #setStreamWindow(bytes: number): void {
    if (bytes > UINT31_MAX) throw windowError("The peer sets too large a window");
    for (const stream of this.#streams.all()) {
      if (stream.credit + bytes > UINT31_MAX) throw windowError("The peer sets too large a window");
    }
    this.#streamWindow = bytes;
  }

  /** The peer opened the connection's window (section 6.9.1). */
  openWindow(bytes: number): void {
    this.#window += bytes;
    if (this.#window > UINT31_MAX) throw windowError("The peer opens too large a window");
  }

  /** The peer opened a stream's window; `false` when that is too large. */
  openStreamWindow(stream: Stream, bytes: number): boolean {
    stream.credit += bytes;
    return this.#streamWindow + stream.credit <= UINT31_MAX;
  }

  /** A stream is over: what waits of its body is not sent. */
  forget(stream: Stream): void {
    if (stream.bodyAt >= 0) this.#unfinished.delete(stream);
  }

  /** Appends what can be sent now, which is `now` on the connection's clock; returns how many requests were begun. */
  fill(out: ByteBuffer, now: number): number {
    for (const stream of this.#unfinished) {
      if (this.#window <= 0 || out.length >= WRITE_BYTES_MAX) return 0;
      if (stream.pending !== undefined) this.#writeBody(out, stream, stream.pending);
    }
    let begun = 0;
    for (let pending = this.#first(); pending !== undefined; pending = this.#first()) {
      if (
        this.#streams.size >= this.streamsMax || this.#window <= 0 || this.usedUp ||
        out.length >= WRITE_BYTES_MAX
      ) break;
      this.#begin(out, pending, now);
      begun++;
    }
    return begun;
  }

  /** The first block with requests that were not begun. */
  #first(): PendingBlock | undefined {
    while (this.#queue[0]?.waits === false) this.#queue.shift();
    return this.#queue[0];
  }

  #begin(out: ByteBuffer, pending: PendingBlock, now: number): void {
    const index = pending.next++;
    const id = this.#nextId;
    this.#nextId += 2;
    const bodyBytes = pending.body(index).length;
    const stream = this.#streams.open(id, pending, index, now);
    const at = beginHeaders(out);
    this.#requests.write(out, pending.block, index);
    finishHeaders(out, at, id, bodyBytes === 0, this.#peerFrameBytes);
    if (bodyBytes === 0) return;
    stream.bodyAt = 0;
    this.#writeBody(out, stream, pending);
    if (stream.bodyAt >= 0) this.#unfinished.add(stream);
  }

  /** Writes what the windows take of a body. */
  #writeBody(out: ByteBuffer, stream: Stream, pending: PendingBlock): void {
    const body = pending.body(stream.index);
    let at = stream.bodyAt;
    while (at < body.length) {
      const bytes = Math.min(
        body.length - at,
        this.#peerFrameBytes,
        this.#window,
        this.#streamWindow + stream.credit,
      );
      if (bytes <= 0) break;
      const last = at + bytes === body.length;
      const part = last && at === 0 ? body : body.subarray(at, at + bytes);
      writeData(out, stream.id, part, last);
      at += bytes;
      this.#window -= bytes;
      stream.credit -= bytes;
    }
    if (at < body.length) {
      stream.bodyAt = at;
    } else {
      this.#unfinished.delete(stream);
      stream.bodyAt = -1;
    }
  }
}

function protocolError(message: string): Http2Error {
  return new Http2Error(ERROR_CODE.protocolError, message);
}

function windowError(message: string): Http2Error {
  return new Http2Error(ERROR_CODE.flowControlError, message);
}
