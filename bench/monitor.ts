/**
 * What does it cost a node to be watched?
 *
 * - `campaigns`: campaigns to a server that takes everything, alone and with viewers of everything there is to see, in
 *   turns; and the CPU time of the node's process, which other work on the machine changes less.
 * - `watching`: CPU time and memory of a node on which nothing happens, by the number of viewers.
 * - `deaf`: viewers that stop reading: when the node drops them, and its memory before, at most and after.
 * - `tree`: the size of a frame of the live tree beside many idle device sessions. How long it takes to make one is
 *   in `idle_actors.ts`: in a whole process it is lost in what the sessions do.
 *
 * The node, what it sends to and the viewers are processes of their own and share the machine's cores.
 *
 * ```sh
 * deno run -A bench/monitor.ts campaigns|watching|deaf|tree [--recipients N] [--rounds N] [--sessions N]
 * ```
 *
 * @module
 */

import { Arrivals } from "../tests/support/arrivals.ts";
import { report } from "../tests/support/seeded.ts";
import { eachLine, Service } from "../tests/support/service.ts";
import { startNghttpd } from "../tests/transports/http2/real_servers.ts";
import { TOKEN } from "./campaign.ts";
import { Devices } from "./connections_bench.ts";
import { campaign, register } from "./nodes.ts";

/** Everything there is to see. */
const EVERYTHING = "bars,status,tree";

/** How long viewers may take to be there, or to be dropped, in milliseconds. */
const VIEWERS_MS = 1_200_000;

/** Time between two looks whether viewers were dropped. */
const LOOK_MS = 1_000;

/** Milliseconds of CPU time in one of Linux's ticks (`sysconf(_SC_CLK_TCK)` is 100 on all its platforms). */
const TICK_MS = 10;

/** Viewers of a node, in a process of their own. */
class Viewers implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #said = new Arrivals<number>();
  readonly #reading: Promise<void>;

  /** The process; it has no viewers yet. */
  constructor({ apiPort, dataDir }: Service, show: string, mode: "reading" | "deaf" = "reading") {
    const script = new URL("./monitor_viewers.ts", import.meta.url).pathname;
    const token = Deno.readTextFileSync(`${dataDir}/api-token`).trim();
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", script, `${apiPort}`, show, mode],
      env: { TOKEN: token },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#reading = eachLine(this.#child.stdout, (line) => this.#said.add(Number(line)))
      .then(() => this.#said.end("the viewers' process ended"));
  }

  /** Opens or closes viewers until there are so many; the bytes that all have read so far. */
  async be(count: number): Promise<number> {
    const from = this.#said.size;
    await this.#input.write(new TextEncoder().encode(`${count}\n`));
    return await this.#said.next(() => true, {
      ...{ from, what: `${count} viewers`, withinMs: VIEWERS_MS },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await this.#child.status;
    await this.#reading;
  }
}

/** What a campaign came to. */
export interface CampaignCost {
  /** Recipients a second. */
  readonly perSecond: number;
  /** CPU time of the node's process for each recipient, in microseconds. */
  readonly cpuMicros: number;
  /** Recipients delivered to. */
  readonly delivered: number;
}

/** Two campaigns one after the other, in turns the one first and the other. */
export interface CampaignPair {
  /** With nobody watching. */
  readonly alone: CampaignCost;
  /** With viewers. */
  readonly watched: CampaignCost;
}

