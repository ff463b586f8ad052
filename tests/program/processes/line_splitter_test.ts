import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { LineSplitter } from "../../../program/processes/line_splitter.ts";

/** What comes in chunks, and the lines it makes with at most 4 bytes each. */
const STREAMS: readonly (readonly [chunks: readonly string[], lines: readonly string[]])[] = [
  [[""], []],
  [["a\n"], ["a"]],
  [["a", "b\nc"], ["ab"]],
  [["\n\n"], ["", ""]],
  [["abcd\n"], ["abcd"]],
  [["abcde\n"], ["abcd"]],
  [["abcdefghi", "jkl", "m\nn\n"], ["abcd", "n"]],
  [["abcd", "\n"], ["abcd"]],
  [["abcd", "e", "f\n"], ["abcd"]],
  [["abcde\nfghij\nk\n"], ["abcd", "fghi", "k"]],
];

for (const [chunks, lines] of STREAMS) {
  Deno.test(`LineSplitter makes ${JSON.stringify(chunks)} => ${JSON.stringify(lines)}`, () => {
    const splitter = new LineSplitter(4);
    const encoder = new TextEncoder();
    assertEquals(chunks.flatMap((chunk) => splitter.push(encoder.encode(chunk))), [...lines]);
  });
}

Deno.test("LineSplitter tells of a line that is too long as soon as it is", () => {
  const splitter = new LineSplitter(4);
  assertEquals(splitter.push(new TextEncoder().encode("abcde")), ["abcd"]);
});

Deno.test("LineSplitter replaces what is no UTF-8", () => {
  assertEquals(new LineSplitter(4).push(new Uint8Array([0xff, 0x61, 0x0a])), ["\ufffda"]);
});

Deno.test("LineSplitter makes the same lines of the same bytes, however they are cut", () => {
  const byte = fc.constantFrom(0x0a, 0x61, 0x62, 0xc3, 0xa9);
  const stream = fc.record({
    bytes: fc.array(byte, { maxLength: 60 }),
    cuts: fc.array(fc.nat({ max: 60 }), { maxLength: 6 }),
  });
  fc.assert(fc.property(stream, ({ bytes, cuts }) => {
    const whole = Uint8Array.from(bytes);
    const places = [...cuts.map((at) => Math.min(at, whole.length)), whole.length]
      .sort((one, other) => one - other);
    const splitter = new LineSplitter(5);
    const lines = places.flatMap((at, index) =>
      splitter.push(whole.subarray(places[index - 1] ?? 0, at))
    );
    assertEquals(lines, [...new LineSplitter(5).push(whole)]);
    assert(lines.every((line) => line.length <= 5));
  }));
});
