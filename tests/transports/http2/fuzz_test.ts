/**
 * What peers send is random, broken or cut anywhere: parsers end in a result or in an
 * `Http2Error`, hold no more than their limits, and do not depend on how bytes are cut.
 */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import fc from "fast-check";
import { ManualClock } from "../../../actors/runtime/clock.ts";
import { Http2Connection } from "../../../transports/http2/connection.ts";
import type { Http2Socket } from "../../../transports/http2/socket.ts";
import {
  type AnswerBlock,
  ByteBuffer,
  fieldBytes,
  FrameReader,
  type HeaderField,
  HpackDecoder,
  HpackEncoder,
  HTTP2_LIMITS,
  Http2Error,
} from "../../../transports/http2/mod.ts";
import { startNghttpd } from "./real_servers.ts";
import { blockOf } from "./scripted_peer.ts";

const LIST_BYTES_MAX = 4_096;

/** A frame with its payload as hex. */
type Read = readonly [type: number, flags: number, streamId: number, payload: string];

/** All frames of these bytes read in pieces, and how it ended. */
function readAll(pieces: readonly Uint8Array[]): { frames: readonly Read[]; failure: string } {
  const reader = new FrameReader(64, 128);
  const frames: Read[] = [];
  try {
    for (const piece of pieces) {
      for (let at = 0; at < piece.length;) {
        const room = reader.room();
        assert(room.length > 0);
        const count = Math.min(room.length, piece.length - at);
        room.set(piece.subarray(at, at + count));
        reader.received(count);
        at += count;
        while (reader.next()) {
          const { type, flags, streamId, bytes, start, end } = reader;
          frames.push([type, flags, streamId, bytes.slice(start, end).toHex()]);
        }
      }
    }
  } catch (error) {
    assertInstanceOf(error, Http2Error);
    return { frames, failure: error.message };
  }
  return { frames, failure: "" };
}

/** Bytes that are frames more often than chance makes them. */
const frameBytes = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 30 }),
    fc.tuple(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 0, max: 12 }), fc.nat(255)).map(
      ([payload, type, flags]) =>
        Uint8Array.of(0, 0, payload.length, type, flags, 0, 0, 0, 1, ...payload),
    ),
  ),
  { maxLength: 8 },
).map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])));

Deno.test("FrameReader.next() reads the same frames however their bytes are cut", () => {
  fc.assert(fc.property(frameBytes, (bytes) => {
    const whole = readAll([bytes]);
    for (let cut = 1; cut < bytes.length; cut++) {
      assertEquals(readAll([bytes.subarray(0, cut), bytes.subarray(cut)]), whole);
    }
    assertEquals(readAll([...bytes].map((byte) => Uint8Array.of(byte))), whole);
  }));
});

Deno.test("FrameReader.strip() ends in a part of the payload or in an Http2Error", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 20 }),
      fc.nat(1),
      fc.nat(255),
      (payload, type, flags) => {
        const reader = new FrameReader(64, 128);
        reader.room().set(Uint8Array.of(0, 0, payload.length, type, flags, 0, 0, 0, 1, ...payload));
        reader.received(9 + payload.length);
        assert(reader.next());
        try {
          reader.strip();
        } catch (error) {
          assertInstanceOf(error, Http2Error);
          return;
        }
        assert(9 <= reader.start && reader.start <= reader.end && reader.end <= 9 + payload.length);
      },
    ),
  );
});

Deno.test("HpackDecoder.decode() ends in fields within its limits or in an Http2Error", () => {
  const blocks = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 10 });
  fc.assert(
    fc.property(blocks, (blocks) => {
      const decoder = new HpackDecoder({ tableBytesMax: 256, listBytesMax: LIST_BYTES_MAX });
      for (const block of blocks) {
        try {
          const fields = decoder.decode(block, 0, block.length);
          if (fields === "too_large") continue;
          const listBytes = fields.reduce((sum, field) => sum + fieldBytes(field), 0);
          assert(listBytes <= LIST_BYTES_MAX);
        } catch (error) {
          assertInstanceOf(error, Http2Error);
          return;
        } finally {
          assert(decoder.tableBytes <= 256);
        }
      }
    }),
    { numRuns: 3_000 },
  );
});

Deno.test("HpackDecoder.decode() keeps no more of a list than its limit, and its table all the same", () => {
  const decoder = new HpackDecoder({ listBytesMax: LIST_BYTES_MAX });
  const encoder = new HpackEncoder();
  const out = new ByteBuffer();
  encoder.writeField(out, { name: "x", value: "y".repeat(3_000), indexing: "indexed" });
  for (let i = 0; i < 10_000; i++) out.appendByte(0xbe);
  assertEquals(decoder.decode(out.bytes, 0, out.length), "too_large");
  assertEquals(decoder.tableBytes, encoder.tableBytes);
  assertEquals(decoder.decode(Uint8Array.of(0xbe), 0, 1), [{
    name: "x",
    value: "y".repeat(3_000),
  }]);
});

