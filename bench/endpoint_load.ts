/**
 * How many messages a second does the whole service take, and how long is one on its way?
 *
 * The real service runs as a child, `h2load` posts over HTTP/1.1 connections that stay open, and
 * devices, where they are part of the question, are in this process. Five questions: messages for
 * now or never (TTL 0) to devices that are away, the same with VAPID, messages that are stored
 * (synced before the 201) for devices that are away, messages stored and handed to connected
 * devices that acknowledge each, and the time from the start of a POST until the device has the
 * message, at a moderate rate. All parts share the machine's cores.
 *
 * ```sh
 * deno run -A bench/endpoint_load.ts [--v8-flags=FLAGS]
 * ```
 *
 * @module
 */

import { run } from "../tests/support/programs.ts";
import { PushClient } from "../tests/support/push_client.ts";
import { report } from "../tests/support/seeded.ts";
import { authorization, newVapidKeys, opaqueBody, post } from "../tests/support/sender.ts";
import { Service, type ServiceOptions } from "../tests/support/service.ts";

/** Bytes of each body: a short notification, encrypted. */
const BODY_BYTES = 300;
/** Devices the messages are spread over; none may get more than it may have waiting. */
const DEVICES = 20;
/** Time after the last answer until which messages may come. */
const ARRIVED_MS = 10_000;
/** Seconds a stored message is kept. */
const TTL_SECONDS = 3_600;

/** How much is measured. */
export interface LoadPlan {
  /** Posts per question. */
  readonly posts: number;
  /** Connections of the load generator. */
  readonly connections: number;
  /** Messages whose way is timed. */
  readonly timed: number;
  /** Posts a second while timing. */
  readonly timedPerSecond: number;
  /** Flags of V8 for the service in place of those of its task. */
  readonly v8Flags?: string;
}

/** One answer. */
export interface Measured {
  /** The question. */
  readonly name: string;
  /** Posts answered 201 per second. */
  readonly perSecond: number;
  /** Posts answered 201. */
  readonly accepted: number;
}

/** All answers. */
export interface LoadResult {
  /** Rates, in the order of the module's text. */
  readonly rates: readonly Measured[];
  /** Messages that came to the connected devices in the direct question. */
  readonly delivered: number;
  /** Milliseconds from the start of a POST to its arrival. */
  readonly delayMs: { readonly p50: number; readonly p99: number; readonly max: number };
}

/** Devices with a channel each. */
interface Fleet {
  readonly endpoints: readonly string[];
  readonly clients: readonly PushClient[];
}

/** Runs all questions, each on a service with a store of its own. */
export async function measureLoad(plan: LoadPlan): Promise<LoadResult> {
  const vapid = newVapidKeys();
  const rates = [
    await away("TTL 0, device away", plan, { ttl: 0 }),
    await away("TTL 0 with VAPID, device away", plan, { ttl: 0, vapid }),
    await away("stored, device away", plan, { ttl: TTL_SECONDS }),
  ];
  const direct = await connected(plan);
  return {
    rates: [...rates, direct.rate],
    delivered: direct.delivered,
    delayMs: await delays(plan),
  };
}

async function away(
  name: string,
  plan: LoadPlan,
  how: { readonly ttl: number; readonly vapid?: ReturnType<typeof newVapidKeys> },
): Promise<Measured> {
  await using service = await Service.start(serviceOptions(plan));
  const fleet = await subscribe(service, how.vapid?.publicKey);
  await Promise.all(fleet.clients.map((client) => client.close()));
  const [endpoint = ""] = fleet.endpoints;
  const signed = how.vapid === undefined ? [] : [
    "-H",
    `Authorization: ${authorization(endpoint, how.vapid)}`,
  ];
  return await generate(name, plan, fleet.endpoints, [...signed, "-H", `TTL: ${how.ttl}`]);
}

async function connected(plan: LoadPlan): Promise<{ rate: Measured; delivered: number }> {
  await using service = await Service.start(serviceOptions(plan));
  return await measureConnected(plan, service, service);
}

async function delays(plan: LoadPlan): Promise<LoadResult["delayMs"]> {
  await using service = await Service.start(serviceOptions(plan));
  return await measureDelays(plan, service, service);
}

