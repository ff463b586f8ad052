/**
 * The delivery pipeline in a world of its own: the real tree, the memory store, providers that follow
 * a script. Nothing waits for real time, and one seed is one run.
 */

import type {
  Answers,
  DeliveryEvent,
  Destination,
  Gateway,
  Leg,
  Prepared,
  Provider,
  ProviderConnection,
  SendBlock,
  Sink,
  Source,
  Verdict,
} from "../../actors/push/delivery/ports.ts";
import type {
  App,
  Audience,
  Content,
  DeviceRecord,
  Notification,
  NotificationStatus,
  Platform,
} from "../../actors/push/delivery/records.ts";
import { DeliveryService } from "../../actors/push/delivery/delivery_service.ts";
import { BarFeed } from "../../actors/push/delivery/sinks/monitor.ts";
import type { Recipients } from "../../actors/push/delivery/store.ts";
import { type PipelineRefs, pipelineTree } from "../../actors/push/delivery/tree.ts";
import type { SourceArgs } from "../../actors/push/delivery/sources/source.ts";
import { type SeededRandom, World } from "../../actors/testing/mod.ts";
import {
  MemoryDeliveryStore,
  type MemoryDeliveryStoreOptions,
} from "../../transports/memory/memory_delivery_store.ts";
import { realPlatforms } from "./api_world.ts";

/** The wall clock of a world begins here. */
export const WORLD_START = 1_700_000_000_000;

/** What a provider does; a test changes it while it runs. */
export interface Script {
  /** What it says to a request for this address, the nth one. */
  answer(address: string, nth: number, platform: Platform): Verdict;
  /** Milliseconds until it says it. */
  latencyMs: number;
  /** Whether connections can be opened. */
  reachable: boolean;
  /** Requests a connection takes at once. */
  streamsMax: number;
  /** Share of requests during which the connection is lost, unanswered. */
  lostShare: number;
  /** Share of sends before which the peer goes away, so that nothing of them is processed. */
  goawayShare: number;
  /** Share of blocks that cannot even be split. */
  poisonShare: number;
  /** Share of sends whose connection's actor crashes over them, processed as they are. */
  crashShare: number;
}

/** A connection to a scripted provider. */
export class ScriptedConnection implements ProviderConnection {
  readonly ended: Promise<string>;
  inFlight = 0;
  gone = false;
  broken = false;
  readonly #provider: ScriptedProvider;
  readonly #end: (reason: string) => void;

  constructor(provider: ScriptedProvider) {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#provider = provider;
    this.ended = promise;
    this.#end = resolve;
  }

  get streamsMax(): number {
    if (this.broken) throw new Error("broken on purpose");
    return this.#provider.script.streamsMax;
  }

  leave(reason: string): void {
    this.gone = true;
    this.#end(reason);
  }

  close(): Promise<void> {
    this.leave("closed");
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async send(addresses: readonly string[]): Promise<Answers> {
    const { script, world, random, platform } = this.#provider;
    if (!this.gone && random.next() < script.goawayShare) this.leave("going away");
    const unsent: Verdict = { kind: "unsent", reason: "the connection is going away" };
    if (this.gone) return all(unsent, addresses.length);
    this.inFlight += addresses.length;
    await elapse(world, script.latencyMs);
    this.inFlight -= addresses.length;
    if (script.crashShare > 0 && random.next() < script.crashShare) this.broken = true;
    const lost = random.next() < script.lostShare;
    const verdicts = addresses.map((address): Verdict => {
      const nth = this.#provider.count(address);
      const verdict = script.answer(address, nth, platform);
      if (!lost) return verdict;
      return { kind: "retry", status: 0, reason: "connection lost", scope: "recipient" };
    });
    if (lost) this.leave("connection reset");
    return { verdicts, of: Uint16Array.from(verdicts.keys()) };
  }
}

function all(verdict: Verdict, count: number): Answers {
  return { verdicts: count === 0 ? [] : [verdict], of: new Uint16Array(count) };
}

function elapse({ clock }: World, ms: number): Promise<void> {
  if (ms === 0) return Promise.resolve();
  return new Promise((resolve) => clock.set(ms, resolve));
}

/** A provider that follows a script. */
export class ScriptedProvider implements Provider<ScriptedConnection> {
  readonly platform: Platform;
  readonly world: World;
  readonly random: SeededRandom;
  readonly script: Script;
  /** Requests that it processed, by address. */
  readonly requests = new Map<string, number>();
  /** Connections that were opened. */
  opened = 0;
  /** What it says to a whole notification, if anything. */
  refusal: Verdict | undefined;

