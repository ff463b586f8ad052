/**
 * How many notifications a second does a whole campaign deliver, from a durable queue to results that
 * are stored, beside `h2load` and beside `@parse/node-apn` on the same server?
 *
 * The devices are in a store; a notification to all of them is expanded, claimed, rendered and
 * sent to a TLS server that takes everything, and every outcome is counted in the store, and by
 * everything else that records, before the clock is stopped. `h2load` sends the same requests and
 * remembers nothing. `node-apn` runs on Node and sends to the same tokens. All are given the same connections.
 *
 * ```sh
 * deno run -A bench/campaign.ts [--recipients N] [--rounds N] [--memory] [--no-node-apn]
 *   [--stand sqlite|postgres|redis|engines|engines_all_rows] [--server nghttpd|nginx]
 * ```
 *
 * `--memory` instead compares the process's memory over campaigns of 10,000 to N recipients.
 *
 * @module
 */

import { generateKeyPairSync } from "node:crypto";
import { cpuUsage } from "node:process";
import { Pipeline } from "../program/pipeline.ts";
import { run } from "../tests/support/programs.ts";
import { report } from "../tests/support/seeded.ts";
import {
  type RealServer,
  startNghttpd,
  startNginx,
} from "../tests/transports/http2/real_servers.ts";
import { type OpenStand, openStand, type Stand, STANDS } from "./campaign_stands.ts";

/** Connections of every sender: as many as `--apns-connections` allows unless told otherwise. */
const CONNECTIONS = 8;
/** Streams of each connection of `h2load`; ours takes what the server allows, at most this. */
const STREAMS = 100;
/** Devices registered by one call. */
const DEVICES_STEP = 1_000;
/** Time between two looks whether a campaign has ended. */
const LOOK_MS = 5;
/** The token of every device: nghttpd answers 200 for files that it has. */
export const TOKEN = "0123456789abcdef".repeat(4);
/** Recipients of node-apn for each hundred of ours: it is so much slower. */
const NODE_APN_SHARE = 0.1;

/** What is sent. */
export const CONTENT = {
  title: "Your order is on its way",
  body: "It will be with you tomorrow between ten and twelve",
};

/** How much is measured. */
export interface CampaignPlan {
  /** Recipients of each campaign. */
  readonly recipients: number;
  /** Rounds. */
  readonly rounds: number;
  /** Whether node-apn is measured, too: it is installed from npm for that. */
  readonly nodeApn: boolean;
  /** What the pipeline stands on; SQLite by default. */
  readonly stand?: Stand;
  /** Which servers it sends to; all by default. */
  readonly servers?: readonly ServerName[];
}

/** Servers that take everything. */
const SERVERS = ["nginx", "nghttpd"] as const;

/** One of them. */
export type ServerName = typeof SERVERS[number];

/** What was measured on one server; rates a second, medians of the rounds. */
export interface CampaignReading {
  /** Which server. */
  readonly server: string;
  /** Recipients whose outcome was stored. */
  readonly ours: number;
  /** Requests of `h2load`. */
  readonly h2load: number;
  /** Notifications of node-apn; NaN when it was not measured. */
  readonly nodeApn: number;
  /** Recipients whose outcome was stored, a second, until everything else had recorded them, too. */
  readonly recorded: number;
  /** CPU time of this process for each recipient, all threads, in microseconds. */
  readonly cpuMicros: number;
  /** Recipients delivered to in all rounds. */
  readonly delivered: number;
}

/** Measures campaigns on servers that take everything. */
export async function measureCampaigns(plan: CampaignPlan): Promise<readonly CampaignReading[]> {
  const lines = ["access_log off;", "keepalive_requests 1000000000;"];
  const servers = [
    ["nginx", () => startNginx({ tls: true, lines })],
    ["nghttpd", () => startNghttpd({ tls: true, file: `3/device/${TOKEN}` })],
  ] as const;
  const readings: CampaignReading[] = [];
  for (const [name, start] of servers) {
    if (plan.servers?.includes(name) === false) continue;
    await using server = await start();
    readings.push(await measureServer(name, server, plan));
  }
  return readings;
}

async function measureServer(
  name: string,
  server: RealServer,
  plan: CampaignPlan,
): Promise<CampaignReading> {
  await using campaign = await Campaign.open(server, plan.stand ?? "sqlite");
  await campaign.register(plan.recipients);
  const ours: number[] = [];
  const recorded: number[] = [];
  const theirs: number[] = [];
  const apn: number[] = [];
  let delivered = 0;
  let cpu = 0;
  for (let round = 0; round < plan.rounds; round++) {
    const sent = await campaign.send();
    ours.push(sent.perSecond);
    recorded.push(sent.recordedPerSecond);
    delivered += sent.delivered;
    cpu += sent.cpuMicros / plan.rounds;
    theirs.push(await runH2load(server, plan.recipients));
    if (plan.nodeApn) apn.push(await runNodeApn(server, plan.recipients * NODE_APN_SHARE));
  }
  return {
    server: name,
    ours: median(ours),
    recorded: median(recorded),
    h2load: median(theirs),
    nodeApn: median(apn),
    cpuMicros: cpu,
    delivered,
  };
}

