/**
 * No secret gets out: canaries go in by every door, at the most talkative log level and with every
 * kind of mistake, and are then looked for in everything the service says.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { PushClient } from "../support/push_client.ts";
import { authorization, newVapidKeys, post } from "../support/sender.ts";
import { Service } from "../support/service.ts";
import { WebSocketClient } from "../support/websocket_client.ts";

/** Letters no other text has. */
const CANARY = "canary7Zq";

Deno.test("Secrets appear in no log line, metric, tree, readiness or error", async () => {
  await using service = await Service.start({ flags: ["--log-level", "debug"] });
  const api = `http://127.0.0.1:${service.apiPort}`;
  const apiToken = (await Deno.readTextFile(`${service.dataDir}/api-token`)).trim();
  const endpointKeys = (await Deno.readTextFile(`${service.dataDir}/endpoint-keys`)).trim();
  const vapid = newVapidKeys();
  const device = await PushClient.connect(service.deviceUrl);
  const { uaid } = device;
  const bound = await device.register({ key: vapid.publicKey });
  const open = await device.register();
  const token = bound.endpoint.split("/").pop() ?? "";
  const openToken = open.endpoint.split("/").pop() ?? "";
  const signed = authorization(bound.endpoint, vapid);
  const body = new TextEncoder().encode(`${CANARY}-body`.repeat(20));

  // Accepted, refused and broken, with secrets in every place a sender can write.
  const answers: string[] = [];
  const say = async (endpoint: string, options: Parameters<typeof post>[2]) => {
    const { status, headers, body: text } = await post(endpoint, body, options);
    answers.push(text, ...[...headers].filter(([name]) => name !== "location").flat());
    return status;
  };
  assertEquals(await say(bound.endpoint, { vapid }), 201);
  assertEquals(await say(open.endpoint, {}), 201);
  for (const headers of hostileHeaders(signed)) {
    const status = await say(bound.endpoint, { headers });
    assert(status >= 400 && status < 500, `${status} for ${JSON.stringify(headers)}`);
  }
  assertEquals(await say(`${bound.endpoint}x`, { vapid }), 404);
  assertEquals(await say(open.endpoint, { topic: `${CANARY} topic` }), 400);

  // A device that says everything it knows in the wrong way.
  const { channelId } = bound;
  for (
    const message of [
      `{"messageType":"hello","uaid":"${uaid}","use_webpush":"${CANARY}"}`,
      `{"messageType":"${CANARY}","uaid":"${uaid}","endpoint":"${bound.endpoint}"}`,
      `${CANARY} ${bound.endpoint} ${uaid}`,
    ]
  ) {
    await using bad = await WebSocketClient.connect({
      port: service.devicePort,
      headers: { "User-Agent": `${CANARY}\u202e`, "Origin": `http://${CANARY}/` },
    });
    await bad.send(message);
    await bad.send(`{"messageType":"register","channelID":"${channelId}","key":"${CANARY}!"}`);
    await bad.sendClose(3_000, `${CANARY} ${uaid}`);
    await bad.closed();
  }
  await using wrongDoor = await WebSocketClient.open({ port: service.devicePort });
  await wrongDoor.raw(`GET /wpush/v2/${token} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  await wrongDoor.http();

  // Everything the API says, with and without the token, and with a wrong one near it.
  for (const path of ["/metrics", "/v1/tree", "/readyz", "/healthz", `/${token}`, "/page.json"]) {
    for (const bearer of [undefined, `Bearer ${apiToken}`, `Bearer ${apiToken}${CANARY}`]) {
      const headers = bearer === undefined ? {} : { authorization: bearer };
      const answer = await fetch(api + path, { headers });
      const text = await answer.text();
      if (path !== `/${token}`) answers.push(text, ...[...answer.headers].flat());
    }
  }
  await device.close();
  assertEquals(await service.stop(), { code: 0, signal: null });

  const secrets: Readonly<Record<string, string>> = {
    "an API token": apiToken,
    "endpoint keys": endpointKeys,
    "an endpoint's token": token.slice(0, 60),
    "another endpoint's token": openToken.slice(0, 60),
    "a VAPID token": signed.split("t=")[1]?.split(",")[0]?.slice(0, 60) ?? "",
    "a VAPID private key": vapid.privateKey,
    "a UAID": uaid,
    "a channel": channelId,
  };
  for (const [name, secret] of Object.entries(secrets)) {
    assert(secret.length > 16, name);
    assert(!service.stderr.includes(secret), `${name} in the log`);
    assert(!answers.join("\n").includes(secret), `${name} in an answer`);
  }
  // What a peer wrote may be repeated to itself, but is never logged.
  assert(!service.stderr.includes(CANARY), service.stderr);
  assert(service.stderr.includes('"level":"debug"'));
});

/** Headers that make a request fail, each with something secret in it. */
function hostileHeaders(signed: string): readonly Readonly<Record<string, string>>[] {
  return [
    { Authorization: signed.replace(/t=(.)/, "t=$1x") },
    { Authorization: `Basic ${CANARY}` },
    { Authorization: `vapid t=${CANARY}, k=${CANARY}` },
    { Authorization: signed, TTL: CANARY },
    { Authorization: signed, Topic: `${CANARY}!` },
    { Authorization: signed, "Content-Encoding": CANARY },
    { Authorization: signed, "Content-Encoding": "aesgcm", "Crypto-Key": `dh=${CANARY}` },
    { Authorization: signed, "Content-Encoding": "aesgcm", Encryption: `salt=${CANARY}!` },
  ];
}
