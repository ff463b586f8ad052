/**
 * The receiving half of a connection: frames that belong to a stream.
 *
 * Every header block is decoded, whosever it is, because the table of HPACK is shared by all (RFC
 * 9113 section 4.3). What arrives for a stream that is over is put aside: it was on its way when we
 * reset the stream, or belongs to an answer that was complete for us already.
 *
 * No WINDOW_UPDATE is ever sent for a stream: its window is larger than the longest body that is
 * read, and a stream that would need more is reset. The connection's window is given back as bodies
 * arrive, since nothing here waits for anybody.
 *
 * @module
 */

import { ByteBuffer } from "./byte_buffer.ts";
import { ERROR_CODE, errorCodeName, Http2Error } from "./errors.ts";
import { ANSWERED, BAD_ANSWER, type End, LOST, UNSENT } from "./exchange.ts";
import { FLAG, type FrameReader, readUint32, writeRstStream, writeWindowUpdate } from "./frames.ts";
import type { FloodGuard } from "./flood.ts";
import { HpackDecoder } from "./hpack_decoder.ts";
import type { HpackField } from "./hpack_table.ts";
import { type Http2Limits, RECEIVE_WINDOW_BYTES } from "./limits.ts";
import { checkTrailers, isSuccess, readResponseHead, type ResponseHead } from "./response_head.ts";
import type { Sender } from "./sender.ts";
import type { Stream, StreamTable } from "./streams.ts";

/** What the receiver is part of. */
export interface ReceiverHost {
  /** The limits of the connection. */
  readonly limits: Http2Limits;
  /** Its open streams. */
  readonly streams: StreamTable;
  /** Its sending half. */
  readonly sender: Sender;
  /** Its budget of idle frames. */
  readonly guard: FloodGuard;
  /** Where frames are appended; another buffer after each write. */
  readonly out: ByteBuffer;
  /** A stream is over; it is not in the table afterwards. */
  end(stream: Stream, end: End, reason: string): void;
}

/** Receives the answers of one connection. */
export class Receiver {
  readonly #host: ReceiverHost;
  readonly #reader: FrameReader;
  readonly #decoder: HpackDecoder;
  /** The fields decoded last, and what they say: most answers are alike. */
  #fields: readonly HpackField[] | undefined;
  #head: ResponseHead | string = "";
  /** The beginning of a header block whose CONTINUATION frames have not all arrived. */
  readonly #block = new ByteBuffer(0);
  /** The stream of that block, 0 when there is none. */
  #blockStreamId = 0;
  #blockEndsStream = false;
  #blockFrames = 0;
  #usedBytes = 0;

  /** Nothing has arrived. */
  constructor(host: ReceiverHost, reader: FrameReader) {
    this.#host = host;
    this.#reader = reader;
    this.#decoder = new HpackDecoder({ listBytesMax: host.limits.headerListBytesMax });
  }

  /** Whether nothing but CONTINUATION may come (RFC 9113 section 6.10). */
  get continues(): boolean {
    return this.#blockStreamId !== 0;
  }

  /** Takes HEADERS. */
  headers(): void {
    const reader = this.#reader;
    this.#checkStreamId("HEADERS");
    reader.strip();
    const endsStream = (reader.flags & FLAG.endStream) !== 0;
    if ((reader.flags & FLAG.endHeaders) !== 0) {
      this.#blockComplete(reader.streamId, endsStream, reader.bytes, reader.start, reader.end);
      return;
    }
    this.#blockStreamId = reader.streamId;
    this.#blockEndsStream = endsStream;
    this.#blockFrames = 0;
    this.#block.clear();
    this.#appendToBlock();
  }

  /** Takes CONTINUATION. */
  continuation(): void {
    const reader = this.#reader;
    if (this.#blockStreamId === 0 || reader.streamId !== this.#blockStreamId) {
      throw protocolError("CONTINUATION without its HEADERS");
    }
    this.#appendToBlock();
    if (++this.#blockFrames > this.#host.limits.continuationFramesMax) {
      throw new Http2Error(ERROR_CODE.enhanceYourCalm, "Too many CONTINUATION frames");
    }
    if ((reader.flags & FLAG.endHeaders) === 0) return;
    const streamId = this.#blockStreamId;
    this.#blockStreamId = 0;
    const { bytes, length } = this.#block;
    this.#blockComplete(streamId, this.#blockEndsStream, bytes, 0, length);
  }

