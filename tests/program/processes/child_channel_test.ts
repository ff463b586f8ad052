import { assertEquals } from "@std/assert";
import { type ChildLine, readLine } from "../../../program/processes/channel.ts";
import { openChildChannel } from "../../../program/processes/child_channel.ts";
import { HEARTBEAT_MS } from "../../../program/processes/limits.ts";
import { macrotask } from "../../../actors/runtime/clock.ts";

const PORTS = { endpointPort: 1, devicePort: 2, apiPort: 3 };

/** A process for the channel: its timer fires when told to, and its output waits when it is held. */
class ManualProcess {
  readonly written: string[] = [];
  readonly input = new TransformStream<Uint8Array, Uint8Array>();
  running = 0;
  #now = 0;
  #run = () => {};
  #held: PromiseWithResolvers<void> | undefined;

  readonly clock = {
    now: () => this.#now,
    every: (ms: number, run: () => void) => {
      assertEquals(ms, HEARTBEAT_MS);
      this.running++;
      this.#run = run;
      return () => void this.running--;
    },
  };

  readonly output = new WritableStream<Uint8Array>({
    write: async (bytes) => {
      this.written.push(new TextDecoder().decode(bytes));
      await this.#held?.promise;
    },
  });

  open() {
    const memory = () => ({ rss: 70_000_000, heapUsed: 6_000_000 });
    const { clock, output, input: { readable } } = this;
    return openChildChannel({ clock, output, input: readable, memory });
  }

  /** The timer fires, this late, and what it does is done. */
  async beat(lateMs = 0): Promise<void> {
    this.#now += HEARTBEAT_MS + lateMs;
    this.#run();
    await macrotask();
  }

  hold(): void {
    this.#held = Promise.withResolvers<void>();
  }

  async letGo(): Promise<void> {
    this.#held?.resolve();
    this.#held = undefined;
    await macrotask();
  }

  get lines() {
    return this.written.map(readLine);
  }
}

const BEAT: ChildLine = {
  type: "heartbeat",
  lateMs: 0,
  residentBytes: 70_000_000,
  heapBytes: 6_000_000,
};

Deno.test("openChildChannel() tells each second how late it was and what memory is in use", async () => {
  const process = new ManualProcess();
  using _channel = process.open();
  await process.beat();
  await process.beat(1_250.4);
  await process.beat();
  assertEquals(process.lines, [BEAT, { ...BEAT, lateMs: 1_250 }, BEAT]);
});

Deno.test("ChildChannel.ready() tells the shared ports and the node's name", async () => {
  const process = new ManualProcess();
  using channel = process.open();
  const bound = { ...PORTS, nodePort: 4 };
  channel.ready(bound, "a node");
  await macrotask();
  assertEquals(process.lines, [{ type: "ready", ports: PORTS, node: "a node" }]);
});

Deno.test("openChildChannel() leaves heartbeats out while nobody reads, but never the readiness", async () => {
  const process = new ManualProcess();
  using channel = process.open();
  process.hold();
  await process.beat();
  await process.beat();
  channel.ready(PORTS, "n");
  await process.beat();
  await process.letGo();
  await process.beat();
  assertEquals(process.lines.map((line) => line?.type), ["heartbeat", "ready", "heartbeat"]);
});

Deno.test("ChildChannel.orphaned resolves when the input ends, and when it breaks", async () => {
  const ended = new ManualProcess();
  using channel = ended.open();
  const writer = ended.input.writable.getWriter();
  await writer.write(new Uint8Array(10));
  await writer.close();
  await channel.orphaned;
  const broken = new ManualProcess();
  using other = broken.open();
  await broken.input.writable.abort(new Error("broken pipe"));
  await other.orphaned;
});

Deno.test("a channel whose output breaks goes on until it hears that it is orphaned", async () => {
  const process = new ManualProcess();
  const output = new WritableStream<Uint8Array>({
    write: () => Promise.reject(new Error("broken pipe")),
  });
  const { clock, input } = process;
  const memory = () => ({ rss: 1, heapUsed: 1 });
  using channel = openChildChannel({ clock, output, input: input.readable, memory });
  await process.beat();
  await process.beat();
  await input.writable.close();
  await channel.orphaned;
});

Deno.test("a channel that was disposed of tells nothing more", () => {
  const process = new ManualProcess();
  {
    using _channel = process.open();
    assertEquals(process.running, 1);
  }
  assertEquals(process.running, 0);
});
