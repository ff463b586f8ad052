import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { BufferPool } from "../../../transports/device_socket/buffers.ts";
import {
  FrameReader,
  type Incoming,
  type ReaderLimits,
} from "../../../transports/device_socket/frame_reader.ts";
import { closePayload, frameBytes, type FrameOptions } from "../../support/websocket_client.ts";

const LIMITS: ReaderLimits = { messageBytesMax: 65_536, fragmentsMax: 32 };

/** Feeds a stream in these portions and gives all events up to the first failure. */
function read(stream: Uint8Array, portions: readonly number[], limits = LIMITS): Incoming[] {
  const reader = new FrameReader(new BufferPool(), limits);
  const events: Incoming[] = [];
  let at = 0;
  for (let turn = 0; at < stream.length; turn++) {
    const room = reader.room();
    assert(room.length > 0);
    const portion = Math.max(1, portions[turn % portions.length] ?? 1);
    const count = Math.min(room.length, portion, stream.length - at);
    room.set(stream.subarray(at, at + count));
    reader.received(count);
    at += count;
    for (let event = reader.next(); event !== undefined; event = reader.next()) {
      events.push(event);
      if (event.kind === "failed" || event.kind === "close") return events;
    }
  }
  reader.release();
  return events;
}

function stream(...frames: readonly FrameOptions[]): Uint8Array {
  const parts = frames.map(frameBytes);
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const HELLO: FrameOptions = { opcode: 1, payload: "{}" };

Deno.test("FrameReader.next() gives whole messages and control frames in order", () => {
  const bytes = stream(
    HELLO,
    { opcode: 1, payload: "a", fin: false },
    { opcode: 9, payload: "between" },
    { opcode: 0, payload: "", fin: false },
    { opcode: 0, payload: "b" },
    { opcode: 10 },
    { opcode: 1, payload: "" },
    { opcode: 8, payload: closePayload(4000, "bye") },
  );
  const expected: Incoming[] = [
    { kind: "text", text: "{}" },
    { kind: "ping", payload: new TextEncoder().encode("between") },
    { kind: "text", text: "ab" },
    { kind: "pong" },
    { kind: "text", text: "" },
    { kind: "close", code: 4000, reason: "bye" },
  ];
  for (const portion of [1, 2, 3, 7, 128, 10_000]) assertEquals(read(bytes, [portion]), expected);
});

Deno.test("FrameReader.next() joins a character whose bytes are in two fragments", () => {
  const [first = 0, ...rest] = new TextEncoder().encode("é");
  const bytes = stream(
    { opcode: 1, payload: new Uint8Array([first]), fin: false },
    { opcode: 0, payload: new Uint8Array(rest) },
  );
  assertEquals(read(bytes, [100]), [{ kind: "text", text: "é" }]);
});

Deno.test("FrameReader.next() keeps a byte order mark: text is text", () => {
  assertEquals(read(stream({ opcode: 1, payload: "\ufeff{}" }), [100]), [
    { kind: "text", text: "\ufeff{}" },
  ]);
});

Deno.test("FrameReader.next() takes 65,536 bytes and refuses one more by its declaration", () => {
  const largest = "x".repeat(65_536);
  assertEquals(read(stream({ opcode: 1, payload: largest }), [4_000]), [
    { kind: "text", text: largest },
  ]);
  const head = frameBytes({ opcode: 1, payload: `${largest}x` }).subarray(0, 10);
  assertEquals(read(head, [1]), [
    { kind: "failed", code: 1009, reason: "message over 65536 bytes" },
  ]);
});

Deno.test("FrameReader.next() counts all fragments of a message against the limits", () => {
  const half = { opcode: 0, payload: new Uint8Array(32_768), fin: false };
  assertEquals(
    read(stream({ ...half, opcode: 1 }, half, { opcode: 0, payload: "x" }), [5_000]).at(-1),
    { kind: "failed", code: 1009, reason: "message over 65536 bytes" },
  );
  const dots = Array.from({ length: 32 }, () => ({ opcode: 0, payload: ".", fin: false }));
  const begun = { opcode: 1, payload: ".", fin: false };
  assertEquals(read(stream(begun, ...dots), [50]).at(-1), {
    kind: "failed",
    code: 1008,
    reason: "more than 32 fragments",
  });
  assertEquals(read(stream(begun, ...dots.slice(2), { opcode: 0, payload: "!" }), [50]), [
    { kind: "text", text: `${".".repeat(31)}!` },
  ]);
});

Deno.test("FrameReader.room() allocates for bytes that have come, not for declared ones", () => {
  const reader = new FrameReader(new BufferPool(), LIMITS);
  const bytes = frameBytes({ opcode: 1, payload: "x".repeat(60_000) });
  let received = 0;
  while (received < bytes.length) {
    const room = reader.room();
    assert(room.buffer.byteLength <= Math.max(65_536, 2 * received), `${received} received`);
    assert(room.length <= Math.max(4_096, received), `${received} received`);
    const count = Math.min(room.length, 1_000, bytes.length - received);
    room.set(bytes.subarray(received, received + count));
    reader.received(count);
    received += count;
    assertEquals(reader.next()?.kind, received === bytes.length ? "text" : undefined);
  }
  assertEquals(reader.room().length, 128);
});

Deno.test("FrameReader.discard() goes back to the smallest memory in the middle of a frame", () => {
  const reader = new FrameReader(new BufferPool(), LIMITS);
  const bytes = frameBytes({ opcode: 1, payload: "x".repeat(60_000) });
  reader.room().set(bytes.subarray(0, 128));
  reader.received(128);
  assertEquals(reader.next(), undefined);
  assertEquals(reader.room().length, 4_096 - 128);
  reader.discard();
  assertEquals(reader.room().length, 128);
  assertEquals(reader.unfinished, false);
});

Deno.test("FrameReader begins with the bytes that came with the request", () => {
  const bytes = frameBytes(HELLO);
  const buffer = new Uint8Array(4_096);
  buffer.set(bytes, 1_000);
  const early = { buffer, start: 1_000, end: 1_000 + bytes.length };
  const reader = new FrameReader(new BufferPool(), LIMITS);
  reader.begin(early);
  assertEquals(reader.next(), { kind: "text", text: "{}" });
  assertEquals(reader.next(), undefined);
});

Deno.test("FrameReader gives every buffer back to the pool", () => {
  const pool = new BufferPool();
  const [idle, burst] = [pool.takeIdle(), pool.takeBurst()];
  pool.give(idle);
  pool.give(burst);
  const reader = new FrameReader(pool, LIMITS);
  const bytes = frameBytes({ opcode: 1, payload: "x".repeat(10_000) });
  for (let at = 0; at < bytes.length;) {
    const room = reader.room();
    const portion = bytes.subarray(at, at + room.length);
    room.set(portion);
    reader.received(portion.length);
    reader.next();
    at += portion.length;
  }
  reader.release();
  assert(pool.takeIdle() === idle);
  assert(pool.takeBurst() === burst);
});

/** Messages as a well-behaved client might cut them, control frames between the fragments. */
const message = fc.record({
  text: fc.string({ unit: "binary", maxLength: 400 }),
  cuts: fc.array(fc.nat(), { maxLength: 5 }),
  pings: fc.boolean(),
});

function framesOf({ text, cuts, pings }: { text: string; cuts: number[]; pings: boolean }) {
  const bytes = new TextEncoder().encode(text);
  const places = [...cuts.map((cut) => cut % (bytes.length + 1)), 0, bytes.length]
    .sort((a, b) => a - b);
  const frames: FrameOptions[] = [];
  for (let i = 0; i + 1 < places.length; i++) {
    if (pings && i > 0) frames.push({ opcode: 9, payload: "?" });
    frames.push({
      opcode: i === 0 ? 1 : 0,
      payload: bytes.subarray(places[i], places[i + 1]),
      fin: i + 2 === places.length,
    });
  }
  return frames;
}

Deno.test("FrameReader.next() reads any messages, however they are cut into frames and reads", () => {
  fc.assert(fc.property(
    fc.array(message, { maxLength: 8 }),
    fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }),
    (messages, portions) => {
      const bytes = stream(...messages.flatMap(framesOf));
      const texts = read(bytes, portions).filter((event) => event.kind === "text");
      // The encoder replaces lone surrogates, as a client's would.
      const sent = messages.map(({ text }) => ({ kind: "text", text: text.toWellFormed() }));
      assertEquals<unknown>(texts, sent);
    },
  ));
});