/** Measures campaigns with and without viewers; `bytes` is what the viewers have read. */
export async function measureWatchedCampaigns(
  plan: { readonly recipients: number; readonly rounds: number; readonly viewers: number },
): Promise<{ readonly pairs: readonly CampaignPair[]; readonly bytes: number }> {
  await using server = await startNghttpd({ tls: true, file: `3/device/${TOKEN}` });
  await using service = await Service.start({ flags: ["--ca-file", server.certificates.caFile] });
  const api = await register(service, server, plan.recipients);
  await using viewers = new Viewers(service, EVERYTHING);
  const measured = async (count: number): Promise<CampaignCost> => {
    await viewers.be(count);
    const before = cpuMs(service);
    const { perSecond, delivered } = await campaign(api);
    return { perSecond, delivered, cpuMicros: (cpuMs(service) - before) / delivered * 1_000 };
  };
  // These open connections and warm up the code.
  await measured(0);
  await measured(plan.viewers);
  const pairs: CampaignPair[] = [];
  for (let round = 0; round < plan.rounds; round++) {
    const first = await measured(round % 2 === 0 ? 0 : plan.viewers);
    const second = await measured(round % 2 === 0 ? plan.viewers : 0);
    pairs.push(
      round % 2 === 0 ? { alone: first, watched: second } : { alone: second, watched: first },
    );
  }
  return { pairs, bytes: await viewers.be(0) };
}

/** A node that is watched and does nothing else. */
export interface WatchingCost {
  /** Viewers. */
  readonly viewers: number;
  /** CPU time of the node's process in a second, in milliseconds. */
  readonly cpuMsPerSecond: number;
  /** Its resident memory at the end. */
  readonly bytes: number;
  /** What a viewer reads in a second. */
  readonly bytesPerSecond: number;
}

/** Measures a node with each of these numbers of viewers, for so long after so long a rest. */
export async function measureWatching(
  plan: { readonly steps: readonly number[]; readonly restMs: number; readonly forMs: number },
): Promise<readonly WatchingCost[]> {
  await using service = await Service.start();
  await using viewers = new Viewers(service, EVERYTHING);
  const readings: WatchingCost[] = [];
  for (const count of plan.steps) {
    await viewers.be(count);
    await rest(plan.restMs);
    const cost = await watchingCost(service, viewers, { count, forMs: plan.forMs });
    readings.push({ ...cost, viewers: count, bytes: service.residentBytes() });
  }
  return readings;
}

async function watchingCost(
  service: Service,
  viewers: Viewers,
  { count, forMs }: { readonly count: number; readonly forMs: number },
): Promise<Pick<WatchingCost, "cpuMsPerSecond" | "bytesPerSecond">> {
  const [bytesBefore, cpuBefore, began] = [await viewers.be(count), cpuMs(service), now()];
  await rest(forMs);
  const seconds = (now() - began) / 1_000;
  const bytes = await viewers.be(count) - bytesBefore;
  return {
    cpuMsPerSecond: (cpuMs(service) - cpuBefore) / seconds,
    bytesPerSecond: bytes / Math.max(1, count) / seconds,
  };
}

/** What viewers that do not read cost. */
export interface DeafCost {
  /** Seconds until the node had dropped all of them. */
  readonly seconds: number;
  /** Resident bytes of the node before, the most while they were there, and some time after. */
  readonly bytes: { readonly before: number; readonly most: number; readonly after: number };
}

/** Measures viewers that ask for everything and never read. */
export async function measureDeaf(
  plan: { readonly viewers: number; readonly restMs: number },
): Promise<DeafCost> {
  await using service = await Service.start();
  await using viewers = new Viewers(service, EVERYTHING, "deaf");
  await rest(plan.restMs);
  const before = service.residentBytes();
  const began = now();
  await viewers.be(plan.viewers);
  let most = before;
  while (connections(service) > 0) {
    if (now() - began > VIEWERS_MS) throw new Error("The node does not drop who does not read");
    await rest(LOOK_MS);
    most = Math.max(most, service.residentBytes());
  }
  const seconds = (now() - began) / 1_000;
  await rest(plan.restMs);
  return { seconds, bytes: { before, most, after: service.residentBytes() } };
}

/** The size of the live tree. */
export interface TreeSize {
  /** Idle device sessions. */
  readonly sessions: number;
  /** Bytes of a frame, which comes once a second. */
  readonly bytes: number;
}

