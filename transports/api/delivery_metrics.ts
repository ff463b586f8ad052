/**
 * The numbers of the delivery pipeline, among those of a node.
 *
 * Invariants as in `metrics.ts`: every label is of a closed set. Apps, origins, sinks and sources are
 * no labels, because people name them, and a provider's reason is one only if it is among the
 * reasons given at the start: what a provider invents is counted as `other`.
 *
 * @module
 */

import { PLATFORMS } from "../delivery_store/codes.ts";
import { type Outcome, OUTCOMES, type Platform } from "../delivery_store/records.ts";
import { LATENCY_BOUNDS_MS } from "../http2/latencies.ts";
import type { CountedMs } from "./counted_histogram.ts";
import type { Series } from "./series.ts";

/** The reasons to be counted apart, of each platform. */
export type ProviderReasons = Readonly<Record<Platform, ReadonlySet<string>>>;

/** No reason is known: all share a label. */
export const NO_REASONS: ProviderReasons = {
  apns: new Set(),
  fcm: new Set(),
  webpush: new Set(),
};

/** A result of a batch. */
export interface SettledBatch {
  /** Whose devices. */
  readonly platform: Platform;
  /** How many ended how. */
  readonly outcomes: Readonly<Record<Outcome, number>>;
  /** How many are to be tried again. */
  readonly retries: number;
  /** From claiming the batch to recording its result. */
  readonly durationMs: number;
}

/** Answers of one kind. */
export interface ProviderAnswers {
  /** Who answered. */
  readonly platform: Platform;
  /** The status; 0 when there was none. */
  readonly status: number;
  /** Why; empty for a success. */
  readonly reason: string;
  /** How many. */
  readonly count: number;
}

/** How full a lane is. */
export interface MetricLane {
  /** Its platform. */
  readonly platform: Platform;
  /** Batches that wait. */
  readonly waiting: number;
  /** Batches that a node works on. */
  readonly leased: number;
  /** Set while it is stopped until a person helps. */
  readonly pause: object | undefined;
}

/** Bounds of a batch's time in seconds: some milliseconds on loopback, minutes through a throttled connection. */
const BATCH_BUCKETS_SECONDS = [
  ...[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600],
];

/** Latencies of one block of requests. */
export interface ProviderLatencies extends CountedMs {
  /** Who answered. */
  readonly platform: Platform;
}

/** Bounds of the time in the queue in seconds: milliseconds when nothing else is sent, hours behind a paused app. */
const QUEUE_BUCKETS_SECONDS = [
  ...[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600, 14_400],
];

/** The counters, gauges and histograms of the pipeline. */
export class DeliveryMetrics {
  readonly #reasons: ProviderReasons;
  readonly #submitted;
  readonly #expanded;
  readonly #deliveries;
  readonly #retries;
  readonly #batches;
  readonly #answers;
  readonly #latencies;
  readonly #queueDelay;
  readonly #connections;
  readonly #connectFailures;
  readonly #circuits;
  readonly #pauses;
  readonly #certificates;
  readonly #queueBatches;
  readonly #lanesPaused;
  readonly #batchesLost;
  readonly #setAside;
  readonly #sinkFailures;
  readonly #sourceFailures;
  #lanes: () => Promise<readonly MetricLane[]> = () => Promise.resolve([]);
  #refreshing: Promise<void> | undefined;

