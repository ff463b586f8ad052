/**
 * Every setting does what it says, wherever it is written: one set of unusual values, given to the
 * real program once in a file and once in the environment, and seen from outside.
 *
 * Not here: TLS, which `tls_test.ts` starts the program with, the address of a proxy, for all that
 * comes over loopback is without that limit, and what only the delivery of notifications reads.
 *
 * @module
 */

import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import { request } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { SETTINGS } from "../../transports/command_line/settings.ts";
import { TokenBox } from "../../transports/push_endpoint/token_box.ts";
import { Arrivals } from "../support/arrivals.ts";
import { PushClient } from "../support/push_client.ts";
import { opaqueBody } from "../support/sender.ts";
import { eachLine } from "../support/service.ts";
import { WebSocketClient } from "../support/websocket_client.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const API_TOKEN = "a-token-of-the-test";
const ENDPOINT_KEY = TokenBox.generateKey();
const BROADCAST = { id: "remote-settings/test", version: "v7" };

/** A folder with the secrets' files, and a source of broadcasts that counts its readers. */
class World implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "heliograph-settings-" });
  readonly reads = new Arrivals<true>();
  readonly #source = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
    this.reads.add(true);
    return Response.json({ broadcasts: { [BROADCAST.id]: BROADCAST.version } });
  });

  constructor() {
    Deno.writeTextFileSync(`${this.folder}/keys`, `${ENDPOINT_KEY}\n`);
    Deno.writeTextFileSync(`${this.folder}/token`, `${API_TOKEN}\n`);
  }

  /** The settings, by their names in the file. */
  get settings(): Readonly<Record<string, string>> {
    return {
      "host": "127.0.0.1",
      "endpoint-port": "0",
      "device-port": "0",
      "api-port": "0",
      "endpoint-url": "http://push.example:9999",
      "device-url": "wss://push.example/devices",
      "data": `${this.folder}/data`,
      "store": `sqlite:${this.folder}/store`,
      "crypto-keys-file": `${this.folder}/keys`,
      "api-token-file": `${this.folder}/token`,
      "max-payload-bytes": "4096",
      "max-ttl": "1h",
      "message-limit": "1",
      "ping-interval": "700ms",
      "ping-timeout": "300ms",
      "hello-timeout": "400ms",
      "user-lifetime": "2d",
      "connections-max": "3",
      "broadcast-url": `http://127.0.0.1:${this.#source.addr.port}/broadcasts`,
      "broadcast-interval": "1s",
      "log-level": "debug",
      "allowed-host": "other.example",
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source.shutdown();
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** The program while it serves. */
interface Serving extends AsyncDisposable {
  readonly endpointPort: number;
  readonly devicePort: number;
  readonly apiPort: number;
  readonly deviceUrl: string;
  readonly stderr: Arrivals<string>;
}

async function serve(args: readonly string[], env: Record<string, string>): Promise<Serving> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "mod.ts", "serve", "--json", ...args],
    cwd: ROOT,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdout = new Arrivals<string>();
  const stderr = new Arrivals<string>();
  const reading = Promise.all([
    eachLine(child.stdout, (line) => stdout.add(line)).then(() => stdout.end("it ended")),
    eachLine(child.stderr, (line) => stderr.add(line)),
  ]);
  const end = async () => {
    child.kill("SIGTERM");
    assertEquals((await child.status).code, 0, stderr.all.join("\n"));
    await reading;
  };
  try {
    const ready = JSON.parse(await stdout.next(() => true, { what: "readiness" }));
    const { endpointPort, devicePort, apiPort } = ready;
    const deviceUrl = `ws://127.0.0.1:${devicePort}/`;
    return { endpointPort, devicePort, apiPort, deviceUrl, stderr, [Symbol.asyncDispose]: end };
  } catch (error) {
    await child.status;
    await reading;
    throw new Error(stderr.all.join("\n"), { cause: error });
  }
}

