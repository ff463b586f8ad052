/**
 * A WebSocket client which can also misbehave: a device in the tests.
 *
 * It speaks RFC 6455 over raw TCP or TLS with code of its own, so that the server is never judged
 * by the server's code. Nothing happens behind the test's back, but for one thing:
 * {@linkcode WebSocketClient.text} and `json` answer the Pings they pass. Every wait ends after
 * ten seconds with an error that says what was awaited, so a broken server fails a test instead of
 * hanging it.
 *
 * ```ts
 * import { WebSocketClient } from "./websocket_client.ts";
 *
 * async function hello(port: number): Promise<unknown> {
 *   await using device = await WebSocketClient.connect({ port });
 *   await device.sendJson({ messageType: "hello", use_webpush: true });
 *   return await device.json();
 * }
 * ```
 *
 * @module
 */

/** Where and how to connect. */
export interface ConnectOptions {
  /** The port. */
  readonly port: number;
  /** The address, default 127.0.0.1; with TLS a name of the certificate, such as `localhost`. */
  readonly hostname?: string;
  /** Use TLS and trust these PEM certificates. */
  readonly tls?: { readonly caCerts: string[] };
  /** The request's path, default `/`. */
  readonly path?: string;
  /** Header fields to add or, with `undefined`, to leave out; names as they are to be written. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

/** What the server sent. */
export type Received =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "binary"; readonly payload: Uint8Array }
  | { readonly kind: "ping"; readonly payload: Uint8Array }
  | { readonly kind: "pong"; readonly payload: Uint8Array }
  /** A Close frame; 1005 when it carries no code. */
  | { readonly kind: "close"; readonly code: number; readonly reason: string }
  /** TCP has ended. */
  | { readonly kind: "end" };

/** A frame to send; by default final, masked and without reserved bits. */
export interface FrameOptions {
  /** The opcode, 0 to 15. */
  readonly opcode: number;
  /** The payload, text as UTF-8; empty by default. */
  readonly payload?: Uint8Array | string;
  /** Whether it is the last of its message. */
  readonly fin?: boolean;
  /** Whether it is masked. */
  readonly masked?: boolean;
  /** The three reserved bits, 0 to 7. */
  readonly reserved?: number;
}

/** An HTTP answer. */
export interface HttpAnswer {
  /** The status code, 0 when TCP ended without an answer. */
  readonly status: number;
  /** Fields by lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  /** The body. */
  readonly body: string;
}

const WAIT_MS = 10_000;
const encoder = new TextEncoder();
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** One connection, upgraded unless it was made with {@linkcode WebSocketClient.open}. */
export class WebSocketClient implements AsyncDisposable {
  readonly #conn: Deno.Conn;
  #received = new Uint8Array(0);
  #ended = false;
  #closed = false;

  private constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  /** Connects TCP or TLS and sends nothing: for raw requests. */
  static async open(options: ConnectOptions): Promise<WebSocketClient> {
    const { port, hostname = "127.0.0.1", tls } = options;
    const conn = tls === undefined
      ? await Deno.connect({ hostname, port })
      : await Deno.connectTls({ hostname, port, caCerts: tls.caCerts });
    return new WebSocketClient(conn);
  }

  /**
   * Connects and upgrades.
   *
   * @throws {Error} When the server does not answer 101 with the right `Sec-WebSocket-Accept`.
   */
  static async connect(options: ConnectOptions): Promise<WebSocketClient> {
    const client = await WebSocketClient.open(options);
    const key = crypto.getRandomValues(new Uint8Array(16)).toBase64();
    await client.raw(upgradeRequest({ ...options, key }));
    const answer = await client.httpHead();
    const accept = await expectedAccept(key);
    if (answer.status !== 101 || answer.headers.get("sec-websocket-accept") !== accept) {
      const { body } = answer.status === 101 ? answer : await client.#body(answer);
      client.abort();
      throw new Error(`Cannot upgrade: answer ${answer.status} ${body}`);
    }
    return client;
  }

  /** Sends a text message. */
  send(text: string): Promise<void> {
    return this.frame({ opcode: 1, payload: text });
  }

  /** Sends a value as JSON in a text message. */
  sendJson(value: unknown): Promise<void> {
    return this.send(JSON.stringify(value));
  }

