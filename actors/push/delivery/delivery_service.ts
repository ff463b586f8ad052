/**
 * What callers ask of the delivery pipeline: keep these apps and devices, send this notification, how
 * far is it. The API, the command line and sources stand on it.
 *
 * Invariants: what comes in is read in full before anything is stored; what was accepted is durable
 * when the promise resolves, and the feeder is told of it; no answer has a credential in it. Services have no state
 * but what can be counted again, so that several may share a store.
 *
 * Its methods reject only when the store is not available; what is wrong with a request is a value.
 *
 * @module
 */

import type { CredentialReports } from "./app_health.ts";
import { barsOfSlots, type BarsView, barsWithin, barWindow, readBarSpan } from "./bar_spans.ts";
import { appName, type CredentialChecks, readCredentials } from "./app_input.ts";
import {
  readDevice,
  readDeviceRow,
  readRecipient,
  type SubscriptionChecks,
} from "./device_input.ts";
import { listDevices, viewOf } from "./device_list.ts";
import { readInput, shown } from "./input.ts";
import { DEVICES_STEP } from "./input_limits.ts";
import { type InputSchemas, inputSchemas } from "./input_schemas.ts";
import { searchNotifications } from "./notification_search.ts";
import {
  type Query,
  readAppQuery,
  readDeliveriesPage,
  readDevicesPage,
  readLimit,
  readNotificationsPage,
  readResume,
} from "./page_input.ts";
import { type Facts, traced, type Tracer } from "../tracer.ts";
import type { DeliveryObserver } from "./ports.ts";
import { type PlatformPreviews, previewOf, type PreviewView } from "./preview.ts";
import { type Rates, rateSince, ratesOf } from "./rates.ts";
import { ReasonCounts, type ReasonsView } from "./reasons.ts";
import {
  type DeviceRecord,
  type DirectRecipient,
  type Platform,
  PLATFORMS,
  type SubmitOutcome,
} from "./records.ts";
import type { Bar } from "./sinks/monitor.ts";
import type { DeliveryStore, Lane } from "./store.ts";
import {
  conflict,
  type ImportedRows,
  type InputRow,
  noApp,
  noDevice,
  noNotification,
  ok,
  prefixed,
  refuse,
  type Reply,
  sorted,
  unknownApp,
} from "./reply.ts";
import { readSubmission } from "./submission.ts";
import {
  type AppView,
  appView,
  type DeadLetterView,
  deadLetterView,
  type DeliveryView,
  deliveryView,
  type DeviceExport,
  deviceExport,
  type DeviceView,
  type LaneView,
  laneView,
  type NotificationDetails,
  type NotificationView,
  notificationView,
} from "./views.ts";

/** How the pipeline is loaded. */
export interface PipelineStatus {
  /** This node. */
  readonly node: NodeFacts;
  /** All lanes together, in batches. */
  readonly queue: { readonly waiting: number; readonly leased: number };
  /** Every lane with work or a pause. */
  readonly lanes: readonly LaneView[];
  /** What ended in the last seconds, on all nodes where they share the store; `null` when its monitor does not answer. */
  readonly rates: Rates | null;
}

/** What is told of the node. */
export interface NodeFacts {
  /** Its id among the nodes that share the store. */
  readonly id: string;
  /** The program's version. */
  readonly version: string;
  /** When it started, RFC 3339. */
  readonly startedAt: string;
}

/** The checks of what only a platform knows. */
export type PlatformChecks = CredentialChecks & SubscriptionChecks;

/** What the service stands on. */
export interface DeliveryServiceParts {
  /** Where everything is. */
  readonly store: DeliveryStore;
  /** The platforms' own checks. */
  readonly checks: PlatformChecks;
  /** The platforms' own rendering. */
  readonly previews: PlatformPreviews;
  /** What the platforms know of credentials. */
  readonly reports: CredentialReports;
  /** The wall clock, in milliseconds. */
  readonly wallNow: () => number;
  /** Makes the id of a notification, a UUID. */
  readonly newId: () => string;
  /** Lets the event loop turn: resolves after what else was ready has had its part. */
  readonly breathe: () => Promise<void>;
  /** Tells feeder and router that there may be work; must not throw. */
  readonly wake: () => void;
  /** Tells the guard that somebody looked at a lane and resumed it; must not throw. */
  readonly resumed: (lane: Lane) => void;
  /** Hears of accepted notifications. */
  readonly observer: DeliveryObserver;
  /** Records what takes how long, if anybody looks. */
  readonly tracer?: Tracer | undefined;
  /** The monitor's bars of this second and all after it; rejects when it does not answer. */
  readonly bars: (since: number) => Promise<readonly Bar[]>;
  /** What is told of the node. */
  readonly node: NodeFacts;
}

