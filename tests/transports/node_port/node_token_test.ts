import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { createHmac } from "node:crypto";
import { NodeTokenCheck, nodeTokens } from "../../../transports/node_port/node_token.ts";
import { NEW_KEY, OLD_KEY } from "./node_port_world.ts";

Deno.test("nodeTokens() derives a token from each key by HMAC-SHA-256 of a label", () => {
  const tokens = nodeTokens([NEW_KEY, OLD_KEY]);
  const expected = [NEW_KEY, OLD_KEY].map((key) =>
    createHmac("sha256", key).update("heliograph node port 1").digest("base64url")
  );
  assertEquals([...tokens], expected);
  assertNotEquals(tokens[0], tokens[1]);
});

const REFUSED: readonly (readonly [name: string, secrets: readonly string[], text: string])[] = [
  ["no key", [], "Cannot use secrets: expected 1 to 16 keys, found 0"],
  [
    "seventeen keys",
    Array.from({ length: 17 }, () => OLD_KEY),
    "Cannot use secrets: expected 1 to 16 keys, found 17",
  ],
  [
    "a short key",
    [OLD_KEY, "hunter2"],
    "Cannot use secrets[1]: expected at least 32 characters, found 7",
  ],
];

for (const [name, secrets, text] of REFUSED) {
  Deno.test(`nodeTokens() refuses ${name} and does not repeat it`, () => {
    const { message } = assertThrows(() => nodeTokens(secrets), TypeError);
    assertEquals(message, text);
  });
}

const [newToken = "", oldToken = ""] = nodeTokens([NEW_KEY, OLD_KEY]);
const [foreign = ""] = nodeTokens(["Rm9yZWlnbktleUZvcmVpZ25LZXlGb3JlaWduS2V5Rm8="]);

const HEADERS: readonly (readonly [header: string | undefined, accepted: boolean])[] = [
  [`Bearer ${newToken}`, true],
  [`Bearer ${oldToken}`, true],
  [`bearer  ${oldToken}`, true],
  [undefined, false],
  ["", false],
  [oldToken, false],
  [`Basic ${oldToken}`, false],
  [`Bearer ${foreign}`, false],
  [`Bearer ${OLD_KEY}`, false],
  [`Bearer ${oldToken}x`, false],
  [`Bearer ${oldToken.slice(0, -1)}`, false],
  [`Bearer ${oldToken}, Bearer ${newToken}`, false],
];

for (const [header, accepted] of HEADERS) {
  Deno.test(`NodeTokenCheck.accepts() => ${accepted} for ${Deno.inspect(header)}`, () => {
    assertEquals(new NodeTokenCheck([NEW_KEY, OLD_KEY]).accepts(header), accepted);
  });
}
