/**
 * A pipeline of a program of its own, as the library's user makes one: a source with the entries of a
 * test, the memory store, a stand-in for the providers. The last entry is a good one.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { DeliveryEvent, Source, SourceEntry } from "../../actors/push/delivery/ports.ts";
import type { Outcome } from "../../actors/push/delivery/records.ts";
import { Pipeline } from "../../program/pipeline.ts";
import { MemoryDeliveryStore } from "../../transports/memory/memory_delivery_store.ts";
import { makeCertificate, type StandIn } from "../../transports/provider_stand_in/mod.ts";
import { Arrivals } from "./arrivals.ts";
import { CANARY, secrets } from "./node_world.ts";
import { MADE, openStandIn } from "./stand_in.ts";

/** An entry; its id is its place, and it comes for the first time, unless it says otherwise. */
export interface ListedEntry {
  /** Its id. */
  readonly id?: string;
  /** The notification. */
  readonly body: unknown;
  /** How often it was handed out. */
  readonly deliveries?: number;
}

const GOOD: ListedEntry = {
  body: {
    app: "shop",
    content: { title: CANARY },
    to: { tokens: [{ platform: "apns", token: "600d".repeat(16) }] },
  },
};

/** The pipeline; the app `shop` sends to the stand-in. */
export class OwnPipeline implements AsyncDisposable {
  /** Its store. */
  readonly store: MemoryDeliveryStore = new MemoryDeliveryStore();
  /** How often each entry was acknowledged, by its place. */
  readonly acknowledged: number[] = [];
  /** How often the source was opened. */
  opened = 0;
  readonly #standIn: StandIn;
  readonly #pipeline: Pipeline;
  readonly #events = new Arrivals<DeliveryEvent>();
  readonly #entries: readonly ListedEntry[];

  private constructor(standIn: StandIn, caPem: string, entries: readonly ListedEntry[]) {
    this.#standIn = standIn;
    this.#entries = [...entries, GOOD];
    this.#pipeline = new Pipeline({
      store: this.store,
      sources: [this.#source()],
      caCerts: [caPem],
      observer: {
        record: () => {},
        delivery: { record: (event) => this.#events.add(event) },
      },
    });
  }

  /** Makes all of it; nothing is sent before {@linkcode start}. */
  static async open(entries: readonly ListedEntry[]): Promise<OwnPipeline> {
    const { tls, caPem } = makeCertificate();
    const standIn = await openStandIn({ tls });
    const own = new OwnPipeline(standIn, caPem, entries);
    await own.store.saveApp("shop", MADE.credentials(standIn.origins), Date.now());
    return own;
  }

  #source(): Source {
    const handOut = (signal: AbortSignal) => this.#handOut(signal);
    return { name: "list", entries: handOut };
  }

  async *#handOut(signal: AbortSignal): AsyncGenerator<SourceEntry> {
    this.opened++;
    for (const [place, entry] of this.#entries.entries()) {
      const acknowledge = () => {
        this.acknowledged[place] = (this.acknowledged[place] ?? 0) + 1;
      };
      yield { id: `entry-${place}`, deliveries: 1, ...entry, acknowledge };
    }
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  }

  /** Begins to send. */
  async start(): Promise<void> {
    await this.#pipeline.start();
  }

  /** Submits as a program does; gives the notification's id. */
  async submit(body: unknown): Promise<string> {
    const reply = await this.#pipeline.service.submit(body);
    assertEquals(reply.kind, "ok");
    return reply.kind === "ok" ? reply.value.id : "";
  }

  /** Claims the only batch and is never heard of again: its lease is over at once. Gives the batch's number. */
  async claimAndForget(): Promise<number> {
    const { batches: [batch] } = await this.store.claim({
      node: "lost",
      now: Date.now(),
      leaseMs: 0,
      batchesMax: 1,
      laneBatchesMax: 1,
      lanes: [],
    });
    if (batch === undefined) throw new Error("There is no batch");
    return batch.lease.batch;
  }

  /** Waits until so many recipients, one to a batch, have ended so. */
  async outcomes(outcome: Outcome, count: number): Promise<void> {
    await this.#events.until(
      (event) => event.kind === "settled" && event.outcomes[outcome] === 1,
      { what: `recipients that are ${outcome}`, count },
    );
  }

  /** Why entries and batches were set aside, oldest first. */
  async letters(): Promise<readonly string[]> {
    return (await this.store.deadLetters(10)).map(({ reason }) => reason).toReversed();
  }

  /** Requests that reached a recipient. */
  async requests(): Promise<number> {
    return (await this.#standIn.seen()).apns.requests;
  }

  /** No event tells a key, an address, or what is sent. */
  assertNoSecrets(): void {
    const told = JSON.stringify(this.#events.all);
    assert(told.includes("settled"));
    const keys = secrets(MADE.credentials(this.#standIn.origins));
    for (const secret of [...keys, CANARY, "600d600d", "abcdabcd"]) {
      assert(!told.includes(secret), told);
    }
  }

  /** Stops both. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pipeline[Symbol.asyncDispose]();
    await this.#standIn[Symbol.asyncDispose]();
  }
}
