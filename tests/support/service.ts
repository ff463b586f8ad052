/**
 * The service as a real child process: started as `deno task serve` starts it, with the same
 * permissions and flags of V8, but with free ports and a data folder of its own; stopped by
 * SIGTERM, killed by SIGKILL, started again on the same ports and data.
 *
 * Invariants: after `start` every listener accepts; the process and the folder are gone after
 * disposal; what it wrote to standard error is shown with every failure to start.
 * Why ports are chosen here and not by the service: they must stay the same over a restart, and a
 * port out of the range the system gives to outgoing connections cannot be taken meanwhile.
 *
 * @module
 */

import { Arrivals } from "./arrivals.ts";
import type { Certificates } from "./certificates.ts";

/** How long a start may take, in milliseconds. */
const START_MS = 20_000;
/** How long a clean stop may take, in milliseconds: the drain deadline and some room. */
const STOP_MS = 30_000;
/** Lines of standard error kept. */
const STDERR_LINES_MAX = 2_000;
/** Ports below the system's range for outgoing connections (32768–60999 on Linux). */
const PORT_MIN = 20_000;
const PORT_MAX = 32_000;
/** Root of the work tree. */
const ROOT = new URL("../../", import.meta.url).pathname;

/** Lets what the shell starts next open as many files as the system allows at all. */
export const ALL_OPEN_FILES = 'ulimit -S -n "$(ulimit -H -n)"';

/** How the service is started. */
export interface ServiceOptions {
  /** Further flags of `serve`. */
  readonly flags?: readonly string[];
  /** Puts the endpoint and the device port on TLS. */
  readonly certificates?: Certificates;
  /** An existing data folder, left in place at disposal; default a temporary one. */
  readonly dataDir?: string;
  /** Flags of `deno run` before the module in place of those of the `serve` task. */
  readonly denoFlags?: readonly string[];
  /** Further variables of the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Flags of V8 in place of those of the `serve` task. */
  readonly v8Flags?: string;
}

/** Where the doors are, as the line says that `serve --json` prints when all accept; absent for one it has not. */
type Ready = readonly (number | undefined)[];

/** How a process ended. */
export interface ServiceExit {
  /** Exit code; 128 and the signal's number when a signal ended it. */
  readonly code: number;
  /** The signal that ended it, if one did. */
  readonly signal: string | null;
}

/** The service ended before it was ready, or was not in time. */
export class ServiceStartError extends Error {
  /** The class, for the text of a failure. */
  override readonly name = "ServiceStartError";
  /** How it ended. */
  readonly exit: ServiceExit;

  /** With what it wrote to standard error. */
  constructor(exit: ServiceExit, stderr: string, options: ErrorOptions) {
    super(`Cannot start the service. Its standard error:\n${stderr}`, options);
    this.exit = exit;
  }
}

/** A running service. */
export class Service implements AsyncDisposable {
  /** Its data folder. */
  readonly dataDir: string;
  readonly #options: ServiceOptions;
  readonly #ownsData: boolean;
  readonly #ports: readonly [endpoint: number, device: number, api: number];
  readonly #stderr: string[] = [];
  #child: Deno.ChildProcess | undefined;
  #streams: Promise<unknown> = Promise.resolve();

  private constructor(options: ServiceOptions) {
    this.#options = options;
    this.#ownsData = options.dataDir === undefined;
    this.dataDir = options.dataDir ?? Deno.makeTempDirSync({ prefix: "heliograph-service-" });
    this.#ports = [freePort(), freePort(), freePort()];
  }

  /**
   * Starts a service and resolves when it accepts on every port.
   *
   * @throws {ServiceStartError} When it does not.
   */
  static async start(options: ServiceOptions = {}): Promise<Service> {
    const service = new Service(options);
    try {
      await service.startAgain();
    } catch (error) {
      await service[Symbol.asyncDispose]();
      throw error;
    }
    return service;
  }

  /** The port of the push endpoint. */
  get endpointPort(): number {
    return this.#ports[0];
  }

  /** The port of the device sockets. */
  get devicePort(): number {
    return this.#ports[1];
  }

  /** The port of the API and the page. */
  get apiPort(): number {
    return this.#ports[2];
  }

  /** Where devices connect: `ws://…/` or `wss://…/`. */
  get deviceUrl(): string {
    const scheme = this.#options.certificates === undefined ? "ws" : "wss";
    return `${scheme}://127.0.0.1:${this.devicePort}/`;
  }

