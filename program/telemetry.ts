/**
 * Events of all parts as metrics and log lines: the one place that decides what is counted, what
 * is worth a line, and how severe it is.
 *
 * Faults of this node are errors; what a peer did wrong is only counted and, for who looks for it,
 * a debug line: otherwise anybody could fill the log.
 *
 * @module
 */

import type { RuntimeEvent } from "../actors/mod.ts";
import type { Observer, PushEvent } from "../actors/push/ports.ts";
import type { HelloKind, Metrics } from "../transports/api/metrics.ts";
import { errorText, type Log } from "../transports/command_line/log.ts";
import type { DeviceDoorEvent } from "../transports/device_socket/listener.ts";
import type { DoorEvent } from "../transports/http_door/http_door.ts";
import type { NodePortEvent } from "../transports/node_port/mod.ts";
import type { EndpointEvent } from "../transports/push_endpoint/ports.ts";
import { DeliveryTelemetry } from "./delivery_telemetry.ts";
import { Flow } from "./monitor/flow.ts";

const HELLO_KINDS: { readonly [K in Extract<PushEvent, { kind: "hello" }>["user"]]: HelloKind } = {
  new: "new",
  existing: "returning",
  reassigned: "replaced",
};

/** Counts and logs; see the module. */
export class Telemetry implements Observer {
  /** The counters. */
  readonly metrics: Metrics;
  /** What flows, for those who watch. */
  readonly flow: Flow = new Flow();
  /** Takes the events of the delivery pipeline. */
  readonly delivery: DeliveryTelemetry;
  readonly #log: Log;

  /** Telemetry into these. */
  constructor(metrics: Metrics, log: Log) {
    this.metrics = metrics;
    this.#log = log;
    this.delivery = new DeliveryTelemetry(metrics.delivery, log, this.flow);
  }

  /** An event of the push actors. */
  record(event: PushEvent): void {
    const { metrics } = this;
    this.flow.pushed(event);
    switch (event.kind) {
      case "hello":
        return metrics.helloed(HELLO_KINDS[event.user]);
      case "registered":
        return metrics.registered(event.status);
      case "unregistered":
        return metrics.unregistered();
      case "acknowledged":
        return metrics.acknowledged(event.code, event.delayMs);
      case "nacked":
        return metrics.refused(event.code);
      case "accepted":
        return metrics.accepted(event.route);
      case "sent":
        return metrics.delivered(event.delayMs);
      case "session_ended":
        return this.#log.debug("session_ended", {
          reason: event.reason,
          lasted_ms: Math.round(event.lastedMs),
        });
      case "user_reset":
        return this.#log.warn("user_reset", { reason: "more messages waiting than the limit" });
      case "store_failed":
        metrics.storeFailed();
        return this.#log.error("store_failed", {
          operation: event.operation,
          reason: event.reason,
        });
      case "broadcasts_polled":
        if (!event.ok) this.#log.warn("broadcasts_unavailable", { reason: event.reason });
        return;
      case "swept":
        return this.#log.debug("swept", { rows: event.rows });
      case "node_joined":
        return this.#log.info("node_joined", { node: event.node, url: event.url });
      case "node_left":
        return this.#log.info("node_left", { node: event.node });
      case "node_lost":
        return this.#log.warn("node_lost", { node: event.node, batches: event.batches });
      case "lease_lapsed":
        return this.#log.warn("lease_lapsed", { late_ms: Math.round(event.lateMs) });
      case "peer_failed":
        metrics.peerFailed();
        return this.#log.warn("peer_failed", { node: event.node, reason: event.reason });
    }
  }

  /** An event of the actor runtime. */
  runtimeEvent(event: RuntimeEvent): void {
    switch (event.type) {
      case "started":
      case "stopped":
        return;
      case "crashed":
        this.metrics.actorCrashed();
        return this.#log.error("actor_crashed", {
          actor: event.path,
          incarnation: event.incarnation,
          error: errorText(event.error),
        });
      case "restarted":
        this.metrics.actorRestarted();
        return this.#log.warn("actor_restarted", {
          actor: event.path,
          incarnation: event.incarnation,
        });
      case "gave_up":
        return this.#log.error("supervisor_gave_up", {
          supervisor: event.path,
          restarts: event.restarts,
          within_ms: event.withinMs,
          error: errorText(event.error),
        });
      case "dead_letter":
        // What a mailbox drops by its policy is worth nothing: one that waits, or a newer one, says the same.
        if (event.reason === "dropped") return;
        this.metrics.deadLettered();
        return this.#log.debug("dead_letter", { actor: event.path, message: event.message });
      case "release_failed":
      case "rejection_late":
        return this.#log.error(event.type, { actor: event.path, error: errorText(event.error) });
      case "rejection_unattributed":
        return this.#log.error("rejection_unattributed", { error: errorText(event.error) });
    }
  }

  /** An event of the device door. */
  deviceEvent(event: DeviceDoorEvent): void {
    switch (event.kind) {
      case "opened":
        this.flow.opened();
        return this.metrics.connectionOpened();
      case "left":
        this.flow.left();
        this.metrics.connectionClosed();
        return this.#log.debug("device_left", { how: event.how, code: event.code });
      case "http_refused":
        return this.#log.debug("device_refused", { status: event.status, reason: event.reason });
      case "owner_failed":
      case "accept_failed":
        return this.#log.error(`device_${event.kind}`, { error: errorText(event.error) });
    }
  }

  /** An event of the push endpoint. */
  endpointEvent(event: EndpointEvent): void {
    switch (event.kind) {
      case "accepted":
        this.flow.posted();
        this.metrics.urgency(event.urgency);
        return this.metrics.answered(201);
      case "withdrawn":
        return this.metrics.answered(204);
      case "refused":
        this.metrics.answered(event.status, event.errno);
        return this.#log.debug("push_refused", { status: event.status, errno: event.errno });
      case "vapid_refused":
        this.metrics.vapidRefused(event.fault);
        return this.#log.debug("vapid_refused", { fault: event.fault });
      case "failed":
        // Both stores name their refusals so; whatever else fails is told by the log alone.
        if (event.error instanceof Error && event.error.name === "StoreError") {
          this.metrics.storeFailed();
        }
        return this.#log.error("push_failed", { error: errorText(event.error) });
      case "vapid_verified":
        return this.metrics.vapidVerified(event.draft, event.subject);
      case "connection_refused":
        return;
    }
  }

  /** An engine could not do what is tried again later. */
  storeProblem(engine: string, problem: string): void {
    this.metrics.storeFailed();
    this.#log.error("store_failed", { operation: engine, reason: problem });
  }

  /** An event of the node port. */
  nodePortEvent(event: NodePortEvent): void {
    switch (event.kind) {
      case "taken":
        return this.metrics.handedOver(event.what, event.items);
      case "refused":
        return this.#log.debug("node_refused", { status: event.status, reason: event.reason });
      case "failed":
        return this.#log.error("node_port_failed", { error: errorText(event.error) });
      case "connection_refused":
        return;
    }
  }

  /** An event of the API door. */
  doorEvent(event: DoorEvent): void {
    if (event.kind === "handler_failed") {
      this.#log.error("api_failed", { error: errorText(event.error) });
    }
  }
}
