/**
 * What do further processes and nodes bring, and what do they cost?
 *
 * - `processes`: a campaign to a server that takes everything, by one process and by several on the same
 *   ports, as a person starts it: everything goes through the API, the store is in PostgreSQL and the queue
 *   in Redis.
 * - `messages`: messages posted to one node for devices that are connected to another, beside devices
 *   that are connected to the same one.
 * - `memory`: what a node needs while it is idle, by what it stands on, and for each idle device.
 *
 * The parts are real processes and share the machine's cores with engines and load generators.
 *
 * ```sh
 * deno run -A bench/nodes.ts processes|messages|memory [--recipients N] [--processes N]
 * ```
 *
 * @module
 */

import { ApiClient } from "../transports/api_client/api_client.ts";
import { valueOf } from "../tests/support/campaign_service.ts";
import { migrateFor } from "../tests/support/nodes_campaign.ts";
import { startPostgres } from "../tests/support/postgres_server.ts";
import { startRedis } from "../tests/support/redis_server.ts";
import { report } from "../tests/support/seeded.ts";
import { Service } from "../tests/support/service.ts";
import { type RealServer, startNghttpd } from "../tests/transports/http2/real_servers.ts";
import { apnsKey, CONTENT, TOKEN } from "./campaign.ts";
import { type ConnectionsResult, measureConnections } from "./connections_bench.ts";
import { type LoadPlan, measureConnected, measureDelays } from "./endpoint_load.ts";

/** Time between two looks whether a campaign has ended. */
const LOOK_MS = 20;

/** What a node stands on. */
export type NodeStand = "sqlite" | "postgres" | "redis" | "engines";

/** Engines for some nodes; what does not survive a crash of the machine is not asked for by any question here. */
class Engines implements AsyncDisposable {
  readonly #resources = new AsyncDisposableStack();