Deno.test("Every setting of a file has its effect", async () => {
  await using world = new World();
  const lines = Object.entries(world.settings).map(([name, value]) =>
    `${name} = ${/^\d+$/.test(value) ? value : JSON.stringify(value)}`
  );
  await Deno.writeTextFile(`${world.folder}/heliograph.toml`, lines.join("\n"));
  await using serving = await serve(["--config", `${world.folder}/heliograph.toml`], {});
  await prove(serving, world);
});

Deno.test("Every variable of the environment has its effect", async () => {
  await using world = new World();
  const env = Object.entries(world.settings).map(([name, value]) =>
    [`HELIOGRAPH_${name.toUpperCase().replaceAll("-", "_")}`, value] as const
  );
  await using serving = await serve([], Object.fromEntries(env));
  await prove(serving, world);
});

Deno.test("No setting is forgotten here", async () => {
  await using world = new World();
  const seen = Object.keys(world.settings).map((name) => name.replace(/-file$/, ""));
  const all = Object.values(SETTINGS).map(({ name }) => name);
  const unseen = all.filter((name) => !seen.includes(name));
  const others = [
    ...["tls-cert", "tls-key", "proxy-address", "trace-one-in"],
    ...[...OF_DELIVERY, ...OF_NODES],
  ];
  assertEquals(unseen.toSorted(), others.toSorted());
});

/**
 * Settings of nodes and of the engines they share, seen in `two_nodes_test.ts`, `processes_test.ts`,
 * `nodes_campaign_*_test.ts`, `../tables/engine_inputs_test.ts`, `../program/check_engines_test.ts` and
 * `../program/engines_test.ts`.
 */
const OF_NODES: readonly string[] = [
  "node-port",
  "node-url",
  "roles",
  "processes",
  "queue",
  "store-ca-file",
  "source",
  "counters",
  "results-database",
  "results-database-rows",
  "results-database-retention",
];

/** Settings of the delivery of notifications, seen in `delivery_settings_test.ts` and `influx_test.ts`. */
const OF_DELIVERY: readonly string[] = [
  "ca-file",
  "allowed-push-origin",
  "push-hosts",
  "webhook-url",
  "webhook-secret",
  "webhook-rows",
  "results-file",
  "results-rows",
  "influx-url",
  "influx-token",
  "batches-max",
  "apns-connections",
  "fcm-connections",
  "fcm-rate",
  "webpush-connections",
  "encryption-threads",
  "results-retention",
];

/** Sees each setting from outside. */
async function prove(serving: Serving, world: World): Promise<void> {
  await proveSecrets(serving, world);
  await proveDevices(serving, world);
  await proveEndpoint(serving, world);
  await serving.stderr.next((line) => line.includes('"level":"debug"'), { what: "a debug line" });
}

async function proveSecrets({ endpointPort, apiPort }: Serving, world: World): Promise<void> {
  const authorization = `Bearer ${API_TOKEN}`;
  assertEquals((await ask(apiPort, "/v1/tree", { authorization })).status, 200);
  assertEquals((await ask(apiPort, "/v1/tree", { authorization: "Bearer other" })).status, 401);
  const made = [...Deno.readDirSync(world.folder)].map(({ name }) => name);
  assert(made.includes("store") && !made.includes("data"), made.join());
  const page = JSON.parse((await ask(apiPort, "/page.json")).body);
  assertEquals(page, {
    endpointOrigin: "http://push.example:9999",
    deviceUrl: "wss://push.example/devices",
  });
  for (const port of [apiPort, endpointPort]) {
    const path = port === apiPort ? "/healthz" : "/status";
    assertEquals((await ask(port, path, { host: "other.example" })).status, 200);
    assertEquals((await ask(port, path, { host: "third.example" })).status, 421);
  }
}

