/**
 * A pipeline and a provider stand-in in one process, with an app, its devices, and what a campaign to
 * all of them has to come to.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { NotificationView } from "../../actors/push/delivery/views.ts";
import { Pipeline, type PipelineOptions } from "../../program/pipeline.ts";
import {
  type Change,
  type ExpectedCounts,
  expectedCounts,
  makeCertificate,
  recipientRow,
  type Shares,
  type StandIn,
  startStandIn,
} from "../../transports/provider_stand_in/mod.ts";
import { MADE } from "./stand_in.ts";

/** The app of all campaigns. */
export const APP = "shop";

/** Devices of one part of an import. */
const PART = 1_000;

/** What a campaign is made of. */
export interface CampaignOptions {
  /** The pipeline's store. */
  readonly store: PipelineOptions["store"];
  /** Devices of the app. */
  readonly recipients: number;
  /** How the providers behave. */
  readonly change: Change & { readonly shares: Shares };
  /** Who is who. */
  readonly seed: number;
}

/** A pipeline with its peer. */
export class Campaign implements AsyncDisposable {
  /** The providers. */
  readonly standIn: StandIn;
  /** The sender. */
  readonly pipeline: Pipeline;
  readonly #options: CampaignOptions;

  private constructor(standIn: StandIn, pipeline: Pipeline, options: CampaignOptions) {
    this.standIn = standIn;
    this.pipeline = pipeline;
    this.#options = options;
  }

  /** Starts both and registers the devices. */
  static async open(options: CampaignOptions): Promise<Campaign> {
    const { tls, caPem } = makeCertificate();
    await using opening = new AsyncDisposableStack();
    const { accounts } = MADE;
    const standIn = opening.use(await startStandIn({ seed: options.seed, accounts, tls }));
    await standIn.behave(options.change);
    const pipeline = opening.use(
      new Pipeline({
        store: options.store,
        caCerts: [caPem],
        allowedPushOrigins: [standIn.origins.webpush],
      }),
    );
    await pipeline.start();
    const campaign = new Campaign(standIn, pipeline, options);
    await campaign.#register();
    opening.move();
    return campaign;
  }

  /** What the deliveries to all devices have to come to. */
  get expected(): ExpectedCounts {
    const { recipients, seed, change: { shares } } = this.#options;
    return expectedCounts(recipients, { seed, shares, origins: this.standIn.origins });
  }

  /** Sends to all devices; the notification's id. */
  async send(options: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const content = { title: "Hello", body: "to everybody" };
    const reply = await this.pipeline.service.submit({
      app: APP,
      content,
      to: { all: true },
      ...options,
    });
    assertEquals(reply.kind, "ok");
    return reply.kind === "ok" ? reply.value.id : "";
  }

  /** How far a notification is. */
  async notification(id: string): Promise<NotificationView> {
    const reply = await this.pipeline.service.notification(id);
    if (reply.kind !== "ok") throw new Error(`Notification ${id} is ${reply.kind}`);
    return reply.value;
  }

  /** Waits until a notification has ended; each look on the way is checked to add up. */
  async ended(id: string): Promise<NotificationView> {
    for (;;) {
      const seen = await this.notification(id);
      assertEquals(sumOf(seen), seen.counts.total);
      if (seen.status === "done") return seen;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Rows of a notification by their outcome. */
  async failures(id: string): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    let after: number | null = 0;
    while (after !== null) {
      const reply = await this.pipeline.service.deliveries(id, {
        after: `${after}`,
        limit: "1000",
      });
      if (reply.kind !== "ok") throw new Error(`Deliveries of ${id}: ${reply.kind}`);
      for (const { outcome } of reply.value.deliveries) {
        counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      }
      after = reply.value.next;
    }
    return counts;
  }

  /** Waits until so many devices, at most 1,000, are marked invalid: a sink does it, behind the rows. */
  async feedback(count: number): Promise<void> {
    const query = { app: APP, state: "invalid", limit: "1000" };
    for (;;) {
      const reply = await this.pipeline.service.devices(query);
      if (reply.kind === "ok" && reply.value.devices.length === count) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Stops both. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.pipeline[Symbol.asyncDispose]();
    await this.standIn[Symbol.asyncDispose]();
  }

  async #register(): Promise<void> {
    const { service } = this.pipeline;
    const { origins } = this.standIn;
    assertEquals((await service.putApp(APP, MADE.credentials(origins))).kind, "ok");
    const world = { origins, keys: MADE.receiver };
    for (let from = 0; from < this.#options.recipients; from += PART) {
      const count = Math.min(PART, this.#options.recipients - from);
      const rows = Array.from({ length: count }, (_, i) => ({
        line: i + 1,
        value: recipientRow(from + i, APP, world),
      }));
      assertEquals(await service.importDevices(rows), { imported: count, failed: [] });
    }
  }
}

function sumOf({ counts }: NotificationView): number {
  const { delivered, tokenInvalid, rejected, expired, failed, cancelled, pending } = counts;
  return delivered + tokenInvalid + rejected + expired + failed + cancelled + pending;
}