  /** Starts what a stand needs; the flags that name it. */
  async flags(stand: NodeStand): Promise<readonly string[]> {
    switch (stand) {
      case "sqlite":
        return [];
      case "redis": {
        const redis = this.#resources.use(await startRedis({ appendfsync: "always" }));
        return ["--store", redis.url(), "--node-port", "0"];
      }
      case "postgres":
      case "engines": {
        const postgres = this.#resources.use(await startPostgres({ durable: true }));
        const store = ["--store", postgres.url(), "--node-port", "0"];
        const results = ["--results-database", postgres.url()];
        await migrateFor([...store, ...results]);
        if (stand === "postgres") return store;
        const redis = this.#resources.use(await startRedis({ appendfsync: "everysec" }));
        return [...store, ...results, "--queue", redis.url(), "--counters", redis.url()];
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** A rate of campaigns. */
export interface ProcessesReading {
  /** Processes on the same ports. */
  readonly processes: number;
  /** Recipients a second whose outcome was stored. */
  readonly perSecond: number;
  /** Recipients delivered to. */
  readonly delivered: number;
}

/** Measures a campaign by so many processes, for each number of them. */
export async function measureProcesses(
  plan: { readonly recipients: number; readonly processes: readonly number[] },
): Promise<readonly ProcessesReading[]> {
  await using server = await startNghttpd({ tls: true, file: `3/device/${TOKEN}` });
  const readings: ProcessesReading[] = [];
  for (const processes of plan.processes) {
    await using engines = new Engines();
    await using service = await Service.start({
      flags: [
        ...await engines.flags("engines"),
        ...["--processes", `${processes}`, "--ca-file", server.certificates.caFile],
      ],
    });
    const api = await register(service, server, plan.recipients);
    // The first one opens connections and warms up the code, of every process.
    await campaign(api);
    readings.push({ processes, ...await campaign(api) });
  }
  return readings;
}

/** An app whose provider is this server, with so many devices; a client of the node's API. */
export async function register(
  { apiPort, dataDir }: Service,
  { port }: RealServer,
  recipients: number,
): Promise<ApiClient> {
  const token = (await Deno.readTextFile(`${dataDir}/api-token`)).trim();
  const api = new ApiClient({ origin: `http://127.0.0.1:${apiPort}`, token });
  const origin = `https://localhost:${port}`;
  const apns = { key: apnsKey(), keyId: "ABC123DEFG", teamId: "DEF123GHIJ", topic: "shop" };
  valueOf(await api.putApp("shop", { apns: { ...apns, origin } }));
  const options = { app: "shop", platform: "apns", format: "ndjson" } as const;
  valueOf(await api.importDevices(devices(recipients), options, () => {}));
  return api;
}

function devices(count: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  const lines = Array.from(
    { length: count },
    (_, number) => `{"id":"device-${number}","token":"${TOKEN}"}\n`,
  );
  return new Blob(lines).stream();
}

/** Sends to all devices of the app and waits for the end. */
export async function campaign(api: ApiClient): Promise<Omit<ProcessesReading, "processes">> {
  const began = performance.now();
  const id = valueOf(await api.submit({ app: "shop", content: CONTENT, to: { all: true } }));
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const { status, counts: { delivered } } = valueOf(await api.notification(id));
    if (status !== "done") continue;
    return { perSecond: delivered / (performance.now() - began) * 1_000, delivered };
  }
}

/** Messages to devices that are connected to the node they are posted to, or to another one. */
export interface MessagesReading {
  /** What both nodes stand on. */
  readonly stand: NodeStand;
  /** Nodes on the way of a message. */
  readonly nodes: 1 | 2;
  /** Posts a second that were answered 201. */
  readonly perSecond: number;
  /** Messages that came to the devices. */
  readonly delivered: number;
  /** Milliseconds from the start of a post to its arrival. */
  readonly delayMs: { readonly p50: number; readonly p99: number };
}

/** Measures messages on one and across two nodes, on each stand. */
export async function measureMessages(
  plan: LoadPlan,
  stands: readonly NodeStand[],
): Promise<readonly MessagesReading[]> {
  const readings: MessagesReading[] = [];
  for (const stand of stands) {
    await using engines = new Engines();
    const flags = await engines.flags(stand);
    await using first = await Service.start({ flags });
    const keys = `${first.dataDir}/endpoint-keys`;
    await using second = await Service.start({ flags: [...flags, "--crypto-keys-file", keys] });
    for (const [nodes, other] of [[1, first], [2, second]] as const) {
      const { rate, delivered } = await measureConnected(plan, first, other);
      const { p50, p99 } = await measureDelays(plan, first, other);
      readings.push({ stand, nodes, perSecond: rate.perSecond, delivered, delayMs: { p50, p99 } });
    }
  }
  return readings;
}

/** Memory of an idle node. */
export interface MemoryReading extends ConnectionsResult {
  /** What it stands on. */
  readonly stand: NodeStand;
}

/** Measures the memory of a node at these numbers of idle devices, on each stand. */
export async function measureNodeMemory(
  plan: { readonly steps: readonly number[]; readonly restMs: number },
  stands: readonly NodeStand[],
): Promise<readonly MemoryReading[]> {
  const readings: MemoryReading[] = [];
  for (const stand of stands) {
    await using engines = new Engines();
    const flags = await engines.flags(stand);
    readings.push({ stand, ...await measureConnections({ ...plan, flags, subscribed: false }) });
  }
  return readings;
}

async function main(): Promise<void> {
  const value = (name: string, otherwise: number) => {
    const at = Deno.args.indexOf(name);
    return at < 0 ? otherwise : Number(Deno.args[at + 1]);
  };
  const [what] = Deno.args;
  if (what === "processes") {
    const recipients = value("--recipients", 200_000);
    const processes = Array.from({ length: value("--processes", 2) }, (_, index) => index + 1);
    for (const reading of await measureProcesses({ recipients, processes })) {
      report(`${reading.processes} processes: ${Math.round(reading.perSecond)}/s`);
    }
    return;
  }
  if (what === "messages") {
    const posts = value("--posts", 20_000);
    const plan = { posts, connections: 32, timed: 1_000, timedPerSecond: 200 };
    for (const reading of await measureMessages(plan, ["postgres", "redis"])) {
      const { stand, nodes, perSecond, delivered, delayMs: { p50, p99 } } = reading;
      report(
        `${stand}, ${nodes} on the way: ${
          Math.round(perSecond)
        }/s, ${delivered} of ${posts} came; ` +
          `at 200/s p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`,
      );
    }
    return;
  }
  const plan = { steps: [0, 1_000, 4_000], restMs: 5_000 };
  const stands = ["sqlite", "postgres", "redis", "engines"] as const;
  for (const { stand, readings: [idle], bytesPerDevice } of await measureNodeMemory(plan, stands)) {
    const megabytes = (idle?.bytes ?? NaN) / 2 ** 20;
    report(`${stand}: ${megabytes.toFixed(1)} MiB idle, ${Math.round(bytesPerDevice)} B a device`);
  }
}

if (import.meta.main) await main();
