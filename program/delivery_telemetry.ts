/**
 * Events of the delivery pipeline as metrics and log lines.
 *
 * What a person has to mend is an error: a paused app, an entry set aside, a sink that fails. What
 * mends itself is a warning. What a provider says to a single recipient is counted, and a debug line
 * for who looks for it.
 *
 * @module
 */

import type { DeliveryEvent, DeliveryObserver } from "../actors/push/delivery/ports.ts";
import type { DeliveryMetrics } from "../transports/api/delivery_metrics.ts";
import type { Log } from "../transports/command_line/log.ts";
import type { Flow } from "./monitor/flow.ts";

/** Counts and logs; see the module. */
export class DeliveryTelemetry implements DeliveryObserver {
  readonly #metrics: DeliveryMetrics;
  readonly #log: Log;
  readonly #flow: Flow;

  /** Telemetry into these. */
  constructor(metrics: DeliveryMetrics, log: Log, flow: Flow) {
    this.#metrics = metrics;
    this.#log = log;
    this.#flow = flow;
  }

  /** An event of the pipeline. */
  record(event: DeliveryEvent): void {
    this.#flow.delivered(event);
    switch (event.kind) {
      case "submitted":
        this.#metrics.submitted();
        return this.#log.debug("notification_accepted", { app: event.app });
      case "expanded":
        return this.#metrics.expanded(event.recipients);
      case "settled":
        return this.#metrics.settled(event);
      case "answered":
        return this.#answered(event);
      case "latencies":
        return this.#metrics.latencies(event);
      case "claimed":
        return this.#metrics.claimed(event.platform, event.delayMs);
      case "connected":
      case "disconnected":
      case "connect_failed":
      case "circuit":
        return this.#connection(event);
      case "paused": {
        const { app, platform, reason } = event;
        this.#metrics.paused(platform);
        return this.#log.error("app_paused", { app, platform, reason });
      }
      case "certificates":
        return this.#metrics.certificates(event.platform, event.endsAt);
      case "batch_lost":
        this.#metrics.batchLost();
        return this.#log.warn("batch_lost", { reason: event.reason });
      case "dead_letter":
        this.#metrics.setAside();
        return this.#log.error("entry_set_aside", { source: event.source, reason: event.reason });
      case "sink_failed":
        this.#metrics.sinkFailed();
        return this.#log.error("sink_failed", { sink: event.sink, reason: event.reason });
      case "source_failed":
        this.#metrics.sourceFailed();
        return this.#log.warn("source_failed", { source: event.source, reason: event.reason });
    }
  }

  #answered(event: Extract<DeliveryEvent, { readonly kind: "answered" }>): void {
    this.#metrics.answered(event);
    const { platform, status, reason, count } = event;
    if (reason === "") return;
    this.#log.debug("provider_answered", { platform, status, reason, count });
  }

  #connection(
    event: Extract<
      DeliveryEvent,
      { readonly kind: "connected" | "disconnected" | "connect_failed" | "circuit" }
    >,
  ): void {
    const { platform, origin } = event;
    switch (event.kind) {
      case "connected":
        this.#metrics.connected(platform);
        return this.#log.debug("provider_connected", { platform, origin });
      case "disconnected":
        this.#metrics.disconnected(platform);
        return this.#log.debug("provider_left", { platform, origin, reason: event.reason });
      case "connect_failed":
        this.#metrics.connectFailed(platform);
        return this.#log.warn("provider_unreachable", { platform, origin, reason: event.reason });
      case "circuit":
        this.#metrics.circuitChanged(platform, event.state);
        return event.state === "open"
          ? this.#log.warn("provider_failing", { platform, origin })
          : this.#log.info("provider_recovered", { platform, origin });
    }
  }
}