async function proveDevices({ deviceUrl, devicePort }: Serving, world: World): Promise<void> {
  await using first = await PushClient.connect(deviceUrl);
  await using _second = await PushClient.connect(deviceUrl);
  await using silent = await WebSocketClient.connect({ port: devicePort });
  await using fourth = await WebSocketClient.open({ port: devicePort });
  await fourth.raw(
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  );
  assertEquals((await fourth.http()).status, 503);
  assertEquals(await silent.closed(), { code: 1011, reason: "HandshakeTimeout" });
  silent.abort(); // Its place is free when TCP has ended.
  await world.reads.until(() => true, { what: "a second look for broadcasts", count: 2 });
  await using deaf = await WebSocketClient.connect({ port: devicePort });
  await deaf.send(`{"messageType":"hello","broadcasts":{"${BROADCAST.id}":"v0"}}`);
  assertMatch(await deaf.text(), /"broadcasts":\{"remote-settings\/test":"v7"\}/);
  assertEquals((await deaf.receive()).kind, "ping");
  assertEquals(await deaf.closed(), { code: 1011, reason: "PongTimeout" });
  await first.ping();
}

async function proveEndpoint(
  { deviceUrl, endpointPort }: Serving,
  world: World,
): Promise<void> {
  const device = await PushClient.connect(deviceUrl);
  const { uaid } = device;
  const { endpoint } = await device.register();
  await device.close();
  const { origin, pathname, host } = new URL(endpoint);
  assertEquals(origin, "http://push.example:9999");
  const box = new TokenBox({ keys: [ENDPOINT_KEY] });
  assertEquals(box.openEndpoint(pathname.split("/").pop() ?? "")?.uaid, uaid);
  const headers = { host, "content-encoding": "aes128gcm", ttl: "7200" };
  const post = (bytes: number) => ask(endpointPort, pathname, headers, opaqueBody(bytes));
  assertEquals((await post(4_097)).status, 413);
  const accepted = await post(4_096);
  assertEquals([accepted.status, accepted.headers["ttl"]], [201, "3600"]);
  assertEquals([(await post(100)).status, (await post(100)).status], [201, 429]);
  using database = new DatabaseSync(`${world.folder}/store/messages.sqlite`);
  const days = (count: number) => Date.now() - count * 86_400_000;
  const seen = database.prepare("UPDATE user SET connected_at = ? WHERE uaid = ?");
  assertGreater(Number(seen.run(days(1), uaid).changes), 0);
  assertEquals((await post(100)).status, 429);
  seen.run(days(3), uaid);
  assertEquals((await post(100)).status, 410);
}

Deno.test("A memory: store keeps messages while it runs and writes none of them", async () => {
  await using world = new World();
  const ports = ["endpoint", "device", "api"].flatMap((door) => [`--${door}-port`, "0"]);
  const data = `${world.folder}/data`;
  const args = [...ports, "--data", data, "--store", "memory:"];
  let path: string;
  {
    await using serving = await serve(args, {});
    const device = await PushClient.connect(serving.deviceUrl);
    const { uaid } = device;
    const { endpoint } = await device.register();
    await device.close();
    path = new URL(endpoint).pathname;
    const headers = { "content-encoding": "aes128gcm", ttl: "60" };
    const posted = await ask(serving.endpointPort, path, headers, opaqueBody(100));
    assertEquals(posted.status, 201);
    await using back = await PushClient.connect(serving.deviceUrl, { uaid });
    await back.notifications.next(() => true, { what: "the message" });
    assertEquals((await ask(serving.apiPort, "/readyz")).status, 200);
  }
  const files = [...Deno.readDirSync(data)].map(({ name }) => name).sort();
  assertEquals(files, ["api-token", "endpoint-keys"]);
  await using again = await serve(args, {});
  const gone = await ask(again.endpointPort, path, { ttl: "60" }, new Uint8Array(0));
  assertEquals(gone.status, 410);
});

/** One request with exactly these headers, `Host` among them; a POST when there is a body. */
function ask(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body?: Uint8Array,
): Promise<{ status: number; headers: Readonly<Record<string, unknown>>; body: string }> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? "GET" : "POST";
    const options = {
      hostname: "127.0.0.1",
      port,
      path,
      method,
      headers: { ...headers },
      agent: false,
    };
    const asked = request(options, (response) => {
      const chunks: string[] = [];
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => void chunks.push(chunk));
      response.on("end", () => {
        const { statusCode: status = 0, headers } = response;
        resolve({ status, headers, body: chunks.join("") });
      });
    });
    asked.on("error", reject);
    asked.end(body);
  });
}
