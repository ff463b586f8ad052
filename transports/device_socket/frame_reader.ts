/**
 * From bytes in any portions to messages: frames, fragments and what RFC 6455 says about both.
 *
 * The owner reads into {@linkcode FrameReader.room}, says how much arrived, and takes events
 * until there are none. No I/O and no time here.
 *
 * Invariants: `0 <= start <= end <= buffer.length`; the buffer holds at most one incomplete
 * frame, at its beginning after compaction; it grows at most to twice of what has arrived, so a
 * declared length costs nothing until its bytes are there; nothing is read past the limits.
 * After a `"failed"` event the stream has no meaning any more and the owner must not go on.
 *
 * @module
 */

import type { BufferPool } from "./buffers.ts";
import { isCloseCode, type Opcode, readFrameHeader, unmask } from "./frames.ts";
import { BURST_BUFFER_BYTES, IDLE_BUFFER_BYTES } from "./limits.ts";

/** What the device sent, one event for each whole message or control frame. */
export type Incoming =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "ping"; readonly payload: Uint8Array }
  | { readonly kind: "pong" }
  | {
    readonly kind: "close";
    /** The code, 1005 when the frame carried none (RFC 6455 section 7.1.5). */
    readonly code: number;
    readonly reason: string;
  }
  | {
    readonly kind: "failed";
    /** The code to close with. */
    readonly code: 1002 | 1003 | 1007 | 1008 | 1009;
    readonly reason: string;
  };

/** The limits that the reader keeps. */
export interface ReaderLimits {
  /** Payload of one message, over all of its fragments. */
  readonly messageBytesMax: number;
  /** Frames of one message. */
  readonly fragmentsMax: number;
}

/** A buffer with bytes that were read together with what came before the first frame. */
export interface EarlyBytes {
  /** Where they are. */
  readonly buffer: Uint8Array;
  /** Index of the first. */
  readonly start: number;
  /** Index past the last. */
  readonly end: number;
}

/** A message whose last fragment has not arrived. */
interface OpenMessage {
  readonly fragments: Uint8Array[];
  /** Of all fragments together. */
  payloadBytes: number;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads the frames of one device. */
export class FrameReader {
  readonly #pool: BufferPool;
  readonly #limits: ReaderLimits;
  readonly #idle: Uint8Array;
  #buffer: Uint8Array;
  #start = 0;
  #end = 0;
  /** Bytes of the incomplete frame at `#start`, header included, 0 while unknown. */
  #frameBytes = 0;
  #message: OpenMessage | undefined;
  #begun = false;

  /** Begins with nothing received. */
  constructor(pool: BufferPool, limits: ReaderLimits) {
    this.#pool = pool;
    this.#limits = limits;
    this.#idle = pool.takeIdle();
    this.#buffer = this.#idle;
  }

  /** Begins with bytes that came early; their buffer is the reader's from now on. */
  begin(early: EarlyBytes): void {
    this.#buffer = early.buffer;
    this.#start = early.start;
    this.#end = early.end;
  }

  /** Whether a frame or a fragmented message has begun and not ended. */
  get unfinished(): boolean {
    return this.#start < this.#end || this.fragmented;
  }

  /** Whether a fragmented message has begun and not ended. */
  get fragmented(): boolean {
    return this.#message !== undefined;
  }

