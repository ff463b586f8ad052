/**
 * Web Push credentials as they are given.
 *
 * @module
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import { checkWebPushCredentials } from "../../../transports/webpush/credentials.ts";
import { newVapidKeys } from "../../support/sender.ts";

const keys = newVapidKeys();
const SUBJECT = "mailto:push@example.org";

Deno.test("checkWebPushCredentials() finds nothing wrong with a key and a contact", () => {
  const subjects = [SUBJECT, "https://example.org", "https://example.org/contact?x=1"];
  for (const subject of subjects) {
    const credentials = { vapidPrivateKey: keys.privateKey, subject };
    assertEquals(checkWebPushCredentials(credentials), []);
    const both = { ...credentials, vapidPublicKey: keys.publicKey };
    assertEquals(checkWebPushCredentials(both), []);
  }
});

Deno.test("checkWebPushCredentials() names a subject that push services refuse", () => {
  const rows: readonly (readonly [subject: string, says: string])[] = [
    ["", "must be a URI"],
    ["push@example.org", "must be a URI"],
    ["mailto:", "must be a URI"],
    ["mailto:push", "must be a URI"],
    ["mailto:@example.org", "must be a URI"],
    ["http://example.org", "must be a URI"],
    ["https://", "must be a URI"],
    ["tel:+1", "must be a URI"],
    ["mailto: push@example.org", "no spaces"],
    ["mailto:push@example.org ", "no spaces"],
    ["mailto:<push@example.org>", "no angle brackets"],
    ["mailto:mailto:push@example.org", '"mailto:" once'],
    ["mailto:push@localhost", "localhost"],
    ["https://localhost", "localhost"],
    ["https://localhost:8080/x", "localhost"],
  ];
  for (const [subject, says] of rows) {
    const problems = checkWebPushCredentials({ vapidPrivateKey: keys.privateKey, subject });
    assertEquals(problems.map(({ path }) => path), ["subject"], subject);
    assertStringIncludes(problems[0]?.message ?? "", says);
  }
});

Deno.test("checkWebPushCredentials() names a private key that is none, and does not repeat it", () => {
  const order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
  const bad = [
    "",
    "secret",
    keys.privateKey.slice(1),
    `${keys.privateKey}A`,
    keys.publicKey,
    Buffer.alloc(32).toString("base64url"),
    Buffer.from(order, "hex").toString("base64url"),
    Buffer.alloc(32, 0xff).toString("base64url"),
    `+${keys.privateKey.slice(1)}`,
  ];
  for (const vapidPrivateKey of bad) {
    const problems = checkWebPushCredentials({ vapidPrivateKey, subject: SUBJECT });
    assertEquals(problems.map(({ path }) => path), ["vapidPrivateKey"], vapidPrivateKey);
    const [{ message } = { message: "" }] = problems;
    assertEquals(vapidPrivateKey !== "" && message.includes(vapidPrivateKey), false);
  }
});

Deno.test("checkWebPushCredentials() names a public key that does not belong to the private one", () => {
  const given = {
    vapidPrivateKey: keys.privateKey,
    vapidPublicKey: newVapidKeys().publicKey,
    subject: SUBJECT,
  };
  const problems = checkWebPushCredentials(given);
  assertEquals(problems.map(({ path }) => path), ["vapidPublicKey"]);
  assertStringIncludes(problems[0]?.message ?? "", "does not belong to vapidPrivateKey");
});

Deno.test("checkWebPushCredentials() names everything that is wrong", () => {
  const problems = checkWebPushCredentials({ vapidPrivateKey: "x", subject: "y" });
  assertEquals(problems.map(({ path }) => path), ["vapidPrivateKey", "subject"]);
});
