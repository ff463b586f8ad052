import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { csvDevices, ndjsonRows, type Row } from "../../../transports/api/rows.ts";

/** Cuts bytes into chunks at these places. */
async function* cut(
  bytes: Uint8Array,
  places: readonly number[],
): AsyncGenerator<Uint8Array, void, void> {
  let from = 0;
  for (const place of [...places].map((at) => at % (bytes.length + 1)).toSorted((a, b) => a - b)) {
    yield await Promise.resolve(bytes.subarray(from, place));
    from = place;
  }
  yield bytes.subarray(from);
}

async function collect(rows: AsyncIterable<readonly Row[]>): Promise<readonly Row[]> {
  return (await Array.fromAsync(rows)).flat();
}

Deno.test("ndjsonRows() gives each line's value, however the bytes are cut", async () => {
  const line = fc.oneof(
    fc.json({ noUnicodeString: false }).filter((text) => !text.includes("\ufffd")),
    fc.constantFrom("", " ", "{", "\r"),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(line),
      fc.array(fc.nat(), { maxLength: 9 }),
      async (lines, places) => {
        const bytes = new TextEncoder().encode(lines.join("\n"));
        const rows = await collect(ndjsonRows(cut(bytes, places)));
        const expected = lines.flatMap((text, index): Row[] => {
          if (text.trim() === "") return [];
          if (text === "{") {
            return [{ kind: "wrong", line: index + 1, message: "not JSON at column 2" }];
          }
          return [{ kind: "row", line: index + 1, value: JSON.parse(text), chars: text.length }];
        });
        assertEquals(rows, expected);
      },
    ),
  );
});

Deno.test("csvDevices() gives each device, however the bytes are cut", async () => {
  const cellText = fc.string({ unit: "grapheme", minLength: 1 })
    .map((text) => text.trim()).filter((text) => text !== "" && !text.includes("\ufffd"));
  const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(cellText, cellText)),
      fc.array(fc.nat(), { maxLength: 9 }),
      async (pairs, places) => {
        const body = pairs.map(([id, user]) => `${quote(id)},${quote(user)}\n`).join("");
        const bytes = new TextEncoder().encode(`id,user\n${body}`);
        const rows = await collect(csvDevices(cut(bytes, places)));
        assertEquals(
          rows.map((row) => row.kind === "row" ? row.value : row),
          pairs.map(([id, user]) => ({ id, user })),
        );
      },
    ),
  );
});
