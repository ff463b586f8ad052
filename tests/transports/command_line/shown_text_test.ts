import { assert, assertEquals } from "@std/assert";
import { nearestNames } from "../../../transports/command_line/nearest_name.ts";
import { Secret } from "../../../transports/command_line/secret.ts";
import { SETTINGS } from "../../../transports/command_line/settings.ts";
import { cut, quote } from "../../../transports/command_line/visible_text.ts";

Deno.test("Secret hides itself wherever it is printed", () => {
  const secret = new Secret("canary");
  const holder = { secret, list: [secret] };
  const shown = [
    `${secret}`,
    "" + secret,
    JSON.stringify(holder),
    Deno.inspect(holder),
    Deno.inspect(secret, { showHidden: true }),
    String(new Error("x", { cause: secret }).cause),
    JSON.stringify({ ...secret }),
    JSON.stringify(structuredClone(secret)),
  ];
  for (const text of shown) assert(!text.includes("canary"), text);
  assertEquals(secret.reveal(), "canary");
});

Deno.test("cut() keeps whole characters and the limit", () => {
  const rows: readonly (readonly [text: string, max: number, cut: string])[] = [
    ["abc", 3, "abc"],
    ["abcd", 3, "ab…"],
    ["a👋b", 3, "a…"],
    ["👋👋", 4, "👋👋"],
    ["", 3, ""],
  ];
  for (const [text, max, expected] of rows) assertEquals(cut(text, max), expected);
});

Deno.test("quote() puts one visible line in quotes", () => {
  assertEquals(quote("a\n\u202eb", 60), '"a\\u000a\\u202eb"');
});

Deno.test("nearestNames() offers what was probably meant, and nothing else", () => {
  const known = Object.values<{ readonly name: string }>(SETTINGS).map((setting) => setting.name);
  const rows: readonly (readonly [word: string, names: readonly string[]])[] = [
    ["hots", ["host"]],
    ["HOST", ["host"]],
    ["endpoint_port", ["endpoint-port"]],
    ["port", ["endpoint-port", "device-port", "api-port"]],
    ["ttl", ["max-ttl"]],
    ["ping-intervall", ["ping-interval"]],
    ["log", ["log-level"]],
    ["xyzzy", []],
    ["z", []],
    ["", []],
    ["a".repeat(10_000), []],
  ];
  for (const [word, names] of rows) assertEquals(nearestNames(word, known), names, word);
});
