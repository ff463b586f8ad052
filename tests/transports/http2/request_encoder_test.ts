import { assertEquals } from "@std/assert";
import { ByteBuffer, HpackEncoder, type RequestHead } from "../../../transports/http2/mod.ts";
import { RequestEncoder } from "../../../transports/http2/request_encoder.ts";
import { blockOf, HEAD } from "./scripted_peer.ts";

/** The sizes of header blocks written one after the other. */
function sizes(requests: RequestEncoder, heads: readonly RequestHead[]): readonly number[] {
  return heads.map((head) => {
    const out = new ByteBuffer();
    requests.write(out, { ...blockOf(1), head }, 0);
    return out.length;
  });
}

Deno.test("RequestEncoder.write() refers to what it sent before, from the second request on", () => {
  const requests = new RequestEncoder(new HpackEncoder(), "https");
  const other = {
    ...HEAD,
    fields: [{ name: "x-topic", value: "b", indexing: "indexed" }],
  } as const;
  const [first = 0, second = 0, third, , , again] = sizes(requests, [
    HEAD,
    HEAD,
    HEAD,
    other,
    other,
    HEAD,
  ]);
  // Three indexed fields in place of their literals, an authority and a content type among them.
  assertEquals(second < first - 20, true);
  assertEquals([third, again], [second, second]);
});

Deno.test("RequestEncoder.write() tells of a new table size once", () => {
  const encoder = new HpackEncoder();
  const requests = new RequestEncoder(encoder, "https");
  encoder.setTableLimit(0);
  const plain = { ...HEAD, authority: "a", fields: [] };
  const [first = 0, second, third] = sizes(requests, [plain, plain, plain]);
  assertEquals([second, third], [first - 1, first - 1]);
});
