/**
 * HPACK: every example of RFC 7541 appendix C in both directions, and what its sections forbid.
 */

import { assertEquals, assertThrows } from "@std/assert";
import {
  ByteBuffer,
  ERROR_CODE,
  type HeaderField,
  HpackDecoder,
  HpackEncoder,
  type HpackField,
  Http2Error,
  writeInteger,
} from "../../transports/http2/mod.ts";

function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(hex.replaceAll(" ", ""));
}

function decodeAll(decoder: HpackDecoder, hex: string): readonly HpackField[] | "too_large" {
  const bytes = fromHex(hex);
  return decoder.decode(bytes, 0, bytes.length);
}

function list(text: string, indexing: HeaderField["indexing"] = "indexed"): readonly HeaderField[] {
  return text.split("\n").map((line) => {
    const at = line.indexOf(": ", 1);
    return { name: line.slice(0, at), value: line.slice(at + 2), indexing };
  });
}

function plain(fields: readonly HeaderField[]): readonly HpackField[] {
  return fields.map(({ name, value }) => ({ name, value }));
}

for (
  const [section, value, prefixBits, hex] of [
    ["C.1.1", 10, 5, "0a"],
    ["C.1.2", 1337, 5, "1f9a0a"],
    ["C.1.3", 42, 8, "2a"],
  ] as const
) {
  Deno.test(`writeInteger() writes ${value} with a prefix of ${prefixBits} bits (RFC 7541 ${section})`, () => {
    const out = new ByteBuffer();
    writeInteger(out, 0, prefixBits, value);
    assertEquals(out.view().toHex(), hex);
  });
}

/** One block of a sequence, with the size of the table after it. */
interface Step {
  readonly fields: readonly HeaderField[];
  readonly hex: string;
  readonly tableBytes: number;
}

/** Blocks that share their tables. */
interface Example {
  readonly section: string;
  readonly tableBytesMax: number;
  readonly huffman: boolean;
  readonly steps: readonly Step[];
}

const REQUESTS = [
  list(":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com"),
  list(
    ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache",
  ),
  list(
    ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\n" +
      "custom-key: custom-value",
  ),
] as const;

const RESPONSES = [
  list(
    ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n" +
      "location: https://www.example.com",
  ),
  list(
    ":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n" +
      "location: https://www.example.com",
  ),
  list(
    ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\n" +
      "location: https://www.example.com\ncontent-encoding: gzip\n" +
      "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
  ),
] as const;

const EXAMPLES: readonly Example[] = [
  {
    section: "C.2.1",
    tableBytesMax: 4_096,
    huffman: false,
    steps: [{
      fields: list("custom-key: custom-header"),
      hex: "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
      tableBytes: 55,
    }],
  },
  {
    section: "C.2.2",
    tableBytesMax: 4_096,
    huffman: false,
    steps: [{
      fields: list(":path: /sample/path", "literal"),
      hex: "040c 2f73 616d 706c 652f 7061 7468",
      tableBytes: 0,
    }],
  },
  {
    section: "C.2.3",
    tableBytesMax: 4_096,
    huffman: false,
    steps: [{
      fields: list("password: secret", "never"),
      hex: "1008 7061 7373 776f 7264 0673 6563 7265 74",
      tableBytes: 0,
    }],
  },
  {
    section: "C.2.4",
    tableBytesMax: 4_096,
    huffman: false,
    steps: [{ fields: list(":method: GET"), hex: "82", tableBytes: 0 }],
  },
  {
    section: "C.3",
    tableBytesMax: 4_096,
    huffman: false,
    steps: [
      {
        fields: REQUESTS[0],
        hex: "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        tableBytes: 57,
      },
      { fields: REQUESTS[1], hex: "8286 84be 5808 6e6f 2d63 6163 6865", tableBytes: 110 },
      {
        fields: REQUESTS[2],
        hex: "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        tableBytes: 164,
      },
    ],
  },
  {
    section: "C.4",
    tableBytesMax: 4_096,
    huffman: true,
    steps: [
      { fields: REQUESTS[0], hex: "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", tableBytes: 57 },
      { fields: REQUESTS[1], hex: "8286 84be 5886 a8eb 1064 9cbf", tableBytes: 110 },
      {
        fields: REQUESTS[2],
        hex: "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        tableBytes: 164,
      },
    ],
  },
  {
    section: "C.5",
    tableBytesMax: 256,
    huffman: false,
    steps: [
      {
        fields: RESPONSES[0],
        hex: "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 " +
          "2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 " +
          "6c65 2e63 6f6d",
        tableBytes: 222,
      },
      { fields: RESPONSES[1], hex: "4803 3330 37c1 c0bf", tableBytes: 222 },
      {
        fields: RESPONSES[2],
        hex: "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d " +
          "54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 " +
          "5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e " +
          "3d31",
        tableBytes: 215,
      },
    ],
  },
  {
    section: "C.6",
    tableBytesMax: 256,
    huffman: true,
    steps: [
      {
        fields: RESPONSES[0],
        hex: "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 " +
          "2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        tableBytes: 222,
      },
      { fields: RESPONSES[1], hex: "4883 640e ffc1 c0bf", tableBytes: 222 },
      {
        fields: RESPONSES[2],
        hex: "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab " +
          "77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f " +
          "9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        tableBytes: 215,
      },
    ],
  },
];