/** Measures frames of the tree with each of these numbers of idle sessions, for so long. */
export async function measureTree(
  plan: { readonly steps: readonly number[]; readonly forMs: number },
): Promise<readonly TreeSize[]> {
  await using service = await Service.start();
  await using devices = new Devices(service.devicePort, false);
  await using viewers = new Viewers(service, "tree");
  const readings: TreeSize[] = [];
  await viewers.be(1);
  for (const sessions of plan.steps) {
    await devices.be(sessions);
    const cost = await watchingCost(service, viewers, { count: 1, forMs: plan.forMs });
    readings.push({ sessions, bytes: cost.bytesPerSecond });
  }
  return readings;
}

/** CPU time of the process so far, all threads, in milliseconds. */
function cpuMs({ pid }: Service): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]?.split(" ") ?? [];
  const [user, system] = [fields[11], fields[12]];
  return (Number(user) + Number(system)) * TICK_MS;
}

/** Connections of the API's port that are open at the node's side. */
function connections({ apiPort }: Service): number {
  const local = `0100007F:${apiPort.toString(16).toUpperCase().padStart(4, "0")}`;
  return Deno.readTextFileSync("/proc/net/tcp").split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, address, , state]) => address === local && state === "01").length;
}

function rest(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function now(): number {
  return performance.now();
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

/** The median of ratios, and where the middle half of them lies. */
function ratioText(pairs: readonly CampaignPair[], of: (one: CampaignCost) => number): string {
  const ratios = pairs.map(({ alone, watched }) => of(watched) / of(alone)).toSorted((a, b) =>
    a - b
  );
  const quarter = (share: number) =>
    ratios[Math.round(share * (ratios.length - 1))]?.toFixed(3) ?? "";
  return `${median(ratios).toFixed(3)} (${quarter(0.25)} to ${quarter(0.75)})`;
}

function mib(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`;
}

async function reportCampaigns(recipients: number, rounds: number): Promise<void> {
  const { pairs, bytes } = await measureWatchedCampaigns({ recipients, rounds, viewers: 10 });
  const of = (name: "alone" | "watched", field: "perSecond" | "cpuMicros") =>
    median(pairs.map((pair) => pair[name][field]));
  report(
    `${pairs.length} pairs: alone ${Math.round(of("alone", "perSecond"))}/s, ten viewers ` +
      `${Math.round(of("watched", "perSecond"))}/s, ratio ${
        ratioText(pairs, (one) => one.perSecond)
      }; ` +
      `CPU ${of("alone", "cpuMicros").toFixed(2)} and ${of("watched", "cpuMicros").toFixed(2)} ` +
      `µs a recipient, ratio ${ratioText(pairs, (one) => one.cpuMicros)}; ` +
      `the viewers read ${mib(bytes)}`,
  );
}

if (import.meta.main) {
  const value = (name: string, otherwise: number) => {
    const at = Deno.args.indexOf(name);
    return at < 0 ? otherwise : Number(Deno.args[at + 1]);
  };
  switch (Deno.args[0]) {
    case "campaigns":
      await reportCampaigns(value("--recipients", 500_000), value("--rounds", 10));
      break;
    case "watching": {
      const steps = [64, 0, 10, 64, 0, 10, 64, 0, 10, 64, 0];
      for (
        const one of await measureWatching({ steps, restMs: 5_000, forMs: 15_000 })
      ) {
        report(
          `${one.viewers} viewers: ${one.cpuMsPerSecond.toFixed(1)} ms of CPU a second, ` +
            `${mib(one.bytes)} resident, each reads ${Math.round(one.bytesPerSecond)} bytes/s`,
        );
      }
      break;
    }
    case "deaf": {
      const { seconds, bytes } = await measureDeaf({ viewers: 10, restMs: 5_000 });
      report(
        `10 deaf viewers: dropped after ${Math.round(seconds)} s; resident ${mib(bytes.before)} ` +
          `before, ${mib(bytes.most)} at most, ${mib(bytes.after)} after`,
      );
      break;
    }
    case "tree": {
      const steps = [0, value("--sessions", 19_000)];
      for (const one of await measureTree({ steps, forMs: 10_000 })) {
        report(`${one.sessions} sessions: ${Math.round(one.bytes)} bytes a frame`);
      }
      break;
    }
    default:
      report("campaigns, watching, deaf or tree?");
  }
}