  constructor(platform: Platform, world: World, script: Script) {
    this.platform = platform;
    this.world = world;
    this.random = world.random;
    this.script = script;
  }

  count(address: string): number {
    const nth = (this.requests.get(address) ?? 0) + 1;
    this.requests.set(address, nth);
    return nth;
  }

  prepare(_app: App, _notification: Notification): Promise<Prepared<ScriptedConnection>> {
    const { refusal } = this;
    return Promise.resolve(
      refusal === undefined
        ? { kind: "ready", route: (recipients) => this.#route(recipients) }
        : { kind: "refused", verdict: refusal },
    );
  }

  #route({ addresses }: Recipients) {
    const { poisonShare } = this.script;
    if (poisonShare > 0 && this.random.next() < poisonShare) throw new Error("poison on purpose");
    const destination: Destination<ScriptedConnection> = {
      key: this.platform,
      origin: `https://${this.platform}.example`,
      connectionsMax: 4,
      connect: () => {
        if (!this.script.reachable) return Promise.reject(new Error("connection refused"));
        this.opened++;
        return Promise.resolve(new ScriptedConnection(this));
      },
    };
    const leg: Leg<ScriptedConnection> = {
      destination,
      places: [...addresses.keys()],
      send: (connection, indexes) =>
        connection.send(indexes.map((index) => addresses[index] ?? "")),
    };
    return { settled: new Map(), legs: addresses.length === 0 ? [] : [leg] };
  }
}

/** What a world may be given. */
export interface DeliveryWorldOptions {
  readonly seed?: number;
  readonly fault?: MemoryDeliveryStoreOptions["fault"];
  readonly sinks?: readonly Sink[];
  readonly sources?: readonly Source[];
  readonly submit?: SourceArgs["submit"];
  readonly gateways?: Readonly<Partial<Record<Platform, Gateway>>>;
  readonly batchesMax?: number;
  /** Goes on with what another world's store had on its disk. */
  readonly after?: DeliveryWorld;
}

/** A pipeline in a world. */
export class DeliveryWorld implements AsyncDisposable {
  readonly world: World;
  readonly store: MemoryDeliveryStore;
  readonly script: Script;
  readonly providers: Readonly<Record<Platform, ScriptedProvider>>;
  readonly events: DeliveryEvent[] = [];
  readonly feed = new BarFeed();
  refs!: PipelineRefs<ScriptedConnection>;
  #notifications = 0;

  private constructor(options: DeliveryWorldOptions) {
    const { seed = 1, after } = options;
    this.world = new World({ seed, wallNow: after?.world.clock.wallNow() ?? WORLD_START });
    const clock = this.world.clock;
    const storeOptions = { clock, ...(options.fault && { fault: options.fault }) };
    this.store = after === undefined
      ? new MemoryDeliveryStore(storeOptions)
      : after.store.reopen(storeOptions);
    this.script = {
      answer: () => ({ kind: "delivered" }),
      latencyMs: 10,
      reachable: true,
      streamsMax: 100,
      lostShare: 0,
      goawayShare: 0,
      poisonShare: 0,
      crashShare: 0,
    };
    this.providers = {
      apns: new ScriptedProvider("apns", this.world, this.script),
      fcm: new ScriptedProvider("fcm", this.world, this.script),
      webpush: new ScriptedProvider("webpush", this.world, this.script),
    };
  }

