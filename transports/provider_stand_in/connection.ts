/**
 * One HTTP/2 connection of a stand-in, the server's end (RFC 9113), with all the ways in which
 * providers make it hard for their senders.
 *
 * All frames of a read are handled in one go and their answers leave in one write; the next read waits
 * for it, so a sender that does not read its answers cannot make us hold more. Answers refer to no
 * dynamic table, so they are the same bytes for all connections.
 *
 * @module
 */

import { ByteBuffer } from "../http2/byte_buffer.ts";
import { ERROR_CODE, Http2Error } from "../http2/errors.ts";
import {
  beginHeaders,
  CLIENT_PREFACE,
  finishHeaders,
  FLAG,
  FRAME,
  FrameReader,
  readUint31,
  SETTING,
  WINDOW_BYTES_DEFAULT,
  writeData,
  writeGoaway,
  writePing,
  writeRstStream,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from "../http2/frames.ts";
import { HpackDecoder } from "../http2/hpack_decoder.ts";
import { HpackEncoder, writeInteger, writePlainString } from "../http2/hpack_encoder.ts";
import { Faults } from "./faults.ts";
import {
  ANSWER_BODY_BYTES_MAX,
  BLOCKED_ANSWERS_MAX,
  BODY_BYTES_MAX,
  HEADER_BLOCK_BYTES_MAX,
  HEADER_LIST_BYTES_MAX,
  LINGER_MS,
} from "./limits.ts";
import { OpenStream } from "./open_stream.ts";
import type { Answer, Peer, Service } from "./service.ts";
import { StreamLimit } from "./stream_limit.ts";

/** What a connection stands on. */
export interface ConnectionOptions {
  /** The socket, its TLS handshake done. */
  readonly socket: Deno.Conn;
  /** Who answers. */
  readonly service: Service;
  /** What is done to requests on purpose, counted over all connections of the provider. */
  readonly faults: Faults;
}

/** An answer that waits for its time. */
interface Later {
  readonly dueAt: number;
  readonly streamId: number;
  readonly answer: Answer;
}

/** A body that waits for the client's window. */
interface Blocked {
  readonly streamId: number;
  readonly body: Uint8Array;
}

/** The connection is to be closed at once, without a word. */
class Cut extends Error {}

const EMPTY = new Uint8Array(0);

/** The server's end of a connection. */
export class Connection {
  readonly #socket: Deno.Conn;
  readonly #service: Service;
  readonly #faults: Faults;
  readonly #reader = new FrameReader();
  readonly #decoder = new HpackDecoder({ listBytesMax: HEADER_LIST_BYTES_MAX });
  readonly #encoder = new HpackEncoder();
  readonly #peer: Peer = { authenticated: false, issuedAtSeconds: undefined };
  readonly #limit: StreamLimit;
  /** Streams whose request is incomplete, at most as many as are allowed. */
  readonly #streams = new Map<number, OpenStream>();
  /** A header block that is continued in the next frame. */
  #block: { readonly streamId: number; readonly flags: number; bytes: Uint8Array } | undefined;
  /** Answers in the order of their time; at most as many as streams are allowed. */
  readonly #later: Later[] = [];
  #laterTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #blocked: Blocked[] = [];
  #out = new ByteBuffer(65_536);
  #spare = new ByteBuffer(65_536);
  #writing: Promise<void> | undefined;
  #lastStreamId = 0;
  /** Streams that have no answer yet. */
  #unanswered = 0;
  #requests = 0;
  #sendWindow = WINDOW_BYTES_DEFAULT;
  #receivedBytes = 0;
  /** The client changed the size of our table, which we do not use: to be said with the next headers. */
  #tableChanged = false;
  #leaving = false;
  #lingerTimer: ReturnType<typeof setTimeout> | undefined;

  /** A connection that has said nothing yet. */
  constructor({ socket, service, faults }: ConnectionOptions) {
    this.#socket = socket;
    this.#service = service;
    this.#faults = faults;
    const { platform, behaviour } = service.world;
    this.#limit = new StreamLimit(platform === "apns" ? 1 : behaviour.streamsMax);
  }

  /** Whether it was told to go away. */
  get leaving(): boolean {
    return this.#leaving;
  }

  /** Serves the connection to its end; never rejects for what the client does. */
  async run(): Promise<void> {
    try {
      this.#announce();
      if (await this.#prefaced()) await this.#serve();
    } catch (error) {
      if (error instanceof Http2Error) await this.#fail(error);
      else if (!isDisconnect(error)) throw error;
    } finally {
      clearTimeout(this.#laterTimer);
      clearTimeout(this.#lingerTimer);
      this.#later.length = 0;
      this.close();
    }
  }

  /** Tells the client to go away: what it sends from now on is not processed (RFC 9113 section 6.8). */
  goAway(code: number = ERROR_CODE.noError, debug = ""): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#service.world.count("goaways");
    writeGoaway(this.#out, this.#lastStreamId, code, new TextEncoder().encode(debug));
    this.#lingerTimer = setTimeout(() => this.close(), LINGER_MS);
    this.#flush().catch(ignoreDisconnect);
  }

  /** Closes the socket at once. */
  close(): void {
    try {
      this.#socket.close();
    } catch (error) {
      // It is closed already.
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  #announce(): void {
    writeSettings(this.#out, [
      [SETTING.maxConcurrentStreams, this.#limit.announced],
      [SETTING.maxHeaderListSize, HEADER_LIST_BYTES_MAX],
    ]);
  }

  async #read(): Promise<boolean> {
    const count = await this.#socket.read(this.#reader.room());
    if (count === null) return false;
    this.#reader.received(count);
    return true;
  }

  async #prefaced(): Promise<boolean> {
    await this.#flush();
    let preface: Uint8Array | undefined;
    while ((preface = this.#reader.take(CLIENT_PREFACE.length)) === undefined) {
      if (!await this.#read()) return false;
    }
    if (preface.every((byte, i) => byte === CLIENT_PREFACE[i])) return true;
    throw new Http2Error(ERROR_CODE.protocolError, "No HTTP/2 preface");
  }

  async #serve(): Promise<void> {
    do {
      while (this.#reader.next()) this.#frame();
      if (this.#receivedBytes > 0) {
        writeWindowUpdate(this.#out, 0, this.#receivedBytes);
        this.#receivedBytes = 0;
      }
      await this.#flush();
    } while (await this.#read());
  }

  async #fail({ code, message }: Http2Error): Promise<void> {
    this.goAway(code, message);
    // The client may be gone, and the error with it.
    await this.#flush().catch(ignoreDisconnect);
  }

  #frame(): void {
    const { type, streamId } = this.#reader;
    if (this.#block !== undefined && (type !== FRAME.continuation)) {
      throw new Http2Error(ERROR_CODE.protocolError, "A header block is not continued");
    }
    switch (type) {
      case FRAME.data:
        return this.#data(streamId);
      case FRAME.headers:
        return this.#headers(streamId);
      case FRAME.continuation:
        return this.#continuation(streamId);
      case FRAME.rstStream:
        return this.#reset(streamId);
      case FRAME.settings:
        return this.#settings();
      case FRAME.ping:
        return this.#ping();
      case FRAME.windowUpdate:
        return this.#windowUpdate(streamId);
      case FRAME.pushPromise:
        throw new Http2Error(ERROR_CODE.protocolError, "PUSH_PROMISE from a client");
      default:
        // PRIORITY and GOAWAY change nothing here; unknown types are ignored (section 4.1).
        return;
    }
  }

  #settings(): void {
    const { bytes, start, end, flags } = this.#reader;
    if ((flags & FLAG.ack) !== 0) return this.#limit.acknowledged();
    if ((end - start) % 6 !== 0) {
      throw new Http2Error(ERROR_CODE.frameSizeError, "SETTINGS are no multiple of 6 bytes");
    }
    for (let at = start; at < end; at += 6) {
      const id = (bytes[at] ?? 0) << 8 | (bytes[at + 1] ?? 0);
      if (id === SETTING.headerTableSize) this.#tableChanged = true;
      if (id === SETTING.initialWindowSize && readUint31(bytes, at + 2) < ANSWER_BODY_BYTES_MAX) {
        const wanted = `an initial window of ${ANSWER_BODY_BYTES_MAX} bytes`;
        throw new Http2Error(ERROR_CODE.flowControlError, `The stand-in wants ${wanted}`);
      }
    }
    writeSettingsAck(this.#out);
  }

  #ping(): void {
    const { bytes, start, end, flags } = this.#reader;
    if (end - start !== 8) {
      throw new Http2Error(ERROR_CODE.frameSizeError, "PING is not 8 bytes");
    }
    if ((flags & FLAG.ack) === 0) writePing(this.#out, bytes.subarray(start, end), true);
  }

  #windowUpdate(streamId: number): void {
    // Every stream has room for its answer from the beginning, see `#settings`.
    if (streamId !== 0) return;
    this.#sendWindow += readUint31(this.#reader.bytes, this.#reader.start);
    let sent = 0;
    for (const { streamId, body } of this.#blocked) {
      if (body.length > this.#sendWindow) break;
      this.#writeBody(streamId, body);
      sent++;
    }
    this.#blocked.splice(0, sent);
  }

  #reset(streamId: number): void {
    if (this.#streams.delete(streamId)) this.#unanswered--;
    const later = this.#later.findIndex((entry) => entry.streamId === streamId);
    if (later >= 0) this.#unanswered--;
    if (later >= 0) this.#later.splice(later, 1);
    const blocked = this.#blocked.findIndex((entry) => entry.streamId === streamId);
    if (blocked >= 0) this.#blocked.splice(blocked, 1);
  }

  #headers(streamId: number): void {
    this.#reader.strip();
    const { bytes, start, end, flags } = this.#reader;
    if ((flags & FLAG.endHeaders) !== 0) return this.#fields(streamId, flags, bytes, start, end);
    this.#block = { streamId, flags, bytes: bytes.slice(start, end) };
  }

  #continuation(streamId: number): void {
    const { bytes, start, end, flags } = this.#reader;
    const block = this.#block;
    if (block?.streamId !== streamId) {
      throw new Http2Error(ERROR_CODE.protocolError, "CONTINUATION of nothing");
    }
    if (block.bytes.length + end - start > HEADER_BLOCK_BYTES_MAX) {
      throw new Http2Error(ERROR_CODE.enhanceYourCalm, "A header block is too large");
    }
    const joined = new Uint8Array(block.bytes.length + end - start);
    joined.set(block.bytes);
    joined.set(bytes.subarray(start, end), block.bytes.length);
    block.bytes = joined;
    if ((flags & FLAG.endHeaders) === 0) return;
    this.#block = undefined;
    this.#fields(streamId, block.flags, joined, 0, joined.length);
  }

  /** A whole header block: a new request, or the trailers of one. */
  #fields(streamId: number, flags: number, bytes: Uint8Array, start: number, end: number): void {
    const fields = this.#decoder.decode(bytes, start, end);
    const ended = (flags & FLAG.endStream) !== 0;
    const known = this.#streams.get(streamId);
    if (known !== undefined) {
      if (ended) this.#complete(known, EMPTY);
      return;
    }
    if (streamId % 2 === 0) throw new Http2Error(ERROR_CODE.protocolError, "An even stream id");
    if (streamId <= this.#lastStreamId) return;
    if (this.#leaving) {
      this.#service.world.count("unprocessed");
      return;
    }
    if (this.#unanswered >= this.#limit.enforced) return this.#overrun(streamId);
    this.#lastStreamId = streamId;
    this.#unanswered++;
    const stream = new OpenStream(streamId, fields === "too_large" ? [] : fields);
    if (fields === "too_large") this.#refuseLarge(stream);
    else if (ended) this.#complete(stream, EMPTY);
    else this.#streams.set(streamId, stream);
  }

  /** More streams than allowed: each provider has its own way, as seen in reports about senders. */
  #overrun(streamId: number): void {
    switch (this.#service.world.platform) {
      case "apns":
        return this.goAway(ERROR_CODE.refusedStream, "Stream closed: too many active streams");
      case "fcm":
        return this.goAway(ERROR_CODE.protocolError, "exceeded_max_concurrent_streams");
      case "webpush":
        this.#lastStreamId = streamId;
        writeRstStream(this.#out, streamId, ERROR_CODE.refusedStream);
    }
  }

  #data(streamId: number): void {
    const { payloadBytes, flags } = this.#reader;
    this.#receivedBytes += payloadBytes;
    this.#reader.strip();
    const stream = this.#streams.get(streamId);
    // Of a stream that was answered, refused or is above the last one.
    if (stream === undefined) return;
    const content = this.#reader.bytes.subarray(this.#reader.start, this.#reader.end);
    if ((flags & FLAG.endStream) !== 0) this.#complete(stream, content);
    else if (stream.bodyBytes + content.length > BODY_BYTES_MAX) this.#refuseLarge(stream);
    else stream.append(content);
  }

  /** Answers before the request has ended and asks for no more of it (RFC 9113 section 8.1). */
  #refuseLarge(stream: OpenStream): void {
    this.#streams.delete(stream.id);
    this.#send(stream.id, this.#service.tooLarge());
    writeRstStream(this.#out, stream.id, ERROR_CODE.noError);
  }

  #complete(stream: OpenStream, rest: Uint8Array): void {
    this.#streams.delete(stream.id);
    this.#requests++;
    const { behaviour } = this.#service.world;
    const fault = this.#faults.next(behaviour);
    if (fault.kind === "reset" && fault.code === ERROR_CODE.refusedStream) {
      return this.#resetOnPurpose(stream.id, fault.code);
    }
    const answer = this.#service.answer(stream.request(rest), this.#peer);
    switch (fault.kind) {
      case "cut":
        this.#service.world.count("cuts");
        throw new Cut();
      case "reset":
        return this.#resetOnPurpose(stream.id, fault.code);
      case "none":
        this.#answer(stream.id, answer, behaviour.latencyMs);
    }
    const { goawayEveryRequests } = behaviour;
    if (goawayEveryRequests > 0 && this.#requests >= goawayEveryRequests) this.goAway();
  }

  #resetOnPurpose(streamId: number, code: number): void {
    this.#service.world.count("resets");
    this.#unanswered--;
    writeRstStream(this.#out, streamId, code);
  }

  #answer(streamId: number, answer: Answer, latencyMs: number): void {
    if (latencyMs <= 0 && this.#later.length === 0) return this.#send(streamId, answer);
    this.#later.push({ dueAt: performance.now() + latencyMs, streamId, answer });
    this.#laterTimer ??= setTimeout(() => this.#sendDue(), latencyMs);
  }

  #sendDue(): void {
    this.#laterTimer = undefined;
    const now = performance.now();
    let due = 0;
    for (const { dueAt, streamId, answer } of this.#later) {
      if (dueAt > now) break;
      this.#send(streamId, answer);
      due++;
    }
    this.#later.splice(0, due);
    const next = this.#later[0];
    if (next !== undefined) {
      this.#laterTimer = setTimeout(() => this.#sendDue(), Math.max(1, next.dueAt - now));
    }
    this.#flush().catch(ignoreDisconnect);
  }

  #send(streamId: number, { reply, own, body = reply.body }: Answer): void {
    const out = this.#out;
    const at = beginHeaders(out);
    if (this.#tableChanged) writeInteger(out, 0x20, 5, 0);
    this.#tableChanged = false;
    out.append(reply.head);
    if (own !== undefined) {
      this.#encoder.writeLiteralName(out, own.name);
      writePlainString(out, own.value);
    }
    finishHeaders(out, at, streamId, body.length === 0);
    this.#unanswered--;
    this.#retune(reply.status);
    if (body.length === 0) return;
    if (this.#blocked.length === 0 && body.length <= this.#sendWindow) {
      return this.#writeBody(streamId, body);
    }
    if (this.#blocked.length >= BLOCKED_ANSWERS_MAX) {
      throw new Http2Error(ERROR_CODE.enhanceYourCalm, "No window for answers");
    }
    this.#blocked.push({ streamId, body });
  }

  #writeBody(streamId: number, body: Uint8Array): void {
    this.#sendWindow -= body.length;
    writeData(this.#out, streamId, body, true);
  }

  /** Changes the number of streams allowed, as APNs does: with the first token, with rejections. */
  #retune(status: number): void {
    const { platform, behaviour } = this.#service.world;
    if (platform === "apns" && !this.#peer.authenticated) return;
    const rejected = behaviour.narrowed && status >= 400 && status !== 410;
    const streams = rejected ? 1 : behaviour.streamsMax;
    const returns = status < 400 || !behaviour.narrowed;
    if (streams === this.#limit.announced || !(rejected || returns)) return;
    this.#limit.announce(streams);
    writeSettings(this.#out, [[SETTING.maxConcurrentStreams, streams]]);
  }

  /** Writes what was gathered; one write at a time. */
  #flush(): Promise<void> {
    this.#writing ??= this.#writeAll().finally(() => this.#writing = undefined);
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    while (this.#out.length > 0) {
      const full = this.#out;
      this.#out = this.#spare;
      this.#spare = full;
      const bytes = full.view();
      for (let at = 0; at < bytes.length;) {
        at += await this.#socket.write(at === 0 ? bytes : bytes.subarray(at));
      }
      full.clear();
    }
  }
}

/** Whether an error only says that the connection is at its end. */
function isDisconnect(error: unknown): boolean {
  return error instanceof Cut || error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.UnexpectedEof ||
    error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.InvalidData ||
    error instanceof Deno.errors.NotConnected;
}

function ignoreDisconnect(error: unknown): void {
  if (!isDisconnect(error)) throw error;
}
