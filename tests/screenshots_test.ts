import { assertEquals, assertThrows } from "@std/assert";
import { crc32, deflateSync, inflateSync } from "node:zlib";
import { flatPng } from "./support/png.ts";

function chunk(type: string, data: Uint8Array): readonly number[] {
  const body = [...new TextEncoder().encode(type), ...data];
  const number = (value: number) => [24, 16, 8, 0].map((shift) => value >>> shift & 255);
  return [...number(data.length), ...body, ...number(crc32(new Uint8Array(body)))];
}

/** A picture of two pixels a row, with a chunk that says nothing of its pixels. */
function png(rows: readonly (readonly number[])[], colour = 2): Uint8Array {
  const header = new Uint8Array([0, 0, 0, 2, 0, 0, 0, rows.length, 8, colour, 0, 0, 0]);
  return new Uint8Array([
    ...[137, 80, 78, 71, 13, 10, 26, 10],
    ...chunk("IHDR", header),
    ...chunk("tEXt", new Uint8Array([65, 0, 66])),
    ...chunk("IDAT", deflateSync(new Uint8Array(rows.flat()))),
    ...chunk("IEND", new Uint8Array()),
  ]);
}

Deno.test("flatPng() has the same pixels without filters (PNG specification, section 9.2)", () => {
  const filtered = [
    [0, 10, 20, 30, 40, 50, 60], // None
    [1, 1, 2, 3, 4, 5, 250], // Sub
    [2, 1, 1, 1, 255, 0, 1], // Up
    [3, 100, 0, 0, 0, 0, 0], // Average
    [4, 1, 1, 1, 1, 1, 1], // Paeth
  ];
  const flat = flatPng(png(filtered));
  const data = flat.subarray(8 + 25 + 8, flat.length - 12 - 4);
  assertEquals([...inflateSync(data)], [
    ...[0, 10, 20, 30, 40, 50, 60],
    ...[0, 1, 2, 3, 5, 7, 253],
    ...[0, 2, 3, 4, 4, 7, 254],
    ...[0, 101, 1, 2, 52, 4, 128],
    ...[0, 102, 2, 3, 53, 5, 129],
  ]);
  assertEquals(flatPng(flat), flat);
});

Deno.test("flatPng() refuses what it cannot read", () => {
  assertThrows(() => flatPng(png([[0, 1, 2]], 3)), RangeError, "colour type 3, 8 bits");
  assertThrows(() => flatPng(png([[9, 0, 0, 0, 0, 0, 0]])), RangeError, "No filter 9");
});