/** A pipeline on a stand of its own. */
class Campaign implements AsyncDisposable {
  readonly #pipeline: Pipeline;
  readonly #stand: OpenStand;
  #registered = 0;

  private constructor(pipeline: Pipeline, stand: OpenStand) {
    this.#pipeline = pipeline;
    this.#stand = stand;
  }

  static async open(server: RealServer, name: Stand): Promise<Campaign> {
    const stand = await openStand(name);
    const { store, queue, sinks } = stand;
    const caCerts = [server.certificates.caPem];
    const pipeline = new Pipeline({ store, queue, sinks, caCerts, apnsConnections: CONNECTIONS });
    const saved = await pipeline.service.putApp("shop", {
      apns: {
        key: apnsKey(),
        keyId: "ABC123DEFG",
        teamId: "DEF123GHIJ",
        topic: "com.example.shop",
        origin: `https://localhost:${server.port}`,
      },
    });
    if (saved.kind !== "ok") throw new Error(`The app was refused: ${saved.kind}`);
    await pipeline.start();
    return new Campaign(pipeline, stand);
  }

  /** Registers devices up to this many. */
  async register(count: number): Promise<void> {
    while (this.#registered < count) {
      const step = Math.min(DEVICES_STEP, count - this.#registered);
      const devices = Array.from({ length: step }, (_, index) => ({
        id: `device-${this.#registered + index}`,
        app: "shop",
        platform: "apns" as const,
        address: TOKEN,
        keys: undefined,
        user: undefined,
        tags: [],
      }));
      await this.#stand.store.saveDevices(devices, Date.now());
      this.#registered += step;
    }
  }

  /** Sends to all and waits until every outcome is stored. */
  async send(): Promise<Sent> {
    const cpuBefore = cpuUsage();
    const began = performance.now();
    const submitted = await this.#pipeline.service.submit({
      app: "shop",
      content: CONTENT,
      to: { all: true },
      ...(this.#stand.allRows ? { record: "all" } : {}),
    });
    if (submitted.kind !== "ok") throw new Error(`Not accepted: ${submitted.kind}`);
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      const status = await this.#stand.store.notification(submitted.value.id);
      if (status?.sendingDone !== true) continue;
      const seconds = (performance.now() - began) / 1_000;
      const cpu = cpuUsage(cpuBefore);
      const { delivered } = status.counts;
      const cpuMicros = (cpu.user + cpu.system) / delivered;
      await this.#recorded();
      const recordedSeconds = (performance.now() - began) / 1_000;
      return {
        perSecond: delivered / seconds,
        recordedPerSecond: delivered / recordedSeconds,
        delivered,
        cpuMicros,
      };
    }
  }

  /** Waits until everything that records has come to the end of its log. */
  async #recorded(): Promise<void> {
    const { store, sinks } = this.#stand;
    for (const { name, rows } of sinks) {
      const log = rows === "tallies" ? "tallies" : "rows";
      for (;;) {
        const position = await store.sinkPosition(name, log);
        const left = log === "rows"
          ? await store.rowsAfter(position, 1)
          : await store.talliesAfter(position, 1);
        if (left.length === 0) break;
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pipeline[Symbol.asyncDispose]();
    await this.#stand[Symbol.asyncDispose]();
  }
}

/** What one campaign came to. */
interface Sent {
  readonly perSecond: number;
  readonly recordedPerSecond: number;
  readonly delivered: number;
  readonly cpuMicros: number;
}

/** The memory of the process after campaigns of these sizes, in MB. */
export async function measureMemory(
  sizes: readonly number[],
): Promise<readonly { readonly recipients: number; readonly rssMb: number }[]> {
  const lines = ["access_log off;", "keepalive_requests 1000000000;"];
  await using server = await startNginx({ tls: true, lines });
  await using campaign = await Campaign.open(server, "sqlite");
  const readings = [];
  for (const recipients of sizes) {
    await campaign.register(recipients);
    let rssMb = rss();
    const sampled = setInterval(() => rssMb = Math.max(rssMb, rss()), 100);
    await campaign.send();
    clearInterval(sampled);
    readings.push({ recipients, rssMb });
  }
  return readings;
}

function rss(): number {
  return Deno.memoryUsage().rss / 1e6;
}

