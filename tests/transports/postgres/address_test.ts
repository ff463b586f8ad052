/** Addresses of databases, good ones and bad ones. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Address, parseAddress, StoreOpenError } from "../../../transports/postgres/mod.ts";

const GOOD: readonly (readonly [text: string, expected: Partial<Address>])[] = [
  ["postgres://u@h/d", { host: "h", port: 5432, user: "u", password: "", database: "d" }],
  ["postgres://u@h/d", { schema: "heliograph", tls: false, place: "h/d" }],
  ["postgresql://u:p@h:1/d", { port: 1, password: "p", place: "h:1/d" }],
  ["postgres://a%40b:p%3A%2F%25@h/d%20e", { user: "a@b", password: "p:/%", database: "d e" }],
  ["postgres://u@[::1]:6/d", { host: "::1", port: 6 }],
  ["postgres://u@127.0.0.1/d?schema=_a1", { schema: "_a1" }],
  ["postgres://u@h/d?sslmode=verify-full", { tls: true }],
  ["postgres://u@h/d?sslmode=disable&schema=x", { tls: false, schema: "x" }],
  [`postgres://u@h/d?schema=${"s".repeat(63)}`, { schema: "s".repeat(63) }],
];

for (const [text, expected] of GOOD) {
  Deno.test(`parseAddress() reads ${Object.keys(expected)} of ${text.slice(0, 60)}`, () => {
    assertEquals({ ...parseAddress(text), ...expected }, parseAddress(text));
  });
}

const BAD: readonly (readonly [text: string, message: RegExp])[] = [
  ["", /expected "postgres:\/\/user:password@host:port\/database"/],
  ["u:secret@h/d", /expected "postgres:/],
  ["mysql://u:secret@h/d", /expected "postgres:/],
  ["postgres://u:secret@h:99999/d", /expected "postgres:/],
  ["postgres://u:secret@h:0/d", /its port is 0; allowed are 1 to 65535/],
  ["postgres://:secret@h/d", /it names no user/],
  ["postgres:///d?secret", /it (names no user|has a parameter)/],
  ["postgres://u:secret@h", /it names no database/],
  ["postgres://u:secret@h/", /it names no database/],
  ["postgres://u:secret@h/d/e", /it names no database/],
  ["postgres://u:secret%zz@h/d", /its password is not percent-encoded/],
  ["postgres://u:secret@h/d?schema=", /its "schema" is not made of at most 63 letters/],
  ["postgres://u:secret@h/d?schema=A", /its "schema" is not made of/],
  ["postgres://u:secret@h/d?schema=1a", /its "schema" is not made of/],
  ["postgres://u:secret@h/d?schema=a;drop", /its "schema" is not made of/],
  [`postgres://u:secret@h/d?schema=${"s".repeat(64)}`, /its "schema" is not made of/],
  ["postgres://u:secret@h/d?schema=a&schema=b", /it has the parameter "schema" twice/],
  ["postgres://u:secret@h/d?password=secret", /not known; allowed are schema, sslmode/],
  ["postgres://u:secret@h/d?sslmode=require", /neither "disable" nor "verify-full"/],
];

for (const [text, message] of BAD) {
  Deno.test(`parseAddress() refuses "${text.slice(0, 60)}" without repeating it`, () => {
    const error = assertThrows(() => parseAddress(text), StoreOpenError);
    assertEquals(error.code, "bad_address");
    assert(message.test(error.message), error.message);
    assert(!error.message.includes("secret"));
  });
}
