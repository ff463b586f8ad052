import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  isCloseCode,
  readFrameHeader,
  unmask,
  writeCloseFrame,
  writeFrame,
  writeTextFrame,
} from "../../../transports/device_socket/frames.ts";
import { frameBytes } from "../../support/websocket_client.ts";

const MASK = [1, 2, 3, 4];

/** First bytes of a frame and what they are: a reason, or opcode, header and payload length. */
const HEADERS: readonly (readonly [
  name: string,
  bytes: readonly number[],
  expected: string | readonly [opcode: string, headerBytes: number, payloadBytes: number],
])[] = [
  ["nothing", [], "incomplete"],
  ["one byte", [0x81], "incomplete"],
  ["a length of two bytes cut", [0x81, 0xfe, 0x01], "incomplete"],
  ["a length of eight bytes cut", [0x81, 0xff, 0, 0, 0, 0, 0, 1, 0], "incomplete"],
  ["a short text", [0x81, 0x85, ...MASK], ["text", 6, 5]],
  ["no masking key yet", [0x81, 0x85], ["text", 6, 5]],
  ["a text of 126 bytes", [0x81, 0xfe, 0, 126, ...MASK], ["text", 8, 126]],
  ["a text of 65,536 bytes", [0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0], ["text", 14, 65_536]],
  ["a text of 2^62 bytes", [0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0], ["text", 14, 2 ** 62]],
  ["an empty Ping", [0x89, 0x80], ["ping", 6, 0]],
  ["a continuation", [0x80, 0x80], ["continuation", 6, 0]],
  ["reserved bit 1", [0xc1, 0x85], "reserved bits must be 0"],
  ["reserved bit 2", [0xa1, 0x85], "reserved bits must be 0"],
  ["reserved bit 3", [0x91, 0x85], "reserved bits must be 0"],
  ["opcode 3", [0x83, 0x85], "reserved opcode 3"],
  ["opcode 15", [0x8f, 0x85], "reserved opcode 15"],
  ["no mask", [0x81, 0x05], "client frames must be masked"],
  ["a fragmented Ping", [0x09, 0x80], "control frames must not be fragmented"],
  ["a Close of 126 bytes", [0x88, 0xfe], "control frames carry at most 125 bytes"],
  ["126 bytes in two, 125 meant", [0x81, 0xfe, 0, 125], "length not in its shortest form"],
  [
    "eight bytes for 65,535",
    [0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
    "length not in its shortest form",
  ],
  [
    "the top bit of a length",
    [0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
    "length with its top bit set",
  ],
];

for (const [name, bytes, expected] of HEADERS) {
  Deno.test(`readFrameHeader() of ${name} => ${Deno.inspect(expected, { compact: true })}`, () => {
    // Noise around the frame must not be read.
    const noisy = new Uint8Array([0xff, ...bytes, 0x81, 0x81]);
    const header = readFrameHeader(noisy, 1, 1 + bytes.length);
    switch (header.kind) {
      case "incomplete":
        assertEquals("incomplete", expected);
        break;
      case "malformed":
        assertEquals(header.reason, expected);
        break;
      case "header":
        assertEquals([header.opcode, header.headerBytes, header.payloadBytes], expected);
        break;
    }
  });
}

Deno.test("unmask() undoes the masking of another implementation, at every length", () => {
  for (let length = 0; length < 300; length++) {
    const payload = crypto.getRandomValues(new Uint8Array(length));
    const bytes = frameBytes({ opcode: 1, payload });
    unmask(bytes, bytes.length - length, bytes.length);
    assertEquals(bytes.subarray(bytes.length - length), payload);
  }
});

Deno.test("writeFrame() uses the shortest length and no mask", () => {
  fc.assert(fc.property(fc.constantFrom(0, 1, 125, 126, 127, 65_535, 65_536, 70_000), (length) => {
    const payload = new Uint8Array(length).fill(7);
    assertEquals(writeFrame("text", payload), frameBytes({ opcode: 1, payload, masked: false }));
  }));
});

Deno.test("writeTextFrame() sends U+FFFD for a lone surrogate", () => {
  assertEquals(writeTextFrame("\ud800"), new Uint8Array([0x81, 3, 0xef, 0xbf, 0xbd]));
});

Deno.test("writeCloseFrame() cuts a reason at a character, within 123 bytes", () => {
  const frame = writeCloseFrame(1008, "é".repeat(100));
  assertEquals(frame.length, 2 + 2 + 122);
  assertEquals(new TextDecoder().decode(frame.subarray(4)), "é".repeat(61));
});

Deno.test("writeCloseFrame() throws for a code that is not for the wire", () => {
  for (const code of [0, 999, 1005, 1006, 1015, 5000, 1000.5, Number.NaN]) {
    assertThrows(() => writeCloseFrame(code, ""), RangeError, String(code));
  }
});

Deno.test("isCloseCode() knows the registered and the private codes", () => {
  const allowed = Array.from({ length: 6_000 }, (_, code) => code).filter(isCloseCode);
  const expected = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
  assertEquals(allowed.filter((code) => code < 3000), expected);
  assertEquals(allowed.filter((code) => code >= 3000).length, 2_000);
  assertEquals(allowed.at(-1), 4999);
});
