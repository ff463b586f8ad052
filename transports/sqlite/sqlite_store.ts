/**
 * The store of the Web Push half in one SQLite file: users, channels and waiting messages.
 *
 * A write has reached the disk when its promise resolves: it is in the write-ahead log and synced.
 * Writes of the same moment share one sync. Reads are synchronous inside and see committed data only.
 * A rejection is a {@link StoreError} and means that nothing of the call was stored.
 *
 * A user agent that was not seen for the user lifetime has lapsed: it is treated as absent from that
 * moment, and the sweep removes what it left.
 *
 * @example Store a user agent and read it back
 * ```ts
 * const directory = await Deno.makeTempDir();
 * {
 *   await using store = await openSqliteStore({ directory });
 *   const uaid = "0123456789abcdef0123456789abcdef";
 *   await store.saveUser({ uaid, connectedAt: Date.now() });
 *   if (await store.user(uaid) === undefined) throw new Error("the user agent is not there");
 * }
 * await Deno.remove(directory, { recursive: true });
 * ```
 *
 * @module
 */

import { asStoreError, invariant, StoreError } from "./errors.ts";
import { openLocked } from "./files.ts";
import { type Commit, GroupCommit } from "./group_commit.ts";
import { BATCH_MAX, PENDING_MAX } from "./limits.ts";
import type { DirectoryLock } from "./lock.ts";
import type { Operation, Outcomes, WriterSettings } from "./operations.ts";
import { Reader } from "./reader.ts";
import type {
  ChannelOutcome,
  Content,
  PageRequest,
  PushMessage,
  SaveOutcome,
  SubscriptionState,
  UserAgent,
  WallClock,
} from "../message_store/records.ts";

export {
  StoreError,
  type StoreErrorCode,
  StoreOpenError,
  type StoreOpenErrorCode,
} from "./errors.ts";
export type { Commit } from "./group_commit.ts";
export type {
  ChannelOutcome,
  Content,
  ContentHeaders,
  PageRequest,
  PushMessage,
  SaveOutcome,
  SubscriptionState,
  UserAgent,
  WallClock,
} from "../message_store/records.ts";

/** How a store is opened. */
export interface SqliteStoreOptions {
  /** Folder for the file and its lock; made with mode 0700 when it is missing. */
  readonly directory: string;
  /** Seconds after its last hello at which a user agent lapses; default 60 days, as in autopush. */
  readonly userLifetimeSeconds?: number;
  /** Wall-clock time; default is the machine's. */
  readonly clock?: WallClock;
  /** Told how long each commit took; must return at once. */
  readonly onCommit?: (commit: Commit) => void;
}

/** The name of the store's file in its directory, and of its lock. */
const NAME = "messages";

/** Sixty days. */
const USER_LIFETIME_SECONDS = 60 * 86_400;

/** What an open store holds. */
interface Parts {
  readonly lock: DirectoryLock;
  readonly reader: Reader;
  readonly group: GroupCommit<Operation, Outcomes, WriterSettings>;
}

