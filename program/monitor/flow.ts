/**
 * What has flowed through a node since its start, as plain numbers: readers make rates of differences.
 *
 * Why not read from the metrics: those are made for a scraper, by label and as text, and a page asks
 * every second. Here each event adds to a number and allocates nothing.
 *
 * @module
 */

import type { DeliveryEvent } from "../../actors/push/delivery/ports.ts";
import type { Outcome, Platform } from "../../actors/push/delivery/records.ts";
import type { PushEvent } from "../../actors/push/ports.ts";

/** Numbers of one kind by their names. */
type By<K extends string> = Readonly<Record<K, number>>;

/** The numbers; all but those of what is open now only grow. */
export interface FlowTotals {
  /** Notifications accepted. */
  readonly notifications: number;
  /** Recipients found for them. */
  readonly recipients: number;
  /** Batches that have a result. */
  readonly batches: number;
  /** Answers of providers. */
  readonly answers: By<Platform>;
  /** Recipients that ended so. */
  readonly outcomes: By<Outcome>;
  /** Requests that were to be sent again. */
  readonly retries: number;
  /** Connections to providers open now. */
  readonly providerConnections: By<Platform>;
  /** Messages the push endpoint accepted. */
  readonly posts: number;
  /** Of those, messages given to a device connected here. */
  readonly direct: number;
  /** Messages given to the node the device is connected to. */
  readonly forwarded: number;
  /** Messages that wait for their device. */
  readonly stored: number;
  /** Messages without a time to live whose device was away. */
  readonly dropped: number;
  /** Messages written to the sockets of devices. */
  readonly handed: number;
  /** Messages that devices have acknowledged. */
  readonly acknowledged: number;
  /** Devices connected now. */
  readonly devices: number;
}

/** Numbers that can be added to. */
type Counts<T> = { -readonly [K in keyof T]: T[K] extends number ? number : Counts<T[K]> };

/** Counts what flows; see the module. */
export class Flow {
  readonly #totals: Counts<FlowTotals> = {
    notifications: 0,
    recipients: 0,
    batches: 0,
    answers: { apns: 0, fcm: 0, webpush: 0 },
    outcomes: { delivered: 0, token_invalid: 0, rejected: 0, expired: 0, failed: 0, cancelled: 0 },
    retries: 0,
    providerConnections: { apns: 0, fcm: 0, webpush: 0 },
    posts: 0,
    direct: 0,
    forwarded: 0,
    stored: 0,
    dropped: 0,
    handed: 0,
    acknowledged: 0,
    devices: 0,
  };

  /** The numbers; they go on changing. */
  get totals(): FlowTotals {
    return this.#totals;
  }

  /** An event of the delivery pipeline. */
  delivered(event: DeliveryEvent): void {
    const totals = this.#totals;
    switch (event.kind) {
      case "submitted":
        totals.notifications++;
        return;
      case "expanded":
        totals.recipients += event.recipients;
        return;
      case "settled":
        return this.#settled(event);
      case "answered":
        totals.answers[event.platform] += event.count;
        return;
      case "connected":
        totals.providerConnections[event.platform]++;
        return;
      case "disconnected":
        totals.providerConnections[event.platform]--;
        return;
      default: // What goes wrong is told by the metrics and the log; it does not flow.
        return;
    }
  }

  /** An event of the push actors. */
  pushed(event: PushEvent): void {
    const totals = this.#totals;
    if (event.kind === "accepted") totals[event.route]++;
    else if (event.kind === "sent") totals.handed++;
    else if (event.kind === "acknowledged") totals.acknowledged++;
  }

  /** The push endpoint has accepted a message. */
  posted(): void {
    this.#totals.posts++;
  }

  /** A device has connected. */
  opened(): void {
    this.#totals.devices++;
  }

  /** A device has left. */
  left(): void {
    this.#totals.devices--;
  }

  #settled(
    { outcomes, retries }: Extract<DeliveryEvent, { readonly kind: "settled" }>,
  ): void {
    const totals = this.#totals;
    totals.batches++;
    totals.retries += retries;
    totals.outcomes.delivered += outcomes.delivered;
    totals.outcomes.token_invalid += outcomes.token_invalid;
    totals.outcomes.rejected += outcomes.rejected;
    totals.outcomes.expired += outcomes.expired;
    totals.outcomes.failed += outcomes.failed;
    totals.outcomes.cancelled += outcomes.cancelled;
  }
}
