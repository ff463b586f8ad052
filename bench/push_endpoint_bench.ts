/**
 * What does each step of taking a push cost: opening and making tokens, verifying VAPID?
 *
 * Run `deno bench -A bench/push_endpoint_bench.ts`. The same with `--load [seconds]` after
 * `deno run -A` serves the whole endpoint over a service in memory and drives it with `h2load` (Debian package
 * `nghttp2-client`): without VAPID, with a remembered token, and, for comparison, the same bytes against
 * bare `node:http` and `Deno.serve`.
 *
 * @module
 */

import { createServer } from "node:http";
import { cpuUsage } from "node:process";
import { NOW_SECONDS, Sender, UAID } from "../tests/support/endpoint_world.ts";
import type { PushService } from "../transports/push_endpoint/ports.ts";
import { servePushEndpoint } from "../transports/push_endpoint/serve_push_endpoint.ts";
import { TokenBox } from "../transports/push_endpoint/token_box.ts";
import { VapidVerifier } from "../transports/push_endpoint/vapid.ts";

const ORIGIN = "https://push.example";
const CHANNEL = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
const keys = [TokenBox.generateKey()];
const box = new TokenBox({ keys, publicUrl: ORIGIN });
const sender = new Sender();

/** A token of one endpoint URL. */
function newToken(): string {
  return box.endpointUrl(UAID, CHANNEL, sender.publicKey).split("/").at(-1) ?? "";
}

Deno.bench("token: make an endpoint URL (v2)", { group: "token" }, () => {
  box.endpointUrl(UAID, CHANNEL, sender.publicKey);
});

Deno.bench("token: make a message id", { group: "token" }, () => {
  box.messageId(UAID, CHANNEL, 1_700_000_000_123);
});

// More tokens than are remembered, so that each is opened anew.
const fresh = Array.from({ length: 20_000 }, newToken);
let next = 0;
Deno.bench("token: open, new", { group: "token" }, () => {
  if (box.openEndpoint(fresh[next++ % fresh.length] ?? "") === undefined) throw new Error("closed");
});

const known = newToken();
Deno.bench("token: open, remembered", { group: "token" }, () => {
  if (box.openEndpoint(known) === undefined) throw new Error("closed");
});

const clock = { wallNow: () => NOW_SECONDS * 1_000 };
const verifier = new VapidVerifier(() => ORIGIN, clock);

/** Credentials no verifier has seen. */
function newCredentials(index: number): { draft: "02"; token: string; key: string } {
  const claims = { aud: ORIGIN, exp: NOW_SECONDS + 1 + index % 80_000, jti: index };
  return { draft: "02", token: sender.token(claims), key: sender.key };
}

const remembered = newCredentials(0);
await verifier.verify(remembered);
Deno.bench("VAPID: remembered token", { group: "vapid" }, () => {
  verifier.verify(remembered);
});

// As many as a bench run consumes; each is verified once per verifier.
const unseen = Array.from({ length: 4_000 }, (_, index) => newCredentials(index));
let verified = 0;
Deno.bench("VAPID: new token", { group: "vapid" }, async () => {
  const one = verified % unseen.length === 0 ? new VapidVerifier(() => ORIGIN, clock) : current;
  current = one;
  const credentials = unseen[verified++ % unseen.length];
  if (credentials !== undefined) await one.verify(credentials);
});
let current = new VapidVerifier(() => ORIGIN, clock);

/**
 * Requests a second of `h2load` against a URL, this process's CPU time for one, and how they were answered. The
 * CPU time is what to compare: the load generator and whatever else runs take their share of the cores.
 */
async function load(name: string, url: string, headers: readonly string[], seconds: number) {
  const body = await Deno.makeTempFile();
  await Deno.writeFile(body, new Uint8Array(1_024));
  try {
    const given = headers.flatMap((header) => ["-H", header]);
    const args = ["--h1", "-D", String(seconds), "-c", "32", "-t", "1", "-d", body, ...given, url];
    const before = cpuUsage();
    const { stdout } = await new Deno.Command("h2load", { args }).output();
    const text = new TextDecoder().decode(stdout);
    const rate = /([\d.]+) req\/s/.exec(text)?.[1] ?? "?";
    const { user, system } = cpuUsage(before);
    const done = Number(/(\d+) done/.exec(text)?.[1]);
    const codes = /(\d+ 2xx), \d+ 3xx, (\d+ 4xx), (\d+ 5xx)/.exec(text)?.slice(1).join(", ");
    const cpu = ((user + system) / done).toFixed(1);
    print(
      `${name.padEnd(34)} ${rate.padStart(9)} requests/s  ${cpu.padStart(6)} µs CPU each  ${codes}`,
    );
  } finally {
    await Deno.remove(body);
  }
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

async function loadEndpoint(seconds: number): Promise<void> {
  const identifiers = new TokenBox({ keys });
  let accepted = 0;
  const service: PushService = {
    subscription: () => Promise.resolve("subscribed"),
    accept: ({ uaid, channelId }) => {
      const messageId = identifiers.messageId(uaid, channelId, ++accepted);
      return Promise.resolve({ kind: "accepted", messageId });
    },
    withdraw: () => Promise.resolve(),
  };
  const status = () => ({ status: "OK", version: "0" }) as const;
  await using endpoint = await servePushEndpoint({
    hostname: "127.0.0.1",
    port: 0,
    identifiers,
    service,
    status,
  });
  const headers = ["ttl: 60", "content-encoding: aes128gcm"];
  const open = identifiers.endpointUrl(UAID, CHANNEL, undefined);
  const bound = identifiers.endpointUrl(UAID, CHANNEL, sender.publicKey);
  const claims = { aud: endpoint.url, exp: Math.floor(Date.now() / 1_000) + 3_600 };
  const vapid = `authorization: vapid t=${sender.token(claims)}, k=${sender.key}`;
  await load("push endpoint, no VAPID", open, headers, seconds);
  await load("push endpoint, remembered VAPID", bound, [...headers, vapid], seconds);
  await load("push endpoint, wrong token (404)", `${endpoint.url}/wpush/v1/x`, headers, seconds);
}

async function loadNode(seconds: number): Promise<void> {
  const server = createServer((request, response) => {
    request.on("data", () => {});
    request.on("end", () => response.writeHead(201, { "Content-Length": "0" }).end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  await load("bare node:http", `http://127.0.0.1:${port}/`, [], seconds);
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

async function loadDeno(seconds: number): Promise<void> {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      // The load generator leaves in the middle of its last requests.
      await request.arrayBuffer().catch(() => undefined);
      return new Response(null, { status: 201 });
    },
  );
  await load("bare Deno.serve", `http://127.0.0.1:${server.addr.port}/`, [], seconds);
}

if (import.meta.main && Deno.args[0] === "--load") {
  const seconds = Number(Deno.args[1] ?? 4);
  await loadNode(seconds);
  await loadDeno(seconds);
  await loadEndpoint(seconds);
}
