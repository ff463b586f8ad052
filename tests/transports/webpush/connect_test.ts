/**
 * Connections to push services: which addresses they go to, and what is spoken there.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createServer } from "node:https";
import type { HttpConnection } from "../../../transports/http2/exchange.ts";
import { pushServiceConnect } from "../../../transports/webpush/connect.ts";
import { EndpointPolicy } from "../../../transports/webpush/endpoint.ts";
import { inlineEncryption } from "../../../transports/webpush/encryption.ts";
import { Http1Connection } from "../../../transports/webpush/http1_connection.ts";
import { nodeCrypto } from "../../../transports/webpush/node_crypto.ts";
import { webPushProvider } from "../../../transports/webpush/provider.ts";
import { type Certificates, makeCertificates } from "../../support/certificates.ts";
import { PushReceiver } from "../../support/push_receiver.ts";
import { appOf, notificationOf, recipientsOf, sendAll } from "../../support/scripted_connection.ts";
import { newVapidKeys } from "../../support/sender.ts";
import { RawServer } from "./raw_server.ts";

/** A temporary folder with certificates for `localhost` and `127.0.0.1`. */
class Authority implements AsyncDisposable {
  readonly #folder: string;
  readonly certificates: Certificates;
  readonly cert: string;
  readonly key: string;

  private constructor(folder: string, certificates: Certificates) {
    this.#folder = folder;
    this.certificates = certificates;
    this.cert = Deno.readTextFileSync(certificates.certFile);
    this.key = Deno.readTextFileSync(certificates.keyFile);
  }

  static async make(): Promise<Authority> {
    const folder = await Deno.makeTempDir({ prefix: "heliograph-webpush-" });
    return new Authority(folder, await makeCertificates(folder));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** A TLS server that speaks HTTP/2 and HTTP/1.1, and says which it was asked in. */
function serveBoth({ cert, key }: Authority) {
  const asked: string[] = [];
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    cert,
    key,
    onListen: () => {},
  }, async (request) => {
    await request.arrayBuffer();
    asked.push(new URL(request.url).host);
    return new Response(null, { status: 201 });
  });
  return { server, asked, port: server.addr.port };
}