for (const { section, tableBytesMax, huffman, steps } of EXAMPLES) {
  Deno.test(`HpackDecoder.decode() reads the example of RFC 7541 ${section}`, () => {
    const decoder = new HpackDecoder({ tableBytesMax, listBytesMax: 8_192 });
    for (const { fields, hex, tableBytes } of steps) {
      assertEquals(decodeAll(decoder, hex), plain(fields));
      assertEquals(decoder.tableBytes, tableBytes);
    }
  });

  Deno.test(`HpackEncoder.writeField() writes the example of RFC 7541 ${section}`, () => {
    const encoder = new HpackEncoder({ tableBytesMax, huffman });
    // The examples with a small table take it as known: the change of its size is not in them.
    encoder.beginBlock(new ByteBuffer());
    for (const { fields, hex, tableBytes } of steps) {
      const out = new ByteBuffer();
      for (const field of fields) encoder.writeField(out, field);
      assertEquals(out.view().toHex(), hex.replaceAll(" ", ""));
      assertEquals(encoder.tableBytes, tableBytes);
    }
  });
}

Deno.test("HpackDecoder has the newest field first in its table (RFC 7541 2.3.2)", () => {
  const decoder = new HpackDecoder({ listBytesMax: 8_192 });
  decodeAll(decoder, "400161 0131 400162 0132");
  assertEquals(decoder.tableFields, [{ name: "b", value: "2" }, { name: "a", value: "1" }]);
});

for (
  const [criterion, hex] of [
    ["index 0 (RFC 7541 6.1)", "80"],
    ["an index beyond the tables (RFC 7541 2.3.3)", "be"],
    ["a name beyond the tables (RFC 7541 2.3.3)", "7f00 0131"],
    ["an integer that is cut off (RFC 7541 5.1)", "ff80"],
    ["an integer over 28 bits (RFC 7541 5.1)", "ff80 8080 8001"],
    ["an integer padded with zeros without end (RFC 7541 5.1)", "ff80 8080 8080 8080 8000"],
    ["a literal without its value (RFC 7541 6.2)", "0001 61"],
    ["a literal without anything (RFC 7541 6.2)", "00"],
    ["a string longer than its block (RFC 7541 5.2)", "0001 6105 61"],
    ["the end-of-string symbol (RFC 7541 5.2)", "0001 6184 ffff ffff"],
    ["padding of eight bits (RFC 7541 5.2)", "0001 6182 1fff"],
    ["padding that is not of ones (RFC 7541 5.2)", "0001 6181 18"],
    ["a table size update behind a field (RFC 7541 4.2)", "8220"],
    ["a table size over its limit (RFC 7541 6.3)", "3fe2 1f"],
  ] as const
) {
  Deno.test(`HpackDecoder.decode() refuses ${criterion}`, () => {
    const decoder = new HpackDecoder({ listBytesMax: 8_192 });
    const error = assertThrows(() => decodeAll(decoder, hex), Http2Error);
    assertEquals(error.code, ERROR_CODE.compressionError);
  });
}