/** Messages posted to one node, stored and handed to devices on the same or another one, which acknowledge each. */
export async function measureConnected(
  plan: LoadPlan,
  posted: Service,
  devices: Service,
): Promise<{ readonly rate: Measured; readonly delivered: number }> {
  const { clients, endpoints } = await subscribe(devices, undefined);
  const ttl = ["-H", `TTL: ${TTL_SECONDS}`];
  const through = endpoints.map((endpoint) => endpointAt(posted, endpoint));
  const rate = await generate("stored, handed to a device that acks", plan, through, ttl);
  // What another node handed over may still be on its way when all posts are answered.
  const deadline = performance.now() + ARRIVED_MS;
  while (arrived(clients) < rate.accepted && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const delivered = arrived(clients);
  await Promise.all(clients.map((client) => client.close()));
  return { rate, delivered };
}

/** Messages that have come to devices, each counted once. */
function arrived(clients: readonly PushClient[]): number {
  return clients.reduce(
    (sum, { notifications }) => sum + new Set(notifications.all.map((one) => one.version)).size,
    0,
  );
}

/** The time from a post to one node until a device on the same or another one has the message. */
export async function measureDelays(
  plan: LoadPlan,
  posted: Service,
  devices: Service,
): Promise<LoadResult["delayMs"]> {
  const { clients, endpoints } = await subscribe(devices, undefined);
  const waits: Promise<number>[] = [];
  const began = performance.now();
  for (let i = 0; i < plan.timed; i++) {
    const due = began + i * 1_000 / plan.timedPerSecond;
    while (performance.now() < due) await new Promise((resolve) => setTimeout(resolve, 1));
    const client = clients[i % clients.length];
    const endpoint = endpoints[i % endpoints.length];
    if (client === undefined || endpoint === undefined) throw new Error("No devices");
    waits.push(timeOne(client, endpointAt(posted, endpoint)));
  }
  const sorted = (await Promise.all(waits)).toSorted((a, b) => a - b);
  await Promise.all(clients.map((client) => client.close()));
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, sorted.length * share | 0)] ?? NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** An endpoint as it is reached at another node with the same keys. */
function endpointAt({ endpointPort }: Service, endpoint: string): string {
  const url = new URL(endpoint);
  url.port = `${endpointPort}`;
  return url.href;
}

async function timeOne(client: PushClient, endpoint: string): Promise<number> {
  const from = client.notifications.size;
  const began = performance.now();
  // One message at a time is on its way to each device, so the next to arrive is this one.
  const arrived = client.notifications.next(() => true, { what: "the timed message", from })
    .then(() => performance.now() - began);
  const answer = await post(endpoint, opaqueBody(BODY_BYTES), { ttlSeconds: TTL_SECONDS });
  if (answer.status !== 201) throw new Error(`Answered ${answer.status}: ${answer.body}`);
  return await arrived;
}

async function subscribe(
  service: Service,
  key: string | undefined,
): Promise<Fleet> {
  const clients: PushClient[] = [];
  const endpoints: string[] = [];
  for (let i = 0; i < DEVICES; i++) {
    const client = await PushClient.connect(service.deviceUrl);
    clients.push(client);
    endpoints.push((await client.register(key === undefined ? {} : { key })).endpoint);
  }
  return { clients, endpoints };
}

function serviceOptions({ v8Flags }: LoadPlan): ServiceOptions {
  return v8Flags === undefined ? {} : { v8Flags };
}

/** Posts by `h2load` to the endpoints in turn, and reads what it counted. */
async function generate(
  name: string,
  plan: LoadPlan,
  endpoints: readonly string[],
  headers: readonly string[],
): Promise<Measured> {
  const folder = await Deno.makeTempDir({ prefix: "heliograph-load-" });
  try {
    await Deno.writeTextFile(`${folder}/uris`, `${endpoints.join("\n")}\n`);
    await Deno.writeFile(`${folder}/body`, opaqueBody(BODY_BYTES));
    const size = ["-n", `${plan.posts}`, "-c", `${plan.connections}`, "-t", "1"];
    const request = ["-d", `${folder}/body`, "-H", "Content-Encoding: aes128gcm", ...headers];
    const { stdout, stderr } = await run("h2load", [
      "--h1",
      ...size,
      ...request,
      "-i",
      `${folder}/uris`,
    ]);
    const perSecond = /finished in .*?, ([\d.]+) req\/s/.exec(stdout)?.[1];
    const accepted = /status codes: (\d+) 2xx/.exec(stdout)?.[1];
    if (perSecond === undefined || accepted === undefined) throw new Error(stdout + stderr);
    return { name, perSecond: Number(perSecond), accepted: Number(accepted) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  const flag = Deno.args.find((one) => one.startsWith("--v8-flags="));
  const v8Flags = flag === undefined ? {} : { v8Flags: flag.slice("--v8-flags=".length) };
  const plan = { posts: 40_000, connections: 32, timed: 2_000, timedPerSecond: 200, ...v8Flags };
  const { rates, delivered, delayMs } = await measureLoad(plan);
  for (const { name, perSecond, accepted } of rates) {
    report(`${name}: ${Math.round(perSecond)} POST/s (${accepted} of ${plan.posts} answered 2xx)`);
  }
  report(`delivered to the connected devices: ${delivered}`);
  const [p50, p99, max] = [delayMs.p50, delayMs.p99, delayMs.max].map((ms) => ms.toFixed(2));
  report(`POST to device at ${plan.timedPerSecond}/s: p50 ${p50} ms, p99 ${p99} ms, max ${max} ms`);
}