/** A TLS server that speaks HTTP/1.1 only. */
async function serveHttp1({ cert, key }: Authority) {
  const versions: string[] = [];
  const server = createServer({ cert, key }, (request, response) => {
    versions.push(request.httpVersion);
    request.resume();
    request.on("end", () => response.writeHead(201, { "content-length": "0" }).end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  const port = typeof address === "object" ? address?.port ?? 0 : 0;
  return {
    versions,
    port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function post(connection: HttpConnection, authority: string): Promise<readonly number[]> {
  const { statuses } = await connection.exchange({
    head: { method: "POST", authority, fields: [] },
    paths: ["/1", "/2"],
    fields: [],
    bodies: new TextEncoder().encode("body"),
  });
  return [...statuses];
}

Deno.test("pushServiceConnect() speaks HTTP/2 to a service that does, for the name at the address", async () => {
  await using authority = await Authority.make();
  const { server, asked, port } = serveBoth(authority);
  await using _ = server;
  const origin = `https://localhost:${port}`;
  const looked: string[] = [];
  const connect = pushServiceConnect({
    policy: new EndpointPolicy({ allowedOrigins: [origin] }),
    caCerts: [authority.certificates.caPem],
    lookup(name) {
      looked.push(name);
      return Promise.resolve(["127.0.0.1"]);
    },
  });
  await using connection = await connect({ origin });
  assertEquals(connection instanceof Http1Connection, false);
  assertEquals(await post(connection, `localhost:${port}`), [201, 201]);
  assertEquals(asked, [`localhost:${port}`, `localhost:${port}`]);
  assertEquals(looked, ["localhost"]);
});

Deno.test("pushServiceConnect() speaks HTTP/1.1 to a service that has no HTTP/2", async () => {
  await using authority = await Authority.make();
  await using server = await serveHttp1(authority);
  const origin = `https://localhost:${server.port}`;
  const connect = pushServiceConnect({
    policy: new EndpointPolicy({ allowedOrigins: [origin] }),
    caCerts: [authority.certificates.caPem],
  });
  await using connection = await connect({ origin });
  assert(connection instanceof Http1Connection);
  assertEquals(await post(connection, `localhost:${server.port}`), [201, 201]);
  assertEquals(server.versions, ["1.1", "1.1"]);
});

Deno.test("pushServiceConnect() refuses a certificate for another name, and one nobody vouches for", async () => {
  await using authority = await Authority.make();
  const { server, asked, port } = serveBoth(authority);
  await using _ = server;
  const lookup = () => Promise.resolve(["127.0.0.1"]);
  const roots = [authority.certificates.caPem];
  for (const [name, caCerts] of [["push.test", roots], ["localhost", []]] as const) {
    const origin = `https://${name}:${port}`;
    const policy = new EndpointPolicy({ allowedOrigins: [origin] });
    const connect = pushServiceConnect({ policy, caCerts, lookup });
    await assertRejects(() => connect({ origin }), Error, "certificate");
  }
  assertEquals(asked, []);
});

Deno.test("pushServiceConnect() stays at the address it looked at when the name changes", async () => {
  await using server = new RawServer(() => ({
    // Each request needs a new socket.
    parts: ["HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"],
    end: true,
  }));
  const origin = `http://push.test:${server.port}`;
  const answers = ["127.0.0.1", "127.0.0.2"];
  const connect = pushServiceConnect({
    policy: new EndpointPolicy({ allowedOrigins: [origin] }),
    lookup: () => Promise.resolve(answers.splice(0, 1)),
  });
  await using connection = await connect({ origin });
  assertEquals(await post(connection, `push.test:${server.port}`), [201, 201]);
  assertEquals(await post(connection, `push.test:${server.port}`), [201, 201]);
  assertEquals(answers, ["127.0.0.2"]);
  assertEquals(server.requests.map(({ head }) => /^host: (.*)\r$/m.exec(head)?.[1]), [
    ...new Array(4).fill(`push.test:${server.port}`),
  ]);
});

Deno.test("pushServiceConnect() refuses a name with any address that is not public", async () => {
  const rows: readonly (readonly string[])[] = [
    ["127.0.0.1"],
    ["::1"],
    ["10.1.2.3"],
    ["169.254.169.254"],
    ["::ffff:127.0.0.1"],
    ["64:ff9b::7f00:1"],
    ["93.184.216.34", "127.0.0.1"],
    ["2606:4700::1", "fd00::1"],
    ["not an address"],
  ];
  for (const addresses of rows) {
    const connect = pushServiceConnect({
      policy: new EndpointPolicy(),
      lookup: () => Promise.resolve(addresses),
    });
    await assertRejects(
      () => connect({ origin: "https://push.example.net" }),
      Error,
      '"push.example.net" has an address that is not public',
    );
  }
});

Deno.test("pushServiceConnect() says what is wrong with a name", async () => {
  const policy = new EndpointPolicy();
  const origin = "https://push.example.net";
  const none = pushServiceConnect({ policy, lookup: () => Promise.resolve([]) });
  await assertRejects(() => none({ origin }), Error, '"push.example.net" has no address');
  const unknown = pushServiceConnect({
    policy,
    lookup: () => Promise.reject(new Error("getaddrinfo ENOTFOUND push.example.net")),
  });
  await assertRejects(() => unknown({ origin }), Error, "ENOTFOUND");
  await assertRejects(
    () => unknown({ origin: "https://127.0.0.1" }),
    Error,
    'Cannot connect to "https://127.0.0.1": must be at a public address',
  );
});

Deno.test("pushServiceConnect() tries the next address when one does not answer", async () => {
  await using server = new RawServer(() => ({
    parts: ["HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"],
  }));
  const origin = `http://push.test:${server.port}`;
  const connect = pushServiceConnect({
    policy: new EndpointPolicy({ allowedOrigins: [origin] }),
    lookup: () => Promise.resolve(["127.0.0.2", "127.0.0.1"]),
  });
  await using connection = await connect({ origin });
  assertEquals(await post(connection, "push.test"), [201, 201]);
});

Deno.test("webPushProvider() posts what a receiver reads over HTTP/2", async () => {
  await using authority = await Authority.make();
  const { cert, key } = authority;
  const posts: { readonly fields: Readonly<Record<string, string>>; body: Uint8Array }[] = [];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, cert, key, onListen: () => {} },
    async (request) => {
      const body = new Uint8Array(await request.arrayBuffer());
      posts.push({ fields: Object.fromEntries(request.headers), body });
      return new Response(null, { status: 201, headers: { location: request.url } });
    },
  );
  const origin = `https://localhost:${server.addr.port}`;
  const policy = new EndpointPolicy({ allowedOrigins: [origin] });
  const connect = pushServiceConnect({ policy, caCerts: [authority.certificates.caPem] });
  await using encryption = inlineEncryption(nodeCrypto);
  const provider = webPushProvider({ policy, encryption, connect });
  const { privateKey } = newVapidKeys();
  const webpush = { vapidPrivateKey: privateKey, subject: "mailto:push@example.org" };
  const times = { expiresAt: Date.now() + 60_000, ttlSeconds: 30 };
  const content = { title: "Over two" };
  const notification = notificationOf({ ...times, content, topic: "two", urgency: "low" });
  const prepared = await provider.prepare(appOf({ webpush }), notification);
  assert(prepared.kind === "ready");
  const receiver = new PushReceiver();
  const recipients = recipientsOf("webpush", [`${origin}/p?x=%2b`]);
  const [leg] = prepared.route({ ...recipients, keys: receiver.keys }).legs;
  assert(leg !== undefined);
  await using connection = await leg.destination.connect();
  assertEquals(connection instanceof Http1Connection, false);
  assertEquals(await sendAll(leg, connection), [{ kind: "delivered" }]);
  const [post] = posts;
  assert(post !== undefined);
  assertEquals(receiver.readText(post.body), '{"title":"Over two"}');
  const { authorization = "", host: _, ...fields } = post.fields;
  assert(authorization.startsWith("vapid t="));
  assertEquals(fields, {
    "accept-encoding": "identity",
    "content-encoding": "aes128gcm",
    "content-length": `${post.body.length}`,
    "content-type": "application/octet-stream",
    "topic": "two",
    "ttl": "30",
    "urgency": "low",
  });
});

Deno.test("webPushProvider() follows no redirect", async () => {
  await using secret = new RawServer(() => ({ parts: ["HTTP/1.1 200 OK\r\n\r\n"], end: true }));
  await using server = new RawServer(({ head }) => {
    const status = /^POST \/(\d+)/.exec(head)?.[1] ?? "";
    const location = `http://127.0.0.1:${secret.port}/latest/meta-data`;
    return {
      parts: [`HTTP/1.1 ${status} X\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`],
    };
  });
  const origin = `http://127.0.0.1:${server.port}`;
  const policy = new EndpointPolicy({ allowedOrigins: [origin] });
  await using encryption = inlineEncryption(nodeCrypto);
  const provider = webPushProvider({ policy, encryption, connect: pushServiceConnect({ policy }) });
  const { privateKey } = newVapidKeys();
  const webpush = { vapidPrivateKey: privateKey, subject: "mailto:push@example.org" };
  const expiresAt = Date.now() + 60_000;
  const prepared = await provider.prepare(appOf({ webpush }), notificationOf({ expiresAt }));
  assert(prepared.kind === "ready");
  const redirects = ["301", "302", "303", "307", "308"];
  const addresses = redirects.map((status) => `${origin}/${status}`);
  const keys = new Uint8Array(81 * redirects.length);
  for (const place of redirects.keys()) keys.set(new PushReceiver().keys, place * 81);
  const [leg] = prepared.route({ ...recipientsOf("webpush", addresses), keys }).legs;
  assert(leg !== undefined);
  await using connection = await leg.destination.connect();
  const verdicts = await sendAll(leg, connection);
  assertEquals(
    verdicts,
    redirects.map((status) => ({
      kind: "rejected",
      status: Number(status),
      reason: "redirect refused",
    })),
  );
  assertEquals(secret.connections, 0);
  assertStringIncludes(server.requests[0]?.head ?? "", "accept-encoding: identity");
});