Deno.test("FrameReader.next() gives the same events for any bytes, however they are cut", () => {
  // Half of the bytes look like a frame's first two, so that noise reaches the deeper branches.
  const noise = fc.array(
    fc.oneof(
      fc.constantFrom(0x81, 0x01, 0x80, 0x00, 0x88, 0x89, 0x8a, 0x82, 0xfe, 0xff, 0x84),
      fc.integer({ min: 0, max: 255 }),
    ),
    { maxLength: 600 },
  );
  const limits: ReaderLimits = { messageBytesMax: 300, fragmentsMax: 4 };
  fc.assert(
    fc.property(
      noise,
      fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }),
      (tail, cuts) => {
        const bytes = new Uint8Array([...frameBytes(HELLO), ...tail]);
        assertEquals(read(bytes, cuts, limits), read(bytes, [1], limits));
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("FrameReader.next() survives any single changed byte of a good stream", () => {
  const good = stream(HELLO, ...framesOf({ text: "x".repeat(200), cuts: [50, 90], pings: true }), {
    opcode: 8,
    payload: closePayload(1000, "é"),
  });
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const bytes = good.slice();
      bytes[at] = (bytes[at] ?? 0) ^ change;
      assertEquals(read(bytes, [64]), read(bytes, [1]));
    }),
    { numRuns: 500 },
  );
});
