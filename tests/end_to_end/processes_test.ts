/**
 * `serve --processes` as real processes: the parent by the same task as a node alone, its children
 * on real doors. What it logs is waited for.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Arrivals } from "../support/arrivals.ts";
import { startPostgres } from "../support/postgres_server.ts";
import { PushClient, type Registration } from "../support/push_client.ts";
import { opaqueBody, post } from "../support/sender.ts";
import { eachLine } from "../support/service.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** A line of the log. */
type Line = Readonly<Record<string, unknown>>;

/** A parent and all that it started. */
class Parent implements AsyncDisposable {
  readonly lines = new Arrivals<Line>();
  readonly printed = new Arrivals<string>();
  readonly sentences: string[] = [];
  readonly #data = Deno.makeTempDirSync({ prefix: "heliograph-parent-" });
  readonly #process: Deno.ChildProcess;
  /** Ends when the parent and all its children have closed their outputs, which is when they have ended. */
  readonly #gone: Promise<unknown>;

  constructor(...flags: readonly string[]) {
    const ports = ["--endpoint-port", "--device-port", "--api-port"]
      .flatMap((port) => flags.includes(port) ? [] : [port, "0"]);
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", ...taskFlags(), "mod.ts", "serve", "--json", "--data", this.#data]
        .concat(ports, flags),
      cwd: ROOT,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const { stdout, stderr } = this.#process;
    this.#gone = Promise.all([
      eachLine(stdout, (line) => this.printed.add(line))
        .then(() => this.printed.end(`it ended: ${this.sentences.join()}`)),
      eachLine(stderr, (line) => this.#said(line)).then(() => this.lines.end("all have ended")),
    ]);
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** The next line of this event after those seen. */
  async event(event: string, count = 1): Promise<Line> {
    const found = await this.lines.until((line) => line.event === event, {
      what: `${count} ${event}`,
      count,
    });
    return found[count - 1] ?? {};
  }

  /** What it printed when all were ready. */
  async ready(): Promise<Line> {
    return JSON.parse(await this.printed.next(() => true, { what: "the ready line" }));
  }

  signal(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  /** Waits until it and all its children have ended; its exit status. */
  async ended(): Promise<number> {
    const { code } = await this.#process.status;
    await this.#gone;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.signal("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // It has ended.
    }
    await this.ended();
    await Deno.remove(this.#data, { recursive: true });
  }

  #said(line: string): void {
    if (line.startsWith("{")) this.lines.add(JSON.parse(line));
    else if (line.startsWith("heliograph: ")) this.sentences.push(line);
  }
}

/** The flags of `deno task serve`; the runtime goes by the path it has here, not by its name. */
function taskFlags(): readonly string[] {
  const { tasks } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));
  const flags = /^deno run (.+) mod\.ts serve$/.exec(tasks.serve.command)?.[1]?.split(" ") ?? [];
  return flags.map((flag) => flag === "--allow-run=deno" ? `--allow-run=${Deno.execPath()}` : flag);
}

const ONE = ["--processes", "1", "--store", "memory:"];

async function isReady(port: unknown): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/readyz`);
  return (await response.json()).ready;
}

Deno.test("serve --processes tells where all are ready, serves there, and ends 0 when all have drained", async () => {
  await using parent = new Parent(...ONE);
  const { endpointPort, apiPort, processes, ready } = await parent.ready();
  assertEquals([processes, ready], [1, true]);
  assertEquals(await isReady(apiPort), true);
  const status = await fetch(`http://127.0.0.1:${endpointPort}/status`);
  assertEquals((await status.json()).status, "OK");
  parent.signal("SIGTERM");
  assertEquals(await parent.ended(), 0);
  assertEquals((await parent.event("stopped")).process, 1);
  assertEquals((await parent.event("child_exited")).reason, "exit status 0");
  assertEquals(parent.printed.size, 1);
});

Deno.test("serve --processes ends in order when the terminal signals parent and children at once, twice", async () => {
  await using parent = new Parent(...ONE);
  await parent.ready();
  const { pid } = await parent.event("child_ready");
  for (let times = 0; times < 2; times++) Deno.kill(Number(pid), "SIGINT");
  parent.signal("SIGINT");
  assertEquals(await parent.ended(), 0);
  assertEquals((await parent.event("stopped")).cut_requests, 0);
});

Deno.test("the children of a parent that was killed end in order", async () => {
  await using parent = new Parent(...ONE);
  await parent.ready();
  parent.signal("SIGKILL");
  assertEquals(await parent.ended(), 137);
  assertEquals((await parent.event("stopping")).reason, "the parent has ended");
  await parent.event("stopped");
});

Deno.test("serve --processes starts a killed child again on the same ports", async () => {
  await using parent = new Parent(...ONE);
  const { apiPort } = await parent.ready();
  Deno.kill(Number((await parent.event("child_ready")).pid), "SIGKILL");
  assertMatch(String((await parent.event("child_exited")).reason), /^SIGKILL/);
  const again = await parent.event("child_ready", 2);
  assertEquals(await isReady(apiPort), true);
  parent.signal("SIGTERM");
  assertEquals(await parent.ended(), 0);
  assert(parent.lines.all.some(({ pid, event }) => event === "child_exited" && pid === again.pid));
});

