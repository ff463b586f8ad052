/**
 * The numbers of a node, in the text format that Prometheus reads.
 *
 * Invariants: every label comes from a closed set, so that nothing from outside can grow the number
 * of series; every series but those of the endpoint's verdicts and the providers' answers exists from
 * the start with the value 0, so that a rate can be computed across the first event; nothing here
 * identifies a device, a channel or a sender.
 *
 * Why a class of plain methods over `prom-client`: whoever counts names the event and cannot
 * misspell a label, and the library stays behind one door. It has a registry of its own, so two
 * nodes in one process do not share counts, and its default collectors stay off, because they read
 * `/proc` and would need permissions. Nothing here needs any.
 *
 * @example
 * ```ts
 * const metrics = new Metrics();
 * metrics.accepted("stored");
 * await metrics.text(); // … heliograph_messages_accepted_total{route="stored"} 1 …
 * ```
 *
 * @module
 */
import { Gauge } from "prom-client";
import { DeliveryMetrics, NO_REASONS, type ProviderReasons } from "./delivery_metrics.ts";
import { Series } from "./series.ts";

/** Who said hello: a device without an identity, one that we know, or one whose identity we do not know and replaced. */
export type HelloKind = "new" | "returning" | "replaced";

/** Where an accepted message went: to a device connected here or to another node, to the store, or (TTL 0, device away) nowhere. */
export type MessageRoute = "direct" | "forwarded" | "stored" | "dropped";

const HELLO_KINDS: readonly HelloKind[] = ["new", "returning", "replaced"];
const ROUTES: readonly MessageRoute[] = ["direct", "forwarded", "stored", "dropped"];

/** Statuses of the answer to a registration, as the device's dialect has them. */
const REGISTER_STATUSES: readonly number[] = [200, 400, 500];

/** Codes a device may put into an acknowledgement: delivered, not decrypted, not delivered. */
const ACK_CODES: readonly number[] = [100, 101, 102];

/** Codes a device may put into a negative acknowledgement: exception, rejection, internal error of its worker. */
const NACK_CODES: readonly number[] = [301, 302, 303];

/** Statuses the push endpoint answers with. */
const STATUSES: readonly number[] = [
  ...[200, 201, 204, 400, 401, 403, 404, 405, 408, 410, 413, 414, 421, 429, 431, 500, 501, 503],
];

/** Error numbers of the push endpoint, as autopush numbers them. */
const ERRNOS: readonly number[] = [
  ...[101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114],
  ...[201, 202, 900, 901, 902, 903, 999],
];

