/**
 * What the pipeline needs of those around it, beside the store: providers with their connections,
 * sources of notifications, sinks of outcomes. Transports fit these interfaces structurally and do
 * not import them.
 *
 * @module
 */

import type { Span } from "../tracer.ts";
import type { App, DeliveryRow, Notification, Outcome, Platform } from "./records.ts";
import type { Recipients, Tally } from "./store.ts";

/** What a provider said to one request, or what stands for it. */
export type Verdict =
  /** It took the notification. */
  | { readonly kind: "delivered" }
  /**
   * The address is dead. `doubtful` when a wrong configuration gives the same answer, so that many of
   * them pause the app. With `invalidSince`, a device registered after that time is alive.
   */
  | {
    readonly kind: "token_invalid";
    readonly status: number;
    readonly reason: string;
    readonly doubtful: boolean;
    readonly invalidSince?: number;
  }
  /** It refuses this notification to this recipient, and will again. */
  | { readonly kind: "rejected"; readonly status: number; readonly reason: string }
  /** Later; not before `afterMs` when it said so. With the scope `lane` it wants less of the whole app. */
  | {
    readonly kind: "retry";
    readonly status: number;
    readonly reason: string;
    readonly afterMs?: number;
    readonly scope: "recipient" | "lane";
  }
  /** It refuses the app as a whole: a person must mend credentials or configuration. */
  | { readonly kind: "pause"; readonly status: number; readonly reason: string }
  /**
   * The request was not made, or not processed: safe to send again at once, over another connection.
   * From a gateway it means that it cannot send now, with the time after which it can.
   */
  | { readonly kind: "unsent"; readonly reason: string; readonly afterMs?: number };

/** Verdicts for many recipients: few differ, so each is named once. */
export interface Answers {
  /** The verdicts. */
  readonly verdicts: readonly Verdict[];
  /** For each recipient, by place, the index of its verdict. */
  readonly of: Uint16Array;
}

/** Recipients of one notification to send to. */
export interface SendBlock {
  /** The notification. */
  readonly notification: Notification;
  /** The app, with its credentials. */
  readonly app: App;
  /** The recipients. */
  readonly recipients: Recipients;
  /** The batch at work, when its trace is recorded: requests are steps within it. */
  readonly span?: Span;
}

/** What sends: one for each platform. */
export interface Gateway {
  /** Sends to these; resolves when each has a verdict. A rejection means that it is unknown what was sent. */
  send(block: SendBlock): Promise<Answers>;
  /** The node stops: what is not on its way yet is to be answered at once, as `unsent`. */
  handBack?(): void;
}

/** An open connection to a provider, as far as its actor knows it. */
export interface ProviderConnection extends AsyncDisposable {
  /** Requests the peer takes at once, as it says now. */
  readonly streamsMax: number;
  /** Requests sent or waiting in the connection that have not ended. */
  readonly inFlight: number;
  /** Resolves, with a reason for people, when the connection takes no more requests. */
  readonly ended: Promise<string>;
  /** Takes no more requests, gives back those that have not begun, waits for the others until their deadline, and closes. */
  close(): Promise<void>;
}

/** Where a leg goes. All legs of the same key share a pool of connections. */
export interface Destination<C extends ProviderConnection> {
  /** Names what connections may be shared for: origin, credentials, clean or suspect. */
  readonly key: string;
  /** The origin, for the circuit and for people. */
  readonly origin: string;
  /** Connections at once. */
  readonly connectionsMax: number;
  /** Opens a connection; a rejection's message says why, for people. */
  connect(): Promise<C>;
}

/** Recipients of a block that go to one destination. */
export interface Leg<C extends ProviderConnection> {
  /** Where to. */
  readonly destination: Destination<C>;
  /** Their places in the block. */
  readonly places: readonly number[];
  /** Sends to those of them that are named here by their index in `places`; never rejects for what a peer does. */
  send(connection: C, indexes: readonly number[]): Promise<Answers>;
}

/** A block split by destination; some recipients have their verdict without a request. */
export interface Routed<C extends ProviderConnection> {
  /** Verdicts at once, by place. */
  readonly settled: ReadonlyMap<number, Verdict>;
  /** The others. */
  readonly legs: readonly Leg<C>[];
}

/** A notification made ready for a platform: rendered once, sent many times. */
export type Prepared<C extends ProviderConnection> =
  | { readonly kind: "ready"; route(recipients: Recipients): Routed<C> }
  | { readonly kind: "refused"; readonly verdict: Verdict };

