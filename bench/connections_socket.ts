/**
 * What does an idle device connection cost in resident memory, how fast are connections accepted,
 * and how fast are small messages answered?
 *
 * Three processes: the server (the device door with an owner that answers and remembers a name),
 * the devices, and this one, which reads the server's anonymous resident memory and processor time
 * from `/proc`. Memory is read while all connections are idle after a greeting and its answer; the
 * figure is the slope between two counts, since what the runtime itself needs is the same for one
 * connection and for a hundred thousand. Then fifty devices send as fast as they are answered.
 *
 * ```sh
 * deno run -A bench/connections_socket.ts [--from 2000] [--to 12000] [--seconds 3] \
 *   [--readings 8] [--flags --max-semi-space-size=1] [--tls CERT KEY CA]
 * ```
 *
 * @module
 */

import { listenDevices } from "../transports/device_socket/listener.ts";
import { frameBytes, upgradeRequest } from "../tests/support/websocket_client.ts";

/** Greetings and their answers, of the usual size. */
const HELLO = '{"messageType":"hello","broadcasts":{},"use_webpush":true}';
const REPLY = '{"messageType":"hello","uaid":"0123456789abcdef0123456789abcdef","status":200,' +
  '"use_webpush":true,"broadcasts":{}}';

/** An acknowledgement as Firefox sends it: the usual small message. */
const ACK = '{"messageType":"ack","updates":[{"channelID":"5d1c9b6e-2c1f-4c0f-9e53-0a2f0a7c1f11",' +
  '"version":"gAAAAABnQ","code":100}]}';

/** Devices which connect at the same time. */
const PARALLEL = 64;

/** Devices which send as fast as they are answered, and messages each has on its way. */
const SENDERS = 50;
const WINDOW = 16;

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

function serve(certFile: string | undefined, keyFile: string | undefined): void {
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

/** Obeys its input, one line each: a number of devices to reach, or `send` and milliseconds. */
async function runDevices(port: number, caFile: string | undefined): Promise<void> {
  const connections: Deno.Conn[] = [];
  const caCerts = caFile === undefined ? undefined : [Deno.readTextFileSync(caFile)];
  for await (const line of lines(Deno.stdin.readable)) {
    const [command, value] = line.split(" ");
    const startedAt = performance.now();
    if (command === "send") {
      print({ answers: await sendFor(Number(value), connections.slice(-SENDERS)) });
    } else {
      await connectUpTo(Number(command), connections, port, caCerts);
      print({ ms: performance.now() - startedAt });
    }
  }
}

async function connectUpTo(
  target: number,
  connections: Deno.Conn[],
  port: number,
  caCerts: string[] | undefined,
): Promise<void> {
  const request = new TextEncoder().encode(upgradeRequest({ port }));
  const hello = frameBytes({ opcode: 1, payload: HELLO });
  let started = connections.length;
  await Promise.all(Array.from({ length: PARALLEL }, async () => {
    while (started < target) {
      started++;
      const conn = caCerts === undefined
        ? await Deno.connect({ hostname: "127.0.0.1", port })
        : await Deno.connectTls({ hostname: "localhost", port, caCerts });
      const buffer = new Uint8Array(1024);
      await conn.write(request);
      await conn.read(buffer);
      await conn.write(hello);
      await conn.read(buffer);
      connections.push(conn);
    }
  }));
}

/** Keeps a window of messages on its way on each connection; gives the answers received. */
async function sendFor(ms: number, connections: readonly Deno.Conn[]): Promise<number> {
  const ack = frameBytes({ opcode: 1, payload: ACK });
  const answerBytes = frameBytes({ opcode: 1, payload: REPLY, masked: false }).length;
  const window = new Uint8Array(ack.length * WINDOW);
  for (let i = 0; i < WINDOW; i++) window.set(ack, i * ack.length);
  const endAt = performance.now() + ms;
  let answers = 0;
  await Promise.all(connections.map(async (conn) => {
    const buffer = new Uint8Array(65_536);
    while (performance.now() < endAt) {
      await conn.write(window);
      for (let bytes = 0; bytes < answerBytes * WINDOW;) bytes += await conn.read(buffer) ?? 0;
      answers += WINDOW;
    }
  }));
  return answers;
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
  for (let i = 0; i < Number(option("readings") ?? 8); i++) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    least = Math.min(least, residentBytes(pid));
  }
  return least;
}

function option(name: string): string | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? undefined : Deno.args[at + 1];
}

/** Processor time a process has used, in milliseconds; the kernel counts hundredths of a second. */
function processorMs(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function measure(): Promise<void> {
  const from = Number(option("from") ?? 2_000);
  const to = Number(option("to") ?? 12_000);
  const seconds = Number(option("seconds") ?? 3);
  const at = Deno.args.indexOf("--tls");
  const [cert, key, ca] = at < 0 ? [] : Deno.args.slice(at + 1, at + 4);
  const flags = option("flags");
  const serverArgs = cert === undefined || key === undefined ? ["serve"] : ["serve", cert, key];
  await using server = new Child(flags === undefined ? [] : [`--v8-flags=${flags}`], serverArgs);
  const port = String(await server.answer("port"));
  const base = await settledBytes(server.pid);
  await using devices = new Child([], ca === undefined ? ["devices", port] : ["devices", port, ca]);
  const readings: number[] = [];
  let acceptMs = 0;
  for (const count of [from, to]) {
    await devices.tell(count);
    acceptMs = await devices.answer("ms");
    readings.push(await settledBytes(server.pid));
  }
  const [first = 0, last = 0] = readings;
  const cpuBefore = processorMs(server.pid);
  await devices.tell(`send ${seconds * 1000}`);
  const answers = await devices.answer("answers");
  print({
    residentBytes: last,
    bytesPerConnectionSlope: Math.round((last - first) / (to - from)),
    bytesPerConnectionAboveStart: Math.round((last - base) / to),
    acceptedPerSecond: Math.round((to - from) / acceptMs * 1000),
    messagesPerSecond: Math.round(answers / seconds),
    processorMicrosecondsPerMessage: Math.round(
      (processorMs(server.pid) - cpuBefore) / answers * 10_000,
    ) / 10,
  });
}

switch (Deno.args[0]) {
  case "serve":
    serve(Deno.args[1], Deno.args[2]);
    break;
  case "devices":
    await runDevices(Number(Deno.args[1]), Deno.args[2]);
    break;
  default:
    await measure();
}
