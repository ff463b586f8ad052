/**
 * A real PostgreSQL for tests: in a temporary folder, on a free port of loopback, and gone in the end.
 *
 * @module
 */

import { type Certificates, makeCertificates } from "./certificates.ts";

/** How a server is started. */
export interface PostgresServerOptions {
  /** Whether it speaks TLS, and nothing else; default no. */
  readonly tls?: boolean;
  /** Whether it asks for the password (SCRAM-SHA-256); default no. */
  readonly password?: boolean;
  /** Whether commits reach the disk; without, which is the default, it is faster. */
  readonly durable?: boolean;
}

/** Where Debian's packages have the programs of each version. */
const VERSIONS = "/usr/lib/postgresql";

/** The superuser of the test's server. */
const USER = "heliograph";

/** Its password, with what must be encoded in an address. */
const PASSWORD = "se:cr@t/ä%";

/** How long a server may take to start, in milliseconds, on a machine that is busy. */
const START_MAX_MS = 30_000;

/** A running server. */
export class PostgresServer implements AsyncDisposable {
  /** Its port on 127.0.0.1; stays the same after `stop` and `start`. */
  readonly port: number;
  /** Its certificates, when it speaks TLS. */
  readonly certificates: Certificates | undefined;
  readonly #folder: string;
  readonly #options: PostgresServerOptions;
  #process: Deno.ChildProcess | undefined;
  #schemas = 0;

  private constructor(
    port: number,
    folder: string,
    certificates: Certificates | undefined,
    options: PostgresServerOptions,
  ) {
    this.port = port;
    this.#folder = folder;
    this.certificates = certificates;
    this.#options = options;
  }