/** Bounds of a delivery in seconds: loopback takes under a millisecond, a stored message may take days. */
const DELIVERY_BUCKETS_SECONDS = [
  ...[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  ...[60, 600, 3_600, 86_400],
];

/** Bounds of an acknowledgement in seconds: a device on loopback takes a millisecond, one that fell asleep on a train minutes. */
const ACK_BUCKETS_SECONDS = [
  ...[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
];

/** Bounds of a commit in seconds: an `fsync` takes 0.1 ms on a good disk and seconds on a dying one. */
const COMMIT_BUCKETS_SECONDS = [
  ...[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
];

/** Bounds of the event loop's delay in seconds. */
const LOOP_BUCKETS_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

/** The counters, gauges and histograms of one node. */
export class Metrics {
  /** Media type of {@linkcode Metrics.text}. */
  readonly contentType: string;
  /** Those of the delivery pipeline. */
  readonly delivery: DeliveryMetrics;
  readonly #series = new Series();
  readonly #connections = this.#series.gauge("device_connections", "Device sockets open now.");
  readonly #hellos = this.#series.counter("hellos_total", "Devices that said hello.", ["kind"]);
  readonly #registers = this.#series.counter(
    "registers_total",
    "Answers to a device that registers a channel.",
    ["status"],
  );
  readonly #unregisters = this.#series.counter("unregisters_total", "Channels unregistered.", []);
  readonly #acks = this.#series.counter("acks_total", "Messages acknowledged by devices.", [
    "code",
  ]);
  readonly #nacks = this.#series.counter("nacks_total", "Messages devices could not use.", [
    "code",
  ]);
  readonly #accepted = this.#series.counter(
    "messages_accepted_total",
    "Messages answered 201, by where they went first.",
    ["route"],
  );
  readonly #answers = this.#series.counter(
    "endpoint_answers_total",
    "Answers of the push endpoint; errno is none for a success.",
    ["status", "errno"],
  );
  readonly #urgencies = this.#series.counter(
    "messages_urgency_total",
    "Messages answered 201, by their Urgency.",
    ["urgency"],
  );
  readonly #vapidVerified = this.#series.counter(
    "vapid_verified_total",
    "Signed posts whose token was right, by how it names its sender.",
    ["draft", "subject"],
  );
  readonly #vapidRefused = this.#series.counter(
    "vapid_refused_total",
    "Posts refused for their VAPID header, by fault.",
    ["fault"],
  );
  readonly #delivery = this.#series.histogram(
    "delivery_delay_seconds",
    "From accepting a message to handing it to a device's socket.",
    { buckets: DELIVERY_BUCKETS_SECONDS },
  );
  readonly #ackDelay = this.#series.histogram(
    "ack_delay_seconds",
    "From handing a message to a device's socket to the device's acknowledgement.",
    { buckets: ACK_BUCKETS_SECONDS },
  );
  readonly #commits = this.#series.histogram(
    "commit_seconds",
    "Time of one durable commit of the store.",
    { buckets: COMMIT_BUCKETS_SECONDS },
  );
  readonly #storeErrors = this.#series.counter(
    "store_errors_total",
    "Calls the store refused.",
    [],
  );
  readonly #peerFailures = this.#series.counter(
    "peer_failures_total",
    "Calls to other nodes that failed.",
    [],
  );
  readonly #handedOver = this.#series.counter(
    "peer_items_total",
    "Messages and signals that other nodes handed over.",
    ["what"],
  );
  readonly #crashes = this.#series.counter("actor_crashes_total", "Actors that crashed.", []);
  readonly #restarts = this.#series.counter("actor_restarts_total", "Actors started again.", []);
  readonly #deadLetters = this.#series.counter(
    "dead_letters_total",
    "Messages to ended actors.",
    [],
  );
  readonly #loopDelay = this.#series.histogram(
    "event_loop_delay_seconds",
    "How much later than asked a timer fired.",
    { buckets: LOOP_BUCKETS_SECONDS },
  );

  /**
   * Makes all series, at 0.
   *
   * @param reasons Providers' reasons to be counted apart; none by default.
   */
  constructor(reasons: ProviderReasons = NO_REASONS) {
    this.delivery = new DeliveryMetrics(this.#series, reasons);
    this.contentType = this.#series.registry.contentType;
    for (const kind of HELLO_KINDS) this.#hellos.inc({ kind }, 0);
    for (const route of ROUTES) this.#accepted.inc({ route }, 0);
    for (const status of REGISTER_STATUSES) this.#registers.inc({ status: String(status) }, 0);
    for (const code of ACK_CODES) this.#acks.inc({ code: String(code) }, 0);
    for (const code of NACK_CODES) this.#nacks.inc({ code: String(code) }, 0);
    this.#answers.inc({ status: "201", errno: "none" }, 0);
    new Gauge({
      name: "process_resident_memory_bytes",
      help: "Resident memory of the process.",
      registers: [this.#series.registry],
      collect() {
        this.set(Deno.memoryUsage().rss);
      },
    });
  }

  /** A device's socket opened. */
  connectionOpened(): void {
    this.#connections.inc();
  }

  /** A device's socket closed. */
  connectionClosed(): void {
    this.#connections.dec();
  }

  /** A device said hello. */
  helloed(kind: HelloKind): void {
    this.#hellos.inc({ kind });
  }

  /** A device asked for a channel and got this status: 200 when it was registered. */
  registered(status: number): void {
    this.#registers.inc({ status: label(REGISTER_STATUSES, status) });
  }

  /** A device unregistered a channel. */
  unregistered(): void {
    this.#unregisters.inc();
  }

  /**
   * A device acknowledged a message with this code, so many milliseconds after it was handed to its
   * socket; unknown codes are counted as `other`.
   */
  acknowledged(code: number, delayMs: number): void {
    this.#acks.inc({ code: label(ACK_CODES, code) });
    this.#ackDelay.observe(delayMs / 1_000);
  }

  /** A device reported that it could not use a message; unknown codes are counted as `other`. */
  refused(code: number): void {
    this.#nacks.inc({ code: label(NACK_CODES, code) });
  }

  /** A message was accepted and went this way. */
  accepted(route: MessageRoute): void {
    this.#accepted.inc({ route });
  }

  /** The push endpoint answered; numbers outside its table are counted as `other`. */
  answered(status: number, errno?: number | null): void {
    this.#answers.inc({
      status: label(STATUSES, status),
      errno: errno === undefined || errno === null ? "none" : label(ERRNOS, errno),
    });
  }

  /** A message with this `Urgency` was accepted; the values are the endpoint's closed set. */
  urgency(urgency: string): void {
    this.#urgencies.inc({ urgency });
  }

  /** A VAPID token was right; draft and kind of subject are the endpoint's closed sets. */
  vapidVerified(draft: string, subject: string): void {
    this.#vapidVerified.inc({ draft, subject });
  }

  /** A VAPID header was refused; the fault is one of the endpoint's closed set. */
  vapidRefused(fault: string): void {
    this.#vapidRefused.inc({ fault });
  }

  /** A message was handed to a device's socket, so many milliseconds after it was accepted. */
  delivered(delayMs: number): void {
    this.#delivery.observe(delayMs / 1_000);
  }

  /** The store committed, which took so many milliseconds. */
  committed(durationMs: number): void {
    this.#commits.observe(durationMs / 1_000);
  }

  /** A call to the store failed. */
  storeFailed(): void {
    this.#storeErrors.inc();
  }

  /** A call to another node failed. */
  peerFailed(): void {
    this.#peerFailures.inc();
  }

  /** Another node handed over so many of these. */
  handedOver(what: "push" | "notif" | "displace", items: number): void {
    this.#handedOver.inc({ what }, items);
  }

  /** An actor crashed. */
  actorCrashed(): void {
    this.#crashes.inc();
  }

  /** A supervisor started an actor again. */
  actorRestarted(): void {
    this.#restarts.inc();
  }

  /** Messages were sent to an actor that had ended. */
  deadLettered(count = 1): void {
    this.#deadLetters.inc(count);
  }

  /** A timer fired so many milliseconds later than asked. */
  loopDelayed(delayMs: number): void {
    this.#loopDelay.observe(delayMs / 1_000);
  }

  /** All series in the Prometheus text format, version 0.0.4. */
  async text(): Promise<string> {
    await this.delivery.refresh();
    return await this.#series.text();
  }
}

/** The label of a number from a closed set; the ones outside share a label. */
function label(known: readonly number[], value: number): string {
  return known.includes(value) ? String(value) : "other";
}
