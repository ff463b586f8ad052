import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { ApiTokens } from "../../../transports/command_line/api_tokens.ts";
import { runKeys } from "../../../transports/command_line/keys_command.ts";
import type { KeysCommand } from "../../../transports/command_line/keys_command.ts";
import { Secret } from "../../../transports/command_line/secret.ts";
import { cryptoKeys } from "../../../transports/command_line/setting.ts";
import { pairProblems } from "../../support/sender.ts";
import { TemporaryFolder } from "./temporary_folder.ts";

const CLOCK = { now: () => 0, wallNow: () => Date.UTC(2030, 0, 1) };

function run(command: KeysCommand, json: boolean): string {
  const outcome = runKeys(command, json, CLOCK);
  assert(outcome.kind === "done", outcome.kind === "failed" ? outcome.message : "");
  return outcome.text;
}

Deno.test("runKeys() prints a VAPID pair for people and machines", () => {
  const { publicKey, privateKey } = JSON.parse(run({ name: "keys_vapid" }, true));
  assertEquals(pairProblems({ publicKey, privateKey }), []);
  const lines = run({ name: "keys_vapid" }, false).split("\n");
  assertEquals(pairProblems({ publicKey: lines[1] ?? "", privateKey: lines[4] ?? "" }), []);
});

Deno.test("runKeys() prints an endpoint key that crypto-keys reads", () => {
  const { key } = JSON.parse(run({ name: "keys_endpoint" }, true));
  const first = run({ name: "keys_endpoint" }, false).split("\n")[0] ?? "";
  for (const text of [key, first]) assertEquals(cryptoKeys.parse(text).kind, "value");
});

Deno.test("runKeys() makes a token that opens the API", () => {
  using folder = new TemporaryFolder();
  const data = join(folder.path, "data");
  const command = {
    name: "keys_token",
    data,
    tokenName: "ci",
    lifetimeSeconds: 60,
    scopes: ["read", "send"],
  } as const;
  const { name, token, scopes, expires } = JSON.parse(run(command, true));
  assertEquals([name, scopes, expires], ["ci", ["read", "send"], "2030-01-01T00:01:00.000Z"]);
  const unlimited = { tokenName: undefined, lifetimeSeconds: undefined, scopes: undefined };
  const text = run({ ...command, ...unlimited }, false);
  const second = text.split("\n")[0] ?? "";
  assertMatch(text, /"token-1", for admin; it never expires/);
  const tokens = new ApiTokens({ data, main: new Secret("main-0123456789"), clock: CLOCK });
  assertEquals(tokens.verify(token), { kind: "ok", name: "ci", scopes: ["read", "send"] });
  assertEquals(tokens.verify(second), { kind: "ok", name: "token-1", scopes: ["admin"] });
  const again = runKeys(command, false, CLOCK);
  assertEquals(again, {
    kind: "failed",
    message: 'heliograph: --name: "ci" is taken. Choose another name.',
  });
});
