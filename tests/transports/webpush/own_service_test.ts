/**
 * The sender against this project's own push service: from a notification to what a connected device decrypts, over
 * HTTP and over TLS.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Recipients, Verdict } from "../../../transports/provider/provider.ts";
import { pushServiceConnect } from "../../../transports/webpush/connect.ts";
import { EncryptionThreads } from "../../../transports/webpush/encryption.ts";
import { EndpointPolicy } from "../../../transports/webpush/endpoint.ts";
import { webPushProvider } from "../../../transports/webpush/provider.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { PushClient } from "../../support/push_client.ts";
import { PushReceiver } from "../../support/push_receiver.ts";
import { appOf, notificationOf, recipientsOf, sendAll } from "../../support/scripted_connection.ts";
import { newVapidKeys } from "../../support/sender.ts";
import { Service } from "../../support/service.ts";
import { WebSocketClient } from "../../support/websocket_client.ts";

const vapid = newVapidKeys();
const subject = "mailto:push@example.org";
const webpush = { vapidPrivateKey: vapid.privateKey, subject };

function recipientsAt(
  subscriptions: readonly (readonly [endpoint: string, receiver: PushReceiver])[],
): Recipients {
  const keys = new Uint8Array(Buffer.concat(subscriptions.map(([, receiver]) => receiver.keys)));
  return { ...recipientsOf("webpush", subscriptions.map(([endpoint]) => endpoint)), keys };
}

/** Sends a greeting to subscriptions of one service; the verdicts, in order. */
async function greet(
  recipients: Recipients,
  caCerts: readonly string[],
): Promise<readonly Verdict[]> {
  const { origin } = new URL(recipients.addresses[0] ?? "");
  const policy = new EndpointPolicy({ allowedOrigins: [origin] });
  await using encryption = await EncryptionThreads.start({ threads: 1 });
  const connect = pushServiceConnect({ policy, caCerts });
  const provider = webPushProvider({ policy, encryption, connect });
  const notification = notificationOf({
    content: { title: "Grüße", body: "☃", data: { n: 1 } },
    topic: "greeting",
    urgency: "high",
    expiresAt: Date.now() + 60_000,
  });
  const prepared = await provider.prepare(appOf({ webpush }), notification);
  assert(prepared.kind === "ready");
  const { settled, legs } = prepared.route(recipients);
  const [leg] = legs;
  assert(leg !== undefined && legs.length === 1 && settled.size === 0);
  await using connection = await leg.destination.connect();
  return await sendAll(leg, connection);
}

const GREETING = '{"title":"Grüße","body":"☃","data":{"n":1}}';

Deno.test("webPushProvider() reaches a device of the own service, and knows who is gone", async () => {
  await using service = await Service.start();
  await using device = await PushClient.connect(service.deviceUrl);
  const bound = await device.register({ key: vapid.publicKey });
  const foreign = await device.register({ key: newVapidKeys().publicKey });
  const gone = await device.register();
  await device.unregister(gone.channelId);
  const receiver = new PushReceiver();
  const verdicts = await greet(
    recipientsAt([
      [bound.endpoint, receiver],
      [foreign.endpoint, new PushReceiver()],
      [gone.endpoint, new PushReceiver()],
    ]),
    [],
  );
  const dead = { kind: "token_invalid" } as const;
  assertEquals(verdicts, [
    { kind: "delivered" },
    { ...dead, status: 401, reason: "subscribed with another VAPID key", doubtful: true },
    { ...dead, status: 410, reason: "subscription gone (errno 106)", doubtful: false },
  ]);
  const [message] = await device.notifications.until(() => true, { what: "the message" });
  assertEquals(message?.channelId, bound.channelId);
  const data = Buffer.from(message?.data ?? "", "base64url");
  assertEquals(receiver.readText(data), GREETING);
});

Deno.test("webPushProvider() reaches a device of the own service over TLS", async () => {
  const folder = await Deno.makeTempDir({ prefix: "heliograph-webpush-" });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => Deno.remove(folder, { recursive: true }));
  const certificates = await makeCertificates(folder);
  await using service = await Service.start({ certificates });
  const tls = { caCerts: [certificates.caPem] };
  const at = { port: service.devicePort, hostname: "localhost" };
  await using device = await WebSocketClient.connect({ ...at, tls });
  await device.sendJson({ messageType: "hello", use_webpush: true });
  await device.json();
  const channelID = crypto.randomUUID();
  await device.sendJson({ messageType: "register", channelID, key: vapid.publicKey });
  const receiver = new PushReceiver();
  const endpoint = field(await device.json(), "pushEndpoint");
  const verdicts = await greet(recipientsAt([[endpoint, receiver]]), tls.caCerts);
  assertEquals(verdicts, [{ kind: "delivered" }]);
  const data = Buffer.from(field(await device.json(), "data"), "base64url");
  assertEquals(receiver.readText(data), GREETING);
});

function field(message: unknown, name: string): string {
  const found: unknown = Object(message)[name];
  if (typeof found !== "string") throw new TypeError(`No "${name}" in ${Deno.inspect(message)}`);
  return found;
}
