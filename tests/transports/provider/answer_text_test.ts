/**
 * What providers write into answers, parsed and shown.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { parseBody, shown } from "../../../transports/provider/answer_text.ts";

Deno.test("parseBody() takes JSON objects and nothing else", () => {
  const rows: readonly (readonly [string, unknown])[] = [
    ['{"a":1}', { a: 1 }],
    ["", undefined],
    ["[1]", undefined],
    ["null", undefined],
    ['"x"', undefined],
    ['{"a":', undefined],
    ["\ufffd{}", undefined],
  ];
  for (const [text, value] of rows) {
    assertEquals<unknown>(parseBody(new TextEncoder().encode(text)), value);
  }
  assertEquals(parseBody(undefined), undefined);
});

Deno.test("shown() keeps one printable line of 200 characters, without tokens", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["Unregistered", "Unregistered"],
    [" a\r\nb\u001b[0m\u202ec ", "a b [0m c"],
    ["x ".repeat(200), `${"x ".repeat(200).slice(0, 197)}...`],
    [`token ${"aB3_".repeat(20)} refused`, "token (hidden) refused"],
    [`device ${"0aF9".repeat(16)} refused`, "device (hidden) refused"],
    [`device ${"0aF9".repeat(15)} refused`, `device ${"0aF9".repeat(15)} refused`],
    ["", ""],
  ];
  for (const [text, expected] of rows) assertEquals(shown(text), expected);
});
