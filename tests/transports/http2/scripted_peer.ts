/**
 * The other end of a connection, doing what a test says: a real socket, frames by hand.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import {
  beginHeaders,
  ByteBuffer,
  CLIENT_PREFACE,
  connectHttp2,
  finishHeaders,
  FLAG,
  FRAME,
  FRAME_PAYLOAD_BYTES_LIMIT,
  FrameReader,
  HpackDecoder,
  HpackEncoder,
  type HpackField,
  type Http2Clock,
  type Http2Limits,
  type HttpConnection,
  readUint31,
  readUint32,
  type RequestBlock,
  type RequestHead,
  writeData,
  writePing,
  writeSettings,
  writeSettingsAck,
} from "../../../transports/http2/mod.ts";

/** A frame that arrived. */
export interface Frame {
  /** Its type. */
  readonly type: number;
  /** Its flags. */
  readonly flags: number;
  /** Its stream. */
  readonly streamId: number;
  /** Its payload. */
  readonly payload: Uint8Array;
}

/** A request that arrived completely. */
export interface Received {
  /** Its stream. */
  readonly streamId: number;
  /** Its fields in order. */
  readonly fields: readonly HpackField[];
  /** Its body. */
  readonly body: Uint8Array;
}

/** The server's end of one connection. */
export class Peer implements Disposable {
  /** Encodes answers. */
  readonly encoder = new HpackEncoder();
  readonly #conn: Deno.Conn;
  readonly #reader = new FrameReader(FRAME_PAYLOAD_BYTES_LIMIT / 4);
  readonly #decoder = new HpackDecoder({ listBytesMax: 1_048_576 });

  /** Takes over a socket; nothing is read yet. */
  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  /** Reads the preface and the client's SETTINGS and WINDOW_UPDATE, and sends these settings. */
  async greet(
    settings: readonly (readonly [number, number])[] = [],
  ): Promise<ReadonlyMap<number, number>> {
    const theirs = await this.preface();
    await this.write((out) => writeSettings(out, settings));
    assertEquals((await this.next(FRAME.settings)).flags, FLAG.ack);
    await this.write(writeSettingsAck);
    return theirs;
  }

  /** Reads the preface and the client's SETTINGS and WINDOW_UPDATE, and says nothing. */
  async preface(): Promise<ReadonlyMap<number, number>> {
    let preface = this.#reader.take(CLIENT_PREFACE.length);
    while (preface === undefined) {
      await this.#receive();
      preface = this.#reader.take(CLIENT_PREFACE.length);
    }
    assertEquals(preface, CLIENT_PREFACE);
    const { payload } = await this.next(FRAME.settings);
    assertEquals((await this.next(FRAME.windowUpdate)).streamId, 0);
    const settings = new Map<number, number>();
    for (let at = 0; at < payload.length; at += 6) {
      settings.set(readUint32(payload, at) >>> 16, readUint32(payload, at + 2));
    }
    return settings;
  }

  /** The next frame; `undefined` at the end of TCP. */
  async frame(): Promise<Frame | undefined> {
    while (!this.#reader.next()) {
      if (!await this.#receive()) return undefined;
    }
    const { type, flags, streamId, bytes, start, end } = this.#reader;
    return { type, flags, streamId, payload: bytes.slice(start, end) };
  }

  async #receive(): Promise<boolean> {
    const count = await this.#conn.read(this.#reader.room());
    if (count !== null) this.#reader.received(count);
    return count !== null;
  }

  /** The next frame, which must be of this type. */
  async next(type: number): Promise<Frame> {
    const frame = await this.frame();
    if (frame?.type !== type) {
      throw new Error(`Expected a frame of type ${type}, not ${Deno.inspect(frame)}`);
    }
    return frame;
  }

  /** Whether the client ends TCP, whatever it sends before. */
  async ended(): Promise<boolean> {
    try {
      while (await this.frame() !== undefined);
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    }
    return true;
  }

  /** The code and debug text of the next GOAWAY, whatever comes before. */
  async goaway(): Promise<{ readonly code: number; readonly text: string }> {
    for (;;) {
      const frame = await this.frame();
      if (frame === undefined) throw new Error("The client ended without GOAWAY");
      if (frame.type !== FRAME.goaway) continue;
      assertEquals(readUint31(frame.payload, 0), 0);
      const text = new TextDecoder().decode(frame.payload.subarray(8));
      return { code: readUint32(frame.payload, 4), text };
    }
  }

  /** The code of the next RST_STREAM, whatever comes before, and its stream. */
  async reset(): Promise<{ readonly code: number; readonly streamId: number }> {
    for (;;) {
      const frame = await this.frame();
      if (frame === undefined) throw new Error("The client ended without RST_STREAM");
      if (frame.type !== FRAME.rstStream) continue;
      return { code: readUint32(frame.payload, 0), streamId: frame.streamId };
    }
  }

