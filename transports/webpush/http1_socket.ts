/**
 * One socket to an HTTP/1.1 server, with one request at a time (RFC 9112).
 *
 * Invariants: head and body of an answer are bounded; a socket whose answer did not end where its framing
 * says is not used again; a read is always outstanding while the socket is idle, so that a server that
 * closes it is noticed before the next request is written.
 *
 * Why by hand: the address must be one that was looked at while the certificate is for the name, and
 * `fetch` offers no way to say so.
 *
 * @module
 */

import {
  ANSWER_BODY_BYTES_MAX,
  ANSWER_BODY_KEPT_BYTES,
  ANSWER_HEAD_BYTES_MAX,
  CHUNK_LINE_BYTES_MAX,
  INFORMATIONAL_ANSWERS_MAX,
} from "./limits.ts";

/** An answer. */
export interface Http1Answer {
  /** From 200 to 999. */
  readonly status: number;
  /** Its header fields by lower-case name; the last one wins. */
  readonly headers: ReadonlyMap<string, string>;
  /** The beginning of its body. */
  readonly body: Uint8Array;
}

/** The server broke RFC 9112, or a limit. */
export class BadAnswerError extends Error {
  /** Its name. */
  override readonly name = "BadAnswerError";
}

/** What both ends of a TCP or TLS connection do. */
export type ByteStream = Pick<Deno.Conn, "read" | "write" | "close">;

const VERSION = new TextEncoder().encode("HTTP/1.");
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: .*)?$/;
const FIELD_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/;

interface Head {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly keepAlive: boolean;
  readonly framing: "none" | "chunked" | "until_end" | { readonly bytes: number };
}

/** A socket; see the module. */
export class Http1Socket {
  readonly #stream: ByteStream;
  readonly #buffer = new Uint8Array(ANSWER_HEAD_BYTES_MAX);
  #start = 0;
  #end = 0;
  /** A read that began when nothing was asked. */
  #idleRead: Promise<boolean> | undefined;
  #idle = false;
  #reusable = true;
  #closed = false;

  /** A socket over an open connection, which it closes. */
  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /** Whether another request may be sent over it. */
  get reusable(): boolean {
    return this.#reusable && !this.#closed;
  }

  /**
   * Sends a request and reads its answer.
   *
   * @param request The whole request.
   * @throws {BadAnswerError} For an answer that is none.
   * @throws {Error} When the connection ends before the answer does.
   */
  async exchange(request: Uint8Array): Promise<Http1Answer> {
    this.#reusable = false;
    this.#idle = false;
    for (let at = 0; at < request.length;) at += await this.#stream.write(request.subarray(at));
    const head = await this.#finalHead();
    const body = await this.#body(head);
    this.#reusable = head.keepAlive && this.#start === this.#end;
    return { status: head.status, headers: head.headers, body };
  }