  /** The process's id. */
  get pid(): number {
    if (this.#child === undefined) throw new Error("The service is not running");
    return this.#child.pid;
  }

  /** What it wrote to standard error, the last lines. */
  get stderr(): string {
    return this.#stderr.join("\n");
  }

  /** Starts it again, on the same ports and data; resolves when it accepts. */
  async startAgain(): Promise<void> {
    if (this.#child !== undefined) throw new Error("The service is running already");
    const child = this.#spawn();
    this.#child = child;
    const lines = new Arrivals<string>();
    this.#streams = Promise.all([
      eachLine(child.stdout, (line) => lines.add(line))
        .then(() => lines.end("the process ended")),
      eachLine(child.stderr, (line) => {
        if (this.#stderr.push(line) > STDERR_LINES_MAX) this.#stderr.shift();
      }),
    ]);
    try {
      const line = await lines.next((line) => line.startsWith("{"), {
        what: "the ready line of the service",
        withinMs: START_MS,
      });
      const got = parseReady(line);
      if (got.some((port, door) => port !== undefined && port !== this.#ports[door])) {
        throw new Error(`The service listens on ${got.join()}, not on ${this.#ports.join()}`);
      }
    } catch (error) {
      const exit = await this.#end("SIGKILL");
      throw new ServiceStartError(exit, this.stderr, { cause: error });
    }
  }

  /** Asks it to drain and end (SIGTERM), and says how it ended. */
  async stop(): Promise<ServiceExit> {
    return await this.#end("SIGTERM");
  }

  /** Ends it at once with `kill -9`. */
  async kill9(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Sends it a signal and does not wait. */
  signal(signal: Deno.Signal): void {
    this.#child?.kill(signal);
  }

  /** Waits until it has ended by itself or by a signal sent before. */
  async ended(): Promise<ServiceExit> {
    const child = this.#child;
    if (child === undefined) throw new Error("The service is not running");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    const { code, signal } = await child.status;
    clearTimeout(timer);
    await this.#streams;
    this.#child = undefined;
    return { code, signal };
  }

  /** Resident memory of the process in bytes, as the system counts it. */
  residentBytes(): number {
    return this.#statusBytes("VmRSS");
  }

  /** The most resident memory the process ever had, in bytes. */
  peakBytes(): number {
    return this.#statusBytes("VmHWM");
  }

  #statusBytes(field: "VmRSS" | "VmHWM"): number {
    const status = Deno.readTextFileSync(`/proc/${this.pid}/status`);
    const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
    if (kilobytes === undefined) throw new Error(`No ${field} of process ${this.pid}`);
    return Number(kilobytes) * 1_024;
  }

  /** Ends the process and removes its data folder if it was made here. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child !== undefined) await this.#end("SIGKILL");
    if (this.#ownsData) await Deno.remove(this.dataDir, { recursive: true });
  }

  async #end(signal: Deno.Signal): Promise<ServiceExit> {
    try {
      this.#child?.kill(signal);
    } catch (error) {
      // It has ended by itself, as one does that cannot start: how it did is the answer.
      if (!(error instanceof TypeError)) throw error;
    }
    return await this.ended();
  }

  #spawn(): Deno.ChildProcess {
    const [endpoint, device, api] = this.#ports;
    const { certificates, flags = [], env = {}, v8Flags } = this.#options;
    const denoFlags = this.#options.denoFlags ?? taskFlags(v8Flags);
    const tls = certificates === undefined
      ? []
      : ["--tls-cert", certificates.certFile, "--tls-key", certificates.keyFile];
    const serve = ["serve", "--json", "--data", this.dataDir];
    const ports = ["--endpoint-port", `${endpoint}`, "--device-port", `${device}`];
    const args = [
      "run",
      ...denoFlags,
      "mod.ts",
      ...serve,
      ...ports,
      "--api-port",
      `${api}`,
    ];
    const command = [Deno.execPath(), ...args, ...tls, ...flags];
    // The shell raises the limit and becomes the service: the child's id is the service's.
    return new Deno.Command("sh", {
      args: ["-c", `${ALL_OPEN_FILES}; exec "$@"`, "sh", ...command],
      cwd: ROOT,
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }
}

/** The flags `deno task serve` runs with: its permissions, and V8's flags unless others are given. */
function taskFlags(v8Flags: string | undefined): readonly string[] {
  const command = /"deno run (.+) mod\.ts serve"/.exec(Deno.readTextFileSync(`${ROOT}deno.json`));
  // The runtime of the tests need not be on the PATH.
  const flags = command?.[1]?.replace("--allow-run=deno", `--allow-run=${Deno.execPath()}`)
    .split(" ");
  if (flags === undefined) throw new Error("No task in deno.json that runs mod.ts serve");
  if (v8Flags === undefined) return flags;
  return [...flags.filter((one) => !one.startsWith("--v8-flags=")), `--v8-flags=${v8Flags}`];
}

/** Ports that were given out: a service listens on its own some time after it was given them. */
const given = new Set<number>();

/** A port of loopback that nobody listens on, outside the range of outgoing connections. */
export function freePort(): number {
  for (;;) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    if (given.has(port)) continue;
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      given.add(port);
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** Calls back with each line of a child's output until it ends. */
export async function eachLine(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  found: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) found(line);
  }
  if (rest !== "") found(rest);
}

function parseReady(line: string): Ready {
  const value: unknown = JSON.parse(line);
  if (typeof value !== "object" || value === null) throw new Error(`Not a ready line: ${line}`);
  const fields = new Map(Object.entries(value));
  return ["endpointPort", "devicePort", "apiPort"].map((name) => {
    const found: unknown = fields.get(name);
    if (found !== undefined && typeof found !== "number") {
      throw new Error(`"${name}" is no port in the ready line: ${line}`);
    }
    return found;
  });
}