  /** For {@link startPostgres}. */
  static async create(options: PostgresServerOptions): Promise<PostgresServer> {
    const folder = await Deno.makeTempDir({ prefix: "heliograph_postgres_" });
    const certificates = options.tls ? await makeCertificates(folder) : undefined;
    await initialise(folder, options);
    const server = new PostgresServer(freePort(), folder, certificates, options);
    try {
      await server.start();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The password that it asks for when it was started with `password`. */
  get password(): string {
    return PASSWORD;
  }

  /** The process that the others are children of. */
  get pid(): number {
    if (this.#process === undefined) throw new Error("The server is stopped");
    return this.#process.pid;
  }

  /** The address of a schema of its database, or of another database. */
  url(schema?: string, database = "postgres"): string {
    const password = this.#options.password ? `:${encodeURIComponent(PASSWORD)}` : "";
    const url = new URL(`postgres://${USER}${password}@127.0.0.1:${this.port}/${database}`);
    if (schema !== undefined) url.searchParams.set("schema", schema);
    if (this.#options.tls) url.searchParams.set("sslmode", "verify-full");
    return url.href;
  }

  /** The address of a schema that was not given before and that nobody has made yet. */
  freshUrl(): string {
    return this.url(`test_${++this.#schemas}`);
  }

  /** Starts it on its old port and its old data. */
  async start(): Promise<void> {
    const data = `${this.#folder}/data`;
    const durable = this.#options.durable ? [] : ["fsync=off", "full_page_writes=off"];
    const tls = this.#options.tls
      ? ["ssl=on", `ssl_cert_file=${data}/server.pem`, `ssl_key_file=${data}/server.key`]
      : [];
    const settings = [
      ...["listen_addresses=127.0.0.1", `port=${this.port}`, "unix_socket_directories="],
      ...["shared_buffers=64MB", "max_connections=200", "max_wal_size=1GB", ...durable, ...tls],
    ];
    const log = `${this.#folder}/log`;
    await Deno.writeTextFile(log, "");
    // Into a file, not a pipe: nothing of this process may depend on what the server writes.
    const script = 'log="$1"; shift; exec "$@" >>"$log" 2>&1';
    const server = [
      `${programs()}/postgres`,
      "-D",
      data,
      ...settings.flatMap((text) => ["-c", text]),
    ];
    this.#process = new Deno.Command("sh", {
      args: ["-c", script, "sh", log, ...asUser(server)],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await this.#ready(log);
  }

  /** Stops it: `"fast"` ends the connections, `"immediate"` ends like a crash that ends its children. */
  async stop(mode: "fast" | "immediate" = "fast"): Promise<void> {
    await this.#end(mode === "fast" ? "SIGINT" : "SIGQUIT");
  }

  /** Kills it; its children notice and end too. */
  async kill9(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Freezes it with all its children, until `thaw`: it neither answers nor closes anything. */
  async freeze(): Promise<void> {
    await this.#signalAll("SIGSTOP");
  }

  /** Lets it go on. */
  async thaw(): Promise<void> {
    await this.#signalAll("SIGCONT");
  }

  /** For a server that a whole test file shares: ends it with the file. */
  endWithTests(): this {
    addEventListener("unload", () => {
      const pid = this.#process?.pid;
      if (pid !== undefined) Deno.kill(pid, "SIGQUIT");
      // Nothing else runs any more; a server that still writes into its folder would keep it.
      const nothing = new Int32Array(new SharedArrayBuffer(4));
      while (pid !== undefined && isAlive(pid)) Atomics.wait(nothing, 0, 0, 5);
      Deno.removeSync(this.#folder, { recursive: true });
    });
    return this;
  }

  /** Stops it and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process !== undefined) await this.stop("immediate");
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #end(signal: Deno.Signal): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    const family = await childrenOf(child.pid);
    this.#process = undefined;
    child.kill(signal);
    await child.status;
    // After SIGKILL the children go on for a moment and hold the shared memory of the next start.
    while (family.some(isAlive)) await delay(5);
  }

  async #signalAll(signal: Deno.Signal): Promise<void> {
    for (const pid of [this.pid, ...await childrenOf(this.pid)]) Deno.kill(pid, signal);
  }

  async #ready(log: string): Promise<void> {
    for (let waitedMs = 0; waitedMs < START_MAX_MS; waitedMs += 20) {
      const text = await Deno.readTextFile(log);
      if (text.includes("ready to accept connections")) return;
      if (!isAlive(this.pid)) throw new Error(`PostgreSQL did not start:\n${text}`);
      await delay(20);
    }
    throw new Error(`PostgreSQL did not start in ${START_MAX_MS} ms`);
  }
}

/** Starts a server; it is ready when this resolves. Its superuser needs no password unless asked for. */
export function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  return PostgresServer.create(options);
}

/** The server's programs, of the newest version that is installed. */
function programs(): string {
  try {
    const versions = [...Deno.readDirSync(VERSIONS)].map(({ name }) => Number(name));
    return `${VERSIONS}/${Math.max(...versions)}/bin`;
  } catch {
    throw new Error('This test needs PostgreSQL: run "apt-get install postgresql"');
  }
}

/** PostgreSQL refuses to run as root: then it runs as the user of Debian's package. */
function asUser(command: readonly string[]): readonly string[] {
  return Deno.uid() === 0
    ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", ...command]
    : command;
}

async function initialise(folder: string, options: PostgresServerOptions): Promise<void> {
  const passwordFile = `${folder}/password`;
  await Deno.writeTextFile(passwordFile, PASSWORD);
  const data = `${folder}/data`;
  await Deno.mkdir(data, { mode: 0o700 });
  const method = options.password ? "scram-sha-256" : "trust";
  if (Deno.uid() === 0) await runAll(["chown", "-R", "postgres:postgres", folder]);
  await runAll(asUser([
    ...[`${programs()}/initdb`, "--no-sync", "--no-locale", "-E", "UTF8", "-D", data],
    ...["-U", USER, "--pwfile", passwordFile, "-A", method],
  ]));
  if (!options.tls) return;
  const copies = ["server.pem", "server.key"].map((name) => `${folder}/${name}`);
  await runAll(asUser(["cp", ...copies, data]));
  await runAll(["chmod", "600", `${data}/server.key`]);
  await Deno.writeTextFile(`${data}/pg_hba.conf`, `hostssl all all 127.0.0.1/32 ${method}\n`);
}

async function runAll(command: readonly string[]): Promise<void> {
  const [program = "", ...args] = command;
  const { success, stderr } = await new Deno.Command(program, { args, stdout: "null" }).output();
  if (success) return;
  throw new Error(`Cannot run "${command.join(" ")}": ${new TextDecoder().decode(stderr)}`);
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  const text = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`);
  return text.split(" ").filter((part) => part !== "").map(Number);
}

function isAlive(pid: number): boolean {
  try {
    return !Deno.readTextFileSync(`/proc/${pid}/stat`).includes(") Z ");
  } catch {
    return false;
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