/** What is known of one provider: its requests, its answers, its credentials. */
export interface Provider<C extends ProviderConnection> {
  /** Its platform. */
  readonly platform: Platform;
  /** Renders what all recipients share. Credentials that cannot be used give a `pause`. */
  prepare(app: App, notification: Notification): Promise<Prepared<C>>;
}

/** An entry of a source, as it came. */
export interface SourceEntry {
  /** Its id within the source: an entry that comes twice makes one notification. */
  readonly id: string;
  /** The notification as the API takes it, as JSON text or as a value. */
  readonly body: unknown;
  /** How often the source has handed it out, this time included; 1 when it does not know. */
  readonly deliveries: number;
  /** What is wrong with its outside, as its source sees it: then it is set aside, whatever the body is. */
  readonly problem?: string;
  /** Called when the notification is stored, or set aside: the source may forget it. */
  acknowledge(): Promise<void> | void;
  /** Called instead when it is set aside, with the reason: the source may keep it apart, for people. */
  bury?(reason: string): Promise<void> | void;
}

/** Where notifications come from, beside the API. */
export interface Source {
  /** Its name, for people and for the uniqueness of its entries. */
  readonly name: string;
  /** Its entries, until the signal is aborted. When it ends or throws it is opened again, with a delay. */
  entries(signal: AbortSignal): AsyncIterable<SourceEntry>;
}

/** What records outcomes, beside the store: row by row, or counted. */
export type Sink = RowSink | TallySink;

/** What counts outcomes. */
export interface TallySink {
  /** Its name; its position is remembered under it. `bars`, `feedback` and `history` are built in. */
  readonly name: string;
  /** It wants what each batch came to. */
  readonly rows: "tallies";
  /**
   * Counts tallies, in the order of their positions. A rejection has them offered again, later: a
   * sink that must count each once remembers the last position beside its counts.
   */
  record(tallies: readonly Tally[], signal: AbortSignal): Promise<void>;
}

/** What records outcomes row by row. */
export interface RowSink {
  /** Its name; its position is remembered under it. `bars`, `feedback` and `history` are built in. */
  readonly name: string;
  /** Whether it wants every delivery, or the failures. */
  readonly rows: "failures" | "all";
  /** Records rows, in the order of their positions. A rejection has them offered again, later: a sink gets each row at least once. */
  record(rows: readonly DeliveryRow[], signal: AbortSignal): Promise<void>;
}

/** What the pipeline reports, for metrics and logs; no event carries an address or content. */
export type DeliveryEvent =
  | { readonly kind: "submitted"; readonly app: string }
  | { readonly kind: "expanded"; readonly recipients: number }
  | {
    readonly kind: "settled";
    readonly platform: Platform;
    readonly outcomes: Readonly<Record<Outcome, number>>;
    readonly retries: number;
    readonly at: number;
    readonly durationMs: number;
  }
  | {
    readonly kind: "answered";
    readonly platform: Platform;
    readonly status: number;
    readonly reason: string;
    readonly count: number;
  }
  /**
   * How long a block's answers took: how many fell into each bucket of the connection's own bounds, the
   * last one without a bound, and all of them together.
   */
  | {
    readonly kind: "latencies";
    readonly platform: Platform;
    readonly counts: Uint32Array;
    readonly sumMs: number;
  }
  /** A batch was claimed and sent for the first time, or was too late to be, so long after its recipients might be sent to. */
  | { readonly kind: "claimed"; readonly platform: Platform; readonly delayMs: number }
  | { readonly kind: "connected"; readonly platform: Platform; readonly origin: string }
  | {
    readonly kind: "disconnected";
    readonly platform: Platform;
    readonly origin: string;
    readonly reason: string;
  }
  | {
    readonly kind: "connect_failed";
    readonly platform: Platform;
    readonly origin: string;
    readonly reason: string;
  }
  | {
    readonly kind: "circuit";
    readonly platform: Platform;
    readonly origin: string;
    readonly state: "open" | "closed";
  }
  | {
    readonly kind: "paused";
    readonly app: string;
    readonly platform: Platform;
    readonly reason: string;
  }
  /** The first certificate of any app ends then, in milliseconds since 1970; `undefined` when no app has one. */
  | {
    readonly kind: "certificates";
    readonly platform: Platform;
    readonly endsAt: number | undefined;
  }
  | { readonly kind: "batch_lost"; readonly reason: string }
  | { readonly kind: "dead_letter"; readonly source: string; readonly reason: string }
  | { readonly kind: "sink_failed"; readonly sink: string; readonly reason: string }
  | { readonly kind: "source_failed"; readonly source: string; readonly reason: string };

/** Takes the pipeline's events; must return at once and never throw. */
export interface DeliveryObserver {
  /** Records one event. */
  record(event: DeliveryEvent): void;
}
