/**
 * Parameter lists: autopush's grammar.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import {
  findParameter,
  isBase64Url,
  normalise,
  parseParameters,
} from "../../../transports/push_endpoint/parameters.ts";

Deno.test("parseParameters() reads sections and items; the first section with an item wins", () => {
  const parameters = parseParameters('keyid="a"; dh=x==;p256ecdsa = "y" , dh=z');
  assert(parameters !== undefined);
  assertEquals(findParameter(parameters, "keyid"), "a");
  assertEquals(findParameter(parameters, "dh"), "x==");
  assertEquals(findParameter(parameters, "p256ecdsa"), "y");
  assertEquals(findParameter(parameters, "salt"), undefined);
});

Deno.test("parseParameters() refuses an item without =", () => {
  for (const header of ["", "a", "a=1;", "a=1,", "a=1;b", ",a=1"]) {
    assertEquals(parseParameters(header), undefined, header);
  }
});

Deno.test("normalise() removes quotes and padding at the end of values only", () => {
  const rows: readonly (readonly [given: string, expected: string])[] = [
    [
      'keyid="http://example.org/k";salt="XZwpw6o37R-6qoZjw6KwAw=="',
      "keyid=http://example.org/k;salt=XZwpw6o37R-6qoZjw6KwAw",
    ],
    ["dh=ab==,p256ecdsa=cd=;x=1", "dh=ab,p256ecdsa=cd;x=1"],
    ["dh=ab", "dh=ab"],
    ["a=b=c", "a=b=c"],
  ];
  for (const [given, expected] of rows) assertEquals(normalise(given), expected);
});

Deno.test("isBase64Url() takes what bytes encode to, and nothing of another alphabet", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
    assert(isBase64Url(Buffer.from(bytes).toString("base64url")));
  }));
  for (const text of ["", "=", "a", "a+b", "a/b", "a b", "abcde", "é"]) {
    assert(!isBase64Url(text), text);
  }
});