  /** Calls back when the server ends the connection, or speaks, while nothing is asked of it. */
  watch(ended: () => void): void {
    this.#idle = true;
    this.#idleRead = this.#read().catch(() => false);
    this.#idleRead.then(() => {
      if (!this.#idle) return;
      // Whatever came, nobody asked for it.
      this.#reusable = false;
      ended();
    });
  }

  /** Closes the connection. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#stream.close();
    } catch (error) {
      // A TLS connection that failed is closed by the runtime.
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  /** Reads more into the buffer; false at the end of the connection. */
  async #fill(): Promise<boolean> {
    const idleRead = this.#idleRead;
    if (idleRead === undefined) return await this.#read();
    this.#idleRead = undefined;
    return await idleRead;
  }

  async #read(): Promise<boolean> {
    if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const read = await this.#stream.read(this.#buffer.subarray(this.#end));
    if (read === null) return false;
    this.#end += read;
    return true;
  }

  async #more(): Promise<void> {
    if (!await this.#fill()) throw new Error("the connection ended without a whole answer");
  }

  async #finalHead(): Promise<Head> {
    for (let answer = 0; answer < INFORMATIONAL_ANSWERS_MAX; answer++) {
      const head = readHead(await this.#headLines());
      if (head.status >= 200) return head;
      // RFC 9110 section 15.2.2: nobody asked for another protocol.
      if (head.status === 101) break;
    }
    throw new BadAnswerError("no final answer");
  }

  async #headLines(): Promise<readonly string[]> {
    const lines: string[] = [];
    for (let bytes = 0;;) {
      const line = await this.#line(ANSWER_HEAD_BYTES_MAX - bytes, lines.length === 0);
      if (line === "") return lines;
      bytes += line.length + 2;
      lines.push(line);
    }
  }

  /** A line without its end; one that begins an answer must name the version at once. */
  async #line(bytesMax: number, first = false): Promise<string> {
    for (;;) {
      const held = this.#buffer.subarray(this.#start, this.#end);
      if (first && VERSION.subarray(0, held.length).some((byte, at) => byte !== held[at])) {
        throw new BadAnswerError("not HTTP/1");
      }
      const feed = held.indexOf(10);
      if (feed > bytesMax || (feed < 0 && held.length >= bytesMax)) {
        throw new BadAnswerError("a head or a chunk's line too long");
      }
      if (feed >= 0) {
        this.#start += feed + 1;
        const end = held[feed - 1] === 13 ? feed - 1 : feed;
        return String.fromCharCode(...held.subarray(0, end));
      }
      await this.#more();
    }
  }

  async #body({ framing }: Head): Promise<Uint8Array> {
    const body = new Body();
    switch (framing) {
      case "none":
        break;
      case "chunked":
        await this.#chunks(body);
        break;
      case "until_end":
        // Many servers end TLS without saying so: that is an end, too.
        do this.#take(body, Infinity); while (await this.#fill().catch(() => false));
        break;
      default:
        await this.#exactly(body, framing.bytes);
    }
    return body.kept;
  }

  async #exactly(body: Body, bytes: number): Promise<void> {
    for (let left = bytes; left > 0;) {
      if (this.#start === this.#end) await this.#more();
      left -= this.#take(body, left);
    }
  }

  async #chunks(body: Body): Promise<void> {
    for (;;) {
      const line = await this.#line(CHUNK_LINE_BYTES_MAX);
      const digits = /^([0-9a-fA-F]{1,8})[ \t]*(?:;.*)?$/.exec(line)?.[1];
      if (digits === undefined) throw new BadAnswerError("a chunk without a size");
      const bytes = parseInt(digits, 16);
      if (bytes === 0) break;
      await this.#exactly(body, bytes);
      if (await this.#line(2) !== "") throw new BadAnswerError("a chunk without an end");
    }
    await this.#trailers();
  }

  async #trailers(): Promise<void> {
    for (let bytes = 0;;) {
      const line = await this.#line(ANSWER_HEAD_BYTES_MAX - bytes);
      if (line === "") return;
      bytes += line.length + 2;
    }
  }

  /** Moves what is in the buffer to the body; says how many bytes. */
  #take(body: Body, bytesMax: number): number {
    const bytes = Math.min(this.#end - this.#start, bytesMax);
    body.add(this.#buffer.subarray(this.#start, this.#start + bytes));
    this.#start += bytes;
    return bytes;
  }
}

/** The beginning of a body. */
class Body {
  /** What is kept of it. */
  kept = new Uint8Array(0);
  #bytes = 0;

  add(part: Uint8Array): void {
    this.#bytes += part.length;
    if (this.#bytes > ANSWER_BODY_BYTES_MAX) throw new BadAnswerError("a body too long");
    const room = ANSWER_BODY_KEPT_BYTES - this.kept.length;
    if (room <= 0 || part.length === 0) return;
    const kept = new Uint8Array(this.kept.length + Math.min(room, part.length));
    kept.set(this.kept);
    kept.set(part.subarray(0, room), this.kept.length);
    this.kept = kept;
  }
}

/** Reads a head (RFC 9112 sections 2 to 6). */
function readHead(lines: readonly string[]): Head {
  const [, minor, code] = STATUS_LINE.exec(lines[0] ?? "") ?? [];
  if (code === undefined) throw new BadAnswerError("no valid status line");
  const headers = new Map<string, string>();
  for (const line of lines.slice(1)) {
    const [, name, value = ""] = FIELD_LINE.exec(line) ?? [];
    if (name === undefined) throw new BadAnswerError("no valid header field");
    const key = name.toLowerCase();
    // Two lengths that differ leave open where the answer ends (RFC 9112 section 6.3).
    if (FRAMING.has(key) && headers.has(key) && headers.get(key) !== value) {
      throw new BadAnswerError("two framings");
    }
    headers.set(key, value);
  }
  const status = Number(code);
  const framing = framingOf(status, headers);
  const close = /(^|[ ,\t])close($|[ ,\t])/i.test(headers.get("connection") ?? "");
  return {
    status,
    headers,
    framing,
    keepAlive: minor === "1" && !close && framing !== "until_end",
  };
}

const FRAMING: ReadonlySet<string> = new Set(["content-length", "transfer-encoding"]);

/** Where a body ends (RFC 9112 section 6.3). */
function framingOf(status: number, headers: ReadonlyMap<string, string>): Head["framing"] {
  const coding = headers.get("transfer-encoding");
  const length = headers.get("content-length");
  if (coding !== undefined) {
    if (coding.toLowerCase() !== "chunked" || length !== undefined) {
      throw new BadAnswerError("two framings");
    }
    return "chunked";
  }
  if (status < 200 || status === 204 || status === 304) return "none";
  if (length === undefined) return "until_end";
  if (!/^\d{1,15}$/.test(length)) throw new BadAnswerError("no valid length");
  return { bytes: Number(length) };
}
