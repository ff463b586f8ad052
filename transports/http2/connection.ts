/**
 * A client's HTTP/2 connection (RFC 9113) for blocks of small requests.
 *
 * One loop reads, and handles every frame of a read before it reads again; one write at most is
 * under way, and what became ready meanwhile leaves together in the next. So under load many
 * requests go in a write and many answers come in a read, and no promise is made for any of them.
 *
 * Phases only go forward: `"opening"` until the peer's first SETTINGS, `"open"`, `"draining"` when no
 * requests are taken any more and those begun are waited for, `"ended"`.
 *
 * Invariants: every request of every block ends exactly once, whatever the peer does; what was not
 * written ends unsent; in `"ended"` nothing is open, the socket is closed and no timer is set.
 *
 * @module
 */

import { ByteBuffer } from "./byte_buffer.ts";
import type { Http2Clock, TimerHandle } from "./clock.ts";
import { ERROR_CODE, errorCodeName, Http2Error } from "./errors.ts";
import {
  type AnswerBlock,
  ANSWERED,
  BAD_ANSWER,
  type End,
  type HttpConnection,
  LOST,
  type RequestBlock,
  TIMED_OUT,
  UNSENT,
} from "./exchange.ts";
import { FloodGuard } from "./flood.ts";
import {
  CLIENT_PREFACE,
  FLAG,
  FRAME,
  FRAME_PAYLOAD_BYTES_DEFAULT,
  FrameReader,
  readUint31,
  readUint32,
  SETTING,
  WINDOW_BYTES_DEFAULT,
  writeGoaway,
  writePing,
  writeRstStream,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from "./frames.ts";
import {
  BEGIN_SHARE,
  DEBUG_CHARS_MAX,
  type Http2Limits,
  READ_BYTES_MAX,
  RECEIVE_WINDOW_BYTES,
  TICK_MS_MAX,
  TICKS_PER_DEADLINE,
} from "./limits.ts";
import { PendingBlock } from "./pending_block.ts";
import { protocolError, Receiver, type ReceiverHost, sizeError } from "./receiver.ts";
import { checkBlock } from "./request_check.ts";
import { isSuccess } from "./response_head.ts";
import { Sender } from "./sender.ts";
import type { Http2Socket } from "./socket.ts";
import { type Stream, StreamTable } from "./streams.ts";

/** How a connection is set up. */
export interface ConnectionOptions {
  /** Its limits. */
  readonly limits: Http2Limits;
  /** Its time. */
  readonly clock: Http2Clock;
  /** `:scheme` of its requests. */
  readonly scheme: "http" | "https";
}

const PING_BYTES = new TextEncoder().encode("alive? .");

/** See the module. */
export class Http2Connection implements HttpConnection, ReceiverHost {
  readonly limits: Http2Limits;
  readonly streams: StreamTable;
  readonly sender: Sender;
  readonly guard: FloodGuard;
  out = new ByteBuffer();
  readonly ended: Promise<string>;
  /** Resolves when the peer's first SETTINGS have come, or with the reason why they never will. */
  readonly opened: Promise<string | undefined>;
  readonly #socket: Http2Socket;
  readonly #clock: Http2Clock;
  readonly #reader = new FrameReader(FRAME_PAYLOAD_BYTES_DEFAULT, READ_BYTES_MAX);
  readonly #receiver: Receiver;
  /** Blocks with requests that have not ended, in the order of their deadlines. */
  readonly #blocks = new Set<PendingBlock>();
  readonly #setEnded: (reason: string) => void;
  readonly #setOpened: (reason: string | undefined) => void;
  readonly #closed = Promise.withResolvers<void>();
  readonly #tickMs: number;
  #timer: TimerHandle | undefined;
  #phase: "opening" | "open" | "draining" | "ended" = "opening";
  /** Why no requests are taken any more. */
  #reason = "";
  #inFlight = 0;
  #spare = new ByteBuffer();
  #flushDue = false;
  #writing = false;
  /** GOAWAY is in `out`: the socket is closed behind it. */
  #lastWrite = false;
  #writeBeganAt = 0;
  #readAt: number;
  /** When an answer came last, to within a read; at first when the connection began. */
  #answeredAt: number;
  #pingedAt: number | undefined;

  /** Sends the preface and begins to read (RFC 9113 section 3.4). */
  constructor(socket: Http2Socket, { limits, clock, scheme }: ConnectionOptions) {
    this.#socket = socket;
    this.#clock = clock;
    this.#readAt = clock.now();
    this.#answeredAt = this.#readAt;
    this.limits = limits;
    this.streams = new StreamTable(limits.streamsMax);
    this.sender = new Sender(limits, this.streams, scheme);
    this.guard = new FloodGuard(clock, limits.idleFramesPerSecondMax);
    this.#receiver = new Receiver(this, this.#reader);
    ({ promise: this.ended, resolve: this.#setEnded } = Promise.withResolvers<string>());
    ({ promise: this.opened, resolve: this.#setOpened } = Promise.withResolvers<
      string | undefined
    >());
    const shortestMs = Math.min(
      limits.requestTimeoutMs,
      limits.pingIntervalMs,
      limits.pongTimeoutMs,
    );
    this.#tickMs = Math.min(shortestMs / TICKS_PER_DEADLINE, TICK_MS_MAX);
    this.#writePreface();
    this.#setTimer();
    this.#flush();
    void this.#read();
  }

  get streamsMax(): number {
    return this.sender.streamsMax;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  async exchange(block: RequestBlock): Promise<AnswerBlock> {
    checkBlock(block);
    const now = this.#clock.now();
    const timeoutMs = this.limits.requestTimeoutMs;
    const pending = new PendingBlock(block, now + timeoutMs * BEGIN_SHARE, now + timeoutMs);
    if (this.#phase === "draining" || this.#phase === "ended") {
      pending.dropWaiting(this.#reason);
    } else if (this.#inFlight + pending.left > this.limits.requestsMax) {
      pending.dropWaiting(`more than ${this.limits.requestsMax} requests in the connection`);
    } else if (pending.left > 0) {
      this.#inFlight += pending.left;
      this.#blocks.add(pending);
      this.sender.enqueue(pending);
      this.#flushSoon();
    }
    return await pending.answers;
  }

  async close(): Promise<void> {
    if (this.#phase === "open" || this.#phase === "opening") {
      this.#drain("closed");
      this.#dropWaiting("the connection is being closed");
      this.#finishWhenDone();
    }
    await this.#closed.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Ends at once: for a connection that did not open in time. */
  abort(reason: string): void {
    this.#lose(reason);
  }

  end(stream: Stream, end: End, reason: string): void {
    const { pending, index, status, headers, headerBytes, writtenAt, body = EMPTY } = stream;
    if (pending === undefined) throw new Error("A stream ends that is not open");
    this.sender.forget(stream);
    this.streams.close(stream);
    this.#inFlight--;
    if (end === ANSWERED) this.#answeredAt = this.#readAt;
    if (end !== ANSWERED) {
      pending.fail(index, end, reason);
    } else if (headers === undefined) {
      pending.answer(index, status, this.#readAt - writtenAt);
    } else if (pending.detailBytes + headerBytes + body.length > this.limits.detailBytesMax) {
      pending.fail(index, BAD_ANSWER, "answers with too many bytes in one block");
    } else {
      pending.detail(index, { headers, body }, headerBytes + body.length);
      pending.answer(index, status, this.#readAt - writtenAt);
    }
    if (pending.left === 0) this.#blocks.delete(pending);
  }

  #writePreface(): void {
    this.out.append(CLIENT_PREFACE);
    writeSettings(this.out, [
      [SETTING.enablePush, 0],
      // Larger than the longest body that is read, so that it never needs to be given back.
      [SETTING.initialWindowSize, this.limits.bodyBytesMax + FRAME_PAYLOAD_BYTES_DEFAULT],
      [SETTING.maxHeaderListSize, this.limits.headerListBytesMax],
    ]);
    writeWindowUpdate(this.out, 0, RECEIVE_WINDOW_BYTES - WINDOW_BYTES_DEFAULT);
  }

  async #read(): Promise<void> {
    while (this.#phase !== "ended") {
      let count: number | null;
      try {
        count = await this.#socket.read(this.#reader.room());
      } catch (error) {
        return this.#lose(messageOf(error));
      }
      if (count === null) return this.#lose("the peer ended the connection");
      this.#reader.received(count);
      this.#readAt = this.#clock.now();
      this.#pingedAt = undefined;
      try {
        while (this.#reader.next()) this.#handle();
      } catch (error) {
        if (error instanceof Http2Error) return this.#fail(error);
        this.#lose("a fault of this client");
        throw error;
      }
      this.#finishWhenDone();
      this.#flush();
    }
  }

  #handle(): void {
    const { type } = this.#reader;
    if (this.#receiver.continues && type !== FRAME.continuation) {
      throw protocolError("A header block is interrupted");
    }
    if (this.#phase === "opening" && type !== FRAME.settings) {
      throw protocolError("The peer does not begin with SETTINGS");
    }
    switch (type) {
      case FRAME.headers:
        return this.#receiver.headers();
      case FRAME.data:
        return this.#receiver.data();
      case FRAME.continuation:
        return this.#receiver.continuation();
      case FRAME.windowUpdate:
        return this.#receiver.windowUpdate();
      case FRAME.rstStream:
        return this.#receiver.rstStream();
      case FRAME.settings:
        return this.#settings();
      case FRAME.ping:
        return this.#ping();
      case FRAME.goaway:
        return this.#goaway();
      case FRAME.pushPromise:
        throw protocolError("A push, which was not allowed");
      case FRAME.priority:
        if (this.#reader.payloadBytes !== 5) throw sizeError("PRIORITY");
        if (this.#reader.streamId === 0) throw protocolError("PRIORITY of the connection");
        return this.guard.count();
      default:
        // Unknown frames are ignored (RFC 9113 section 5.5).
        return this.guard.count();
    }
  }

  /** RFC 9113 section 6.5. */
  #settings(): void {
    const { bytes, start, end, flags, payloadBytes, streamId } = this.#reader;
    if (streamId !== 0) throw protocolError("SETTINGS of a stream");
    if ((flags & FLAG.ack) !== 0) {
      this.guard.count();
      if (payloadBytes !== 0) throw sizeError("The acknowledgement of SETTINGS");
      if (this.#phase === "opening") throw protocolError("The peer does not begin with SETTINGS");
      return;
    }
    if (payloadBytes % 6 !== 0) throw sizeError("SETTINGS");
    for (let at = start; at < end; at += 6) {
      this.guard.count();
      const id = (bytes[at] ?? 0) << 8 | (bytes[at + 1] ?? 0);
      this.sender.applySetting(id, readUint32(bytes, at + 2));
    }
    this.guard.count();
    writeSettingsAck(this.out);
    if (this.#phase === "opening") this.#phase = "open";
    this.#setOpened(undefined);
  }

  /** RFC 9113 section 6.7. */
  #ping(): void {
    const { bytes, start, end, flags, payloadBytes, streamId } = this.#reader;
    if (streamId !== 0) throw protocolError("PING of a stream");
    if (payloadBytes !== 8) throw sizeError("PING");
    this.guard.count();
    if ((flags & FLAG.ack) === 0) writePing(this.out, bytes.subarray(start, end), true);
  }

  /** RFC 9113 section 6.8: what is above the last id was not processed; the rest is waited for. */
  #goaway(): void {
    const { bytes, start, end, payloadBytes, streamId } = this.#reader;
    if (streamId !== 0) throw protocolError("GOAWAY of a stream");
    if (payloadBytes < 8) throw sizeError("GOAWAY");
    this.guard.count();
    const lastId = readUint31(bytes, start);
    const name = errorCodeName(readUint32(bytes, start + 4));
    const debug = readDebug(bytes.subarray(start + 8, end));
    const reason = debug === "" ? `GOAWAY ${name}` : `GOAWAY ${name}: ${debug}`;
    this.#dropWaiting(reason);
    this.#drain(reason);
    for (const stream of this.streams.all()) {
      if (stream.id > lastId) this.#giveUp(stream, UNSENT, reason);
    }
  }

  /** Takes no more requests. */
  #drain(reason: string): void {
    if (this.#phase === "draining" || this.#phase === "ended") return;
    this.#phase = "draining";
    this.#reason = reason;
    this.#setEnded(reason);
    this.#setOpened(reason);
  }

  /** The last request has ended: says good-bye. */
  #finishWhenDone(): void {
    if (this.#phase !== "draining" || this.#inFlight > 0 || this.#lastWrite) return;
    this.#lastWrite = true;
    writeGoaway(this.out, 0, ERROR_CODE.noError);
    this.#flush();
  }

  /** The peer broke the protocol: tells it how (RFC 9113 section 5.4.1) and ends. */
  #fail(error: Http2Error): void {
    if (this.#phase === "ended") return;
    this.#settleAll(error.message);
    this.#drain(error.message);
    this.#lastWrite = true;
    writeGoaway(this.out, 0, error.code, new TextEncoder().encode(error.message));
    this.#flush();
  }

  /** The socket is of no use any more. */
  #lose(reason: string): void {
    if (this.#phase === "ended") return;
    this.#settleAll(reason);
    this.#drain(reason);
    this.#phase = "ended";
    if (this.#timer !== undefined) this.#clock.clear(this.#timer);
    this.#socket.close();
    this.#closed.resolve();
  }

  #settleAll(reason: string): void {
    this.#dropWaiting(reason);
    for (const stream of this.streams.all()) this.#giveUp(stream, LOST, reason);
  }

  #dropWaiting(reason: string): void {
    for (const pending of this.#blocks) this.#dropWaitingOf(pending, reason);
  }

  #dropWaitingOf(pending: PendingBlock, reason: string): number {
    const count = pending.dropWaiting(reason);
    this.#inFlight -= count;
    if (pending.left === 0) this.#blocks.delete(pending);
    return count;
  }

  /**
   * Ends a stream whose answer is not complete. A success is in its status; of a failure the body says
   * what failed, and half of it must not be taken for an answer without one.
   */
  #giveUp(stream: Stream, end: End, reason: string): void {
    this.end(stream, isSuccess(stream.status) ? ANSWERED : end, reason);
  }

  /** Writes at the end of this turn, so that blocks that come together leave together. */
  #flushSoon(): void {
    if (this.#flushDue) return;
    this.#flushDue = true;
    queueMicrotask(() => {
      this.#flushDue = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (!this.#writing && this.#phase !== "ended") void this.#write();
  }

  async #write(): Promise<void> {
    this.#writing = true;
    while (this.#fill()) {
      const full = this.out;
      this.out = this.#spare;
      this.#spare = full;
      const last = this.#lastWrite;
      try {
        for (let at = 0; at < full.length;) {
          this.#writeBeganAt = this.#clock.now();
          at += await this.#socket.write(full.bytes.subarray(at, full.length));
        }
      } catch (error) {
        this.#lose(messageOf(error));
      }
      full.clear();
      if (last) this.#lose(this.#reason);
    }
    this.#writing = false;
  }

  /** Puts what can be sent into `out`; `false` when there is nothing to write. */
  #fill(): boolean {
    if (this.#phase === "ended") return false;
    if (this.#phase !== "opening" && !this.#lastWrite) {
      this.guard.allow(this.sender.fill(this.out, this.#clock.now()));
      if (this.sender.usedUp) {
        this.#dropWaiting("the stream ids are used up");
        this.#drain("the stream ids are used up");
        this.#finishWhenDone();
      }
    }
    return this.out.length > 0;
  }

  #setTimer(): void {
    this.#timer = this.#clock.set(this.#tickMs, () => this.#tick());
  }

  #tick(): void {
    const now = this.#clock.now();
    this.#expireRequests(now);
    const { pingIntervalMs, pongTimeoutMs } = this.limits;
    if (this.#writing && now - this.#writeBeganAt >= pongTimeoutMs) {
      return this.#lose(`the peer has not read for ${pongTimeoutMs} ms`);
    }
    if (this.#pingedAt !== undefined) {
      if (now - this.#pingedAt >= pongTimeoutMs) {
        return this.#lose(`the peer has not answered a PING for ${pongTimeoutMs} ms`);
      }
    } else if (now - this.#readAt >= (this.streams.size > 0 ? pongTimeoutMs : pingIntervalMs)) {
      this.#pingedAt = now;
      writePing(this.out, PING_BYTES, false);
    }
    this.#finishWhenDone();
    this.#flush();
    this.#setTimer();
  }

  #expireRequests(now: number): void {
    const { requestTimeoutMs } = this.limits;
    const beginMs = requestTimeoutMs * BEGIN_SHARE;
    const reason = `no answer within ${requestTimeoutMs} ms`;
    let expired = 0;
    for (const pending of this.#blocks) {
      if (now < pending.beginBy) break;
      expired += this.#dropWaitingOf(pending, `not begun within ${beginMs} ms`);
      if (now < pending.dueAt) continue;
      for (const stream of this.streams.all()) {
        if (stream.pending !== pending) continue;
        expired++;
        writeRstStream(this.out, stream.id, ERROR_CODE.cancel);
        this.#giveUp(stream, TIMED_OUT, reason);
      }
    }
    if (expired === 0 || now - this.#answeredAt < beginMs) return;
    // PINGs are answered at most, as by a proxy with nothing behind it: another connection may work.
    this.#dropWaiting("requests are not answered");
    this.#drain("requests are not answered");
  }
}

const EMPTY = new Uint8Array(0);

/** The beginning of a GOAWAY's debug data, as far as it is printable ASCII. */
function readDebug(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(0, DEBUG_CHARS_MAX)).replace(/[^ -~]/g, "?");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
