/**
 * Previews against requests: what people are shown is what is sent.
 */

import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { apnsProvider, previewApns } from "../../../transports/apns/mod.ts";
import { previewFcm } from "../../../transports/fcm/mod.ts";
import type {
  Content,
  Notification,
  Prepared,
  Recipients,
} from "../../../transports/provider/provider.ts";
import { EndpointPolicy } from "../../../transports/webpush/endpoint.ts";
import { inlineEncryption } from "../../../transports/webpush/encryption.ts";
import { previewWebPush, webPushProvider } from "../../../transports/webpush/mod.ts";
import { nodeCrypto } from "../../../transports/webpush/node_crypto.ts";
import { PushReceiver } from "../../support/push_receiver.ts";
import {
  appOf,
  notificationOf,
  recipientsOf,
  ScriptedConnection,
  type SeenRequest,
  sendAll,
  StandingClock,
} from "../../support/scripted_connection.ts";
import { newVapidKeys } from "../../support/sender.ts";
import { TOKEN_CREDENTIALS } from "../apns/keys.ts";
import { Subject } from "../fcm/subject.ts";

const connect = () => Promise.reject(new Error("Nobody opens a connection here"));

/** Notifications that each platform can send. */
const SAID: readonly Partial<Notification>[] = [
  { content: { title: "Hi", body: "there", data: { n: 1, deep: { x: [true] } } } },
  { content: { title: "\u202e<b>&\u0000\ud83d\ude00" }, urgency: "high", topic: "größe" },
  { content: { data: { a: "1" } }, urgency: "very-low", ttlSeconds: 0 },
  { content: { body: "x".repeat(3_900) }, topic: "news", ttlSeconds: 60 },
  {
    content: {
      title: "Hi",
      apns: { aps: { badge: 3 }, collapseId: "c", priority: 5 },
      fcm: { message: { android: { notification: { icon: "i" } } }, validateOnly: true },
      webpush: { navigate: "https://example.org/" },
    },
  },
  {
    content: {
      apns: { payload: { aps: { alert: "whole" }, own: 1 }, pushType: "voip" },
      fcm: { message: { notification: { title: "whole" } } },
      webpush: { payload: "whole" },
    },
  },
];

/** The one request that a prepared notification makes. */
async function requestOf(prepared: Prepared, recipients: Recipients): Promise<SeenRequest> {
  assert(prepared.kind === "ready", Deno.inspect(prepared));
  const { legs: [leg] } = prepared.route(recipients);
  assert(leg !== undefined);
  const connection = new ScriptedConnection();
  await sendAll(leg, connection);
  const [request] = connection.requests;
  assert(request !== undefined);
  return request;
}

/** Those header fields of a request that a preview names. */
function named(request: SeenRequest, headers: Readonly<Record<string, string>>) {
  return Object.fromEntries(Object.keys(headers).map((name) => [name, request.fields[name]]));
}

for (const said of SAID) {
  const { content } = notificationOf(said);
  Deno.test(`previews show what is sent: ${JSON.stringify(content).slice(0, 60)}`, async () => {
    const notification = notificationOf(said);
    const clock = new StandingClock();
    const now = clock.now;

    const apns = previewApns(notification, TOKEN_CREDENTIALS).preview;
    assert(apns !== undefined);
    const toApple = await requestOf(
      await apnsProvider({ connect, clock }).prepare(
        appOf({ apns: TOKEN_CREDENTIALS }),
        notification,
      ),
      recipientsOf("apns", ["aa"]),
    );
    assertEquals(apns.headers, named(toApple, apns.headers));
    assertEquals(JSON.stringify(apns.payload), toApple.body);
    assertEquals(apns.bytes, new TextEncoder().encode(toApple.body).length);

    await using subject = new Subject();
    const fcm = previewFcm(notification, now).preview;
    assert(fcm !== undefined);
    const toGoogle = await requestOf(await subject.prepare(said), recipientsOf("fcm", ["t"]));
    assertEquals({ ...fcm.message, token: "t" }, JSON.parse(toGoogle.body).message);

    const receiver = new PushReceiver();
    const webpush = previewWebPush(notification, now).preview;
    assert(webpush !== undefined);
    const { privateKey: vapidPrivateKey } = newVapidKeys();
    const provider = webPushProvider({
      ...{ connect, clock, policy: new EndpointPolicy() },
      encryption: inlineEncryption(nodeCrypto),
    });
    const app = appOf({ webpush: { vapidPrivateKey, subject: "mailto:push@example.org" } });
    const prepared = await provider.prepare(app, notification);
    assert(prepared.kind === "ready");
    const { legs: [leg] } = prepared.route({
      ...recipientsOf("webpush", ["https://push.example.net/p"]),
      keys: new Uint8Array(Buffer.from(receiver.keys)),
    });
    assert(leg !== undefined);
    const connection = new ScriptedConnection();
    await sendAll(leg, connection);
    const [request] = connection.requests;
    const bodies = connection.blocks[0]?.bodies ?? [];
    assert(request !== undefined && !(bodies instanceof Uint8Array));
    assertEquals(webpush.headers, named(request, webpush.headers));
    assertEquals(webpush.payload, receiver.readText(bodies[0] ?? new Uint8Array()));
    assertEquals(webpush.bytes, new TextEncoder().encode(webpush.payload).length);
  });
}

/** What is too large at all, and how the providers' own refusals name it. */
Deno.test("previews call too large what is refused for it, and nothing else, to the byte", async () => {
  const clock = new StandingClock();
  const apple = apnsProvider({ connect, clock });
  await using subject = new Subject();
  const { privateKey: vapidPrivateKey } = newVapidKeys();
  const browsers = webPushProvider({
    ...{ connect, clock, policy: new EndpointPolicy() },
    encryption: inlineEncryption(nodeCrypto),
  });
  const webpush = { vapidPrivateKey, subject: "mailto:push@example.org" };
  for (let chars = 3_900; chars <= 4_100; chars++) {
    const content: Content = { body: "x".repeat(chars) };
    const notification = notificationOf({ content });
    const rows = [
      [
        previewApns(notification, TOKEN_CREDENTIALS),
        await apple.prepare(appOf({ apns: TOKEN_CREDENTIALS }), notification),
      ],
      [previewFcm(notification, clock.now), await subject.prepare({ content })],
      [
        previewWebPush(notification, clock.now),
        await browsers.prepare(appOf({ webpush }), notification),
      ],
    ] as const;
    for (const [{ preview, problems }, prepared] of rows) {
      assert(preview !== undefined);
      const fits = prepared.kind === "ready";
      assertEquals([preview.bytes <= preview.bytesMax, problems.length === 0], [fits, fits]);
    }
  }
});
