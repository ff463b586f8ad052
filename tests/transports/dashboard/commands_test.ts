import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  curlEmpty,
  curlEncrypted,
  firefoxCommand,
  preferences,
  shellQuote,
} from "../../../transports/dashboard/commands.js";

/** What a shell makes of a script: the words that `curl` and the others would get. */
async function words(script: string): Promise<readonly string[]> {
  const shown = `curl() { printf '%s\\0' "$@"; }; firefox() { printf '%s\\0' "$@"; }; ${script}`;
  const { stdout, stderr } = await new Deno.Command("sh", { args: ["-euc", shown] }).output();
  assertEquals(new TextDecoder().decode(stderr), "");
  return new TextDecoder().decode(stdout).split("\0").slice(0, -1);
}

const ENDPOINT = "http://127.0.0.1:8080/wpush/v2/gAAAAAB_-x";
const HEADER = "vapid t=a.b.c,k=BAAA";

Deno.test("curlEmpty() gives curl exactly these words", async () => {
  assertEquals(await words(curlEmpty(ENDPOINT, HEADER)), [
    "-i",
    "-X",
    "POST",
    "-H",
    "TTL: 60",
    "-H",
    `Authorization: ${HEADER}`,
    ENDPOINT,
  ]);
});

Deno.test("curlEncrypted() gives curl exactly these words and the body's bytes", async () => {
  const body = Uint8Array.from({ length: 256 }, (_, index) => index);
  const command = curlEncrypted(ENDPOINT, HEADER, body);
  assertEquals(await words(command), [
    "-i",
    "-X",
    "POST",
    "-H",
    "TTL: 60",
    "-H",
    "Content-Encoding: aes128gcm",
    "-H",
    `Authorization: ${HEADER}`,
    "--data-binary",
    "@-",
    ENDPOINT,
  ]);
  const script = `curl() { cat; }; ${command}`;
  const { stdout } = await new Deno.Command("sh", { args: ["-euc", script] }).output();
  assertEquals(stdout, body);
});

Deno.test("shellQuote() keeps any text one word", async () => {
  const hostile = ["$(touch /tmp/x)", "`id`", "a'b", "'; exit 7; '", '"', "\\", "a\nb", "!!", ""];
  const texts = [
    ...hostile,
    ...fc.sample(fc.string({ unit: "binary" }), 300).map((text) => text.replaceAll("\0", "")),
  ].map((text) => text.toWellFormed());
  assertEquals(await words(`curl ${texts.map(shellQuote).join(" ")}`), texts);
});

Deno.test("preferences() tells Firefox to take an unencrypted service, only when it is one", () => {
  assertEquals(preferences("ws://127.0.0.1:8081/"), [
    { name: "dom.push.testing.allowInsecureServerURL", value: true },
    { name: "dom.push.serverURL", value: "ws://127.0.0.1:8081/" },
  ]);
  assertEquals(preferences("wss://push.example/"), [
    { name: "dom.push.serverURL", value: "wss://push.example/" },
  ]);
  assertThrows(() => preferences("not a URL"), TypeError);
});

Deno.test("firefoxCommand() writes the preferences into a new profile and opens the page", async () => {
  const script = firefoxCommand("ws://127.0.0.1:8081/", "http://127.0.0.1:8082/");
  const seen = await words(`${script}; cat "$profile/user.js"; printf '\\0'; rm -r "$profile"`);
  assertEquals([...seen.slice(0, 2), ...seen.slice(3)], [
    "--no-remote",
    "--profile",
    "http://127.0.0.1:8082/",
    'user_pref("dom.push.testing.allowInsecureServerURL", true);\n' +
    'user_pref("dom.push.serverURL", "ws://127.0.0.1:8081/");\n',
  ]);
});
