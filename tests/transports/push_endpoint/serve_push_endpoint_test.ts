/**
 * The push endpoint as a whole: what a good sender gets, how events tell it, operational routes, CORS,
 * TLS, and how it closes.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  type PushEndpointOptions,
  servePushEndpoint,
} from "../../../transports/push_endpoint/serve_push_endpoint.ts";
import { TokenBox } from "../../../transports/push_endpoint/token_box.ts";
import { makeCertificates } from "../../support/certificates.ts";
import {
  CHANNEL,
  EndpointWorld,
  MemoryService,
  OTHER_CHANNEL,
  type Posted,
  Sender,
  UAID,
} from "../../support/endpoint_world.ts";
import { RawClient } from "../http_door/raw_client.ts";

const TTL = "TTL: 60";
const AES128GCM = [TTL, "Content-Encoding: aes128gcm"];

Deno.test("push endpoint hands every part of a message to the service", async () => {
  await using world = await EndpointWorld.open();
  const sender = new Sender();
  const legacy = [
    TTL,
    "Topic: Inbox",
    "Content-Encoding: aesgcm",
    'Encryption: keyid="http://example.org/k";salt="XZwpw6o37R-6qoZjw6KwAw=="',
    `Crypto-Key: keyid="a1"; dh="JcqK-OLkJZlJ3sJJWstJCA==";p256ecdsa="${sender.key}"`,
    `Authorization: Bearer ${sender.token(sender.claims(world))}`,
  ];
  assertEquals((await world.send({ headers: legacy, body: "\0\xff" })).status, 201);
  assertEquals(
    (await world.send({ method: "PUT", headers: [...AES128GCM, "Encryption: rs=4096"], body: "x" }))
      .status,
    201,
  );
  assertEquals(
    (await world.send({ headers: ["TTL: 0", "Content-Encoding: gzip", "Encryption: !"] })).status,
    201,
  );
  const base = { uaid: UAID, channelId: CHANNEL, ttlSeconds: 60, topic: undefined };
  assertEquals(world.service.messages, [
    {
      ...base,
      topic: "Inbox",
      content: {
        body: Uint8Array.of(0, 255),
        headers: {
          encoding: "aesgcm",
          encryption: "keyid=http://example.org/k;salt=XZwpw6o37R-6qoZjw6KwAw",
          crypto_key: `keyid=a1; dh=JcqK-OLkJZlJ3sJJWstJCA;p256ecdsa=${sender.key}`,
        },
      },
    },
    {
      ...base,
      content: {
        body: Uint8Array.of(120),
        headers: { encoding: "aes128gcm", encryption: "rs=4096" },
      },
    },
    { ...base, ttlSeconds: 0, content: undefined },
  ]);
});

Deno.test("push endpoint serves every spelling of its paths", async () => {
  await using world = await EndpointWorld.open();
  const v1 = world.path();
  const v2 = world.path(new Sender().publicKey);
  for (const path of [v1, v1.replace("/v1/", "/"), `${v1}?query=1`, v1.replace("-", "%2D")]) {
    assertEquals((await world.send({ path })).status, 201, path);
  }
  assertEquals((await world.send({ path: v2 })).status, 401);
});

Deno.test("push endpoint answers 201 with the message's URL, which DELETE withdraws", async () => {
  await using world = await EndpointWorld.open({ endpointUrl: "https://push.example/base/" });
  const found = await world.send({ path: world.path() });
  assertEquals([found.status, found.body, found.headers["ttl"]], [201, "", "60"]);
  const location = found.headers["location"] ?? "";
  assert(location.startsWith("https://push.example/base/m/"), location);
  const path = location.slice("https://push.example/base".length);
  for (const spelling of [path, path.replaceAll("=", "%3D")]) {
    const deleted = await world.send({ method: "DELETE", path: spelling, headers: [] });
    assertEquals([deleted.status, deleted.body], [204, ""]);
  }
  assertEquals(world.service.withdrawn, [1, 1]);
});

Deno.test("push endpoint refuses message ids it did not make, and says when it cannot withdraw", async () => {
  await using world = await EndpointWorld.open();
  const location = (await world.send()).headers["location"] ?? "";
  const path = location.slice(world.endpoint.url.length);
  const bad = [
    "/m/",
    "/m/abc",
    path.slice(0, -1),
    `${path}A`,
    `${path}/x`,
    `/m/${world.path().slice(10)}`,
  ];
  for (const each of bad) {
    const found = await world.send({ method: "DELETE", path: each, headers: [] });
    const body = JSON.parse(found.body);
    assertEquals([found.status, body.errno, body.message], [400, null, "Invalid message ID"], each);
  }
  world.service.fault = "rejects";
  const failed = await world.send({ method: "DELETE", path, headers: [] });
  assertEquals([failed.status, failed.headers["retry-after"]], [503, "120"]);
  assertEquals(world.service.withdrawn, []);
});

Deno.test("push endpoint reports what happens, and no identifier with it", async () => {
  await using world = await EndpointWorld.open();
  const sender = new Sender();
  const path = world.path(sender.publicKey);
  const authorization = sender.authorization(world);
  const headers = [...AES128GCM, "Topic: a", "Urgency: high", authorization];
  await world.send({ path, headers, body: "abc" });
  await world.send({ path, headers, body: "abc" });
  await world.send({ path, headers: [TTL] });
  await world.send({ path: "/wpush/v1/x" });
  world.service.fault = "rejects";
  await world.send();
  const verified = { kind: "vapid_verified", draft: "02", subject: "ok" } as const;
  const accepted = {
    kind: "accepted",
    payloadBytes: 3,
    ttlSeconds: 60,
    topic: true,
    urgency: "high",
    encoding: "aes128gcm",
  } as const;
  const events = world.events.map((event) =>
    event.kind === "failed" ? { ...event, error: String(event.error) } : event
  );
  assertEquals(events, [
    { ...verified, remembered: false },
    accepted,
    { ...verified, remembered: true },
    accepted,
    { kind: "vapid_refused", fault: "missing_key" },
    { kind: "refused", status: 401, errno: 109 },
    { kind: "refused", status: 404, errno: 102 },
    { kind: "failed", error: "Error: no store" },
    { kind: "refused", status: 503, errno: null },
  ]);
});

Deno.test("push endpoint shows its state on the operational routes", async () => {
  await using world = await EndpointWorld.open();
  const health = '{"status":"OK","version":"1.2.3","connections":7}';
  const rows: Readonly<Record<string, string>> = {
    "/status": '{"status":"OK","version":"1.2.3"}',
    "/health": health,
    "/__heartbeat__": health,
    "/__lbheartbeat__": "",
    "/__version__": '{"version":"1.2.3"}',
  };
  for (const [path, body] of Object.entries(rows)) {
    const found = await world.send({ method: "GET", path, headers: [] });
    assertEquals([found.status, found.body], [200, body]);
    const posted = await world.send({ path });
    assertEquals([posted.status, posted.headers["allow"]], [405, "GET, HEAD, OPTIONS"]);
  }
});

Deno.test("push endpoint answers web pages of any origin", async () => {
  await using world = await EndpointWorld.open();
  const origin = "Origin: https://page.example";
  const preflight = await world.send({
    method: "OPTIONS",
    headers: [
      origin,
      "Access-Control-Request-Method: POST",
      "Access-Control-Request-Headers: ttl, topic",
    ],
  });
  assertEquals(preflight.status, 200);
  assertEquals(preflight.headers["access-control-allow-origin"], "https://page.example");
  assertEquals(preflight.headers["access-control-allow-methods"], "DELETE, GET, POST, PUT");
  assertEquals(preflight.headers["access-control-allow-headers"], "ttl, topic");
  assertEquals(preflight.headers["access-control-max-age"], "3600");
  const requests: readonly Posted[] = [{ headers: [TTL, origin] }, { headers: [origin] }];
  for (const request of requests) {
    const { headers } = await world.send(request);
    assertEquals(headers["access-control-allow-origin"], "https://page.example");
    assertEquals(headers["access-control-expose-headers"], "Location, TTL, Link");
    assertEquals(headers["access-control-allow-credentials"], undefined);
    assertMatch(headers["vary"] ?? "", /^Origin, /);
  }
  const plain = await world.send();
  assertEquals(plain.headers["access-control-allow-origin"], undefined);
});

Deno.test("push endpoint takes its public URL from option, identifiers or bound address", async () => {
  const keys = [TokenBox.generateKey()];
  const url = async (identifiers: TokenBox, options: Partial<PushEndpointOptions>) => {
    const service = new MemoryService(identifiers);
    const status = () => ({ status: "OK", version: "1" }) as const;
    const base = { hostname: "127.0.0.1", port: 0, identifiers, service, status };
    await using endpoint = await servePushEndpoint({ ...base, ...options });
    return endpoint.url.replace(`:${endpoint.port}`, ":PORT");
  };
  assertEquals(await url(new TokenBox({ keys }), {}), "http://127.0.0.1:PORT");
  assertEquals(await url(new TokenBox({ keys }), { hostname: "0.0.0.0" }), "http://localhost:PORT");
  assertEquals(
    await url(new TokenBox({ keys }), { endpointUrl: "https://a.example:443" }),
    "https://a.example",
  );
  const known = new TokenBox({ keys, publicUrl: "https://b.example" });
  assertEquals(await url(known, {}), "https://b.example");
  assertThrows(() => known.setPublicUrl("https://c.example"), TypeError);
});

Deno.test("push endpoint speaks TLS 1.2 and later with a certificate, and VAPID is for https then", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { certFile, keyFile, caPem } = await makeCertificates(folder);
    const tls = { cert: await Deno.readTextFile(certFile), key: await Deno.readTextFile(keyFile) };
    await using world = await EndpointWorld.open({ tls });
    assertMatch(world.endpoint.url, /^https:\/\/127\.0\.0\.1:\d+$/);
    const sender = new Sender();
    using client = Deno.createHttpClient({ caCerts: [caPem] });
    const [, authorization = ""] = sender.authorization(world).split(": ");
    const found = await fetch(world.endpoint.url + world.path(sender.publicKey), {
      client,
      method: "POST",
      headers: { ttl: "5", authorization },
    });
    assertEquals([found.status, await found.text()], [201, ""]);
    using plain = await RawClient.open(world.endpoint.port);
    await plain.write("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assertEquals((await plain.read()).status, 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("push endpoint lets a message in work finish when it closes", async () => {
  await using world = await EndpointWorld.open();
  const held = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  world.service.gate = { opened: opened.promise, held: held.resolve };
  using client = await RawClient.open(world.endpoint.port);
  await client.write(
    `POST ${world.path()} HTTP/1.1\r\nHost: localhost\r\nTTL: 60\r\nContent-Length: 0\r\n\r\n`,
  );
  await held.promise;
  const closed = world.endpoint.close(5_000);
  opened.resolve();
  assertEquals((await client.read()).status, 201);
  assertEquals(await closed, { cutRequests: 0 });
});

Deno.test("push endpoint: a refused request leaves its connection usable", async () => {
  await using world = await EndpointWorld.open();
  using client = await RawClient.open(world.endpoint.port);
  const post = (path: string, bytes: number) =>
    client.write(
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${AES128GCM.join("\r\n")}\r\n` +
        `Content-Length: ${bytes}\r\n\r\n${"x".repeat(bytes)}`,
    );
  for (
    const [path, bytes, status] of [["/wpush/v1/x", 3_000, 404], [
      world.path(),
      9_000,
      413,
    ]] as const
  ) {
    await post(path, bytes);
    assertEquals((await client.read()).status, status);
    await post(world.path(), 10);
    assertEquals((await client.read()).status, 201);
  }
});

Deno.test("push endpoint: an unavailable service => 503 with Retry-After, then good again", async (t) => {
  const rows = [
    ["rejects", 503, null, "120"],
    ["unavailable", 503, 201, "120"],
    ["over_limit", 429, null, "3600"],
    ["no_subscription", 410, 106, undefined],
  ] as const;
  await using world = await EndpointWorld.open();
  for (const [fault, status, errno, retryAfter] of rows) {
    await t.step(`${fault} => ${status} errno ${errno}`, async () => {
      world.service.fault = fault;
      const found = await world.send();
      const body = JSON.parse(found.body);
      assertEquals([found.status, body.errno, found.headers["retry-after"]], [
        status,
        errno,
        retryAfter,
      ]);
      assert(!found.body.includes("no store"));
      world.service.fault = "none";
      assertEquals((await world.send()).status, 201);
    });
  }
});

Deno.test("push endpoint: the first failure wins, in autopush's order", async (t) => {
  await using world = await EndpointWorld.open({ payloadBytesMax: 10 });
  const bad = "Authorization: Basic abc";
  const gone = world.path(undefined, OTHER_CHANNEL);
  const large = { headers: [], body: "x".repeat(11) };
  const rows:
    readonly (readonly [name: string, sent: Posted, status: number, errno: number | null])[] = [
      ["token before VAPID", { path: "/wpush/v1/x", headers: [bad] }, 404, null],
      [
        "VAPID before the token's version",
        { path: world.path().replace("v1", "v2"), headers: [bad] },
        401,
        109,
      ],
      ["VAPID even on v1", { headers: [TTL, bad] }, 401, 109],
      ["subscription before size", { ...large, path: gone }, 410, 106],
      ["size before TTL", large, 413, 104],
      ["TTL before encryption", { headers: ["TTL: x"], body: "x" }, 400, 111],
      ["encryption before the TTL's sign", { headers: ["TTL: -1"], body: "x" }, 400, 110],
      ["the TTL's sign before the topic", { headers: ["TTL: -1", "Topic: !"] }, 400, 114],
    ];
  for (const [name, sent, status, errno] of rows) {
    await t.step(name, async () => {
      const found = await world.send(sent);
      const found_errno = found.body === "" ? null : JSON.parse(found.body).errno;
      assertEquals([found.status, found_errno], [status, errno]);
    });
  }
});