async function runH2load(server: RealServer, requests: number): Promise<number> {
  const body = `${server.folder}/body`;
  const { title, body: text } = CONTENT;
  await Deno.writeTextFile(body, JSON.stringify({ aps: { alert: { title, body: text } } }));
  const fields = [
    `authorization: bearer ${"t".repeat(180)}`,
    "apns-topic: com.example.shop",
    "apns-push-type: alert",
    "apns-priority: 10",
    `apns-expiration: ${Math.floor(Date.now() / 1_000) + 3_600}`,
    "apns-id: 0190f0e4-8a3b-8c11-9d55-3f2b6c1a7e90",
    "content-type: application/json",
  ].flatMap((field) => ["-H", field]);
  const load = ["-n", `${requests}`, "-c", `${CONNECTIONS}`, "-m", `${STREAMS}`, "-d", body];
  const url = `https://127.0.0.1:${server.port}/3/device/${TOKEN}`;
  const { stdout } = await run("h2load", [...load, ...fields, url]);
  const rate = /finished in .*?, ([0-9.]+) req\/s/.exec(stdout)?.[1];
  if (rate === undefined) throw new Error(`h2load said: ${stdout}`);
  return Number(rate);
}

/** Sends with node-apn, from its own process on Node; it prints its rate. */
async function runNodeApn(server: RealServer, notifications: number): Promise<number> {
  const folder = await nodeApn();
  const script = `
    const apn = require("@parse/node-apn");
    const provider = new apn.MultiProvider({
      token: { key: process.env.KEY, keyId: "ABC123DEFG", teamId: "DEF123GHIJ" },
      address: "localhost", port: ${server.port}, production: true, clientCount: ${CONNECTIONS},
      ca: process.env.CA,
    });
    const tokens = new Array(${notifications}).fill("${TOKEN}");
    const note = new apn.Notification({
      alert: ${JSON.stringify(CONTENT)}, topic: "com.example.shop", pushType: "alert",
    });
    const began = process.hrtime.bigint();
    (async () => {
      let sent = 0;
      for (let at = 0; at < tokens.length; at += 1000) {
        const result = await provider.send(note, tokens.slice(at, at + 1000));
        sent += result.sent.length;
        if (result.failed.length > 0) throw new Error(JSON.stringify(result.failed[0]));
      }
      console.log(sent / (Number(process.hrtime.bigint() - began) / 1e9));
      process.exit(0);
    })();`;
  const env = {
    KEY: apnsKey(),
    CA: server.certificates.caPem,
    NODE_PATH: `${folder}/node_modules`,
  };
  return Number(await output("node", ["-e", script], env));
}

let installed: string | undefined;

/** A folder with node-apn, installed once. */
async function nodeApn(): Promise<string> {
  if (installed !== undefined) return installed;
  const folder = await Deno.makeTempDir({ prefix: "heliograph-node-apn-" });
  await output("npm", ["install", "--prefix", folder, "--silent", "@parse/node-apn@7"]);
  installed = folder;
  return folder;
}

/** What a program prints; its failure is an error with what it said. */
async function output(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const child = new Deno.Command(program, { args: [...args], env: { ...env } });
  const { success, stdout, stderr } = await child.output();
  const text = new TextDecoder();
  if (!success) throw new Error(`${program} failed: ${text.decode(stderr).slice(0, 1_000)}`);
  return text.decode(stdout).trim();
}

/** A new key of the form Apple gives out, PKCS#8 PEM. */
export function apnsKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return `${privateKey.export({ type: "pkcs8", format: "pem" })}`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

if (import.meta.main) {
  const value = (name: string, otherwise: number) => {
    const at = Deno.args.indexOf(name);
    return at < 0 ? otherwise : Number(Deno.args[at + 1]);
  };
  const text = (name: string) => Deno.args[Deno.args.indexOf(name) + 1];
  const recipients = value("--recipients", 1_000_000);
  if (Deno.args.includes("--memory")) {
    const sizes = [10_000, 100_000, 1_000_000].filter((size) => size <= recipients);
    for (const { recipients, rssMb } of await measureMemory(sizes)) {
      report(`${recipients} recipients: ${Math.round(rssMb)} MB`);
    }
  } else {
    const rounds = value("--rounds", 3);
    const nodeApn = !Deno.args.includes("--no-node-apn");
    const stand = STANDS.find((one) => one === text("--stand")) ?? "sqlite";
    const only = SERVERS.filter((one) => one === text("--server"));
    const servers = only.length === 0 ? SERVERS : only;
    const plan: CampaignPlan = { recipients, rounds, nodeApn, stand, servers };
    for (const reading of await measureCampaigns(plan)) {
      const { server, ours, recorded, h2load, nodeApn: apn, cpuMicros } = reading;
      report(
        `${stand} to ${server}: ours ${Math.round(ours)}/s, all recorded ${
          Math.round(recorded)
        }/s, h2load ${Math.round(h2load)}/s, ratio ` +
          `${(ours / h2load).toFixed(2)}; node-apn ${Math.round(apn)}/s, ratio ` +
          `${(ours / apn).toFixed(1)}; CPU ${cpuMicros.toFixed(2)} µs a recipient`,
      );
    }
  }
}