Deno.test("serve --processes kills a child that hangs, and starts it again", async () => {
  await using parent = new Parent(...ONE);
  const { apiPort } = await parent.ready();
  Deno.kill(Number((await parent.event("child_ready")).pid), "SIGSTOP");
  assertEquals((await parent.event("child_exited")).reason, "killed: no heartbeat for 5 s");
  await parent.event("child_ready", 2);
  assertEquals(await isReady(apiPort), true);
});

/** Starts that fail: the flags, how many children were started, and the sentence that is told once. */
const FAILURES: readonly (readonly [
  title: string,
  flags: readonly string[],
  children: number,
  sentence: RegExp,
])[] = [
  [
    "a certificate that is missing",
    [...ONE, "--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.pem"],
    1,
    /^heliograph: tls-cert: /,
  ],
  [
    "an address of another machine",
    [...ONE, "--host", "192.0.2.1"],
    0,
    /^heliograph: host: 192\.0\.2\.1 is no address of this machine/,
  ],
];

for (const [title, flags, children, sentence] of FAILURES) {
  Deno.test(`serve --processes ends 1 with one sentence and restarts nothing: ${title}`, async () => {
    await using parent = new Parent(...flags);
    assertEquals(await parent.ended(), 1);
    assertEquals(parent.sentences.length, 1);
    assertMatch(parent.sentences[0] ?? "", sentence);
    assertEquals(parent.printed.size, 0);
    const started = parent.lines.all.filter(({ event }) => event === "child_started");
    assertEquals(started.length, children);
  });
}

Deno.test("serve --processes does not share the ports of another parent", async () => {
  await using first = new Parent(...ONE);
  const { apiPort } = await first.ready();
  await using second = new Parent(...ONE, "--api-port", `${apiPort}`);
  assertEquals(await second.ended(), 1);
  assertMatch(
    second.sentences.join("\n"),
    new RegExp(`^heliograph: api-port: port ${apiPort} is in use`),
  );
});

Deno.test("a process told by hand that it is a child refuses to be one", async () => {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", ...taskFlags(), "mod.ts", "serve", "--store", "memory:"],
    cwd: ROOT,
    env: { HELIOGRAPH_PROCESS: "yes" },
  });
  const { code, stderr } = await command.output();
  assertEquals(code, 2);
  assertMatch(new TextDecoder().decode(stderr), /^heliograph: HELIOGRAPH_PROCESS: "yes" was not /);
});

/** A device and its subscription, over its connections one after the other. */
interface Device {
  readonly registration: Registration;
  readonly connections: PushClient[];
}

/** So many that the kernel gives each of two processes some of them. */
const DEVICES = 12;

async function connect(url: string): Promise<Device> {
  const client = await PushClient.connect(url);
  return { registration: await client.register(), connections: [client] };
}

/** Posts until it is accepted: a connection kept alive ends with the process it leads to. */
async function postUntilAccepted(endpoint: string, body: Uint8Array<ArrayBuffer>): Promise<void> {
  for (let tries = 0; tries < 10; tries++) {
    try {
      const { status } = await post(endpoint, body);
      if (status === 201) return;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }
  throw new Error(`Cannot post to ${endpoint}`);
}

/** Waits until this body has come over one of the device's connections. */
async function arrived({ connections }: Device, body: Uint8Array): Promise<void> {
  const data = body.toBase64({ alphabet: "base64url", omitPadding: true });
  await Promise.any(
    connections.map(({ notifications }) =>
      notifications.until((one) => one.data === data, { what: `a body of ${body.length} bytes` })
    ),
  );
}

Deno.test("two processes on PostgreSQL deliver what either takes, and lose nothing when one is killed", async () => {
  await using server = await startPostgres();
  const store = ["--store", server.freshUrl()];
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "mod.ts", "migrate", ...store],
    cwd: ROOT,
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  await using parent = new Parent("--processes", "2", ...store);
  const { devicePort, processes } = await parent.ready();
  assertEquals(processes, 2);
  const url = `ws://127.0.0.1:${devicePort}/`;
  await using stack = new AsyncDisposableStack();
  const devices: Device[] = [];
  for (let count = 0; count < DEVICES; count++) {
    const device = await connect(url);
    stack.use(device.connections[0]);
    devices.push(device);
  }
  const first = opaqueBody(101);
  for (const { registration } of devices) await postUntilAccepted(registration.endpoint, first);
  await Promise.all(devices.map((device) => arrived(device, first)));

  Deno.kill(Number((await parent.event("child_ready")).pid), "SIGKILL");
  await parent.event("child_exited");
  const second = opaqueBody(102);
  for (const { registration } of devices) await postUntilAccepted(registration.endpoint, second);
  await parent.event("child_ready", 3);
  for (const { connections } of devices) {
    const uaid = connections[0]?.uaid ?? "";
    connections.push(stack.use(await PushClient.connect(url, { uaid })));
    assertEquals(connections[1]?.uaid, uaid);
  }
  await Promise.all(devices.map((device) => arrived(device, second)));
  parent.signal("SIGTERM");
  assertEquals(await parent.ended(), 0);
});
