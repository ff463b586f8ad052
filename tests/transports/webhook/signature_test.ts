import { assertEquals, assertThrows } from "@std/assert";
import { Webhook } from "standardwebhooks";
import { readWebhookSecret, signWebhook } from "../../../transports/webhook/signature.ts";

/** The example of the specification, with its signature. */
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const EXAMPLE = {
  id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
  timestamp: 1_614_265_330,
  body: '{"test": 2432232314}',
};

function key(text: string): Uint8Array {
  const read = readWebhookSecret(text);
  if (read.kind === "refused") throw new Error(read.problem);
  return read.key;
}

Deno.test("signWebhook() signs the specification's example as it does", () => {
  assertEquals(
    signWebhook(key(SECRET), EXAMPLE),
    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  );
});

for (const [title, secret] of [["whsec_", SECRET], ["raw", "correct horse battery staple ü"]]) {
  Deno.test(`signWebhook() with a ${title} secret is verified by the reference implementation`, () => {
    const timestamp = Math.floor(Date.now() / 1_000);
    const body = JSON.stringify({ events: [{ reason: "ü — ✓" }] });
    const signature = signWebhook(key(secret ?? ""), { id: "deliveries_1_2_3", timestamp, body });
    const receiver = title === "raw"
      ? new Webhook(new TextEncoder().encode(secret), { format: "raw" })
      : new Webhook(secret ?? "");
    const headers = {
      "webhook-id": "deliveries_1_2_3",
      "webhook-timestamp": String(timestamp),
      "webhook-signature": signature,
    };
    assertEquals(receiver.verify(body, headers), JSON.parse(body));
    assertThrows(() => receiver.verify(`${body} `, headers));
    assertThrows(() => receiver.verify(body, { ...headers, "webhook-id": "deliveries_1_2_4" }));
  });
}

const REFUSED: readonly (readonly [text: string, problem: string])[] = [
  ["", "under 16 bytes"],
  ["fifteen letters", "under 16 bytes"],
  ["whsec_", "under 16 bytes"],
  [`whsec_${btoa("fifteen letters")}`, "under 16 bytes"],
  ["whsec_not*base64*at*all*", 'not base64 after "whsec_"'],
  ["x".repeat(257), "over 256 characters"],
];

for (const [text, problem] of REFUSED) {
  Deno.test(`readWebhookSecret() refuses "${text.slice(0, 30)}": ${problem}`, () => {
    assertEquals(readWebhookSecret(text), { kind: "refused", problem });
  });
}

for (const text of ["sixteen letters!", "x".repeat(256), `whsec_${btoa("sixteen letters!")}`]) {
  Deno.test(`readWebhookSecret() takes "${text.slice(0, 30)}"`, () => {
    assertEquals(readWebhookSecret(text).kind, "key");
  });
}