/** An open store; made by {@link openSqliteStore}. */
export class SqliteStore implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #clock: WallClock;
  readonly #userLifetimeMs: number;
  #closed: Promise<void> | undefined;

  private constructor(parts: Parts, clock: WallClock, userLifetimeMs: number) {
    this.#parts = parts;
    this.#clock = clock;
    this.#userLifetimeMs = userLifetimeMs;
  }

  /** For {@link openSqliteStore}. */
  static open(options: SqliteStoreOptions): Promise<SqliteStore> {
    const { directory, userLifetimeSeconds = USER_LIFETIME_SECONDS } = options;
    const clock = options.clock ?? { wallNow: () => Date.now() };
    const userLifetimeMs = userLifetimeSeconds * 1000;
    return openLocked(directory, NAME, async (path, lock) => {
      let reader: Reader | undefined;
      const group = await GroupCommit.open<Operation, Outcomes, WriterSettings>({
        path,
        thread: new URL("./writer_thread.ts", import.meta.url),
        settings: { userLifetimeMs },
        limits: { pendingMax: PENDING_MAX, batchMax: BATCH_MAX },
        receipt() {
          invariant(reader !== undefined, "a batch was on its way before the store was open");
          return reader.receipt();
        },
        onCommit: options.onCommit,
      });
      try {
        reader = new Reader(path);
      } catch (error) {
        await group[Symbol.asyncDispose]();
        throw error;
      }
      return new SqliteStore({ lock, reader, group }, clock, userLifetimeMs);
    });
  }

  /** The user agent, or `undefined` when it is unknown or has lapsed. */
  user(uaid: string): Promise<UserAgent | undefined> {
    return this.#read((reader, lapsedAt) => reader.user(uaid, lapsedAt));
  }

  /** Creates the user agent or refreshes its `connectedAt`; one that has lapsed starts anew. */
  async saveUser(user: UserAgent): Promise<void> {
    await this.#parts.group.submit({ kind: "save_user", user, nowMs: this.#clock.wallNow() });
  }

  /** Refreshes the `connectedAt` of a known user agent; `false` when it is unknown or has lapsed. */
  refreshUser(user: UserAgent): Promise<boolean> {
    const nowMs = this.#clock.wallNow();
    return this.#parts.group.submit({ kind: "refresh_user", user, nowMs });
  }

  /** Removes the user agent with its channels and messages; unknown is fine. */
  async removeUser(uaid: string): Promise<void> {
    await this.#parts.group.submit({ kind: "remove_user", uaid });
  }

  /** Adds a channel (again is fine) unless the user agent would then have more than `channelsMax`. */
  addChannel(uaid: string, channelId: string, channelsMax: number): Promise<ChannelOutcome> {
    const nowMs = this.#clock.wallNow();
    return this.#parts.group.submit({ kind: "add_channel", uaid, channelId, channelsMax, nowMs });
  }

  /** Removes a channel with its waiting messages; says whether it existed. */
  removeChannel(uaid: string, channelId: string): Promise<boolean> {
    const nowMs = this.#clock.wallNow();
    return this.#parts.group.submit({ kind: "remove_channel", uaid, channelId, nowMs });
  }

  /** Whether this channel is subscribed now. */
  subscription(uaid: string, channelId: string): Promise<SubscriptionState> {
    return this.#read((reader, lapsedAt) => reader.subscription(uaid, channelId, lapsedAt));
  }

  /**
   * Stores a message; one with a topic replaces the waiting message of the same user agent, channel
   * and topic (RFC 8030 section 5.4). Refused with `"over_limit"` when the user agent already has
   * more than `waitingMax` messages waiting; expired ones do not count.
   */
  saveMessage(message: PushMessage, waitingMax: number): Promise<SaveOutcome> {
    const nowMs = this.#clock.wallNow();
    const compact = { ...message, content: compactContent(message.content) };
    return this.#parts.group.submit({ kind: "save_message", message: compact, waitingMax, nowMs });
  }

  /** A page of waiting messages in ascending sort key. */
  messages(page: PageRequest): Promise<readonly PushMessage[]> {
    return this.#read((reader, lapsedAt) => reader.messages(page, lapsedAt));
  }

  /** Removes these messages of a user agent; unknown sort keys are fine. */
  async removeMessages(uaid: string, sortKeys: readonly number[]): Promise<void> {
    await this.#parts.group.submit({ kind: "remove_messages", uaid, sortKeys });
  }

  /**
   * Removes up to `limit` expired messages and as many lapsed user agents with all that is theirs;
   * says how many messages and user agents were due in all. It holds up other writes: keep `limit`
   * at some hundreds and call again while it answers more than 0.
   */
  sweep(nowSeconds: number, limit: number): Promise<number> {
    return this.#parts.group.submit({ kind: "sweep", nowSeconds, limit });
  }

  /** The largest sort key ever stored, 0 when none was; it survives the removal of the message. */
  lastSortKey(): Promise<number> {
    return this.#read((reader) => reader.lastSortKey());
  }

  /** Resolves when the store can read and when a write reaches the disk. */
  async ping(): Promise<void> {
    await this.#parts.group.submit({ kind: "touch" });
    await this.lastSortKey();
  }

  /** Writes what is waiting, closes the file and lets go of the directory; again is fine. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** The same as {@link SqliteStore.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { group, reader, lock } = this.#parts;
    // The reader first: the last connection to close copies the write-ahead log into the file.
    reader[Symbol.dispose]();
    await group[Symbol.asyncDispose]();
    lock[Symbol.dispose]();
  }

  /** An async function, so that what the connection throws becomes a rejection. */
  // deno-lint-ignore require-await
  async #read<T>(read: (reader: Reader, lapsedAt: number) => T): Promise<T> {
    if (this.#closed !== undefined) throw new StoreError("closed", "Cannot read: it is closed");
    try {
      return read(this.#parts.reader, this.#clock.wallNow() - this.#userLifetimeMs);
    } catch (error) {
      throw asStoreError("read", error);
    }
  }
}

/**
 * Opens the store in a directory, making both when they are missing.
 *
 * @throws {StoreOpenError} When the directory or the file cannot be used; its `code` says why and its
 * message what to do.
 */
export function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  return SqliteStore.open(options);
}

/**
 * A body alone in its buffer: what is sent to the thread is copied with the whole buffer it is a view
 * of, which may be one that many bodies share.
 */
function compactContent(content: Content | undefined): Content | undefined {
  if (content === undefined || content.body.byteLength === content.body.buffer.byteLength) {
    return content;
  }
  return { body: content.body.slice(), headers: content.headers };
}
