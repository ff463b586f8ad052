/**
 * A real Redis for tests: started on a free port in a temporary folder, stopped and removed in the end.
 *
 * One that a whole test file shares is started at module level and ended by the `unload` event, since
 * a test's sanitizers count what was opened in it.
 *
 * @module
 */

import { type Certificates, makeCertificates } from "./certificates.ts";
import { programPath, runWell } from "./programs.ts";
import { freePort } from "./service.ts";

/** How a server is started. */
export interface RedisServerOptions {
  /** Speaks TLS only, with a certificate of an authority made for it. */
  readonly tls?: boolean;
  /** The password that it asks for. */
  readonly password?: string;
  /** Keeps what it was given: the append-only file, synced at this moment. None by default. */
  readonly appendfsync?: "always" | "everysec" | "no";
  /** Is a node of a cluster. */
  readonly cluster?: boolean;
  /** Folder of its files; a temporary one by default. */
  readonly folder?: string;
  /** Further settings, as arguments of `redis-server`. */
  readonly args?: readonly string[];
}

/** How long a server may take to answer its first command. */
const START_TIMEOUT_MS = 20_000;
const ASK_AGAIN_MS = 20;

/** A running Redis. */
export class RedisServer implements AsyncDisposable {
  /** Its port; the same after {@link RedisServer.start}. */
  readonly port: number;
  /** The certificates it was started with. */
  readonly certificates: Certificates | undefined;
  readonly #options: RedisServerOptions;
  readonly #folder: string;
  #child: Deno.ChildProcess | undefined;
  #fresh = 0;

  private constructor(
    options: RedisServerOptions,
    folder: string,
    certificates: Certificates | undefined,
  ) {
    this.port = freePort();
    this.#options = options;
    this.#folder = folder;
    this.certificates = certificates;
  }

  /** For {@link startRedis}. */
  static async launch(options: RedisServerOptions): Promise<RedisServer> {
    const dir = options.folder;
    const folder = await Deno.makeTempDir({ prefix: "heliograph_redis_", ...(dir && { dir }) });
    const certificates = options.tls ? await makeCertificates(folder) : undefined;
    const server = new RedisServer(options, folder, certificates);
    await server.start();
    return server;
  }

  /** Its address, with its password; `query` is what follows the "?". */
  url(query = ""): string {
    const { tls, password } = this.#options;
    const user = password === undefined ? "" : `:${encodeURIComponent(password)}@`;
    const end = query === "" ? "" : `?${query}`;
    return `${tls ? "rediss" : "redis"}://${user}127.0.0.1:${this.port}${end}`;
  }

  /** Its address with a prefix that nobody else was given. */
  freshUrl(): string {
    return this.url(`prefix=fresh_${++this.#fresh}`);
  }

  /** Runs `redis-cli` against it and answers what it printed, without the last line's end. */
  async cli(...args: readonly string[]): Promise<string> {
    return (await runWell("redis-cli", [...this.#cliArgs(), ...args])).trimEnd();
  }

  /** Starts it again on the same port and data; resolves when it answers. */
  async start(): Promise<void> {
    this.#child = new Deno.Command(programPath("redis-server"), {
      args: this.#serverArgs(),
      cwd: this.#folder,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const until = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const answer = await this.cli("PING").catch((error: unknown) => String(error));
      if (answer === "PONG") return;
      if (Date.now() > until) throw new Error(`Redis does not answer: ${answer}`);
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    }
  }

  /** Ends it in order: what is in the append-only file is on the disk. */
  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  /** Ends it as a crash would. */
  kill9(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** Lets it hold everything: connections stay, nothing is answered. */
  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  /** Lets it go on. */
  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** Ends it at once and removes its files, for listeners of `unload`, which cannot wait. */
  abandon(): void {
    this.#child?.kill("SIGKILL");
    Deno.removeSync(this.#folder, { recursive: true });
  }

  /** Ends it at once and removes its files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill9();
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    child.kill(signal);
    await child.status;
  }

  #serverArgs(): string[] {
    const { tls, password, appendfsync, cluster, args = [] } = this.#options;
    const { caFile = "", certFile = "", keyFile = "" } = this.certificates ?? {};
    const port = String(this.port);
    const ports = tls
      ? ["--port", "0", "--tls-port", port, "--tls-auth-clients", "no"].concat(
        ["--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-ca-cert-file", caFile],
      )
      : ["--port", port];
    return [
      ...ports,
      ...["--bind", "127.0.0.1", "--dir", this.#folder, "--save", ""],
      ...["--appendonly", appendfsync === undefined ? "no" : "yes"],
      ...(appendfsync === undefined ? [] : ["--appendfsync", appendfsync]),
      ...(password === undefined ? [] : ["--requirepass", password]),
      ...(cluster ? ["--cluster-enabled", "yes", "--cluster-port", String(freePort())] : []),
      ...args,
    ];
  }

  #cliArgs(): readonly string[] {
    const { tls, password } = this.#options;
    return [
      ...["-h", "127.0.0.1", "-p", String(this.port)],
      ...(tls ? ["--tls", "--cacert", this.certificates?.caFile ?? ""] : []),
      ...(password === undefined ? [] : ["--no-auth-warning", "-a", password]),
    ];
  }
}

/** Starts a Redis; resolves when it answers. */
export function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  return RedisServer.launch(options);
}

/** A running cluster of three masters without replicas. */
export interface RedisCluster extends AsyncDisposable {
  /** Its nodes. */
  readonly nodes: readonly RedisServer[];
  /** The address of the first node with `cluster=true` and a prefix that nobody else was given. */
  freshUrl(): string;
}

/** Starts three nodes and joins them to a cluster; resolves when all three know it. */
export async function startRedisCluster(
  options: Omit<RedisServerOptions, "cluster"> = {},
): Promise<RedisCluster> {
  await using starting = new AsyncDisposableStack();
  const nodes: RedisServer[] = [];
  for (let count = 0; count < 3; count++) {
    nodes.push(starting.use(await startRedis({ ...options, cluster: true })));
  }
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  await nodes[0]?.cli("--cluster", "create", ...addresses, "--cluster-yes");
  for (const node of nodes) await clusterReady(node);
  const running = starting.move();
  return {
    nodes,
    freshUrl: () => `${nodes[0]?.freshUrl()}&cluster=true`,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function clusterReady(node: RedisServer): Promise<void> {
  const until = Date.now() + START_TIMEOUT_MS;
  while (!(await node.cli("CLUSTER", "INFO")).includes("cluster_state:ok")) {
    if (Date.now() > until) throw new Error("The cluster does not come up");
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
  }
}
