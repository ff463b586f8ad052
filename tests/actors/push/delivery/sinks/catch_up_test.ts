/**
 * Fault enumeration: the sinks' first call of the store fails, then the second, and so on until a run
 * has no call left to fail; as a refusal, and as the end of the process before and after the call.
 * After each run every sink has every row, and the devices that are to be invalid are.
 */

import { assert, assertEquals } from "@std/assert";
import type { Sink } from "../../../../../actors/push/delivery/ports.ts";
import type { DeliveryRow } from "../../../../../actors/push/delivery/records.ts";
import { feedbackSink } from "../../../../../actors/push/delivery/sinks/feedback_sink.ts";
import { SINK_BACKOFF, SINK_INTENSITY } from "../../../../../actors/push/delivery/sinks/limits.ts";
import { sinkActor, type SinkProtocol } from "../../../../../actors/push/delivery/sinks/sink.ts";
import type { Ref } from "../../../../../actors/runtime/actor.ts";
import { worker } from "../../../../../actors/runtime/spec.ts";
import type { Supervisor } from "../../../../../actors/runtime/supervisor.ts";
import { World } from "../../../../../actors/testing/mod.ts";
import {
  type Fault,
  MemoryDeliveryStore,
} from "../../../../../transports/memory/memory_delivery_store.ts";
import { DeliveryWorld, deviceOf, NONE } from "../../../../conformance/delivery_world.ts";
import { WallClock } from "../../../../conformance/store_world.ts";

/** Devices of the campaign, in batches of this size. */
const DEVICES = 12;
const BATCH = 4;

interface SinksRefs {
  readonly feedback: Ref<SinkProtocol>;
  readonly notebook: Ref<SinkProtocol>;
}

/** A store whose nth call fails while it is armed, and that comes back after it ended. */
class FaultyStore {
  readonly clock = new WallClock();
  /** Whether a fault was injected. */
  injected = false;
  armed = false;
  current: MemoryDeliveryStore;
  #calls = 0;
  #crashed = false;

  constructor(failing: number, fault: Fault) {
    this.current = new MemoryDeliveryStore({
      clock: this.clock,
      fault: () => {
        if (!this.armed || ++this.#calls !== failing) return undefined;
        this.injected = true;
        this.#crashed = fault === "crash_before" || fault === "crash_after";
        return fault;
      },
    });
  }

  /** Runs sinks on it for some time; after a crash of the process new ones, with nothing of the old. */
  async follow(sinks: (store: MemoryDeliveryStore) => Record<keyof SinksRefs, Sink>) {
    await this.#live(sinks);
    if (!this.#crashed) return;
    this.#crashed = false;
    this.current = this.current.reopen();
    await this.#live(sinks);
  }

  async #live(sinks: (store: MemoryDeliveryStore) => Record<keyof SinksRefs, Sink>) {
    const store = this.current;
    const { feedback, notebook } = sinks(store);
    const follow = (sink: Sink) =>
      worker(sinkActor(`${sink.name}_sink`), {
        args: () => ({ sink, store, node: "node", observer: { record: () => {} } }),
        restart: "permanent",
        backoff: SINK_BACKOFF,
      });
    const tree: Supervisor<SinksRefs> = {
      strategy: "one_for_one",
      intensity: SINK_INTENSITY,
      children: { feedback: follow(feedback), notebook: follow(notebook) },
    };
    await using world = new World();
    await world.system.start("sinks", tree);
    this.armed = true;
    await world.advance(2 * SINK_BACKOFF.minMs);
    this.armed = false;
  }
}

/** A campaign whose batches end one after the other, with the nth call of a sink failing. */
async function run(failing: number, fault: Fault): Promise<boolean> {
  const faulty = new FaultyStore(failing, fault);
  const told: number[] = [];
  const sinks = (store: MemoryDeliveryStore) => ({
    feedback: feedbackSink(store),
    notebook: {
      name: "notebook",
      rows: "all" as const,
      record: (rows: readonly DeliveryRow[]) => {
        told.push(...rows.map(({ position }) => position));
        return Promise.resolve();
      },
    },
  });
  await using world = new DeliveryWorld(faulty.clock, {
    get store() {
      return faulty.current;
    },
    reopen: () => Promise.resolve(),
    corrupt: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => faulty.current[Symbol.asyncDispose](),
  });
  await world.populate(DEVICES);
  await world.expand(await world.submit(), DEVICES, BATCH);
  await faulty.follow(sinks);
  // One at a time: opened again, the store has ended the leases of the process before.
  for (;;) {
    const { batches: [batch] } = await world.claim({ batchesMax: 1 });
    if (batch === undefined) break;
    const loaded = await world.store.load(batch.lease);
    assert(loaded !== "stale" && loaded !== "unreadable");
    const { numbers, addresses } = loaded.recipients;
    await world.commit(batch, {
      outcomes: { ...NONE, delivered: 1, token_invalid: BATCH - 1 },
      rows: numbers.map((number, place) => ({
        number,
        address: addresses[place] ?? "",
        outcome: place === 0 ? "delivered" : "token_invalid",
        status: place === 0 ? 200 : 410,
        reason: "",
        registeredBefore: place === 0 ? undefined : world.now + 1,
      })),
    });
    await faulty.follow(sinks);
  }
  const rows = await world.store.rowsAfter(0, 1_000);
  assertEquals(rows.length, DEVICES);
  assertEquals([...new Set(told)], rows.map(({ position }) => position));
  for (const { device, outcome } of rows) {
    const state = (await world.store.device(device ?? ""))?.state;
    assertEquals(state, outcome === "delivered" ? "active" : "invalid", device);
  }
  assertEquals(new Set(rows.map(({ device }) => device)).has(deviceOf(1)), true);
  return faulty.injected;
}

for (const fault of ["io", "crash_before", "crash_after"] as const) {
  Deno.test(`sinks have every row whichever call of the store fails: ${fault}`, async () => {
    let failing = 1;
    while (await run(failing, fault)) failing++;
    assert(failing > 20, `${failing} calls`);
  });
}
