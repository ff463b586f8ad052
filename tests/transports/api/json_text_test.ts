import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseJson } from "../../../transports/api/json_text.ts";

const ROWS: readonly (readonly [text: string, line: number, column: number])[] = [
  ["", 1, 1],
  ["abc", 1, 1],
  ['{"a": x}', 1, 7],
  ['{"a":1,}', 1, 8],
  ["[1,]", 1, 4],
  ["[1 2]", 1, 4],
  ["[01]", 1, 3],
  ["{a:1}", 1, 2],
  ['{"a" 1}', 1, 6],
  ['{"a":1}}', 1, 8],
  ["[1}", 1, 3],
  ['{"a":1]', 1, 7],
  ["1 2", 1, 3],
  ['"a\u0001"', 1, 1],
  ['"\\x"', 1, 1],
  ['{\n  "a": 1,\r\n  b: 2\n}', 3, 3],
  ["[\n\n", 3, 1],
];

for (const [text, line, column] of ROWS) {
  Deno.test(`parseJson() finds the fault of ${JSON.stringify(text)} at ${line}:${column}`, () => {
    assertEquals(parseJson(text), { kind: "malformed", line, column });
  });
}

Deno.test("parseJson() gives what the platform gives, for any JSON", () => {
  fc.assert(fc.property(fc.json(), (text) => {
    assertEquals(parseJson(text), { kind: "value", value: JSON.parse(text) });
  }));
});

Deno.test("parseJson() finds the fault of a broken text within it, or at its end", () => {
  fc.assert(fc.property(fc.json(), fc.nat(), fc.string({ maxLength: 3 }), (json, at, garbage) => {
    const place = at % (json.length + 1);
    const text = json.slice(0, place) + garbage + json.slice(place + 1);
    const parsed = parseJson(text);
    if (parsed.kind === "value") return;
    const before = text.split("\n").slice(0, parsed.line);
    before.push((before.pop() ?? "").slice(0, parsed.column - 1));
    // Up to the fault there is none: what stands there is JSON, or only its end is missing.
    const prefix = parseJson(before.join("\n"));
    const atEnd = { line: parsed.line, column: parsed.column };
    if (prefix.kind === "malformed") assertEquals(prefix, { kind: "malformed", ...atEnd });
  }));
});

Deno.test("parseJson() looks through long and deep texts", () => {
  const long = `["${"\\n".repeat(2_000_000)}",]`;
  assertEquals(parseJson(long), { kind: "malformed", line: 1, column: long.length });
  const deep = "[".repeat(500_000);
  assertEquals(parseJson(deep), { kind: "malformed", line: 1, column: 500_001 });
});
