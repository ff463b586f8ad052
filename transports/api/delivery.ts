/**
 * What the API needs of the delivery pipeline. The service fits this interface structurally; nothing
 * here knows how it does it.
 *
 * Views are data for JSON as they are. A rejection means that the store is not available now.
 *
 * @module
 */

import type { EventFrame, EventTopic } from "./event_frame.ts";

/** One thing that is wrong with a request. */
export interface Problem {
  /** Where: `content.apns.priority`; empty for the whole. */
  readonly path: string;
  /** What was found, and what is allowed. */
  readonly message: string;
}

/** What a request came to. */
export type Reply<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "invalid"; readonly problems: readonly Problem[] }
  | { readonly kind: "too_many"; readonly message: string }
  | { readonly kind: "unknown"; readonly message: string }
  | { readonly kind: "conflict"; readonly message: string };

/** A reply that holds no value. */
export type Refused = Exclude<Reply<never>, { readonly kind: "ok" }>;

/** A row of a streamed body. */
export interface InputRow {
  /** Its line, from 1. */
  readonly line: number;
  /** What stands there. */
  readonly value: unknown;
}

/** What some rows came to. */
export interface ImportedRows {
  /** Rows that are stored. */
  readonly imported: number;
  /** The others, by line. */
  readonly failed: readonly { readonly line: number; readonly problems: readonly Problem[] }[];
}

/** A request whose answer may name a notification, as a trace shows it. */
export interface RequestSpan {
  /** Ends it. `notification` is the id of the one it made, if it made one. */
  end(answer: { readonly status: number; readonly notification: string | undefined }): void;
}

/** Records requests; its methods return at once and never throw. */
export interface RequestTracer {
  /** Begins one; `traceparent` is the caller's header of that name (W3C Trace Context), if it was sent. */
  request(call: {
    readonly method: string;
    readonly route: string;
    readonly traceparent: string | undefined;
  }): RequestSpan;
}

/** A JSON Schema (2020-12). */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** Parameters of a query by name. */
export type Query = Readonly<Record<string, string>>;

/** The delivery pipeline as its callers see it. */
export interface DeliveryApi {
  /** Schemas of what it takes. */
  readonly schemas: {
    readonly app: JsonSchema;
    readonly device: JsonSchema;
    readonly deviceRow: JsonSchema;
    readonly notification: JsonSchema;
    readonly recipient: JsonSchema;
  };
  /** Saves an app's credentials. */
  putApp(name: string, body: unknown): Promise<Reply<unknown>>;
  /** What is public of an app. */
  app(name: string): Promise<Reply<unknown>>;
  /** All apps. */
  apps(): Promise<readonly unknown[]>;
  /** Removes an app with its devices. */
  removeApp(name: string): Promise<Reply<null>>;
  /** Resumes paused lanes: all, or the one of the query's `platform`. */
  resumeApp(name: string, query: Query): Promise<Reply<readonly string[]>>;
  /** Registers a device. */
  putDevice(id: string, body: unknown): Promise<Reply<unknown>>;
  /** A device. */
  device(id: string): Promise<Reply<unknown>>;
  /** A page of devices. */
  devices(query: Query): Promise<Reply<unknown>>;
  /** Removes a device. */
  removeDevice(id: string): Promise<Reply<null>>;
  /** Registers up to a thousand devices. */
  importDevices(rows: readonly InputRow[]): Promise<ImportedRows>;
  /** An app's devices, part by part. */
  exportDevices(query: Query): Promise<Reply<AsyncIterable<readonly unknown[]>>>;
  /** Accepts a notification. */
  submit(
    body: unknown,
    idempotencyKey?: string,
  ): Promise<Reply<{ readonly id: string; readonly repeated: boolean }>>;
  /** What a notification would be on each platform of its app. */
  preview(body: unknown): Promise<Reply<unknown>>;
  /** Whether recipients can be added to a notification. */
  open(id: string): Promise<Reply<null>>;
  /** Adds up to a thousand recipients to an open notification. */
  addRecipients(id: string, rows: readonly InputRow[]): Promise<Reply<ImportedRows>>;
  /** Closes an open notification. */
  close(id: string): Promise<Reply<unknown>>;
  /** Stops what has not been sent. */
  cancel(id: string): Promise<Reply<unknown>>;
  /** A notification with its progress. */
  notification(id: string): Promise<Reply<unknown>>;
  /** A page of notifications. */
  notifications(query: Query): Promise<Reply<unknown>>;
  /** Why recipients of a notification were not reached. */
  reasons(id: string): Promise<Reply<unknown>>;
  /** A page of a notification's deliveries. */
  deliveries(id: string, query: Query): Promise<Reply<unknown>>;
  /** How the pipeline is loaded. */
  status(): Promise<unknown>;
  /** What ended in a span up to now; rejects also when that of the last ten minutes is not known now. */
  bars(query: Query): Promise<Reply<unknown>>;
  /** Entries that no node can use. */
  deadLetters(query: Query): Promise<Reply<readonly unknown[]>>;
}

/** Where events come from. */
export interface ApiEvents {
  /**
   * Calls the listener with each frame of these topics; the listener returns at once and never throws.
   *
   * @returns What ends the subscription; `undefined` when there are as many as there may be.
   */
  subscribe(
    topics: ReadonlySet<EventTopic>,
    listener: (frame: EventFrame) => void,
  ): (() => void) | undefined;
  /**
   * The bars of this second and all after it, oldest first, at most ten minutes of them.
   *
   * @param since Seconds since 1970.
   * @returns `undefined` when there are none.
   */
  bars(since: number): Promise<EventFrame | undefined>;
}
