/**
 * The Web Push half in a world of its own: the real tree, the memory store, devices without TCP.
 * Nothing waits for real time, and one seed is one run.
 */

import type { Ref } from "../../actors/mod.ts";
import { type PushEvent, type PushRefs, PushService, pushTree, SortKeys } from "../../mod.ts";
import { World } from "../../actors/testing/mod.ts";
import type { Arrivals } from "../../actors/push/cluster/arrivals.ts";
import type { ClusterRefs } from "../../actors/push/cluster/tree.ts";
import type { DeviceSessionProtocol } from "../../actors/push/messages/device_session.ts";
import type { AcceptOutcome } from "../../actors/push/messages/push_service.ts";
import type {
  BroadcastSource,
  DeviceSocket,
  Identifiers,
  IncomingMessage,
  PushMessage,
} from "../../actors/push/ports.ts";
import { MemoryStore, type MemoryStoreOptions } from "../../transports/memory/memory_store.ts";
import { TraceLedger } from "./trace_ledger.ts";

/** What a device hears. */
export type Heard = Readonly<Record<string, unknown>>;

/** A message that crashes whoever handles it; frozen, so that the world leaves it alone. */
export const BROKEN: PushMessage = Object.freeze({
  get uaid(): string {
    throw new Error("broken on purpose");
  },
  channelId: "",
  ttlSeconds: 1,
  topic: undefined,
  get content(): undefined {
    throw new Error("broken on purpose");
  },
  sortKey: 1,
  version: "",
  expiresAt: 0,
});

/** Identifiers one can read. */
export class PlainIdentifiers implements Identifiers {
  #uaids = 0;

  endpointUrl(uaid: string, channelId: string, key: Uint8Array | undefined): string {
    return `push:${uaid}/${channelId}/${key?.length ?? "open"}`;
  }

  messageId(_uaid: string, _channelId: string, sortKey: number): string {
    return `v${sortKey}`;
  }

  newUaid(): string {
    return (++this.#uaids).toString(16).padStart(32, "0");
  }
}

/** A device with its socket. */
export class WorldDevice implements DeviceSocket {
  /** All it was sent, oldest first. */
  readonly heard: Heard[] = [];
  /** Why the server closed, if it did. */
  closedBy: string | undefined;
  pings = 0;
  #session: Ref<DeviceSessionProtocol> | undefined;
  #open = true;

  attach(session: Ref<DeviceSessionProtocol>): void {
    this.#session = session;
  }

