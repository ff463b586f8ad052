/**
 * How much resident memory does an idle device connection cost, and how fast are they accepted?
 *
 * Three processes: the server (the device door with an owner that answers and remembers a name),
 * the devices, and this one, which reads the server's resident set from `/proc` while all
 * connections are idle after a greeting and its answer. The figure is the slope between two
 * counts: what the runtime itself needs is the same for one connection and for a hundred thousand.
 *
 * `deno run -A bench/connections_socket.ts [--from 2000] [--to 12000] [--tls CERT KEY] [--flags V8]`
 *
 * @module
 */

import { listenDevices } from "../transports/device_socket/listener.ts";
import { frameBytes, upgradeRequest } from "../tests/support/websocket_client.ts";

/** Greetings and their answers, of the usual size. */
const HELLO = '{"messageType":"hello","broadcasts":{},"use_webpush":true}';
const REPLY = '{"messageType":"hello","uaid":"0123456789abcdef0123456789abcdef","status":200,' +
  '"use_webpush":true,"broadcasts":{}}';

/** Devices which connect at the same time. */
const PARALLEL = 64;

/** What the server's side of a connection holds in the bench: about the least an owner needs. */
class Owner {
  readonly #socket: { send(text: string): boolean };
  name = "";

  constructor(socket: { send(text: string): boolean }) {
    this.#socket = socket;
  }

  text(message: string): void {
    this.name = message.slice(0, 16);
    this.#socket.send(REPLY);
  }

  pong(): void {}

  closed(): void {}
}

function serve(tls: readonly string[]): void {
  const [certFile, keyFile] = tls;
  const listener = listenDevices({
    hostname: "127.0.0.1",
    port: 0,
    ...(certFile === undefined || keyFile === undefined
      ? {}
      : { tls: { cert: Deno.readTextFileSync(certFile), key: Deno.readTextFileSync(keyFile) } }),
    limits: { connectionsMax: 1_000_000 },
    status: () => ({ connections: listener.connections }),
    open: (socket) => new Owner(socket),
  });
  print({ port: listener.port });
}

/** Connects as many devices as each line of its input says, and prints how long that took. */
async function connectAll(port: number, tls: boolean): Promise<void> {
  const connections: Deno.Conn[] = [];
  const caCerts = tls ? [Deno.readTextFileSync(Deno.args[3] ?? "")] : [];
  const bytes = new Uint8Array([
    ...new TextEncoder().encode(upgradeRequest({ port })),
  ]);
  const hello = frameBytes({ opcode: 1, payload: HELLO });
  async function connectOne(): Promise<void> {
    const conn = tls
      ? await Deno.connectTls({ hostname: "localhost", port, caCerts })
      : await Deno.connect({ hostname: "127.0.0.1", port });
    const buffer = new Uint8Array(1024);
    await conn.write(bytes);
    await conn.read(buffer);
    await conn.write(hello);
    await conn.read(buffer);
    connections.push(conn);
  }
  for await (const line of lines(Deno.stdin.readable)) {
    const target = Number(line);
    const startedAt = performance.now();
    let started = connections.length;
    await Promise.all(Array.from({ length: PARALLEL }, async () => {
      while (started < target) {
        started++;
        await connectOne();
      }
    }));
    print({ connections: connections.length, ms: performance.now() - startedAt });
  }
}

function print(value: Readonly<Record<string, number>>): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(value)}\n`));
}

async function* lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
}

/** A child process that answers one JSON line for each line it is given. */
class Child implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #lines: AsyncGenerator<string>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;

  constructor(flags: readonly string[], args: readonly string[]) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", ...flags, import.meta.url, ...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#lines = lines(this.#process.stdout);
    this.#writer = this.#process.stdin.getWriter();
  }

  get pid(): number {
    return this.#process.pid;
  }

  async answer(name: string): Promise<number> {
    const { value } = await this.#lines.next();
    const answer: unknown = JSON.parse(value ?? "null");
    const field = new Map(Object.entries(answer ?? {})).get(name);
    if (typeof field !== "number") throw new Error(`Bench child answered ${value}`);
    return field;
  }

  tell(line: string | number): Promise<void> {
    return this.#writer.write(new TextEncoder().encode(`${line}\n`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#writer.abort();
    await this.#process.status;
  }
}

/** Resident bytes of a process; anonymous memory only, since code pages are shared and constant. */
function residentBytes(pid: number): number {
  const line = /^RssAnon:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`));
  return Number(line?.[1]) * 1024;
}

/** The lowest of readings over some seconds: the collector works when the process is idle. */
async function settledBytes(pid: number): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < 8; i++) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    least = Math.min(least, residentBytes(pid));
  }
  return least;
}

function option(name: string): string | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? undefined : Deno.args[at + 1];
}

async function measure(): Promise<void> {
  const from = Number(option("from") ?? 2_000);
  const to = Number(option("to") ?? 12_000);
  const at = Deno.args.indexOf("--tls");
  const tls = at < 0 ? [] : Deno.args.slice(at + 1, at + 3);
  const flags = option("flags");
  await using server = new Child(flags === undefined ? [] : [`--v8-flags=${flags}`], [
    "serve",
    ...tls,
  ]);
  const port = await server.answer("port");
  const readings: number[] = [await settledBytes(server.pid)];
  await using devices = new Child([], ["devices", String(port), String(tls.length > 0), ...tls]);
  for (const count of [from, to]) {
    await devices.tell(count);
    const ms = await devices.answer("ms");
    readings.push(await settledBytes(server.pid));
    const resident = readings.at(-1) ?? 0;
    const added = count === from ? from : to - from;
    Deno.stdout.writeSync(new TextEncoder().encode(
      `${count} connections: ${(resident / 2 ** 20).toFixed(1)} MiB resident, ` +
        `${Math.round(added / ms * 1000)} accepted/s\n`,
    ));
  }
  const [base = 0, first = 0, last = 0] = readings;
  print({
    baseBytes: base,
    bytesPerConnectionSlope: Math.round((last - first) / (to - from)),
    bytesPerConnectionAboveBase: Math.round((last - base) / to),
  });
}

switch (Deno.args[0]) {
  case "serve":
    serve(Deno.args.slice(1));
    break;
  case "devices":
    await connectAll(Number(Deno.args[1]), Deno.args[2] === "true");
    break;
  default:
    await measure();
}