  /** Sends a Ping. */
  ping(payload: Uint8Array | string = ""): Promise<void> {
    return this.frame({ opcode: 9, payload });
  }

  /** Sends a Pong. */
  pong(payload: Uint8Array | string = ""): Promise<void> {
    return this.frame({ opcode: 10, payload });
  }

  /** Sends Close with this code and reason. */
  sendClose(code: number, reason = ""): Promise<void> {
    return this.frame({ opcode: 8, payload: closePayload(code, reason) });
  }

  /** Sends any frame, right or wrong. */
  frame(options: FrameOptions): Promise<void> {
    return this.raw(frameBytes(options));
  }

  /** Sends bytes as they are. */
  async raw(bytes: Uint8Array | string): Promise<void> {
    const all = typeof bytes === "string" ? encoder.encode(bytes) : bytes;
    for (let at = 0; at < all.length;) at += await this.#conn.write(all.subarray(at));
  }

  /** Ends our half of TCP. */
  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  /** Ends TCP at once, with no Close frame, as a phone that lost its network would. */
  abort(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
  }

  /** The next frame, or the end of TCP. */
  async receive(): Promise<Received> {
    for (;;) {
      const received = this.#takeFrame();
      if (received !== undefined) return received;
      if (this.#ended) return { kind: "end" };
      await this.#readMore("a frame");
    }
  }

  /** The next text message, answering the Pings before it; anything else is an error. */
  async text(): Promise<string> {
    for (;;) {
      const received = await this.receive();
      if (received.kind === "text") return received.text;
      if (received.kind !== "ping") {
        throw new Error(`Expected a text message, received ${Deno.inspect(received)}`);
      }
      await this.pong(received.payload);
    }
  }

  /** The next text message as JSON. */
  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  /** Reads until TCP ends and gives the Close frame before it, or `undefined` if there was none. */
  async closed(): Promise<{ code: number; reason: string } | undefined> {
    let close: { code: number; reason: string } | undefined;
    for (;;) {
      const received = await this.receive();
      if (received.kind === "end") return close;
      if (received.kind === "close") close = { code: received.code, reason: received.reason };
    }
  }

  /** The next HTTP answer, its head only: what follows are frames or a body. */
  async httpHead(): Promise<HttpAnswer> {
    for (;;) {
      const end = indexOfBlankLine(this.#received);
      if (end >= 0) {
        const head = new TextDecoder().decode(this.#received.subarray(0, end));
        this.#received = this.#received.slice(end + 4);
        return parseAnswer(head);
      }
      if (this.#ended) return { status: 0, headers: new Map(), body: "" };
      await this.#readMore("an HTTP answer");
    }
  }

  /** The next HTTP answer with everything up to the end of TCP as its body. */
  async http(): Promise<HttpAnswer> {
    return await this.#body(await this.httpHead());
  }

  async #body(answer: HttpAnswer): Promise<HttpAnswer> {
    while (!this.#ended) await this.#readMore("the end of an HTTP answer");
    return { ...answer, body: new TextDecoder().decode(this.#received) };
  }

  /** Ends TCP at once. */
  [Symbol.asyncDispose](): Promise<void> {
    this.abort();
    return Promise.resolve();
  }

  async #readMore(what: string): Promise<void> {
    const buffer = new Uint8Array(65_536);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const overdue = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`Waited ${WAIT_MS} ms for ${what}`)), WAIT_MS);
    });
    try {
      const count = await Promise.race([this.#conn.read(buffer), overdue]);
      if (count === null) {
        this.#ended = true;
        return;
      }
      const all = new Uint8Array(this.#received.length + count);
      all.set(this.#received);
      all.set(buffer.subarray(0, count), this.#received.length);
      this.#received = all;
    } catch (error) {
      // A reset is an end as well: the server closed while bytes of ours were unread.
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
      this.#ended = true;
    } finally {
      clearTimeout(timer);
    }
  }

  #takeFrame(): Received | undefined {
    const bytes = this.#received;
    if (bytes.length < 2) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const short = view.getUint8(1);
    if (short >= 128) throw new Error("Server frames must not be masked (RFC 6455 section 5.1)");
    const headerBytes = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (bytes.length < headerBytes) return undefined;
    const payloadBytes = short < 126
      ? short
      : short === 126
      ? view.getUint16(2)
      : Number(view.getBigUint64(2));
    const end = headerBytes + payloadBytes;
    if (bytes.length < end) return undefined;
    const payload = bytes.slice(headerBytes, end);
    this.#received = bytes.slice(end);
    return received(view.getUint8(0), payload);
  }
}

function received(firstByte: number, payload: Uint8Array): Received {
  switch (firstByte) {
    case 0x81:
      return { kind: "text", text: utf8.decode(payload) };
    case 0x82:
      return { kind: "binary", payload };
    case 0x88:
      return payload.length < 2 ? { kind: "close", code: 1005, reason: "" } : {
        kind: "close",
        code: new DataView(payload.buffer, payload.byteOffset).getUint16(0),
        reason: utf8.decode(payload.subarray(2)),
      };
    case 0x89:
      return { kind: "ping", payload };
    case 0x8a:
      return { kind: "pong", payload };
    default:
      throw new Error(`Server sent a frame that begins 0x${firstByte.toString(16)}`);
  }
}

/** The payload of a Close frame. */
export function closePayload(code: number, reason = ""): Uint8Array {
  return new Uint8Array([code >> 8, code & 0xff, ...encoder.encode(reason)]);
}

/** The bytes of a frame as a client sends it, with the mask 37 fa 21 3d of RFC 6455 section 5.7. */
export function frameBytes(options: FrameOptions): Uint8Array {
  const { opcode, payload = "", fin = true, masked = true, reserved = 0 } = options;
  const data = typeof payload === "string" ? encoder.encode(payload) : payload;
  const length = data.length;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const at = 2 + extended + (masked ? 4 : 0);
  const bytes = new Uint8Array(at + length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, (fin ? 0x80 : 0) | (reserved << 4) | opcode);
  view.setUint8(1, (masked ? 0x80 : 0) | (extended === 0 ? length : extended === 2 ? 126 : 127));
  if (extended === 2) view.setUint16(2, length);
  if (extended === 8) view.setBigUint64(2, BigInt(length));
  bytes.set(data, at);
  if (!masked) return bytes;
  const mask = [0x37, 0xfa, 0x21, 0x3d];
  bytes.set(mask, at - 4);
  for (let i = 0; i < length; i++) bytes[at + i] = (data[i] ?? 0) ^ (mask[i % 4] ?? 0);
  return bytes;
}

/** An upgrade request as Firefox writes it; `headers` add, replace or remove fields. */
export function upgradeRequest(options: ConnectOptions & { readonly key?: string }): string {
  const { hostname = "127.0.0.1", port, path = "/", headers = {} } = options;
  const fields: Record<string, string | undefined> = {
    "Host": `${hostname}:${port}`,
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0",
    "Sec-WebSocket-Version": "13",
    "Origin": `ws://${hostname}:${port}/`,
    "Sec-WebSocket-Protocol": "push-notification",
    "Sec-WebSocket-Extensions": "permessage-deflate",
    "Sec-WebSocket-Key": options.key ?? "dGhlIHNhbXBsZSBub25jZQ==",
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "websocket",
    ...headers,
  };
  const lines = Object.entries(fields).filter(([, value]) => value !== undefined);
  return `GET ${path} HTTP/1.1\r\n${lines.map(([k, v]) => `${k}: ${v}\r\n`).join("")}\r\n`;
}

async function expectedAccept(key: string): Promise<string> {
  const text = encoder.encode(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  return new Uint8Array(await crypto.subtle.digest("SHA-1", text)).toBase64();
}

function indexOfBlankLine(bytes: Uint8Array): number {
  for (let i = 0; i + 3 < bytes.length; i++) {
    if (bytes[i] === 13 && bytes[i + 1] === 10 && bytes[i + 2] === 13 && bytes[i + 3] === 10) {
      return i;
    }
  }
  return -1;
}

function parseAnswer(head: string): HttpAnswer {
  const [statusLine = "", ...lines] = head.split("\r\n");
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { status: Number(statusLine.split(" ")[1]), headers, body: "" };
}