  /** The session's ref, for tests that speak to it directly. */
  get session(): Ref<DeviceSessionProtocol> {
    if (this.#session === undefined) throw new Error("This device has no session");
    return this.#session;
  }

  get open(): boolean {
    return this.#open;
  }

  /** Sends a text, as the wire would: one that finds the session full waits. */
  say(message: Heard | string): void {
    const text = typeof message === "string" ? message : JSON.stringify(message);
    if (this.#open) this.session.trySend("received", text);
  }

  /** Takes out what was heard of this type. */
  take(messageType: string): readonly Heard[] {
    const taken = this.heard.filter((message) => message["messageType"] === messageType);
    const rest = this.heard.filter((message) => message["messageType"] !== messageType);
    this.heard.splice(0, this.heard.length, ...rest);
    return taken;
  }

  /** Acknowledges these notifications. */
  ack(notifications: readonly Heard[], code = 100): void {
    const updates = notifications.map(({ channelID, version }) => ({ channelID, version, code }));
    this.say({ messageType: "ack", updates });
  }

  pong(): void {
    this.session.trySend("ponged");
  }

  /** Loses the connection. */
  drop(): void {
    if (!this.#open) return;
    this.#open = false;
    this.session.trySend("disconnected", "dropped");
  }

  send(text: string): boolean {
    if (this.#open) this.heard.push(JSON.parse(text));
    return this.#open;
  }

  ping(): void {
    this.pings++;
  }

  close(code: number, reason: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.closedBy = `${code} ${reason}`;
    queueMicrotask(() => this.session.trySend("disconnected", reason));
  }

  [Symbol.dispose](): void {
    this.close(1011, "session ended");
  }
}

/** How to open a world. */
export interface PushWorldOptions extends MemoryStoreOptions {
  readonly seed?: number;
  readonly messageLimit?: number;
  readonly broadcastSource?: BroadcastSource;
  /** Another node of the same world, on the same store. */
  readonly among?: AmongNodes;
}

/** What a node of several has from outside. */
export interface AmongNodes {
  readonly world: World;
  readonly store: MemoryStore;
  readonly cluster: ClusterRefs;
  readonly arrivals: Arrivals;
  readonly identifiers: Identifiers;
  /** Its name: its tree is `push_NAME`. */
  readonly name: string;
}

/** The Web Push half at work. */
export class PushWorld implements AsyncDisposable {
  readonly world: World;
  readonly store: MemoryStore;
  readonly refs: PushRefs;
  readonly service: PushService;
  readonly traces: TraceLedger = new TraceLedger();
  readonly #events: PushEvent[];
  readonly #identifiers: Identifiers;
  readonly #messageLimit: number;
  readonly #arrivals: Arrivals | undefined;

  private constructor(parts: {
    world: World;
    store: MemoryStore;
    refs: PushRefs;
    events: PushEvent[];
    identifiers: Identifiers;
    messageLimit: number;
    arrivals: Arrivals | undefined;
  }) {
    this.#arrivals = parts.arrivals;
    this.world = parts.world;
    this.store = parts.store;
    this.refs = parts.refs;
    this.#events = parts.events;
    this.#identifiers = parts.identifiers;
    this.#messageLimit = parts.messageLimit;
    this.service = new PushService({
      store: parts.store,
      identifiers: parts.identifiers,
      registry: parts.refs.messages.registry,
      sortKeys: new SortKeys(0),
      wallNow: () => parts.world.clock.wallNow(),
      messageLimit: parts.messageLimit,
      tracer: this.traces,
    });
  }

  static async open(options: PushWorldOptions = {}): Promise<PushWorld> {
    const { seed = 1, messageLimit = 1_000, broadcastSource, among } = options;
    const world = among?.world ?? new World({ seed });
    const store = among?.store ?? new MemoryStore({ clock: world.clock, ...options });
    const events: PushEvent[] = [];
    const door = () => Promise.resolve({ port: 0, [Symbol.asyncDispose]: () => Promise.resolve() });
    const refs = await world.system.start(
      among === undefined ? "push" : `push_${among.name}`,
      pushTree({
        store,
        ...(among === undefined ? {} : {
          cluster: { forwarder: among.cluster.forwarder, arrivals: among.arrivals },
        }),
        observer: { record: (event) => void events.push(event) },
        broadcastSource,
        broadcastIntervalMs: 30_000,
        sessionsMax: 1_000,
        doors: () => ({ pushEndpoint: door, deviceSockets: door, api: door }),
      }),
    );
    const identifiers = among?.identifiers ?? new PlainIdentifiers();
    const arrivals = among?.arrivals;
    return new PushWorld({ world, store, refs, events, identifiers, messageLimit, arrivals });
  }

  /** All that was reported, in order. */
  get events(): readonly PushEvent[] {
    return this.#events;
  }

  /** A device whose socket was just upgraded. */
  connect(): WorldDevice {
    const { registry, broadcasts, sessions } = this.refs.messages;
    const device = new WorldDevice();
    const session = sessions.start({
      socket: device,
      services: {
        ...(this.#arrivals === undefined ? {} : { arrivals: this.#arrivals }),
        store: this.store,
        identifiers: this.#identifiers,
        registry,
        broadcasts,
        observer: { record: (event) => void this.#events.push(event) },
        tracer: this.traces,
        settings: {
          helloTimeoutMs: 5_000,
          pingIntervalMs: 300_000,
          pingTimeoutMs: 4_000,
          messageLimit: this.#messageLimit,
        },
      },
    });
    if (session === "full" || session === "stopped") throw new Error(`The pool is ${session}`);
    device.attach(session);
    return device;
  }

  /** A device that has said hello, with the UAID it was given. */
  async greet(hello: Heard = {}): Promise<{ device: WorldDevice; uaid: string }> {
    const device = this.connect();
    device.say({ messageType: "hello", ...hello });
    await this.world.settle();
    return { device, uaid: String(device.take("hello")[0]?.["uaid"]) };
  }

  /** A device with one channel. */
  async subscribe(): Promise<{ device: WorldDevice; uaid: string; channelId: string }> {
    const { device, uaid } = await this.greet();
    const channelId = crypto.randomUUID();
    device.say({ messageType: "register", channelID: channelId });
    await this.world.settle();
    device.take("register");
    return { device, uaid, channelId };
  }

  /** Posts a message and lets everything happen that follows. */
  async post(
    target: { readonly uaid: string; readonly channelId: string },
    message: Partial<IncomingMessage> = {},
  ): Promise<AcceptOutcome> {
    const { uaid, channelId } = target;
    const accepted = await this.service.accept({
      uaid,
      channelId,
      ttlSeconds: 60,
      topic: undefined,
      content: undefined,
      ...message,
    });
    await this.world.settle();
    return accepted;
  }

  /** Versions waiting in the store, in order. */
  async waiting(uaid: string): Promise<readonly string[]> {
    const nowSeconds = Math.floor(this.world.clock.wallNow() / 1_000);
    const page = { uaid, limit: 1_000, nowSeconds };
    const all = [
      ...await this.store.messages({ ...page, kind: "topic" }),
      ...await this.store.messages({ ...page, kind: "plain" }),
    ];
    return all.sort((a, b) => a.sortKey - b.sortKey).map(({ version }) => version);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.world[Symbol.asyncDispose]();
  }
}

/** The versions of notifications. */
export function versions(notifications: readonly Heard[]): readonly string[] {
  return notifications.map(({ version }) => String(version));
}
