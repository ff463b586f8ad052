/**
 * Endpoint tokens and message ids: autopush's published layout to the byte, rotation of keys, and
 * what must not open.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { parseFernetKey, seal } from "../../../transports/push_endpoint/fernet.ts";
import {
  EndpointKeyError,
  TokenBox,
  type TokenBoxOptions,
} from "../../../transports/push_endpoint/token_box.ts";

const KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const SECONDS = 1_700_000_000;
const UAID = "00112233445566778899aabbccddeeff";
const CHANNEL = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
const BASE_POINT =
  "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU";
const V1 =
  "gAAAAABlU_EAEBESExQVFhcYGRobHB0eH6Eq2VaaOxPM6O8YG9nzdGyIx4NlE5gXG73GsSKifojo1eJ8DX2_3yhgBgApV8K9" +
  "SZV7sq4VKNbl4oOMjnrNneuebMtePUacPETxtUP7hHZQ";
const V2 =
  "gAAAAABlU_EAEBESExQVFhcYGRobHB0eH6Eq2VaaOxPM6O8YG9nzdGyIx4NlE5gXG73GsSKifojouHIDJ5Eu8krvDKVipXhH" +
  "ytPo8HJnyd_guqcP9axySaON7qwoPjaAM2y-Wc9copD5J3Hoe9UZD0aeMKMWR3JRijS2kfMIU4Q85JOaVeyf8D8";
const MESSAGE =
  "gAAAAABlU_EAEBESExQVFhcYGRobHB0eHya9dS-9ZVAYnuleS9dQKqp13Ro8hFXp9pxrqSpIt8sm2aL9hDuVUzVDR9nuRcoV" +
  "2BghRpXeN6SkQEo3TESnnWMNLnrLHkisLjqvSouDhqDqlGCz9iyQ1RwgYHxw2OILu8FlILTgo7GSOTQFwq6Z-Tbm51TjSMOfWjc_" +
  "aYo6PF9P";

function iv(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, index) => 0x10 + index);
}

function fixedBox(options: Partial<TokenBoxOptions> = {}): TokenBox {
  return new TokenBox({
    keys: [KEY],
    publicUrl: "https://push.example",
    clock: { wallNow: () => SECONDS * 1_000 + 123 },
    random: iv,
    ...options,
  });
}

function tokenOf(url: string): string {
  return url.slice(url.lastIndexOf("/") + 1);
}

Deno.test("TokenBox.endpointUrl() makes autopush's v1 token, byte for byte", () => {
  const box = fixedBox();
  assertEquals(box.endpointUrl(UAID, CHANNEL, undefined), `https://push.example/wpush/v1/${V1}`);
});

Deno.test("TokenBox.endpointUrl() makes autopush's v2 token, byte for byte", () => {
  const key = Buffer.from(BASE_POINT, "base64url");
  assertEquals(fixedBox().endpointUrl(UAID, CHANNEL, key), `https://push.example/wpush/v2/${V2}`);
});

Deno.test("TokenBox.messageId() makes autopush's message id, byte for byte", () => {
  assertEquals(fixedBox().messageId(UAID, CHANNEL, 1_700_000_000_123), MESSAGE);
});

Deno.test("TokenBox.openEndpoint() opens both versions, again from memory and with padding", () => {
  const box = fixedBox();
  const v1 = { version: "v1", uaid: UAID, channelId: CHANNEL, keyHash: undefined } as const;
  assertEquals(box.openEndpoint(V1), v1);
  assertEquals(box.openEndpoint(V1), v1);
  const keyHash = createHash("sha256").update(Buffer.from(BASE_POINT, "base64url")).digest();
  for (const token of [V2, `${V2}=`, V2]) {
    assertEquals(box.openEndpoint(token), {
      version: "v2",
      uaid: UAID,
      channelId: CHANNEL,
      keyHash,
    });
  }
});

Deno.test("TokenBox.openMessageId() opens what messageId() made, padding included", () => {
  const opened = { uaid: UAID, channelId: CHANNEL, sortKey: 1_700_000_000_123 };
  assertEquals(fixedBox().openMessageId(MESSAGE), opened);
  const padded = fixedBox().messageId(UAID, CHANNEL, 7);
  assert(padded.endsWith("="));
  assertEquals(fixedBox().openMessageId(padded), { ...opened, sortKey: 7 });
  assertEquals(fixedBox().openMessageId(padded.slice(0, -1)), undefined);
});

Deno.test("TokenBox.openMessageId() refuses other contents under the right key", () => {
  const key = parseFernetKey(KEY);
  assert(key !== undefined);
  const uaid = UAID;
  const channel = CHANNEL.replaceAll("-", "");
  const contents = [
    `01:${uaid}:${channel}:Inbox`,
    `02:${uaid}:${channel}:0`,
    `02:${uaid}:${channel}:-1`,
    `02:${uaid}:${channel}:9999999999999999`,
    `02:${uaid}:${channel}`,
    `02:${uaid}:${channel}:1:1`,
    `02:${uaid}:${CHANNEL}:1`,
    "",
  ];
  for (const content of contents) {
    const text = seal(key, Buffer.from(content), iv(16), SECONDS);
    assertEquals(fixedBox().openMessageId(text), undefined, content);
  }
});

Deno.test("TokenBox opens no endpoint token as message id nor the reverse", () => {
  assertEquals(fixedBox().openMessageId(V1), undefined);
  assertEquals(fixedBox().openEndpoint(MESSAGE), undefined);
});

Deno.test("TokenBox.openEndpoint() refuses every token with one bit flipped", () => {
  for (const token of [V1, V2]) {
    const bytes = Buffer.from(token, "base64url");
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const forged = Buffer.from(bytes);
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assertEquals(fixedBox().openEndpoint(forged.toString("base64url")), undefined, `bit ${bit}`);
    }
  }
});

Deno.test("TokenBox.openEndpoint() refuses every cut, foreign characters and second spellings", () => {
  const box = fixedBox();
  for (let length = 0; length < V2.length; length++) {
    assertEquals(box.openEndpoint(V2.slice(0, length)), undefined, `${length} characters`);
  }
  const spellings = [
    `${V2}A`,
    ` ${V2}`,
    `${V2.slice(0, 40)}\n${V2.slice(40)}`,
    `${V2.slice(0, 40)}=${V2.slice(40)}`,
    V2.replaceAll("-", "+").replaceAll("_", "/"),
    // The last character carries bits that no byte needs.
    `${V2.slice(0, -1)}9`,
    "A".repeat(8_000),
  ];
  for (const spelling of spellings) assertEquals(box.openEndpoint(spelling), undefined, spelling);
});

Deno.test("TokenBox.openEndpoint() never throws and opens nothing it did not make", () => {
  const box = fixedBox();
  fc.assert(fc.property(fc.string({ maxLength: 300 }), (text) => {
    assertEquals(box.openEndpoint(text), undefined);
    assertEquals(box.openMessageId(text), undefined);
  }));
});

Deno.test("TokenBox opens what it made, for all identities", () => {
  const box = new TokenBox({ keys: [TokenBox.generateKey()], publicUrl: "http://localhost:8080" });
  const hex = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((b) =>
    Buffer.from(b).toString("hex")
  );
  const key = fc.option(fc.uint8Array({ maxLength: 80 }), { nil: undefined });
  const sortKeys = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
  fc.assert(fc.property(hex, fc.uuid(), key, sortKeys, (uaid, channelId, publicKey, sortKey) => {
    const opened = box.openEndpoint(tokenOf(box.endpointUrl(uaid, channelId, publicKey)));
    assertEquals(opened?.uaid, uaid);
    assertEquals(opened?.channelId, channelId);
    assertEquals(opened?.version, publicKey === undefined ? "v1" : "v2");
    const id = box.messageId(uaid, channelId, sortKey);
    assertEquals(box.openMessageId(id), { uaid, channelId, sortKey });
  }));
});

Deno.test("TokenBox seals with the first key and opens with every key of the list", () => {
  const [oldKey, newKey] = [TokenBox.generateKey(), TokenBox.generateKey()];
  const url = { publicUrl: "https://push.example" };
  const old = new TokenBox({ keys: [oldKey], ...url });
  const rotated = new TokenBox({ keys: `[${newKey}, ${oldKey}]`, ...url });
  const fresh = new TokenBox({ keys: newKey, ...url });
  const oldToken = tokenOf(old.endpointUrl(UAID, CHANNEL, undefined));
  const newToken = tokenOf(rotated.endpointUrl(UAID, CHANNEL, undefined));
  assertEquals(rotated.openEndpoint(oldToken)?.uaid, UAID);
  assertEquals(fresh.openEndpoint(newToken)?.uaid, UAID);
  assertEquals(old.openEndpoint(newToken), undefined);
  assertEquals(fresh.openEndpoint(oldToken), undefined);
});

Deno.test("TokenBox opens tokens of a time to come: a machine may start with its clock in the past", () => {
  const maker = fixedBox();
  const past = fixedBox({ clock: { wallNow: () => 0 } });
  const token = tokenOf(maker.endpointUrl(UAID, CHANNEL, undefined));
  assertEquals(past.openEndpoint(token)?.uaid, UAID);
  assertEquals(past.openMessageId(maker.messageId(UAID, CHANNEL, 7))?.sortKey, 7);
});

Deno.test("TokenBox makes a different token on every call", () => {
  const box = new TokenBox({ keys: [KEY], publicUrl: "https://push.example" });
  assertNotEquals(
    box.endpointUrl(UAID, CHANNEL, undefined),
    box.endpointUrl(UAID, CHANNEL, undefined),
  );
  assertNotEquals(box.messageId(UAID, CHANNEL, 1), box.messageId(UAID, CHANNEL, 1));
  assertNotEquals(box.newUaid(), box.newUaid());
  assert(/^[0-9a-f]{12}4[0-9a-f]{19}$/.test(box.newUaid()));
});

Deno.test("TokenBox normalises its public URL and does not change it", () => {
  const box = fixedBox({ publicUrl: "HTTPS://Push.Example:443/" });
  assertEquals(box.publicUrl, "https://push.example");
  box.setPublicUrl("https://push.example");
  assertThrows(() => box.setPublicUrl("https://other.example"), TypeError, "other.example");
  assertThrows(() => fixedBox({ publicUrl: "push.example:80" }), TypeError, "http(s)://host");
  assertThrows(() => fixedBox({ publicUrl: "https://u:p@push.example" }), TypeError);
  const unset = new TokenBox({ keys: [KEY] });
  assertThrows(() => unset.endpointUrl(UAID, CHANNEL, undefined), TypeError, "public URL");
});

Deno.test("TokenBox refuses key lists it cannot use, without repeating a key", () => {
  const bad = KEY.replace("A", "!");
  const cases: readonly (readonly [keys: string | readonly string[], words: string])[] = [
    [[], "empty"],
    ["[]", "key 1 of 1"],
    [bad, "key 1 of 1"],
    [[KEY, KEY.slice(0, -1)], "key 2 of 2"],
    [`[${KEY}, ${KEY}A]`, "key 2 of 2"],
    [Array.from({ length: 17 }, () => KEY), "at most 16"],
  ];
  for (const [keys, words] of cases) {
    const error = assertThrows(() => new TokenBox({ keys }), EndpointKeyError, words);
    assertEquals(error.code, "endpoint_key_invalid");
    assert(!error.message.includes(KEY.slice(5, 20)));
  }
});

Deno.test("TokenBox reads autopush's spelling of the key list", () => {
  const keys = [`[${KEY}]`, `["${KEY}"]`, ` [ '${KEY}' , ${KEY} ] `, KEY, `${KEY},${KEY}`];
  for (const spelling of keys) {
    assertEquals(fixedBox({ keys: spelling }).openEndpoint(V1)?.uaid, UAID);
  }
});

Deno.test("TokenBox.generateKey() makes keys which TokenBox takes", () => {
  const key = TokenBox.generateKey();
  assertEquals(key.length, 44);
  assertNotEquals(key, TokenBox.generateKey());
  assert(new TokenBox({ keys: key }) instanceof TokenBox);
});
