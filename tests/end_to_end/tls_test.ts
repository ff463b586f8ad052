/**
 * Both public ports on TLS: a device over `wss:`, senders over `https:`, and what happens to those
 * who do not trust the certificate or do not speak TLS.
 *
 * @module
 */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { makeCertificates } from "../support/certificates.ts";
import { run } from "../support/programs.ts";
import { newVapidKeys, sendByCurl, sendByWebPush } from "../support/sender.ts";
import { Service } from "../support/service.ts";
import { WebSocketClient } from "../support/websocket_client.ts";

const CHANNEL = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

Deno.test("A service with a certificate", async (t) => {
  const folder = await Deno.makeTempDir({ prefix: "heliograph-tls-" });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => Deno.remove(folder, { recursive: true }));
  const certificates = await makeCertificates(folder);
  const { caFile, caPem } = certificates;
  await using service = await Service.start({ certificates });
  const tls = { caCerts: [caPem] };
  const at = { port: service.devicePort, hostname: "localhost" };
  await using device = await WebSocketClient.connect({ ...at, tls });
  await device.sendJson({ messageType: "hello", use_webpush: true });
  await device.json();
  const vapid = newVapidKeys();
  await device.sendJson({ messageType: "register", channelID: CHANNEL, key: vapid.publicKey });
  const endpoint = field(await device.json(), "pushEndpoint");

  await t.step("gives out https endpoints", () => {
    assertMatch(endpoint, new RegExp(`^https://127\\.0\\.0\\.1:${service.endpointPort}/wpush/v2/`));
  });
  await t.step("takes a message from npm web-push and hands it on", async () => {
    const keys = await subscriptionKeys();
    const sent = await sendByWebPush({ endpoint, keys }, "over TLS", { caPem, vapid });
    assertEquals(sent.statusCode, 201);
    assertEquals(field(await device.json(), "channelID"), CHANNEL);
  });
  await t.step("takes the largest message of RFC 8291 from curl", async () => {
    const subscription = { endpoint, keys: await subscriptionKeys() };
    assertEquals(await sendByCurl(subscription, "x".repeat(3_993), { vapid, caFile }), 201);
    const data = field(await device.json(), "data");
    assertEquals(Uint8Array.fromBase64(data, { alphabet: "base64url" }).length, 4_096);
  });
  await t.step("is not trusted without its authority", async () => {
    const { code } = await run("curl", ["-sS", "-o", "/dev/null", endpoint]);
    assertEquals(code, 60); // "Peer certificate cannot be authenticated".
    await using stranger = await WebSocketClient.open({ ...at, tls: { caCerts: [] } });
    await assertRejects(() => stranger.raw("GET / HTTP/1.1\r\n\r\n"), Error, "UnknownIssuer");
  });
  await t.step("survives those who speak plain HTTP to it", async () => {
    await using plain = await WebSocketClient.open({ port: service.devicePort });
    await plain.raw("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assertEquals((await plain.http()).status, 0);
    await device.send("{}");
    assertEquals(await device.text(), "{}");
  });
});

/** Keys of a subscription as a browser makes them: nobody decrypts here. */
async function subscriptionKeys(): Promise<{ p256dh: string; auth: string }> {
  const pair = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, true, [
    "deriveBits",
  ]);
  const point = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const write = { alphabet: "base64url", omitPadding: true } as const;
  const auth = crypto.getRandomValues(new Uint8Array(16));
  return { p256dh: point.toBase64(write), auth: auth.toBase64(write) };
}

function field(value: unknown, name: string): string {
  const fields = new Map(typeof value === "object" && value !== null ? Object.entries(value) : []);
  const found: unknown = fields.get(name);
  if (typeof found !== "string") throw new TypeError(`No "${name}" in ${Deno.inspect(value)}`);
  return found;
}