/** The service; see the module. */
export class DeliveryService {
  /** JSON Schemas of what is taken. */
  readonly schemas: InputSchemas = inputSchemas();
  readonly #parts: DeliveryServiceParts;
  readonly #reasons: ReasonCounts;

  /** A service over these parts. */
  constructor(parts: DeliveryServiceParts) {
    this.#parts = parts;
    this.#reasons = new ReasonCounts(parts);
  }

  /** Saves an app's credentials, which resumes its lanes. */
  async putApp(name: string, body: unknown): Promise<Reply<AppView>> {
    const { store, checks, wallNow, wake } = this.#parts;
    const named = readInput(appName, name);
    if (named.kind === "problems") return refuse({ problems: prefixed("app", named.problems) });
    const read = await readCredentials(body, checks);
    if (read.kind === "problems") return refuse(read);
    const app = await store.saveApp(name, read.value, wallNow());
    wake();
    return ok(appView(app, [], this.#parts.reports));
  }

  /** An app. */
  async app(name: string): Promise<Reply<AppView>> {
    const { store, reports } = this.#parts;
    const found = (await store.apps()).find(({ app }) => app.name === name);
    return found === undefined ? noApp(name) : ok(appView(found.app, found.pauses, reports));
  }

  /** All apps. */
  async apps(): Promise<readonly AppView[]> {
    const { store, reports } = this.#parts;
    return (await store.apps()).map(({ app, pauses }) => appView(app, pauses, reports));
  }

  /** Removes an app with its devices, unless one of its notifications is unfinished. */
  async removeApp(name: string): Promise<Reply<null>> {
    switch (await this.#parts.store.removeApp(name)) {
      case "removed":
        return ok(null);
      case "unknown":
        return noApp(name);
      case "busy":
        return conflict(`app ${shown(name)} has notifications that have not ended: cancel them`);
    }
  }

  /** Resumes an app's paused lanes, or the one of the query's platform; says which were paused. */
  async resumeApp(name: string, query: Query): Promise<Reply<readonly Platform[]>> {
    const { store, resumed: trust, wake } = this.#parts;
    const read = readResume(query);
    if (read.kind === "problems") return refuse(read);
    if (await store.app(name) === undefined) return noApp(name);
    const { platform: only } = read.value;
    const resumed: Platform[] = [];
    for (const platform of only === undefined ? PLATFORMS : [only]) {
      const lane = { app: name, platform };
      if (!await store.resume(lane)) continue;
      trust(lane);
      resumed.push(platform);
    }
    wake();
    return ok(resumed);
  }

  /** Registers a device, in place of the one of the same id. */
  async putDevice(id: string, body: unknown): Promise<Reply<DeviceView>> {
    const { store, checks, wallNow } = this.#parts;
    const read = readDevice(id, body, checks);
    if (read.kind === "problems") return refuse(read);
    const now = wallNow();
    const { noApp: orphans, taken } = await store.saveDevices([read.value], now);
    if (orphans.length > 0) return refuse({ problems: [unknownApp(read.value.app)] });
    if (taken.length > 0) return conflict(TAKEN);
    const device = {
      ...read.value,
      state: "active",
      registeredAt: now,
      reason: undefined,
    } as const;
    return ok(await viewOf(device, store));
  }

  /** A device. */
  async device(id: string): Promise<Reply<DeviceView>> {
    const { store } = this.#parts;
    const device = await store.device(id);
    return device === undefined ? noDevice(id) : ok(await viewOf(device, store));
  }

  /** A page of an app's devices, and where the next one begins. */
  async devices(query: Query): Promise<
    Reply<{ readonly devices: readonly DeviceView[]; readonly next: string | null }>
  > {
    const { store } = this.#parts;
    const read = readDevicesPage(query);
    if (read.kind === "problems") return refuse(read);
    if (await store.app(read.value.app) === undefined) return noApp(read.value.app);
    return ok(await listDevices(read.value, store));
  }

  /** Removes a device. */
  async removeDevice(id: string): Promise<Reply<null>> {
    return await this.#parts.store.removeDevice(id) ? ok(null) : noDevice(id);
  }

  /** Registers up to a thousand devices; each row stands for itself. */
  async importDevices(rows: readonly InputRow[]): Promise<ImportedRows> {
    const { store, checks, wallNow } = this.#parts;
    const { good, failed } = sorted<DeviceRecord>(rows, (row) => readDeviceRow(row, checks));
    if (good.length === 0) return { imported: 0, failed };
    const { noApp: orphans, taken } = await store.saveDevices(
      good.map(({ value }) => value),
      wallNow(),
    );
    for (const place of orphans) {
      const row = good[place];
      if (row === undefined) continue;
      failed.push({ line: row.line, problems: [unknownApp(row.value.app)] });
    }
    for (const place of taken) {
      const row = good[place];
      if (row === undefined) continue;
      failed.push({ line: row.line, problems: [{ path: "id", message: TAKEN }] });
    }
    failed.sort((a, b) => a.line - b.line);
    return { imported: good.length - orphans.length - taken.length, failed };
  }

  /** An app's active devices as an import takes them, part by part. */
  async exportDevices(
    query: Query,
  ): Promise<Reply<AsyncIterable<readonly DeviceExport[]>>> {
    const read = readAppQuery(query);
    if (read.kind === "problems") return refuse(read);
    const { app } = read.value;
    if (await this.#parts.store.app(app) === undefined) return noApp(app);
    return ok(this.#export(app));
  }

  async *#export(app: string): AsyncIterable<readonly DeviceExport[]> {
    let after: string | undefined;
    while (true) {
      const page = { app, after, limit: DEVICES_STEP, state: "active" } as const;
      const devices = await this.#parts.store.devices(page);
      if (devices.length > 0) yield devices.map(deviceExport);
      if (devices.length < DEVICES_STEP) return;
      after = devices.at(-1)?.id;
    }
  }

  /** Accepts a notification. The same key with the same body names the notification that it made before. */
  async submit(
    body: unknown,
    idempotencyKey?: string,
  ): Promise<Reply<{ readonly id: string; readonly repeated: boolean }>> {
    const { store, checks, wallNow, newId, wake, observer, tracer } = this.#parts;
    const context = { id: newId(), now: wallNow(), idempotencyKey, checks };
    const read = readSubmission(body, context);
    if (read.kind === "too_many") return read;
    if (read.kind === "problems") return refuse(read);
    const { notification: { app, id } } = read.value;
    const span = tracer?.begin({ kind: "notification", id }, "submit", { app }, context.now);
    const outcome = await traced(span, store.submit(read.value), submitFacts);
    switch (outcome.kind) {
      case "accepted":
        observer.record({ kind: "submitted", app: read.value.notification.app });
        wake();
        return ok({ id: outcome.id, repeated: false });
      case "repeated":
        return ok({ id: outcome.id, repeated: true });
      case "conflict":
        return conflict("Idempotency-Key: was used for another notification");
      case "no_app":
        return refuse({ problems: [unknownApp(read.value.notification.app)] });
    }
  }

  /** What a notification would be on each platform of its app; it is read as by `submit`, and neither stored nor sent. */
  async preview(body: unknown): Promise<Reply<PreviewView>> {
    const { store, checks, previews, wallNow, newId } = this.#parts;
    const now = wallNow();
    const read = readSubmission(body, { id: newId(), now, idempotencyKey: undefined, checks });
    if (read.kind === "too_many") return read;
    if (read.kind === "problems") return refuse(read);
    const { notification } = read.value;
    const app = await store.app(notification.app);
    if (app === undefined) return refuse({ problems: [unknownApp(notification.app)] });
    return ok(await previewOf(read.value, app, { previews, checks, now }));
  }

  /** Whether recipients can be added to a notification. */
  async open(id: string): Promise<Reply<null>> {
    const found = await this.#parts.store.notification(id);
    if (found === undefined) return noNotification(id);
    return found.state === "open" ? ok(null) : conflict(CLOSED);
  }

  /** Adds up to a thousand recipients to an open notification; each row stands for itself. */
  async addRecipients(id: string, rows: readonly InputRow[]): Promise<Reply<ImportedRows>> {
    const { store, checks } = this.#parts;
    const { good, failed } = sorted<DirectRecipient>(rows, (row) => readRecipient(row, checks));
    if (good.length === 0) return ok({ imported: 0, failed });
    switch (await store.addRecipients(id, good.map(({ value }) => value))) {
      case "added":
        return ok({ imported: good.length, failed });
      case "unknown":
        return noNotification(id);
      case "closed":
        return conflict(CLOSED);
    }
  }

  /** Closes an open notification: it is sent from now on. */
  async close(id: string): Promise<Reply<NotificationView>> {
    switch (await this.#parts.store.closeNotification(id)) {
      case "closed":
        this.#parts.wake();
        return await this.notification(id);
      case "unknown":
        return noNotification(id);
      case "already_closed":
        return conflict(CLOSED);
    }
  }

  /** Stops what has not been sent. */
  async cancel(id: string): Promise<Reply<NotificationView>> {
    const { store, wallNow } = this.#parts;
    switch (await store.cancel(id, wallNow())) {
      case "cancelled":
        return await this.notification(id);
      case "unknown":
        return noNotification(id);
      case "already_ended":
        return conflict("the notification has ended already");
    }
  }

  /** A notification with its progress. */
  async notification(id: string): Promise<Reply<NotificationDetails>> {
    const found = await this.#parts.store.notification(id);
    if (found === undefined) return noNotification(id);
    return ok({ ...notificationView(found), content: found.notification.content });
  }

  /** A page of notifications, newest first, and where the next one begins. */
  async notifications(query: Query): Promise<
    Reply<{ readonly notifications: readonly NotificationView[]; readonly next: string | null }>
  > {
    const read = readNotificationsPage(query);
    if (read.kind === "problems") return refuse(read);
    const { found, next = null } = await searchNotifications(read.value, this.#parts);
    return ok({ notifications: found.map(notificationView), next });
  }

  /** Why recipients of a notification were not reached, as far as it is counted: each call counts on. */
  async reasons(id: string): Promise<Reply<ReasonsView>> {
    if (await this.#parts.store.notification(id) === undefined) return noNotification(id);
    return ok(await this.#reasons.of(id));
  }

  /** A page of a notification's deliveries in the order of recording, and where the next one begins. */
  async deliveries(id: string, query: Query): Promise<
    Reply<{ readonly deliveries: readonly DeliveryView[]; readonly next: number | null }>
  > {
    const { store } = this.#parts;
    const read = readDeliveriesPage(id, query);
    if (read.kind === "problems") return refuse(read);
    if (await store.notification(id) === undefined) return noNotification(id);
    const rows = await store.deliveries(read.value);
    const last = rows.length < read.value.limit ? undefined : rows.at(-1);
    return ok({ deliveries: rows.map(deliveryView), next: last?.position ?? null });
  }

  /** How the pipeline is loaded. */
  async status(): Promise<PipelineStatus> {
    const [found, rates] = await Promise.all([this.#parts.store.lanes(), this.#rates()]);
    const lanes = found.map(laneView);
    const sum = (key: "waiting" | "leased") => lanes.reduce((all, lane) => all + lane[key], 0);
    return {
      node: this.#parts.node,
      queue: { waiting: sum("waiting"), leased: sum("leased") },
      lanes,
      rates,
    };
  }

  /** For eyes only: a monitor that does not answer must not hide the rest. */
  async #rates(): Promise<Rates | null> {
    const { bars, wallNow } = this.#parts;
    const now = wallNow();
    try {
      return ratesOf(await bars(rateSince(now)), now);
    } catch {
      return null;
    }
  }

  /** What ended in a span up to now; rejects also when the monitor does not answer. */
  async bars(query: Query): Promise<Reply<BarsView>> {
    const { store, bars, wallNow } = this.#parts;
    const read = readBarSpan(query);
    if (read.kind === "problems") return refuse(read);
    const window = barWindow(read.value.span, wallNow());
    const { span, step: stepSeconds, from, to } = window;
    return ok({
      ...window,
      bars: span === "ten_minutes"
        ? barsWithin(window, await bars(from))
        : barsOfSlots(await store.history({ from, to, stepSeconds })),
    });
  }

  /** Entries that no node can use, newest first. */
  async deadLetters(query: Query): Promise<Reply<readonly DeadLetterView[]>> {
    const read = readLimit(query);
    if (read.kind === "problems") return refuse(read);
    return ok((await this.#parts.store.deadLetters(read.value.limit)).map(deadLetterView));
  }
}

/** Only what was accepted is a notification; of the others the trace says so. */
function submitFacts({ kind }: SubmitOutcome): Facts {
  return kind === "accepted" ? {} : { failure: kind };
}

const TAKEN = "is taken by a device of another app";
const CLOSED = "the notification is not open any more";
