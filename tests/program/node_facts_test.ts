import { assert, assertEquals } from "@std/assert";
import { Flow } from "../../program/monitor/flow.ts";
import { NodeGauge } from "../../program/node_facts.ts";
import { nodeFactsText, readNodeFacts } from "../../transports/message_store/node_facts.ts";
import { HandClock } from "../support/hand_clock.ts";

const NOTHING = {
  delivered: 0,
  token_invalid: 0,
  rejected: 0,
  expired: 0,
  failed: 0,
  cancelled: 0,
};

/** A gauge whose time, CPU time and deliveries a test moves. */
class GaugeWorld implements Disposable {
  readonly clock = new HandClock();
  readonly flow = new Flow();
  readonly delays: number[] = [];
  cpuMs = 5_000;
  readonly gauge = new NodeGauge({
    flow: this.flow,
    batches: () => 2,
    onDelay: (delayMs) => this.delays.push(delayMs),
    clock: this.clock,
    cpuMicros: () => this.cpuMs * 1_000,
    wallNow: () => 7,
  });

  /** Lets looks happen, each so late and after so much work. */
  pass(looks: number, { lateMs = 0, cpuMs = 0, deliveries = 0 } = {}): void {
    for (let look = 0; look < looks; look++) {
      this.cpuMs += cpuMs;
      // Whatever the outcome, it is a delivery that ended.
      const outcomes = { ...NOTHING, delivered: deliveries - 1, token_invalid: 1 };
      const settled = { platform: "fcm", outcomes, retries: 3, at: 0, durationMs: 1 } as const;
      if (deliveries > 0) this.flow.delivered({ kind: "settled", ...settled });
      this.clock.fireAfter(100 + lateMs);
    }
  }

  [Symbol.dispose](): void {
    this.gauge[Symbol.dispose]();
  }
}

Deno.test("NodeGauge.facts() has the process's own memory and runtime, and what is open", () => {
  using world = new GaugeWorld();
  for (let device = 0; device < 3; device++) world.flow.opened();
  for (const platform of ["apns", "fcm", "webpush"] as const) {
    world.flow.delivered({ kind: "connected", platform, origin: "" });
  }
  const { rssBytes, heapBytes, ...facts } = world.gauge.facts();
  assert(heapBytes > 1_000_000 && rssBytes > heapBytes, `${heapBytes} of ${rssBytes}`);
  assertEquals(facts, {
    ...{ at: 7, deno: Deno.version.deno, cpuPercent: 0, loopDelayMs: { p50: 0, p99: 0, max: 0 } },
    ...{ devices: 3, batches: 2, deliveriesPerSecond: 0, providerConnections: 3 },
  });
});

Deno.test("NodeGauge.facts() has CPU time and deliveries of the time since the start, and then of ten seconds", () => {
  using world = new GaugeWorld();
  world.pass(10, { cpuMs: 50, deliveries: 3 });
  const early = world.gauge.facts();
  assertEquals([early.cpuPercent, early.deliveriesPerSecond], [50, 30]);
  world.pass(100, { cpuMs: 175, deliveries: 20 });
  const later = world.gauge.facts();
  assertEquals([later.cpuPercent, later.deliveriesPerSecond], [175, 200]);
  world.pass(100);
  const { cpuPercent, deliveriesPerSecond } = world.gauge.facts();
  assertEquals([cpuPercent, deliveriesPerSecond], [0, 0]);
});

Deno.test("NodeGauge.facts() has how late the looks of the last ten seconds were", () => {
  using world = new GaugeWorld();
  world.pass(1, { lateMs: 400 });
  for (let tens = 0; tens < 9; tens++) {
    world.pass(9, { lateMs: 1.26 });
    world.pass(1, { lateMs: 8 });
  }
  assertEquals(world.gauge.facts().loopDelayMs, { p50: 1.3, p99: 400, max: 400 });
  assertEquals(world.delays.length, 91);
  world.pass(9);
  assertEquals(world.gauge.facts().loopDelayMs, { p50: 1.3, p99: 8, max: 8 });
});

Deno.test("NodeGauge.facts() forgets what was before a time in which the process stood still", () => {
  using world = new GaugeWorld();
  world.pass(50, { deliveries: 10 });
  world.pass(1, { lateMs: 60_000 });
  world.pass(10, { deliveries: 1 });
  const { deliveriesPerSecond, loopDelayMs } = world.gauge.facts();
  assertEquals(deliveriesPerSecond, 10);
  assertEquals(loopDelayMs.max, 60_000);
});

Deno.test("NodeGauge.facts() takes what came at once after a standstill for no rate", () => {
  using world = new GaugeWorld();
  world.pass(50, { deliveries: 10 });
  world.pass(1, { lateMs: 60_000 });
  world.clock.pass(1);
  world.cpuMs += 1;
  world.flow.delivered({
    ...{ kind: "settled", platform: "fcm", retries: 0, at: 0, durationMs: 1 },
    outcomes: { ...NOTHING, delivered: 1_000 },
  });
  const { deliveriesPerSecond, cpuPercent } = world.gauge.facts();
  assertEquals([deliveriesPerSecond, cpuPercent], [1_000, 0.1]);
});

Deno.test("NodeGauge.facts() says the same to everybody who asks", () => {
  using world = new GaugeWorld();
  world.pass(20, { cpuMs: 10, lateMs: 3, deliveries: 2 });
  const { rssBytes: _, heapBytes: __, ...first } = world.gauge.facts();
  const { rssBytes: ___, heapBytes: ____, ...second } = world.gauge.facts();
  assertEquals(second, first);
});

Deno.test("NodeGauge.facts() are read by other nodes as they are", () => {
  using world = new GaugeWorld();
  world.pass(100, { cpuMs: 1_234.567, lateMs: 98_765.4321, deliveries: 1e9 });
  const facts = world.gauge.facts();
  assertEquals(readNodeFacts(nodeFactsText(facts)), facts);
});

Deno.test("NodeGauge measures this process, and leaves no timer behind", () => {
  using gauge = new NodeGauge({
    flow: new Flow(),
    batches: () => 0,
    onDelay: () => {},
  });
  const before = performance.now();
  while (performance.now() - before < 30);
  const { cpuPercent, at } = gauge.facts();
  assert(cpuPercent > 0 && Math.abs(at - Date.now()) < 10_000, `${cpuPercent} at ${at}`);
});