  /** Starts the pipeline. */
  static async open(options: DeliveryWorldOptions = {}): Promise<DeliveryWorld> {
    const opened = new DeliveryWorld(options);
    opened.refs = await opened.world.system.start(
      "pipeline",
      pipelineTree({
        store: opened.store,
        queue: opened.store,
        providers: opened.providers,
        gateways: options.gateways ?? {},
        sinks: options.sinks ?? [],
        sources: options.sources ?? [],
        submit: options.submit ?? (() => Promise.reject(new Error("No source was expected"))),
        allNodes: false,
        feed: opened.feed,
        observer: { record: () => {}, delivery: { record: (event) => opened.#heard(event) } },
        node: "node-1",
        batchesMax: options.batchesMax ?? 16,
        retentionMs: 86_400_000,
      }),
    );
    return opened;
  }

  #heard(event: DeliveryEvent): void {
    this.events.push(event);
  }

  /** What callers ask of it, as a node has it. */
  get service(): DeliveryService {
    const { delivery } = this.refs;
    return new DeliveryService({
      store: this.store,
      ...realPlatforms(),
      breathe: () => Promise.resolve(),
      wallNow: () => this.world.clock.wallNow(),
      newId: () => crypto.randomUUID(),
      wake: () => {
        delivery.feeder.trySend("wake");
        delivery.router.trySend("wake");
      },
      resumed: (lane) => void delivery.guard.trySend("trust", lane),
      observer: { record: (event) => this.#heard(event) },
      bars: (since) => this.refs.sinks.bars.monitor.ask("bars", since),
      node: { id: "node-1", version: "1.0.0", startedAt: new Date(WORLD_START).toISOString() },
    });
  }

  /** Saves an app with credentials for every platform. */
  async app(name = "shop"): Promise<App> {
    return await this.store.saveApp(name, {}, this.world.clock.wallNow());
  }

  /** Registers devices of an app, `NAME-0` and so on. */
  async devices(count: number, change: Partial<DeviceRecord> = {}): Promise<void> {
    const platform = change.platform ?? "apns";
    const app = change.app ?? "shop";
    const devices = Array.from({ length: count }, (_, index): DeviceRecord => ({
      id: `${app}-${platform}-${index}`,
      app,
      platform,
      address: `${app}-${platform}-token-${index}`,
      keys: platform === "webpush" ? new Uint8Array(81) : undefined,
      user: undefined,
      tags: [],
      ...change,
    }));
    for (let from = 0; from < count; from += 1_000) {
      await this.store.saveDevices(devices.slice(from, from + 1_000), this.world.clock.wallNow());
    }
  }

  /** Submits a notification to all devices; gives its id. */
  async send(
    change: Partial<Notification> = {},
    audience: Audience = { kind: "all" },
  ): Promise<string> {
    const now = this.world.clock.wallNow();
    const content: Content = { title: "hello" };
    const digits = (++this.#notifications).toString(16).padStart(12, "0");
    const notification: Notification = {
      id: `0190f0e4-8a3b-7c11-9d55-${digits}`,
      app: "shop",
      content,
      ttlSeconds: 86_400,
      urgency: "normal",
      topic: undefined,
      createdAt: now,
      sendAt: now,
      expiresAt: now + 86_400_000,
      ratePerSecond: undefined,
      rows: "failures",
      ...change,
    };
    const digest = "digest";
    const outcome = await this.store.submit({
      notification,
      audience,
      idempotencyKey: undefined,
      digest,
    });
    if (outcome.kind !== "accepted") throw new Error(`Not accepted: ${outcome.kind}`);
    this.refs.delivery.feeder.trySend("wake");
    return notification.id;
  }

  /** A notification's progress. */
  async status(id: string): Promise<NotificationStatus> {
    const status = await this.store.notification(id);
    if (status === undefined) throw new Error(`No notification ${id}`);
    return status;
  }

  /** Requests that all providers processed. */
  get requests(): number {
    let sum = 0;
    for (const { requests } of Object.values(this.providers)) {
      for (const count of requests.values()) sum += count;
    }
    return sum;
  }

  /** Ends the world as a killed process would: nothing more is written. */
  kill(): void {
    this.store.crash();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
  }
}

/** A gateway that notes what it is given and says the same to all. */
export function notingGateway(verdict: Verdict, blocks: SendBlock[]): Gateway {
  return {
    send(block) {
      blocks.push(block);
      return Promise.resolve(all(verdict, block.recipients.numbers.length));
    },
  };
}