const latin1 = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 60,
});

const field: fc.Arbitrary<HeaderField> = fc.record({
  name: fc.oneof(fc.constantFrom(":status", "date", "server", "x-a", "x-b"), latin1),
  value: fc.oneof(fc.constantFrom("200", "", "a", "b"), latin1),
  indexing: fc.constantFrom("indexed", "literal", "never"),
});

Deno.test("HpackDecoder.decode() gives back what HpackEncoder wrote, tables of any size", () => {
  const steps = fc.array(
    fc.oneof(fc.array(field, { maxLength: 6 }), fc.integer({ min: 0, max: 600 })),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(steps, fc.boolean(), (steps, huffman) => {
      const encoder = new HpackEncoder({ huffman });
      const decoder = new HpackDecoder({ listBytesMax: 1_000_000 });
      for (const step of steps) {
        if (typeof step === "number") {
          encoder.setTableLimit(step);
          continue;
        }
        const expected = step.map(({ name, value }) => ({ name, value }));
        // Three times, as answers repeat: with insertions, with references, and from memory.
        for (let turn = 0; turn < 3; turn++) {
          const out = new ByteBuffer(1);
          encoder.beginBlock(out);
          for (const one of step) encoder.writeField(out, one);
          assertEquals(decoder.decode(out.bytes, 0, out.length), expected);
          assertEquals(decoder.tableBytes, encoder.tableBytes);
        }
      }
    }),
    { numRuns: 1_000 },
  );
});

/** Plays recorded bytes as a peer that hears nothing. */
class Replay implements Http2Socket {
  readonly #pieces: Uint8Array[];

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = [...pieces];
  }

  read(into: Uint8Array): Promise<number | null> {
    const piece = this.#pieces.shift();
    if (piece === undefined) return Promise.resolve(null);
    const count = Math.min(piece.length, into.length);
    into.set(piece.subarray(0, count));
    if (count < piece.length) this.#pieces.unshift(piece.subarray(count));
    return Promise.resolve(count);
  }

  write(bytes: Uint8Array): Promise<number> {
    return Promise.resolve(bytes.length);
  }

  close(): void {}
}

const REQUESTS = 8;

/** What a real server sends to eight requests; its SETTINGS apart, since requests follow them. */
async function recordTrace(): Promise<readonly [settings: Uint8Array, answers: Uint8Array]> {
  await using server = await startNghttpd({ tls: false });
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const trace = new ByteBuffer();
  const socket: Http2Socket = {
    async read(into) {
      const count = await conn.read(into);
      trace.append(into.subarray(0, count ?? 0));
      return count;
    },
    write: (bytes) => conn.write(bytes),
    close: () => conn.close(),
  };
  const connection = open(socket);
  await connection.opened;
  await connection.exchange(blockOf(REQUESTS));
  const settingsBytes = 9 + (trace.bytes[2] ?? 0);
  const bytes = trace.view().slice();
  await connection.close();
  return [bytes.slice(0, settingsBytes), bytes.slice(settingsBytes)];
}

function open(socket: Http2Socket): Http2Connection {
  return new Http2Connection(socket, {
    limits: HTTP2_LIMITS,
    clock: new ManualClock(),
    scheme: "http",
  });
}

async function replay(pieces: readonly Uint8Array[]): Promise<AnswerBlock> {
  const connection = open(new Replay(pieces));
  const answers = await connection.exchange(blockOf(REQUESTS));
  await connection.ended;
  assertEquals(connection.inFlight, 0);
  await connection.close();
  return answers;
}

Deno.test("a connection has the same answers wherever a real server's bytes are cut", async () => {
  const [settings, answers] = await recordTrace();
  const whole = await replay([settings, answers]);
  assertEquals([...whole.statuses], new Array(REQUESTS).fill(404));
  assertEquals(whole.details.size, REQUESTS);
  for (let cut = 1; cut < answers.length; cut++) {
    assertEquals(await replay([settings, answers.subarray(0, cut), answers.subarray(cut)]), whole);
  }
});

Deno.test("a connection ends every request whatever is changed in a real server's bytes", async () => {
  const [settings, answers] = await recordTrace();
  const edit = fc.record({
    at: fc.nat(settings.length + answers.length - 1),
    byte: fc.nat(255),
    removed: fc.oneof(fc.constant(0), fc.nat(20)),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 5 }), async (edits) => {
      let bytes = [...settings, ...answers];
      for (const { at, byte, removed } of edits) bytes = bytes.toSpliced(at, removed || 1, byte);
      const changed = Uint8Array.from(bytes);
      const { ends, statuses } = await replay([
        changed.subarray(0, settings.length),
        changed.subarray(settings.length),
      ]);
      assertEquals(ends.length, REQUESTS);
      for (const [i, end] of ends.entries()) assertEquals(statuses[i] !== 0, end === 0);
    }),
    { numRuns: 1_500 },
  );
});