  #appendToBlock(): void {
    const { bytes, start, end } = this.#reader;
    if (this.#block.length + end - start > this.#host.limits.headerBlockBytesMax) {
      throw new Http2Error(ERROR_CODE.enhanceYourCalm, "Too large a header block");
    }
    this.#block.append(bytes.subarray(start, end));
  }

  #blockComplete(
    streamId: number,
    endsStream: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const fields = this.#decoder.decode(bytes, start, end);
    const stream = this.#host.streams.find(streamId);
    if (stream === undefined) {
      this.#host.guard.count();
    } else if (fields === "too_large") {
      this.#refuse(stream, ERROR_CODE.cancel, "an answer with too large a header list");
    } else if (stream.status === 0) {
      this.#answerHead(stream, fields, endsStream);
    } else {
      this.#trailers(stream, fields, endsStream);
    }
  }

  #answerHead(stream: Stream, fields: readonly HpackField[], endsStream: boolean): void {
    if (fields !== this.#fields) {
      this.#fields = fields;
      this.#head = readResponseHead(fields);
    }
    const head = this.#head;
    if (typeof head === "string") {
      this.#refuse(stream, ERROR_CODE.protocolError, head);
    } else if (head.status < 200) {
      // Interim answers are skipped; 101 does not exist here (RFC 9113 sections 8.1 and 8.6).
      if (endsStream || head.status === 101) {
        this.#refuse(stream, ERROR_CODE.protocolError, `an answer that ends with ${head.status}`);
      } else {
        this.#host.guard.count();
      }
    } else {
      stream.status = head.status;
      stream.headers = head.headers;
      stream.headerBytes = head.headerBytes;
      stream.contentBytes = head.contentBytes;
      if (endsStream) this.#complete(stream);
    }
  }

  #trailers(stream: Stream, fields: readonly HpackField[], endsStream: boolean): void {
    const wrong = endsStream ? checkTrailers(fields) : "an answer with two heads";
    if (wrong !== undefined) this.#refuse(stream, ERROR_CODE.protocolError, wrong);
    else this.#complete(stream);
  }

  /** Takes DATA. */
  data(): void {
    const reader = this.#reader;
    this.#checkStreamId("DATA");
    const flowBytes = reader.payloadBytes;
    this.#use(flowBytes);
    reader.strip();
    const endsStream = (reader.flags & FLAG.endStream) !== 0;
    const bytes = reader.end - reader.start;
    const stream = this.#host.streams.find(reader.streamId);
    if (stream === undefined || (bytes === 0 && !endsStream)) this.#host.guard.count();
    if (stream === undefined) return;
    if (stream.status === 0) {
      this.#refuse(stream, ERROR_CODE.protocolError, "an answer that begins with its body");
      return;
    }
    stream.receivedBytes += bytes;
    stream.flowBytes += flowBytes;
    if (stream.flowBytes > this.#host.limits.bodyBytesMax) {
      this.#refuse(stream, ERROR_CODE.cancel, "an answer with too large a body");
      return;
    }
    if (bytes > 0 && !isSuccess(stream.status)) this.#keepBody(stream);
    if (endsStream) this.#complete(stream);
  }

  #keepBody(stream: Stream): void {
    const { bytes, start, end } = this.#reader;
    const kept = stream.body ?? new Uint8Array(0);
    const room = this.#host.limits.bodyKeptBytesMax - kept.length;
    if (room <= 0) return;
    const part = bytes.subarray(start, Math.min(end, start + room));
    const grown = new Uint8Array(kept.length + part.length);
    grown.set(kept);
    grown.set(part, kept.length);
    stream.body = grown;
  }

  /**
   * Gives the connection's window back as it is used (RFC 9113 section 6.9). Nothing waits here, so a
   * peer that overruns it costs no memory, and is not looked for.
   */
  #use(bytes: number): void {
    this.#usedBytes += bytes;
    if (this.#usedBytes < RECEIVE_WINDOW_BYTES / 2) return;
    writeWindowUpdate(this.#host.out, 0, this.#usedBytes);
    this.#usedBytes = 0;
  }

  /** Takes RST_STREAM. */
  rstStream(): void {
    const { bytes, start, payloadBytes, streamId } = this.#reader;
    if (payloadBytes !== 4) throw sizeError("RST_STREAM");
    this.#checkStreamId("RST_STREAM");
    const stream = this.#host.streams.find(streamId);
    if (stream === undefined) {
      this.#host.guard.count();
      return;
    }
    const code = readUint32(bytes, start);
    const reason = `the peer reset the stream: ${errorCodeName(code)}`;
    this.#host.end(stream, endOfReset(stream.status, code), reason);
  }

  /** Takes WINDOW_UPDATE (RFC 9113 section 6.9). */
  windowUpdate(): void {
    const { bytes, start, payloadBytes, streamId } = this.#reader;
    if (payloadBytes !== 4) throw sizeError("WINDOW_UPDATE");
    this.#host.guard.count();
    const increment = readUint32(bytes, start) & 0x7fffffff;
    if (streamId === 0) {
      if (increment === 0) throw protocolError("WINDOW_UPDATE of nothing");
      this.#host.sender.openWindow(increment);
      return;
    }
    this.#checkStreamId("WINDOW_UPDATE");
    const stream = this.#host.streams.find(streamId);
    if (stream === undefined) return;
    if (increment === 0) {
      this.#reset(stream, ERROR_CODE.protocolError, LOST, "a WINDOW_UPDATE of nothing");
    } else if (!this.#host.sender.openStreamWindow(stream, increment)) {
      this.#reset(stream, ERROR_CODE.flowControlError, LOST, "too large a window");
    }
  }

  /** Streams are ours alone, and exist once their HEADERS were sent (RFC 9113 sections 5.1 and 5.1.1). */
  #checkStreamId(what: string): void {
    const { streamId } = this.#reader;
    if (streamId === 0 || (streamId & 1) === 0 || streamId >= this.#host.sender.nextId) {
      throw protocolError(`${what} on stream ${streamId}, which is not open`);
    }
  }

  /** The answer is complete; of a request that is not, the rest is not wanted (RFC 9113 section 8.1). */
  #complete(stream: Stream): void {
    const isHead = stream.pending?.block.head.method === "HEAD";
    if (stream.contentBytes >= 0 && stream.contentBytes !== stream.receivedBytes && !isHead) {
      this.#refuse(stream, ERROR_CODE.protocolError, "an answer shorter or longer than it said");
      return;
    }
    if (stream.bodyAt >= 0) writeRstStream(this.#host.out, stream.id, ERROR_CODE.cancel);
    this.#host.end(stream, ANSWERED, "");
  }

  #refuse(stream: Stream, code: number, reason: string): void {
    this.#reset(stream, code, BAD_ANSWER, reason);
  }

  #reset(stream: Stream, code: number, end: End, reason: string): void {
    writeRstStream(this.#host.out, stream.id, code);
    this.#host.end(stream, end, reason);
  }
}

/**
 * What a reset makes of a request whose answer began with this status, 0 if none has: a success is in
 * its status, and after NO_ERROR there is no more to come (RFC 9113 section 8.1). A failure that was
 * cut off lacks the body that says what failed.
 */
function endOfReset(status: number, code: number): End {
  if (isSuccess(status)) return ANSWERED;
  if (status !== 0) return code === ERROR_CODE.noError ? ANSWERED : LOST;
  return code === ERROR_CODE.refusedStream ? UNSENT : LOST;
}

/** A frame whose size its type does not allow (RFC 9113 section 4.2). */
export function sizeError(what: string): Http2Error {
  return new Http2Error(ERROR_CODE.frameSizeError, `${what} of a wrong size`);
}

/** A frame that has no place where it came. */
export function protocolError(message: string): Http2Error {
  return new Http2Error(ERROR_CODE.protocolError, message);
}