  /** Makes all series, at 0, but those of answers. */
  constructor(series: Series, reasons: ProviderReasons) {
    this.#reasons = reasons;
    const counter = (name: string, help: string) => series.counter(name, help, []);
    const each = (name: string, help: string) => series.counter(name, help, ["platform"]);
    this.#submitted = counter("notifications_total", "Notifications accepted.");
    this.#expanded = counter("recipients_total", "Recipients put into batches.");
    this.#deliveries = series.counter("deliveries_total", "Recipients that have their outcome.", [
      ...["platform", "outcome"] as const,
    ]);
    this.#retries = each("delivery_retries_total", "Recipients put back to be tried again.");
    this.#batches = series.histogram(
      "batch_seconds",
      "From claiming a batch to recording its result.",
      { buckets: BATCH_BUCKETS_SECONDS, labelNames: ["platform"] },
    );
    this.#answers = series.counter(
      "provider_answers_total",
      "Answers of providers; reason is none for a success, class is none without an answer.",
      [...["platform", "class", "reason"] as const],
    );
    this.#latencies = series.counted(
      "provider_latency_seconds",
      "From writing a request to a provider to its answer.",
      { boundsMs: LATENCY_BOUNDS_MS, label: "platform", values: PLATFORMS },
    );
    this.#queueDelay = series.histogram(
      "queue_delay_seconds",
      "From when a notification might be sent to the claim with which each of its batches first was, or was too late.",
      { buckets: QUEUE_BUCKETS_SECONDS, labelNames: ["platform"] },
    );
    this.#connections = series.gauge("provider_connections", "Connections to providers open now.", [
      "platform",
    ]);
    this.#connectFailures = each(
      "provider_connect_failures_total",
      "Connections to providers that could not be opened.",
    );
    this.#circuits = series.counter(
      "provider_circuit_changes_total",
      "How often sending to an origin was interrupted (open) and taken up again (closed).",
      [...["platform", "state"] as const],
    );
    this.#pauses = each("lane_pauses_total", "Apps stopped on a platform until a person helps.");
    this.#certificates = series.gauge(
      "certificate_expiry_timestamp_seconds",
      "When the first certificate of an app ends, in seconds since 1970; absent while there is none.",
      ["platform"],
    );
    this.#queueBatches = series.gauge(
      "queue_batches",
      "Batches in the queue, the same at every node of a store: waiting, or leased to a node.",
      [...["platform", "state"] as const],
    );
    this.#lanesPaused = series.gauge(
      "lanes_paused",
      "Apps stopped on a platform now, the same at every node of a store.",
      ["platform"],
    );
    this.#batchesLost = counter("batches_lost_total", "Batches that ended without a result.");
    this.#setAside = counter("entries_set_aside_total", "Entries nobody can use, kept for people.");
    this.#sinkFailures = counter("sink_failures_total", "Pages of rows a sink did not take.");
    this.#sourceFailures = counter("source_failures_total", "Failures of sources, and their ends.");
    this.#zero();
  }

  /** A rate can be computed across the first event only if there was a 0 before it. */
  #zero(): void {
    for (const platform of PLATFORMS) {
      for (const outcome of OUTCOMES) this.#deliveries.inc({ platform, outcome }, 0);
      for (const state of ["open", "closed"]) this.#circuits.inc({ platform, state }, 0);
      for (const one of [this.#retries, this.#connectFailures, this.#pauses]) {
        one.inc({ platform }, 0);
      }
      this.#connections.set({ platform }, 0);
      this.#batches.zero({ platform });
      this.#queueDelay.zero({ platform });
    }
  }

  /** Where the lanes are asked for; nowhere before. */
  watchLanes(lanes: () => Promise<readonly MetricLane[]>): void {
    this.#lanes = lanes;
  }

  /**
   * Asks for the lanes, for a look at the metrics; without an answer none is shown, instead of an old one.
   * Who looks meanwhile waits for the same answer: no number of them asks a store more than one.
   */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => this.#refreshing = undefined);
    return this.#refreshing;
  }

  async #refresh(): Promise<void> {
    const lanes = await this.#lanes().catch(() => undefined);
    this.#queueBatches.reset();
    this.#lanesPaused.reset();
    if (lanes === undefined) return;
    for (const platform of PLATFORMS) {
      const own = lanes.filter((lane) => lane.platform === platform);
      const sum = (count: (lane: MetricLane) => number) =>
        own.reduce((total, lane) => total + count(lane), 0);
      this.#queueBatches.set({ platform, state: "waiting" }, sum(({ waiting }) => waiting));
      this.#queueBatches.set({ platform, state: "leased" }, sum(({ leased }) => leased));
      this.#lanesPaused.set({ platform }, sum(({ pause }) => pause === undefined ? 0 : 1));
    }
  }

  /** A notification was accepted. */
  submitted(): void {
    this.#submitted.inc();
  }

  /** So many recipients were put into batches. */
  expanded(recipients: number): void {
    this.#expanded.inc(recipients);
  }

  /** A batch has its result. */
  settled({ platform, outcomes, retries, durationMs }: SettledBatch): void {
    for (const outcome of OUTCOMES) this.#deliveries.inc({ platform, outcome }, outcomes[outcome]);
    this.#retries.inc({ platform }, retries);
    this.#batches.observe({ platform }, durationMs / 1_000);
  }

  /** A provider answered, or did not. */
  answered({ platform, status, reason, count }: ProviderAnswers): void {
    const known = this.#reasons[platform].has(reason) ? reason : "other";
    this.#answers.inc({
      platform,
      class: classOf(status, reason),
      reason: reason === "" ? "none" : known,
    }, count);
  }

  /** Answers of one block came, so long after its requests; counted by {@linkcode LATENCY_BOUNDS_MS}. */
  latencies({ platform, ...counted }: ProviderLatencies): void {
    this.#latencies.add(platform, counted);
  }

  /** A batch was claimed and sent for the first time, or was too late, so many milliseconds after it might have been. */
  claimed(platform: Platform, delayMs: number): void {
    this.#queueDelay.observe({ platform }, delayMs / 1_000);
  }

  /** A connection was opened. */
  connected(platform: Platform): void {
    this.#connections.inc({ platform });
  }

  /** A connection ended. */
  disconnected(platform: Platform): void {
    this.#connections.dec({ platform });
  }

  /** A connection could not be opened. */
  connectFailed(platform: Platform): void {
    this.#connectFailures.inc({ platform });
  }

  /** Sending to an origin was interrupted, or taken up again. */
  circuitChanged(platform: Platform, state: "open" | "closed"): void {
    this.#circuits.inc({ platform, state });
  }

  /** An app was stopped on a platform. */
  paused(platform: Platform): void {
    this.#pauses.inc({ platform });
  }

  /** The first certificate of an app ends then, in milliseconds since 1970, or there is none. */
  certificates(platform: Platform, endsAt: number | undefined): void {
    if (endsAt === undefined) this.#certificates.remove({ platform });
    else this.#certificates.set({ platform }, endsAt / 1_000);
  }

  /** A batch ended without a result. */
  batchLost(): void {
    this.#batchesLost.inc();
  }

  /** An entry was set aside. */
  setAside(): void {
    this.#setAside.inc();
  }

  /** A sink did not take a page. */
  sinkFailed(): void {
    this.#sinkFailures.inc();
  }

  /** A source failed or ended. */
  sourceFailed(): void {
    this.#sourceFailures.inc();
  }
}

/** The class of a status; what a provider took has no reason, whatever its status. */
function classOf(status: number, reason: string): string {
  if (reason === "") return "2xx";
  return status >= 200 && status < 600 ? `${Math.floor(status / 100)}xx` : "none";
}
