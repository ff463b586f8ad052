import { assertEquals } from "@std/assert";
import {
  entryBeginning,
  type EntryVerdict,
  judgeEntry,
} from "../../../../../actors/push/delivery/sources/entry.ts";
import {
  DEAD_LETTER_CHARS,
  ENTRY_CHARS_MAX,
  ENTRY_ID_CHARS_MAX,
} from "../../../../../actors/push/delivery/sources/limits.ts";

const BODY = { app: "shop", to: { all: true } };
const circular: Record<string, unknown> = {};
circular["self"] = circular;

const ROWS: readonly (readonly [
  title: string,
  entry: Partial<Parameters<typeof judgeEntry>[0]> & { readonly body: unknown },
  expected: EntryVerdict,
])[] = [
  ["JSON text", { body: JSON.stringify(BODY) }, { kind: "submit", body: BODY }],
  ["a value", { body: BODY }, { kind: "submit", body: BODY }],
  ["a value of this schema", { body: { ...BODY, schema: 1 } }, { kind: "submit", body: BODY }],
  ["text of this schema", { body: '{"schema":1,"a":2}' }, { kind: "submit", body: { a: 2 } }],
  ["the fifth delivery", { body: BODY, deliveries: 5 }, { kind: "submit", body: BODY }],
  [
    "87 the sixth delivery",
    { body: BODY, deliveries: 6 },
    { kind: "bury", reason: "gave up after 5 deliveries" },
  ],
  [
    "87 the sixth delivery of what is not JSON",
    { body: "{", deliveries: 6 },
    { kind: "bury", reason: "gave up after 5 deliveries" },
  ],
  [
    "85 what its source sees",
    { body: BODY, problem: 'field "schema" is missing' },
    { kind: "bury", reason: 'field "schema" is missing' },
  ],
  ["85 half a JSON text", { body: '{"app":' }, { kind: "bury", reason: "not JSON" }],
  ["85 an empty text", { body: "" }, { kind: "bury", reason: "not JSON" }],
  [
    "85 a text nested beyond any parser",
    { body: `${"[".repeat(1e5)}${"]".repeat(1e5)}` },
    { kind: "bury", reason: "array instead of an object" },
  ],
  ["85 a list", { body: "[1]" }, { kind: "bury", reason: "array instead of an object" }],
  ["85 null", { body: null }, { kind: "bury", reason: "null instead of an object" }],
  ["85 a number", { body: "7" }, { kind: "bury", reason: "7 instead of an object" }],
  ["85 nothing", { body: undefined }, { kind: "bury", reason: "undefined instead of an object" }],
  [
    "88 a form of the future",
    { body: '{"schema":7}' },
    { kind: "bury", reason: "schema 7, this build reads ≤ 1" },
  ],
  [
    "88 a schema that is no number",
    { body: { schema: "2" } },
    { kind: "bury", reason: "schema: string instead of a whole number from 1" },
  ],
  [
    "88 a schema of no build",
    { body: { schema: 0.5 } },
    { kind: "bury", reason: "schema: 0.5 instead of a whole number from 1" },
  ],
  [
    "an empty id",
    { id: "", body: BODY },
    { kind: "bury", reason: "id of 0 characters, allowed are 1 to 128" },
  ],
  [
    "a long id",
    { id: "x".repeat(ENTRY_ID_CHARS_MAX + 1), body: BODY },
    { kind: "bury", reason: "id of 129 characters, allowed are 1 to 128" },
  ],
  [
    "a text too long to read",
    { body: " ".repeat(ENTRY_CHARS_MAX + 1) },
    { kind: "bury", reason: "8388609 characters exceed 8388608" },
  ],
];

for (const [title, entry, expected] of ROWS) {
  Deno.test(`judgeEntry() of ${title} => ${Deno.inspect(expected, { compact: true })}`, () => {
    assertEquals(judgeEntry({ id: "17-0", deliveries: 1, ...entry }), expected);
  });
}

const BEGINNINGS: readonly (readonly [title: string, body: unknown, expected: string])[] = [
  ["a text", "not JSON", "not JSON"],
  ["a long text", "x".repeat(5_000), "x".repeat(DEAD_LETTER_CHARS)],
  ["a value", { a: 1 }, '{"a":1}'],
  ["nothing", undefined, "a value of type undefined"],
  ["a value that is no JSON", circular, "a value of type object"],
];

for (const [title, body, expected] of BEGINNINGS) {
  Deno.test(`entryBeginning() of ${title}`, () => {
    assertEquals(entryBeginning(body), expected);
  });
}
