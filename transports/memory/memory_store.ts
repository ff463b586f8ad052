/**
 * The store of the Web Push half in memory: for tests, for simulation, and for a service that may
 * forget everything when it ends.
 *
 * It answers exactly as the durable stores do. What they do with a disk it does with a value, the
 * *disk* of this store: a write is on it when its promise resolves, and not a moment earlier. So
 * `crash` and `reopen` show what a durable store would show after its process was killed.
 *
 * A function of the test sees every call, so it can record them and decide what goes wrong with
 * each: see {@link Fault}.
 *
 * @example Fail the second call
 * ```ts
 * const store = new MemoryStore({ fault: ({ number }) => number === 2 ? "io" : undefined });
 * await store.ping();
 * const failed = await store.ping().then(() => false, () => true);
 * if (!failed) throw new Error("the second call did not fail");
 * ```
 *
 * @module
 */

import { type CallOf, Calls, type Fault } from "./calls.ts";

export { type CallOf, type Fault, StoreError, type StoreErrorCode } from "./calls.ts";

/** A user agent: one browser profile or UnifiedPush distributor. */
export interface UserAgent {
  /** Its identity, 32 lower-case hexadecimal digits. */
  readonly uaid: string;
  /** Wall-clock time of its last hello, in milliseconds since 1970. */
  readonly connectedAt: number;
}

/** A message that waits for its device. */
export interface PushMessage {
  /** Whose message it is. */
  readonly uaid: string;
  /** The channel it was sent to, a lower-case, dashed UUID. */
  readonly channelId: string;
  /** Seconds it is to be kept (RFC 8030 section 5.2). */
  readonly ttlSeconds: number;
  /** Replaces a waiting message of the same topic (RFC 8030 section 5.4). */
  readonly topic: string | undefined;
  /** The encrypted body, never empty, with its headers; absent for an empty body. */
  readonly content: {
    readonly body: Uint8Array;
    readonly headers: {
      readonly encoding: "aes128gcm" | "aesgcm";
      readonly encryption?: string;
      readonly crypto_key?: string;
    };
  } | undefined;
  /** Place in the order of acceptance, a positive integer, never given twice. */
  readonly sortKey: number;
  /** Opaque public id. */
  readonly version: string;
  /** Wall-clock second in which it expires: it is dead when `now >= expiresAt`. */
  readonly expiresAt: number;
}

/** One page of waiting messages, read in order. */
export interface PageRequest {
  /** Whose messages. */
  readonly uaid: string;
  /** `"topic"` reads replaceable messages, `"plain"` all others. */
  readonly kind: "topic" | "plain";
  /** At most so many messages. */
  readonly limit: number;
  /** The current wall-clock second: expired messages are not returned. */
  readonly nowSeconds: number;
}

/** What became of a message offered to the store. */
export type SaveOutcome =
  | "stored"
  | "over_limit"
  | "no_channel"
  | "no_user"
  | { readonly behind: number };

/** The calls of the store, by the names of its methods. */
export type CallName =
  | "user"
  | "saveUser"
  | "refreshUser"
  | "removeUser"
  | "addChannel"
  | "removeChannel"
  | "subscription"
  | "saveMessage"
  | "messages"
  | "removeMessages"
  | "sweep"
  | "lastSortKey"
  | "ping";

/** One call, as it was made. */
export type Call = CallOf<CallName>;

/** How a store is made; without options it never fails and answers at once. */
export interface MemoryStoreOptions {
  /** Seconds after its last hello at which a user agent lapses; default 60 days, as in autopush. */
  readonly userLifetimeSeconds?: number;
  /** Wall-clock time; default is the machine's. */
  readonly clock?: { wallNow(): number };
  /** Whether several nodes write to it, which may give two messages the same sort key; `false` by default. */
  readonly shared?: boolean;
  /** Told of every call, in order, when it is made; decides what goes wrong with it. */
  fault?(call: Call): Fault | undefined;
  /** Holds this call back, before it has any effect, until the promise resolves. */
  delay?(call: Call): Promise<void> | undefined;
}

/** What is kept of a user agent. */
interface User {
  connectedAt: number;
  readonly channels: Set<string>;
  /** Waiting messages by sort key; the order is made when they are read. */
  readonly messages: Map<number, PushMessage>;
  lastSortKey: number;
}

/** What survives a crash. */
interface Disk {
  readonly users: Map<string, User>;
  readonly sortKeys: Set<number>;
  lastSortKey: number;
}