  /** The next request, with its body; frames of the connection before it are skipped. */
  async request(): Promise<Received> {
    const head = await this.#nextStreamFrame();
    assertEquals(head.type, FRAME.headers);
    const block = new ByteBuffer();
    block.append(head.payload);
    for (let flags = head.flags; (flags & FLAG.endHeaders) === 0;) {
      const more = await this.next(FRAME.continuation);
      block.append(more.payload);
      flags = more.flags;
    }
    const fields = this.#decoder.decode(block.bytes, 0, block.length);
    if (fields === "too_large") throw new Error("The header list is too large");
    const body = new ByteBuffer();
    for (let flags = head.flags; (flags & FLAG.endStream) === 0;) {
      const more = await this.#nextStreamFrame();
      assertEquals([more.type, more.streamId], [FRAME.data, head.streamId]);
      body.append(more.payload);
      flags = more.flags;
    }
    return { streamId: head.streamId, fields, body: body.view() };
  }

  /** Many requests. */
  async requests(count: number): Promise<readonly Received[]> {
    const found: Received[] = [];
    while (found.length < count) found.push(await this.request());
    return found;
  }

  async #nextStreamFrame(): Promise<Frame> {
    for (;;) {
      const frame = await this.frame();
      if (frame === undefined) throw new Error("The client ended instead of asking");
      if (frame.streamId !== 0) return frame;
    }
  }

  /** Sends what a function writes, in one piece. */
  async write(fill: (out: ByteBuffer) => void): Promise<void> {
    const out = new ByteBuffer();
    fill(out);
    await this.send(out.view());
  }

  /** Sends bytes as they are. */
  async send(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  /** Answers a request. */
  async answer(streamId: number, status: number, body = ""): Promise<void> {
    await this.write((out) => this.writeAnswer(out, streamId, status, body));
  }

  /** Appends an answer. */
  writeAnswer(out: ByteBuffer, streamId: number, status: number, body = ""): void {
    this.writeHeaders(out, streamId, [[":status", `${status}`]], body === "");
    if (body !== "") writeData(out, streamId, new TextEncoder().encode(body), true);
  }

  /** Appends HEADERS with these fields, all as indexed literals. */
  writeHeaders(
    out: ByteBuffer,
    streamId: number,
    fields: readonly (readonly [name: string, value: string])[],
    endStream: boolean,
  ): void {
    const at = beginHeaders(out);
    this.encoder.beginBlock(out);
    for (const [name, value] of fields) {
      this.encoder.writeField(out, { name, value, indexing: "indexed" });
    }
    finishHeaders(out, at, streamId, endStream);
  }

  /** Ends TCP. */
  [Symbol.dispose](): void {
    try {
      this.#conn.close();
    } catch (error) {
      // Ended by the test itself.
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }
}

/** How a pair is set up. */
export interface PairOptions {
  /** What the peer says in its first SETTINGS. */
  readonly settings?: readonly (readonly [number, number])[];
  /** Limits of the client. */
  readonly limits?: Partial<Http2Limits>;
  /** Time of the client. */
  readonly clock?: Http2Clock;
}

/** A client and the scripted end of its connection. */
export interface Pair extends AsyncDisposable {
  /** The client. */
  readonly client: HttpConnection;
  /** The other end. */
  readonly peer: Peer;
  /** What the client said in its first SETTINGS. */
  readonly settings: ReadonlyMap<number, number>;
}

/** Connects both over TCP of the loopback, settings exchanged. */
export async function openPair(options: PairOptions = {}): Promise<Pair> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connecting = connectHttp2({
    hostname: "127.0.0.1",
    port: listener.addr.port,
    security: { kind: "none" },
    ...options.limits === undefined ? {} : { limits: options.limits },
    ...options.clock === undefined ? {} : { clock: options.clock },
  });
  const conn = await listener.accept();
  conn.setNoDelay();
  const peer = new Peer(conn);
  const settings = await peer.greet(options.settings);
  const client = await connecting;
  return {
    client,
    peer,
    settings,
    async [Symbol.asyncDispose]() {
      peer[Symbol.dispose]();
      await client.close();
    },
  };
}

/** A head for tests. */
export const HEAD: RequestHead = {
  method: "POST",
  authority: "push.example.net",
  fields: [
    { name: "authorization", value: "bearer secret", indexing: "never" },
    { name: "content-type", value: "application/json", indexing: "indexed" },
  ],
};

/** A block of so many requests with the same body. */
export function blockOf(count: number, body = "hello"): RequestBlock {
  return {
    head: HEAD,
    paths: Array.from({ length: count }, (_, i) => `/${i}`),
    fields: [],
    bodies: new TextEncoder().encode(body),
  };
}

/** The connection takes a request and its answer. */
export async function assertWorks({ client, peer }: Pick<Pair, "client" | "peer">): Promise<void> {
  const exchange = client.exchange(blockOf(1));
  const { streamId } = await peer.request();
  await peer.answer(streamId, 200);
  assertEquals([...(await exchange).statuses], [200]);
}

/** Lets the client handle everything sent to it so far: it answers a PING after it, and asks nothing. */
export async function settle(peer: Peer): Promise<void> {
  await peer.write((out) => writePing(out, new Uint8Array(8), false));
  for (let type: number | undefined = FRAME.settings; type !== FRAME.ping;) {
    assertEquals(type, FRAME.settings);
    type = (await peer.frame())?.type;
  }
}

/** How many requests ended in each way. */
export function counts(ends: Uint8Array): Record<string, number> {
  const names = ["answered", "unsent", "lost", "timedOut", "badAnswer"];
  const found: Record<string, number> = {};
  for (const end of ends) {
    const name = names[end] ?? "?";
    found[name] = (found[name] ?? 0) + 1;
  }
  return found;
}
