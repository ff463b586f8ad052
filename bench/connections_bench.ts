/**
 * How much resident memory does one idle, identified device cost the service?
 *
 * The real service runs as a child, its devices in another. Resident memory is read at several
 * numbers of devices, each after a time of rest, and the slope of the line through the readings is
 * the answer: what the process needs without devices is not in it.
 *
 * ```sh
 * deno run -A bench/connections_bench.ts [--subscribed] [--v8-flags=FLAGS]
 * ```
 *
 * @module
 */

import { Arrivals } from "../tests/support/arrivals.ts";
import { report } from "../tests/support/seeded.ts";
import { ALL_OPEN_FILES, eachLine, Service } from "../tests/support/service.ts";

/** What is measured. */
export interface ConnectionsPlan {
  /** Numbers of devices at which memory is read, ascending, at least two. */
  readonly steps: readonly number[];
  /** Rest before each reading, in milliseconds: the garbage of the opening is gone by then. */
  readonly restMs: number;
  /** Whether each device has a subscription, and so a row in the store. */
  readonly subscribed: boolean;
  /** Flags of V8 for the service in place of those of its task. */
  readonly v8Flags?: string;
  /** Further flags of the service. */
  readonly flags?: readonly string[];
}

/** The readings and what follows from them. */
export interface ConnectionsResult {
  /** Resident bytes at each number of devices. */
  readonly readings: readonly { readonly devices: number; readonly bytes: number }[];
  /** Least-squares slope. */
  readonly bytesPerDevice: number;
}

/** Measures resident memory per device. */
export async function measureConnections(plan: ConnectionsPlan): Promise<ConnectionsResult> {
  const { v8Flags, flags = [] } = plan;
  await using service = await Service.start({
    flags,
    ...(v8Flags === undefined ? {} : { v8Flags }),
  });
  await using clients = new Devices(service.devicePort, plan.subscribed);
  const readings: { devices: number; bytes: number }[] = [];
  for (const devices of plan.steps) {
    await clients.be(devices);
    await new Promise((resolve) => setTimeout(resolve, plan.restMs));
    readings.push({ devices, bytes: service.residentBytes() });
  }
  return { readings, bytesPerDevice: slope(readings) };
}

/** Idle devices of a node, in a process of their own. */
export class Devices implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #counts = new Arrivals<string>();
  readonly #reading: Promise<void>;

  /** The process; it has no devices yet. */
  constructor(port: number, subscribed: boolean) {
    this.#child = startClients(port, subscribed);
    this.#input = this.#child.stdin.getWriter();
    this.#reading = eachLine(this.#child.stdout, (line) => this.#counts.add(line))
      .then(() => this.#counts.end("the devices' process ended"));
  }

  /** Opens devices until there are so many. */
  async be(count: number): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${count}\n`));
    await this.#counts.next((line) => line === `${count}`, {
      what: `${count} devices`,
      withinMs: 300_000,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await this.#child.status;
    await this.#reading;
  }
}

function startClients(port: number, subscribed: boolean): Deno.ChildProcess {
  const script = new URL("./connections_clients.ts", import.meta.url).pathname;
  const mode = subscribed ? "subscribed" : "identified";
  const command = [Deno.execPath(), "run", "-A", script, `${port}`, mode];
  return new Deno.Command("sh", {
    args: ["-c", `${ALL_OPEN_FILES}; exec "$@"`, "sh", ...command],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

/** Slope of the line with the least squares through the readings, in bytes per device. */
function slope(readings: ConnectionsResult["readings"]): number {
  const mean = (of: (one: { devices: number; bytes: number }) => number): number =>
    readings.reduce((sum, one) => sum + of(one), 0) / readings.length;
  const devices = mean((one) => one.devices);
  const bytes = mean((one) => one.bytes);
  const covariance = mean((one) => (one.devices - devices) * (one.bytes - bytes));
  return covariance / mean((one) => (one.devices - devices) ** 2);
}

if (import.meta.main) {
  const flag = Deno.args.find((one) => one.startsWith("--v8-flags="));
  const { readings, bytesPerDevice } = await measureConnections({
    steps: [1_000, 4_000, 7_000, 10_000, 13_000],
    restMs: 5_000,
    subscribed: Deno.args.includes("--subscribed"),
    ...(flag === undefined ? {} : { v8Flags: flag.slice("--v8-flags=".length) }),
  });
  for (const { devices, bytes } of readings) {
    report(`${devices} devices: ${(bytes / 1_048_576).toFixed(1)} MiB resident`);
  }
  report(`${Math.round(bytesPerDevice)} bytes per device`);
}
