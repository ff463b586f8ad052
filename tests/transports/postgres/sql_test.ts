/** Statements as values, against what the server makes of them; rows, and what is refused of them. */

import { assertEquals, assertThrows } from "@std/assert";
import {
  Columns,
  openPostgres,
  sql,
  type SqlValue,
  statement,
  StoreError,
} from "../../../transports/postgres/mod.ts";
import { startPostgres } from "../../support/postgres_server.ts";

const server = (await startPostgres()).endWithTests();

Deno.test("sql`` puts values nowhere into the text", () => {
  const evil = "'); DROP TABLE message; --";
  assertEquals(sql`SELECT ${evil}, ${[evil]}, ${null}`, {
    text: "SELECT $1, $2, $3",
    values: [evil, `{"${evil}"}`, null],
  });
  assertEquals(statement("SELECT $1", [true]), { text: "SELECT $1", values: ["true"] });
});

const BYTES = new Uint8Array([0, 34, 92, 255]);

/** What goes in under each type, and what comes out. */
const ROUND_TRIPS: readonly (readonly [type: string, value: SqlValue, expected?: unknown])[] = [
  ["int8", Number.MAX_SAFE_INTEGER],
  ["int8", -5],
  ["int8", 7n, 7],
  ["int8", "9007199254740993", "9007199254740993"],
  ["int4", 0],
  ["float8", 0.1],
  ["boolean", true],
  ["boolean", false],
  ["text", ""],
  ["text", 'ä"\\{},NULL'],
  ["text", null],
  ["bytea", BYTES],
  ["bytea", new Uint8Array()],
  ["jsonb", '{"a":[1,"x",null]}', { a: [1, "x", null] }],
  ["timestamptz", "2026-01-02T03:04:05.678Z", new Date("2026-01-02T03:04:05.678Z")],
  ["uuid", "0123456789abcdef0123456789abcdef", "01234567-89ab-cdef-0123-456789abcdef"],
];

Deno.test("values go in and come out as they are", async () => {
  await using postgres = await openPostgres({ url: server.url() });
  for (const [type, value, expected = value] of ROUND_TRIPS) {
    const { rows } = await postgres.query("try", statement(`SELECT $1::${type} AS v`, [value]));
    assertEquals(rows[0]?.["v"], expected, `${type} ${value}`);
  }
});

Deno.test("lists go in as arrays, whatever is in them", async () => {
  await using postgres = await openPostgres({ url: server.url() });
  const texts = ["", 'a"b', "c\\d", "{e,f}", "NULL", "ä", null];
  const { rows } = await postgres.query(
    "try",
    sql`SELECT * FROM unnest(${texts}::text[], ${[1, null, 3]}::int8[],
      ${[BYTES, null]}::bytea[], ${[true, false]}::boolean[]) AS given (t, i, b, o)`,
  );
  assertEquals(rows.map(({ t }) => t), texts);
  assertEquals(rows.slice(0, 3).map(({ i }) => i), [1, null, 3]);
  assertEquals(rows.slice(0, 2).map(({ b, o }) => [b, o]), [[BYTES, true], [null, false]]);
  const { rows: [none] } = await postgres.query("try", sql`SELECT 5 = ANY(${[]}::int8[]) AS found`);
  assertEquals(none, { found: false });
});

const COLUMNS = new Columns("parcel");

/** Each reader with a value it does not take, and how it says so. */
const WRONG: readonly (readonly [read: () => unknown, message: string])[] = [
  [
    () => COLUMNS.integer({ a: "9007199254740993" }, "a"),
    '"a" is text, expected an integer below 2^53',
  ],
  [() => COLUMNS.integer({ a: 0.5 }, "a"), '"a" is of type number, expected an integer below 2^53'],
  [() => COLUMNS.integer(undefined, "a"), '"a" is missing, expected an integer below 2^53'],
  [() => COLUMNS.optionalInteger({ a: "x" }, "a"), '"a" is text, expected an integer below 2^53'],
  [() => COLUMNS.number({ a: NaN }, "a"), '"a" is of type number, expected a number'],
  [() => COLUMNS.text({ a: null }, "a"), '"a" is NULL, expected text'],
  [() => COLUMNS.optionalText({}, "a"), '"a" is missing, expected text'],
  [() => COLUMNS.oneOf({ a: "z" }, "a", ["x", "y"]), '"a" is text, expected one of x, y'],
  [() => COLUMNS.boolean({ a: 1 }, "a"), '"a" is of type number, expected a boolean'],
  [() => COLUMNS.bytes({ a: "x" }, "a"), '"a" is text, expected bytes'],
  [
    () => COLUMNS.texts({ a: ["x", 1] }, "a"),
    '"a" is of type object, expected a JSON list of texts',
  ],
];

for (const [read, message] of WRONG) {
  Deno.test(`Columns refuses a column: ${message}`, () => {
    const error = assertThrows(read, StoreError);
    assertEquals(error.code, "corrupt");
    assertEquals(error.message, `Cannot read the table "parcel": its column ${message}`);
  });
}
