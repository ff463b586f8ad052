/**
 * What is remembered of the tokens of credentials, by each provider: when the last was got, and what
 * last went wrong; never a token or a key.
 */

import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { apnsProvider } from "../../../transports/apns/mod.ts";
import { fcmProvider } from "../../../transports/fcm/mod.ts";
import type { HttpConnection } from "../../../transports/http2/exchange.ts";
import type { App, Provider, Recipients } from "../../../transports/provider/provider.ts";
import type { TokenHealth } from "../../../transports/provider/token_health.ts";
import { EndpointPolicy } from "../../../transports/webpush/endpoint.ts";
import { inlineEncryption } from "../../../transports/webpush/encryption.ts";
import { webPushProvider } from "../../../transports/webpush/mod.ts";
import { nodeCrypto } from "../../../transports/webpush/node_crypto.ts";
import { PushReceiver } from "../../support/push_receiver.ts";
import {
  appOf,
  notificationOf,
  NOW,
  recipientsOf,
  type ScriptedAnswer,
  ScriptedConnection,
  sendAll,
  StandingClock,
} from "../../support/scripted_connection.ts";
import { newVapidKeys } from "../../support/sender.ts";
import { newKey, TOKEN_CREDENTIALS } from "../apns/keys.ts";
import { serviceAccount } from "../fcm/account.ts";
import { TokenServer } from "../fcm/token_server.ts";

const MINUTE = 60_000;
const connect = () => Promise.reject(new Error("Nobody opens a connection here"));

async function send(
  provider: Provider,
  app: App,
  recipients: Recipients,
  connection: HttpConnection = new ScriptedConnection(),
): Promise<void> {
  const prepared = await provider.prepare(app, notificationOf());
  assert(prepared.kind === "ready", Deno.inspect(prepared));
  const { legs: [leg] } = prepared.route(recipients);
  assert(leg !== undefined);
  await sendAll(leg, connection);
}

function refusing(answer: ScriptedAnswer): HttpConnection {
  return new ScriptedConnection(() => answer);
}

/** A health in the minutes after the tests' beginning. */
function minutes({ token, failure }: TokenHealth) {
  return {
    token: token && [(token.refreshedAt - NOW) / MINUTE, (token.expiresAt - NOW) / MINUTE],
    failure: failure && [(failure.at - NOW) / MINUTE, failure.reason],
  };
}

Deno.test("apnsProvider().tokenHealth() has the last signature and what Apple refused for good", async () => {
  const clock = new StandingClock();
  const provider = apnsProvider({ connect, clock });
  const app = appOf({ apns: TOKEN_CREDENTIALS });
  const to = recipientsOf("apns", ["aa"]);
  assertEquals(provider.tokenHealth(TOKEN_CREDENTIALS), undefined);
  clock.now = NOW + 10 * MINUTE;
  await send(provider, app, to);
  const health = () => minutes(provider.tokenHealth(TOKEN_CREDENTIALS) ?? fail());
  assertEquals(health(), { token: [10, 60], failure: undefined });
  // A token of the last half hour is refused: it is not signed again, and something else is wrong.
  await send(
    provider,
    app,
    to,
    refusing({ status: 403, body: { reason: "InvalidProviderToken" } }),
  );
  assertEquals(health(), { token: [10, 60], failure: [10, "InvalidProviderToken"] });
  clock.now = NOW + 40 * MINUTE;
  await send(
    provider,
    app,
    to,
    refusing({ status: 403, body: { reason: "ExpiredProviderToken" } }),
  );
  assertEquals(health(), { token: [40, 90], failure: [40, "ExpiredProviderToken"] });
  assertEquals(provider.tokenHealth({ ...TOKEN_CREDENTIALS, key: newKey() }), undefined);
});

Deno.test("fcmProvider().tokenHealth() has the last token's times and the last time there was none", async () => {
  await using server = new TokenServer();
  const clock = new StandingClock();
  const provider = fcmProvider({ connect, clock });
  const fcm = { serviceAccount: serviceAccount({ token_uri: server.url }) };
  const to = recipientsOf("fcm", ["t"]);
  assertEquals(provider.tokenHealth(fcm), undefined);
  server.answer = () => ({
    status: 400,
    body: { error: "invalid_grant", error_description: "no" },
  });
  await send(provider, appOf({ fcm }), to);
  const health = () => minutes(provider.tokenHealth(fcm) ?? fail());
  assertEquals(health(), { token: undefined, failure: [0, "invalid_grant: no"] });
  clock.now += MINUTE;
  server.answer = () => ({});
  await send(provider, appOf({ fcm }), to);
  assertEquals(health(), { token: [1, 61], failure: [0, "invalid_grant: no"] });
  clock.now += MINUTE;
  const refused = { status: 401, body: { error: { status: "UNAUTHENTICATED" } } };
  await send(provider, appOf({ fcm }), to, refusing(refused));
  assertEquals(health(), { token: [2, 62], failure: [2, "UNAUTHENTICATED"] });
  // Whatever stands in credentials that were never good, nobody has used them.
  for (const wrong of [{}, { private_key: 7, client_email: null }, { token_uri: [] }]) {
    assertEquals(provider.tokenHealth({ serviceAccount: wrong }), undefined);
  }
});

Deno.test("webPushProvider().tokenHealth() believes refusals of known services only", async () => {
  const clock = new StandingClock();
  const allowed = "https://push.example.org:8443";
  const provider = webPushProvider({
    ...{ connect, clock, policy: new EndpointPolicy({ allowedOrigins: [allowed] }) },
    encryption: inlineEncryption(nodeCrypto),
  });
  const { privateKey: vapidPrivateKey } = newVapidKeys();
  const webpush = { vapidPrivateKey, subject: "mailto:push@example.org" };
  const at = (origin: string): Recipients => ({
    ...recipientsOf("webpush", [`${origin}/p`]),
    keys: new Uint8Array(Buffer.from(new PushReceiver().keys)),
  });
  assertEquals(provider.tokenHealth(webpush), undefined);
  await send(provider, appOf({ webpush }), at(allowed));
  const health = () => minutes(provider.tokenHealth(webpush) ?? fail());
  assertEquals(health(), { token: [0, 720], failure: undefined });
  const refused = { status: 403, body: { reason: "BadJwtToken" } };
  clock.now += 61 * MINUTE;
  await send(provider, appOf({ webpush }), at("https://push.example.net"), refusing(refused));
  assertEquals(health(), { token: [61, 781], failure: undefined });
  await send(provider, appOf({ webpush }), at(allowed), refusing(refused));
  assertEquals(health(), { token: [61, 781], failure: [61, `BadJwtToken at ${allowed}`] });
  assertEquals(provider.tokenHealth({ ...webpush, subject: "mailto:b@example.org" }), undefined);
});

Deno.test("a token that is renewed for its age is no failure", async () => {
  const clock = new StandingClock();
  const provider = apnsProvider({ connect, clock });
  const app = appOf({ apns: TOKEN_CREDENTIALS });
  const to = recipientsOf("apns", ["aa"]);
  await send(provider, app, to);
  clock.now += 31 * MINUTE;
  let asked = 0;
  const once = new ScriptedConnection(() =>
    asked++ === 0 ? { status: 403, body: { reason: "ExpiredProviderToken" } } : { status: 200 }
  );
  await send(provider, app, to, once);
  assertEquals(asked, 2);
  const health = provider.tokenHealth(TOKEN_CREDENTIALS) ?? fail();
  assertEquals(minutes(health), { token: [31, 90], failure: undefined });
});

function fail(): never {
  throw new Error("Nothing is known of these credentials");
}
