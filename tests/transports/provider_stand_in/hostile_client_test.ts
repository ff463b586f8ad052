import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  beginHeaders,
  ByteBuffer,
  CLIENT_PREFACE,
  ERROR_CODE,
  finishHeaders,
  FLAG,
  FRAME,
  FrameReader,
  HpackEncoder,
  readUint32,
  SETTING,
  writeFrameHeader,
  writePing,
  writeSettings,
  writeSettingsAck,
} from "../../../transports/http2/mod.ts";
import type { Platform } from "../../../transports/provider_stand_in/mod.ts";
import { openStandIn } from "../../support/stand_in.ts";

/** A client that keeps to nothing: frames by hand, and what comes back in words. */
class RawClient implements Disposable {
  readonly out = new ByteBuffer();
  readonly #socket: Deno.TcpConn;
  readonly #reader = new FrameReader();
  readonly #encoder = new HpackEncoder();

  private constructor(socket: Deno.TcpConn) {
    this.#socket = socket;
  }

  static async connect(origin: string): Promise<RawClient> {
    const { hostname, port } = new URL(origin);
    return new RawClient(await Deno.connect({ hostname, port: Number(port) }));
  }

  /** Opens the connection as it should be, and acknowledges what the server says first. */
  async greet(settings: Parameters<typeof writeSettings>[1] = []): Promise<void> {
    this.out.append(CLIENT_PREFACE);
    writeSettings(this.out, settings);
    await this.flush();
    assertStringIncludes(await this.next(), "SETTINGS");
    writeSettingsAck(this.out);
  }

  /** A request whose body does not end. */
  open(streamId: number, fields: readonly (readonly [string, string])[] = []): void {
    const at = beginHeaders(this.out);
    const all = [[":method", "POST"], [":path", "/"], [":scheme", "http"], ...fields];
    for (const [name = "", value = ""] of all) {
      this.#encoder.writeField(this.out, { name, value, indexing: "literal" });
    }
    finishHeaders(this.out, at, streamId, false);
  }

  async flush(): Promise<void> {
    const bytes = this.out.view();
    for (let at = 0; at < bytes.length;) at += await this.#socket.write(bytes.subarray(at));
    this.out.clear();
  }

  /** The next frame in words, `end` after the last. */
  async next(): Promise<string> {
    while (!this.#reader.next()) {
      const count = await this.#socket.read(this.#reader.room());
      if (count === null) return "end";
      this.#reader.received(count);
    }
    const { type, flags, streamId, bytes, start, end } = this.#reader;
    switch (type) {
      case FRAME.settings:
        return (flags & FLAG.ack) === 0 ? "SETTINGS" : "SETTINGS ACK";
      case FRAME.rstStream:
        return `RST_STREAM ${streamId} ${readUint32(bytes, start)}`;
      case FRAME.goaway: {
        const text = new TextDecoder().decode(bytes.subarray(start + 8, end));
        return `GOAWAY ${readUint32(bytes, start)} ${readUint32(bytes, start + 4)} ${text}`;
      }
      default:
        return `${Object.keys(FRAME)[type]} ${streamId}`;
    }
  }

  /** The next frame that is no acknowledgement. */
  async answer(): Promise<string> {
    let frame = await this.next();
    while (frame === "SETTINGS ACK") frame = await this.next();
    return frame;
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

const OVERRUNS: readonly (readonly [Platform, string])[] = [
  ["apns", "GOAWAY 1 7 Stream closed: too many active streams"],
  ["fcm", "GOAWAY 1 1 exceeded_max_concurrent_streams"],
  ["webpush", "RST_STREAM 3 7"],
];

for (const [platform, expected] of OVERRUNS) {
  Deno.test(`Connection of ${platform} answers a stream too many with ${expected}`, async () => {
    await using standIn = await openStandIn({ change: { streamsMax: 1 } });
    using client = await RawClient.connect(standIn.origins[platform]);
    await client.greet();
    client.open(1);
    client.open(3);
    await client.flush();
    assertEquals(await client.answer(), expected);
  });
}

/** What a client does wrong, and what it is told. */
const FAULTS: readonly (readonly [string, (client: RawClient) => void, string])[] = [
  ["an even stream id", (client) => client.open(2), "GOAWAY 0 1 An even stream id"],
  [
    "a header block that is not continued",
    ({ out }) => {
      writeFrameHeader(out, 0, FRAME.headers, 0, 1);
      writePing(out, new Uint8Array(8), false);
    },
    "GOAWAY 0 1 A header block is not continued",
  ],
  [
    "a header block without an end",
    ({ out }) => {
      writeFrameHeader(out, 0, FRAME.headers, 0, 1);
      for (let i = 0; i < 2; i++) {
        writeFrameHeader(out, 10_000, FRAME.continuation, 0, 1);
        out.append(new Uint8Array(10_000));
      }
    },
    "GOAWAY 0 11 A header block is too large",
  ],
  [
    "CONTINUATION of nothing",
    ({ out }) => writeFrameHeader(out, 0, FRAME.continuation, FLAG.endHeaders, 1),
    "GOAWAY 0 1 CONTINUATION of nothing",
  ],
  [
    "PUSH_PROMISE",
    ({ out }) => writeFrameHeader(out, 0, FRAME.pushPromise, 0, 1),
    "GOAWAY 0 1 PUSH_PROMISE from a client",
  ],
  [
    "a short PING",
    ({ out }) => writeFrameHeader(out, 0, FRAME.ping, 0, 0),
    "GOAWAY 0 6 PING is not 8 bytes",
  ],
  [
    "a frame that is too large",
    ({ out }) => writeFrameHeader(out, 16_385, FRAME.data, 0, 1),
    "GOAWAY 0 6 A frame of 16385 bytes exceeds 16384",
  ],
];

for (const [title, act, expected] of FAULTS) {
  Deno.test(`Connection answers ${title} with ${expected}`, async () => {
    await using standIn = await openStandIn();
    using client = await RawClient.connect(standIn.origins.fcm);
    await client.greet();
    act(client);
    await client.flush();
    assertEquals(await client.answer(), expected);
    assertEquals(await client.answer(), "end");
  });
}

Deno.test("Connection does not serve a client whose window has no room for an answer", async () => {
  await using standIn = await openStandIn();
  using client = await RawClient.connect(standIn.origins.fcm);
  await client.greet([[SETTING.initialWindowSize, 1_000]]);
  const expected = `GOAWAY 0 ${ERROR_CODE.flowControlError}`;
  assertStringIncludes(await client.answer(), expected);
});

Deno.test("Connection answers a header list that is too large, and goes on", async () => {
  await using standIn = await openStandIn();
  using client = await RawClient.connect(standIn.origins.apns);
  await client.greet();
  client.open(1, [["x-large", "x".repeat(9_000)]]);
  writePing(client.out, new Uint8Array(8), false);
  await client.flush();
  assertEquals(
    [await client.answer(), await client.answer(), await client.answer(), await client.answer()],
    ["headers 1", "data 1", "RST_STREAM 1 0", "ping 0"],
  );
});

Deno.test("Connection takes nothing but HTTP/2", async () => {
  await using standIn = await openStandIn();
  using client = await RawClient.connect(standIn.origins.apns);
  client.out.append(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  await client.flush();
  assertEquals(await client.next(), "SETTINGS");
  assertEquals(await client.next(), "GOAWAY 0 1 No HTTP/2 preface");
});