  /** Memory of the message that has begun, beyond what every connection may hold; else 0. */
  get heldBytes(): number {
    if (!this.unfinished) return 0;
    const buffer = this.#buffer.length > BURST_BUFFER_BYTES ? this.#buffer.length : 0;
    return buffer + (this.#message?.payloadBytes ?? 0);
  }

  /** Where the next read goes; never empty once `next` has answered `undefined`. */
  room(): Uint8Array {
    if (this.#start === this.#end) {
      this.discard();
      return this.#buffer;
    }
    const filled = this.#end === this.#buffer.length;
    if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const capacity = this.#buffer.length;
    // A filled idle buffer tells that more is waiting: a larger one saves reads.
    const short = capacity === IDLE_BUFFER_BYTES && (filled || this.#frameBytes > capacity);
    if (short || this.#end === capacity) this.#grow(capacity);
    return this.#buffer.subarray(this.#end);
  }

  #grow(capacity: number): void {
    const wanted = Math.min(this.#frameBytes, capacity * 2);
    const larger = wanted <= BURST_BUFFER_BYTES ? this.#pool.takeBurst() : new Uint8Array(wanted);
    larger.set(this.#buffer.subarray(0, this.#end));
    if (this.#buffer !== this.#idle) this.#pool.give(this.#buffer);
    this.#buffer = larger;
  }

  /** Says that `count` bytes were read into the room. */
  received(count: number): void {
    this.#end += count;
  }

  /** Forgets what has arrived, back to the smallest memory. */
  discard(): void {
    if (this.#buffer !== this.#idle) this.#pool.give(this.#buffer);
    this.#buffer = this.#idle;
    this.#start = this.#end = this.#frameBytes = 0;
  }

  /** Gives all buffers back; no read may be pending and the reader is not used again. */
  release(): void {
    this.discard();
    this.#message = undefined;
    this.#pool.give(this.#idle);
  }

  /** The next event, or `undefined` when more bytes are needed for it. */
  next(): Incoming | undefined {
    while (this.#start < this.#end) {
      const header = readFrameHeader(this.#buffer, this.#start, this.#end);
      if (header.kind === "incomplete") return undefined;
      if (header.kind === "malformed") return failed(1002, header.reason);
      const { fin, opcode, headerBytes, payloadBytes } = header;
      const refusal = this.#judge(opcode, payloadBytes);
      if (refusal !== undefined) return refusal;
      this.#frameBytes = headerBytes + payloadBytes;
      if (this.#end - this.#start < this.#frameBytes) return undefined;
      const from = this.#start + headerBytes;
      const to = from + payloadBytes;
      unmask(this.#buffer, from, to);
      this.#start = to;
      this.#frameBytes = 0;
      this.#begun = true;
      const incoming = this.#take(opcode, fin, this.#buffer.subarray(from, to));
      if (incoming !== undefined) return incoming;
    }
    return undefined;
  }

  /** Judges a frame by its header and by what came before, ahead of buffering its payload. */
  #judge(opcode: Opcode, payloadBytes: number): Incoming | undefined {
    // The greeting is text; autopush closes on anything else, Ping included, and devices rely on
    // nothing before it. A Close is answered as always.
    if (!this.#begun && opcode !== "text" && opcode !== "close") {
      return failed(1003, `the first frame must be text, not ${opcode}`);
    }
    switch (opcode) {
      case "binary":
        return failed(1003, "text only");
      case "text":
        if (this.#message !== undefined) return failed(1002, "new message inside a fragmented one");
        return this.#tooLarge(payloadBytes);
      case "continuation":
        if (this.#message === undefined) return failed(1002, "continuation without a beginning");
        if (this.#message.fragments.length >= this.#limits.fragmentsMax) {
          return failed(1008, `more than ${this.#limits.fragmentsMax} fragments`);
        }
        return this.#tooLarge(this.#message.payloadBytes + payloadBytes);
      case "close":
      case "ping":
      case "pong":
        return undefined;
    }
  }

  #tooLarge(messageBytes: number): Incoming | undefined {
    const max = this.#limits.messageBytesMax;
    return messageBytes > max ? failed(1009, `message over ${max} bytes`) : undefined;
  }

  /** Takes a whole frame; its payload is a view that the next read overwrites. */
  #take(opcode: Opcode, fin: boolean, payload: Uint8Array): Incoming | undefined {
    switch (opcode) {
      case "ping":
        return { kind: "ping", payload: payload.slice() };
      case "pong":
        return { kind: "pong" };
      case "close":
        return readClose(payload);
      case "text":
      case "continuation":
      case "binary":
        return this.#takeData(fin, payload);
    }
  }

  #takeData(fin: boolean, payload: Uint8Array): Incoming | undefined {
    const message = this.#message;
    if (fin && message === undefined) return readText(payload);
    if (message === undefined) {
      this.#message = { fragments: [payload.slice()], payloadBytes: payload.length };
      return undefined;
    }
    message.fragments.push(payload.slice());
    message.payloadBytes += payload.length;
    if (!fin) return undefined;
    this.#message = undefined;
    return readText(join(message.fragments));
  }
}

function readText(payload: Uint8Array): Incoming {
  const text = decode(payload);
  return text === undefined ? failed(1007, "text is not UTF-8") : { kind: "text", text };
}

function readClose(payload: Uint8Array): Incoming {
  if (payload.length === 0) return { kind: "close", code: 1005, reason: "" };
  const [high, low] = payload;
  if (high === undefined || low === undefined) return failed(1002, "close code of one byte");
  const code = high * 256 + low;
  if (!isCloseCode(code)) return failed(1002, `close code ${code} is not for the wire`);
  const reason = decode(payload.subarray(2));
  if (reason === undefined) return failed(1007, "close reason is not UTF-8");
  return { kind: "close", code, reason };
}

/** Decodes UTF-8; `undefined` when it is not. */
function decode(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined; // With `fatal` set, invalid bytes are the only reason to throw.
  }
}

/** One array of all of `parts`. */
export function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function failed(code: 1002 | 1003 | 1007 | 1008 | 1009, reason: string): Incoming {
  return { kind: "failed", code, reason };
}
