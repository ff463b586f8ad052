/**
 * A real InfluxDB for tests, version 1 as Debian has it: started on a free port in a temporary folder,
 * with users and passwords, stopped and removed in the end.
 */

import { programPath } from "./programs.ts";
import { freePort } from "./service.ts";

/** How long it may take to answer. */
const START_TIMEOUT_MS = 20_000;
const ASK_AGAIN_MS = 20;

/** The administrator, as a token: user and password. */
export const INFLUX_ADMIN = "admin:canary of a password";

/** One series of an answer. */
export interface InfluxSeries {
  /** The columns' names. */
  readonly columns: readonly string[];
  /** The rows. */
  readonly values: readonly (readonly (string | number | null)[])[];
}

/** A running InfluxDB. */
export class InfluxServer implements AsyncDisposable {
  /** Where it answers. */
  readonly origin: string;
  readonly #folder: string;
  readonly #port = freePort();
  #child: Deno.ChildProcess | undefined;
  #databases = 0;

  private constructor(folder: string) {
    this.#folder = folder;
    this.origin = `http://127.0.0.1:${this.#port}`;
  }

  /** For {@link startInflux}. */
  static async launch(): Promise<InfluxServer> {
    const folder = await Deno.makeTempDir({ prefix: "heliograph_influx_" });
    const server = new InfluxServer(folder);
    await server.start();
    const [user = "", password = ""] = INFLUX_ADMIN.split(":");
    await server.query(`CREATE USER ${user} WITH PASSWORD '${password}' WITH ALL PRIVILEGES`);
    return server;
  }

  /** Starts it again on the same port and data; resolves when it answers. */
  async start(): Promise<void> {
    const folder = this.#folder;
    this.#child = new Deno.Command(programPath("influxd"), {
      args: ["run", "-config", "/dev/null"],
      cwd: folder,
      env: {
        INFLUXDB_REPORTING_DISABLED: "true",
        INFLUXDB_BIND_ADDRESS: `127.0.0.1:${freePort()}`,
        INFLUXDB_META_DIR: `${folder}/meta`,
        INFLUXDB_DATA_DIR: `${folder}/data`,
        INFLUXDB_DATA_WAL_DIR: `${folder}/wal`,
        INFLUXDB_HTTP_BIND_ADDRESS: `127.0.0.1:${this.#port}`,
        INFLUXDB_HTTP_AUTH_ENABLED: "true",
        INFLUXDB_MONITOR_STORE_ENABLED: "false",
      },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const until = Date.now() + START_TIMEOUT_MS;
    while (!await answers(`${this.origin}/ping`)) {
      if (Date.now() > until) throw new Error("InfluxDB does not answer");
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    }
  }

  /** Ends it as a crash would. */
  async kill9(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    child?.kill("SIGKILL");
    await child?.status;
  }

  /** Makes a database that nobody else was given, keeping points for this long; says where to write. */
  async freshDatabase(keeps = "INF"): Promise<{ readonly name: string; readonly url: string }> {
    const name = `fresh_${++this.#databases}`;
    await this.query(`CREATE DATABASE ${name} WITH DURATION ${keeps}`);
    return { name, url: `${this.origin}/write?db=${name}` };
  }

  /** Asks in InfluxQL; the series of its answer. */
  async query(text: string, database = ""): Promise<readonly InfluxSeries[]> {
    const response = await fetch(`${this.origin}/query?${new URLSearchParams({ db: database })}`, {
      method: "POST",
      headers: { authorization: `Basic ${btoa(INFLUX_ADMIN)}` },
      body: new URLSearchParams({ q: text }),
    });
    const { results, error } = await response.json();
    const problem = error ?? results[0].error;
    if (problem !== undefined) throw new Error(`InfluxDB refuses ${text}: ${problem}`);
    return results[0].series ?? [];
  }

  /** Ends it and removes its files, for listeners of `unload`, which cannot wait. */
  abandon(): void {
    this.#child?.kill("SIGKILL");
    Deno.removeSync(this.#folder, { recursive: true });
  }

  /** Ends it and removes its files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill9();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

/** Starts an InfluxDB; resolves when it answers. */
export function startInflux(): Promise<InfluxServer> {
  return InfluxServer.launch();
}