/** Sixty days. */
const USER_LIFETIME_SECONDS = 60 * 86_400;

/** A store in memory. */
export class MemoryStore implements AsyncDisposable {
  readonly #options: MemoryStoreOptions;
  readonly #userLifetimeMs: number;
  #disk: Disk = { users: new Map(), sortKeys: new Set(), lastSortKey: 0 };
  readonly #calls: Calls<CallName>;

  /** Makes an empty store. */
  constructor(options: MemoryStoreOptions = {}) {
    this.#options = options;
    this.#calls = new Calls(options);
    this.#userLifetimeMs = (options.userLifetimeSeconds ?? USER_LIFETIME_SECONDS) * 1000;
  }

  /** Ends the store at once, as a killed process would: calls on their way are lost. */
  crash(): void {
    this.#calls.crash();
  }

  /** A new store on what reached the disk of this one, which is ended. */
  reopen(options: MemoryStoreOptions = this.#options): MemoryStore {
    this.crash();
    const store = new MemoryStore(options);
    store.#disk = this.#disk;
    return store;
  }

  /** Ends the store; calls on their way are lost. */
  [Symbol.asyncDispose](): Promise<void> {
    this.crash();
    return Promise.resolve();
  }

  /** The user agent, or `undefined` when it is unknown or has lapsed. */
  user(uaid: string): Promise<UserAgent | undefined> {
    return this.#call("user", () => {
      const user = this.#user(uaid);
      return user && { uaid, connectedAt: user.connectedAt };
    });
  }

  /** Creates the user agent or refreshes its `connectedAt`; one that has lapsed starts anew. */
  saveUser({ uaid, connectedAt }: UserAgent): Promise<void> {
    return this.#call("saveUser", () => {
      const user = this.#user(uaid);
      if (user !== undefined) {
        user.connectedAt = connectedAt;
        return;
      }
      this.#removeUser(uaid);
      this.#disk.users.set(uaid, {
        connectedAt,
        channels: new Set(),
        messages: new Map(),
        lastSortKey: 0,
      });
    });
  }

  /** Refreshes the `connectedAt` of a known user agent; `false` when it is unknown or has lapsed. */
  refreshUser({ uaid, connectedAt }: UserAgent): Promise<boolean> {
    return this.#call("refreshUser", () => {
      const user = this.#user(uaid);
      if (user !== undefined) user.connectedAt = connectedAt;
      return user !== undefined;
    });
  }

  /** Removes the user agent with its channels and messages; unknown is fine. */
  removeUser(uaid: string): Promise<void> {
    return this.#call("removeUser", () => this.#removeUser(uaid));
  }

  /** Adds a channel (again is fine) unless the user agent would then have more than `channelsMax`. */
  addChannel(
    uaid: string,
    channelId: string,
    channelsMax: number,
  ): Promise<"added" | "over_limit" | "no_user"> {
    return this.#call("addChannel", () => {
      const user = this.#user(uaid);
      if (user === undefined) return "no_user";
      if (!user.channels.has(channelId) && user.channels.size >= channelsMax) return "over_limit";
      user.channels.add(channelId);
      return "added";
    });
  }

  /** Removes a channel with its waiting messages; says whether it existed. */
  removeChannel(uaid: string, channelId: string): Promise<boolean> {
    return this.#call("removeChannel", () => {
      const user = this.#user(uaid);
      if (user === undefined) return false;
      this.#removeWhere(user, (message) => message.channelId === channelId);
      return user.channels.delete(channelId);
    });
  }

  /** Whether this channel is subscribed now. */
  subscription(uaid: string, channelId: string): Promise<"subscribed" | "no_channel" | "no_user"> {
    return this.#call("subscription", () => {
      const user = this.#user(uaid);
      if (user === undefined) return "no_user";
      return user.channels.has(channelId) ? "subscribed" : "no_channel";
    });
  }

  /**
   * Stores a message; one with a topic replaces the waiting message of the same user agent, channel
   * and topic (RFC 8030 section 5.4). Refused with `"over_limit"` when the user agent already has
   * more than `waitingMax` messages waiting; expired ones do not count. A store that nodes share
   * refuses a sort key that is not larger than all the user agent was given, and says the largest.
   */
  saveMessage(message: PushMessage, waitingMax: number): Promise<SaveOutcome> {
    return this.#call("saveMessage", () => {
      const { uaid, channelId, topic, sortKey } = message;
      const user = this.#user(uaid);
      if (user === undefined) return "no_user";
      if (!user.channels.has(channelId)) return "no_channel";
      if (user.messages.size > waitingMax) {
        const nowSeconds = Math.floor(this.#wallNow() / 1000);
        this.#removeWhere(user, ({ expiresAt }) => expiresAt <= nowSeconds);
        if (user.messages.size > waitingMax) return "over_limit";
      }
      if (this.#options.shared === true) {
        if (user.lastSortKey >= sortKey) return { behind: user.lastSortKey };
        // Unique for each user agent, which is all that matters.
        this.#disk.sortKeys.delete(sortKey);
      }
      if (this.#disk.sortKeys.has(sortKey) || !Number.isSafeInteger(sortKey) || sortKey < 1) {
        throw new Error(`Invariant broken: sort key ${sortKey} is in use or not positive`);
      }
      if (topic !== undefined) {
        this.#removeWhere(user, (old) => old.channelId === channelId && old.topic === topic);
      }
      user.messages.set(sortKey, message);
      user.lastSortKey = Math.max(user.lastSortKey, sortKey);
      this.#disk.sortKeys.add(sortKey);
      this.#disk.lastSortKey = Math.max(this.#disk.lastSortKey, sortKey);
      return "stored";
    });
  }

  /** A page of waiting messages in ascending sort key. */
  messages({ uaid, kind, limit, nowSeconds }: PageRequest): Promise<readonly PushMessage[]> {
    return this.#call("messages", () => {
      const waiting = [...this.#user(uaid)?.messages.values() ?? []];
      return waiting
        .filter(({ topic, expiresAt }) =>
          (topic === undefined) === (kind === "plain") && expiresAt > nowSeconds
        )
        .sort((a, b) => a.sortKey - b.sortKey)
        .slice(0, limit);
    });
  }

  /** Removes these messages of a user agent; unknown sort keys are fine. */
  removeMessages(uaid: string, sortKeys: readonly number[]): Promise<void> {
    return this.#call("removeMessages", () => {
      const user = this.#disk.users.get(uaid);
      const removed = new Set(sortKeys);
      if (user !== undefined) this.#removeWhere(user, ({ sortKey }) => removed.has(sortKey));
    });
  }

  /** Removes up to `limit` expired messages and as many lapsed user agents; says how many in all. */
  sweep(nowSeconds: number, limit: number): Promise<number> {
    return this.#call("sweep", () => {
      const expired = [...this.#disk.users.values()]
        .flatMap((user) => [...user.messages.values()].map((message) => ({ user, message })))
        .filter(({ message }) => message.expiresAt <= nowSeconds)
        .sort((a, b) => a.message.expiresAt - b.message.expiresAt)
        .slice(0, limit);
      for (const { user, message } of expired) this.#removeWhere(user, (old) => old === message);
      const lapsed = [...this.#disk.users]
        .filter(([, { connectedAt }]) => connectedAt <= nowSeconds * 1000 - this.#userLifetimeMs)
        .sort(([, a], [, b]) => a.connectedAt - b.connectedAt)
        .slice(0, limit);
      for (const [uaid] of lapsed) this.#removeUser(uaid);
      return expired.length + lapsed.length;
    });
  }

  /** The largest sort key ever stored, 0 when none was; it survives the removal of the message. */
  lastSortKey(): Promise<number> {
    return this.#call("lastSortKey", () => this.#disk.lastSortKey);
  }

  /** Resolves when the store answers. */
  ping(): Promise<void> {
    return this.#call("ping", () => {});
  }

  #call<T>(name: CallName, effect: () => T): Promise<T> {
    return this.#calls.make(name, effect);
  }

  #wallNow(): number {
    return this.#options.clock?.wallNow() ?? Date.now();
  }

  /** The user agent, unless it has lapsed. */
  #user(uaid: string): User | undefined {
    const user = this.#disk.users.get(uaid);
    const lapsedAt = this.#wallNow() - this.#userLifetimeMs;
    return user !== undefined && user.connectedAt > lapsedAt ? user : undefined;
  }

  #removeUser(uaid: string): void {
    const user = this.#disk.users.get(uaid);
    if (user !== undefined) this.#removeWhere(user, () => true);
    this.#disk.users.delete(uaid);
  }

  #removeWhere(user: User, condemned: (message: PushMessage) => boolean): void {
    for (const message of user.messages.values()) {
      if (!condemned(message)) continue;
      user.messages.delete(message.sortKey);
      this.#disk.sortKeys.delete(message.sortKey);
    }
  }
}