Deno.test("HpackDecoder.decode() evicts on a size update and takes another size after it (RFC 7541 4.2, 4.3)", () => {
  const decoder = new HpackDecoder({ listBytesMax: 8_192 });
  decodeAll(decoder, "4001 6101 31");
  assertEquals(decodeAll(decoder, "203f e11f 4001 6201 32"), [{ name: "b", value: "2" }]);
  assertEquals(decoder.tableFields, [{ name: "b", value: "2" }]);
});

Deno.test("HpackDecoder.decode() empties its table for a field larger than it (RFC 7541 4.4)", () => {
  const decoder = new HpackDecoder({ tableBytesMax: 40, listBytesMax: 8_192 });
  decodeAll(decoder, "4001 6101 31");
  assertEquals(decodeAll(decoder, "be"), [{ name: "a", value: "1" }]);
  decodeAll(decoder, "4001 610a 31313131313131313131");
  assertEquals(decoder.tableBytes, 0);
  assertThrows(() => decodeAll(decoder, "be"), Http2Error);
});

Deno.test("HpackEncoder.beginBlock() tells the smallest size since and the last (RFC 7541 4.2)", () => {
  const encoder = new HpackEncoder();
  const out = new ByteBuffer();
  const field = { name: "a", value: "1", indexing: "indexed" } as const;
  encoder.writeField(out, field);
  encoder.setTableLimit(0);
  encoder.setTableLimit(64);
  encoder.setTableLimit(1_048_576);
  assertEquals(encoder.tableBytes, 0);
  out.clear();
  encoder.beginBlock(out);
  encoder.beginBlock(out);
  assertEquals(out.view().toHex(), "203fe11f");
});

Deno.test("HpackEncoder.writeField() keeps what does not fit out of a small table (RFC 7541 4.4)", () => {
  const encoder = new HpackEncoder({ tableBytesMax: 40 });
  const out = new ByteBuffer();
  encoder.beginBlock(out);
  out.clear();
  encoder.writeField(out, { name: "a", value: "1", indexing: "indexed" });
  encoder.writeField(out, { name: "long", value: "123456789", indexing: "indexed" });
  assertEquals(encoder.tableBytes, 34);
});

Deno.test("HpackEncoder.writeField() never indexes what must not be, even when it is in a table (RFC 7541 7.1.3)", () => {
  const encoder = new HpackEncoder({ huffman: false });
  const out = new ByteBuffer();
  encoder.writeField(out, { name: "a", value: "1", indexing: "indexed" });
  out.clear();
  encoder.writeField(out, { name: "a", value: "1", indexing: "never" });
  assertEquals(out.view().toHex(), "1f2f0131");
});

for (
  const [criterion, blocks, expected] of [
    ["an insertion", ["be", "be 4001 6201 32", "be"], [{ name: "b", value: "2" }]],
    ["an eviction by a smaller size", ["be", "20 3f09", "be"], undefined],
    ["a field that empties it", ["be", "be 4001 620a 3131 3131 3131 3131 3131", "be"], undefined],
  ] as const
) {
  Deno.test(`HpackDecoder.decode() does not give an old block again after ${criterion} (RFC 7541 2.3.3)`, () => {
    const decoder = new HpackDecoder({ tableBytesMax: 40, listBytesMax: 8_192 });
    decodeAll(decoder, "4001 6101 31");
    const [first, between, again] = blocks;
    assertEquals(decodeAll(decoder, first), [{ name: "a", value: "1" }]);
    decodeAll(decoder, between);
    if (expected !== undefined) assertEquals(decodeAll(decoder, again), expected);
    else assertThrows(() => decodeAll(decoder, again), Http2Error);
  });
}
