import { assertEquals, assertRejects } from "@std/assert";
import * as fc from "fast-check";
import { framesOf } from "../../../transports/dashboard/monitor/event_stream.js";

/** What comes of these reads, and how often something was heard. */
async function read(
  chunks: readonly (string | Uint8Array<ArrayBuffer>)[],
): Promise<{ readonly frames: unknown[]; readonly heard: number }> {
  const encoder = new TextEncoder();
  const body = ReadableStream.from(
    chunks.map((chunk) => typeof chunk === "string" ? encoder.encode(chunk) : chunk),
  );
  const frames: unknown[] = [];
  let heard = 0;
  for await (const some of framesOf(body, () => heard++)) frames.push(...some);
  return { frames, heard };
}

const STREAM = "retry: 2000\n\n" +
  'event: bar\nid: 17\ndata: {"second":17}\n\n' +
  ": still here\n\n" +
  'event: status\ndata: {\ndata: "a": [1, 2]}\n\n' +
  'data:"é🎈"\r\n\r\n';

const FRAMES = [
  { type: "bar", id: "17", data: { second: 17 } },
  { type: "status", id: "", data: { a: [1, 2] } },
  { type: "message", id: "", data: "é🎈" },
];

Deno.test("framesOf() reads fields, remarks and all ends of lines", async () => {
  assertEquals(await read([STREAM]), { frames: FRAMES, heard: 1 });
});

Deno.test("framesOf() does not care where reads break, even within a character", async () => {
  const bytes = new TextEncoder().encode(STREAM.replaceAll("\r\n", "\n"));
  await fc.assert(fc.asyncProperty(
    fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 12 }),
    async (cuts) => {
      const places = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
      const chunks = places.slice(1).map((end, index) => bytes.slice(places[index], end));
      assertEquals((await read(chunks.filter(({ length }) => length > 0))).frames, FRAMES);
    },
  ));
});

Deno.test("framesOf() gives up a frame without an end instead of keeping it", async () => {
  const endless = Array.from({ length: 5 }, () => "data: " + "x".repeat(1_000_000));
  await assertRejects(() => read(endless), Error, "without an end");
});

Deno.test("framesOf() leaves away what is cut off at the end", async () => {
  assertEquals((await read(['data: 1\n\ndata: {"half":'])).frames, [
    { type: "message", id: "", data: 1 },
  ]);
});
