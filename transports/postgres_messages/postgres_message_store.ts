/**
 * The store of the Web Push half in PostgreSQL: users, channels and waiting messages, where user agents
 * are connected, and the nodes. Any number of nodes share it.
 *
 * A write is durable when its promise resolves. Writes of the same moment share one commit. All writes to
 * one user agent come after each other, wherever they are made; those made by one store in the order
 * of the calls. A rejection is a {@link StoreError} and means that nothing of the call was stored,
 * except when the connection broke between the commit and its answer: then nobody knows.
 *
 * A user agent that was not seen for the user lifetime has lapsed: it is treated as absent from that
 * moment, and the sweep removes what it left.
 *
 * @module
 */

import {
  asOpenError,
  checkVersions,
  Columns,
  openPostgres,
  type Postgres,
  type PostgresOptions,
  type Row,
  sql,
  type Statement,
} from "../postgres/mod.ts";
import { FACTS_CHARS_MAX } from "../message_store/limits.ts";
import { nodeFactsText, readNodeFacts } from "../message_store/node_facts.ts";
import type {
  ChannelOutcome,
  Content,
  ContentHeaders,
  NodeRecord,
  NodesFound,
  PageRequest,
  PushMessage,
  SaveOutcome,
  SubscriptionState,
  UserAgent,
  WallClock,
  Whereabouts,
} from "../message_store/records.ts";
import { applyAll, whereaboutsOf } from "./batch.ts";
import { Group } from "./group.ts";
import {
  BATCH_MAX,
  NODES_ALIVE_MAX,
  NODES_ENDED_MAX,
  PENDING_MAX,
  SORT_KEY_MARKS,
} from "./limits.ts";
import { MESSAGES_PART } from "./schema.ts";

/** How a store is opened. */
export interface PostgresMessageStoreOptions extends PostgresOptions {
  /** Seconds after its last hello at which a user agent lapses; default 60 days, as in autopush. */
  readonly userLifetimeSeconds?: number;
  /** Wall-clock time; default is the machine's. */
  readonly clock?: WallClock;
}

/**
 * Every statement is made for one way to go: from some user agents, by indexes, to what is theirs. The
 * planner finds others where it knows too little of a table, as in the first hours of a new one,
 * and plans anew for each call, which takes longer than to run it.
 */
const PLANNER = {
  plan_cache_mode: "force_generic_plan",
  enable_seqscan: "off",
  enable_bitmapscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
};

/** Sixty days. */
const USER_LIFETIME_SECONDS = 60 * 86_400;

const USERS = new Columns("user_agent");
const MESSAGES = new Columns("message");
const MARKS = new Columns("sort_key_mark");
const NODES = new Columns("node");

/** An open store; made by {@link openPostgresMessageStore}. */
export class PostgresMessageStore implements AsyncDisposable {
  readonly #postgres: Postgres;
  readonly #clock: WallClock;
  readonly #userLifetimeMs: number;
  readonly #group: Group;
  #closed: Promise<void> | undefined;

  private constructor(postgres: Postgres, clock: WallClock, userLifetimeMs: number) {
    this.#postgres = postgres;
    this.#clock = clock;
    this.#userLifetimeMs = userLifetimeMs;
    const slot = Math.floor(Math.random() * SORT_KEY_MARKS);
    this.#group = new Group(
      (operations) =>
        postgres.transaction("store", (transaction) => applyAll(transaction, operations, slot)),
      { pendingMax: PENDING_MAX, batchMax: BATCH_MAX },
    );
  }

  /** For {@link openPostgresMessageStore}. */
  static async open(options: PostgresMessageStoreOptions): Promise<PostgresMessageStore> {
    const postgres = await openPostgres({
      ...options,
      settings: { ...PLANNER, ...options.settings },
    });
    try {
      await checkVersions(postgres, [MESSAGES_PART]);
    } catch (error) {
      await postgres.close();
      throw asOpenError(postgres.place, error);
    }
    const clock = options.clock ?? { wallNow: () => Date.now() };
    const lifetimeMs = (options.userLifetimeSeconds ?? USER_LIFETIME_SECONDS) * 1000;
    return new PostgresMessageStore(postgres, clock, lifetimeMs);
  }

  /** The user agent, or `undefined` when it is unknown or has lapsed. */
  async user(uaid: string): Promise<UserAgent | undefined> {
    const [row] = await this.#rows(sql`SELECT connected_at FROM user_agent
      WHERE uaid = ${uaid}::uuid AND connected_at > ${this.#lapsedAt()}`);
    return row && { uaid, connectedAt: USERS.integer(row, "connected_at") };
  }

  /** Creates the user agent or refreshes its `connectedAt`; one that has lapsed starts anew. */
  saveUser(user: UserAgent): Promise<void> {
    return this.#group.submit({ kind: "save_user", user, lapsedAt: this.#lapsedAt() });
  }

  /** Refreshes the `connectedAt` of a known user agent; `false` when it is unknown or has lapsed. */
  refreshUser(user: UserAgent): Promise<boolean> {
    return this.#group.submit({ kind: "refresh_user", user, lapsedAt: this.#lapsedAt() });
  }

  /** Removes the user agent with its channels and messages; unknown is fine. */
  removeUser(uaid: string): Promise<void> {
    return this.#group.submit({ kind: "remove_user", uaid });
  }

  /** Adds a channel (again is fine) unless the user agent would then have more than `channelsMax`. */
  addChannel(uaid: string, channelId: string, channelsMax: number): Promise<ChannelOutcome> {
    const lapsedAt = this.#lapsedAt();
    return this.#group.submit({ kind: "add_channel", uaid, channelId, channelsMax, lapsedAt });
  }

  /** Removes a channel with its waiting messages; says whether it existed. */
  removeChannel(uaid: string, channelId: string): Promise<boolean> {
    const lapsedAt = this.#lapsedAt();
    return this.#group.submit({ kind: "remove_channel", uaid, channelId, lapsedAt });
  }

  /** Whether this channel is subscribed now. */
  async subscription(uaid: string, channelId: string): Promise<SubscriptionState> {
    const [row] = await this.#rows(sql`SELECT (SELECT true FROM channel
        WHERE user_id = id AND channel_id = ${channelId}::uuid) IS NOT NULL AS subscribed
      FROM user_agent WHERE uaid = ${uaid}::uuid AND connected_at > ${this.#lapsedAt()}`);
    if (row === undefined) return "no_user";
    return USERS.boolean(row, "subscribed") ? "subscribed" : "no_channel";
  }

  /**
   * Stores a message; one with a topic replaces the waiting message of the same user agent, channel
   * and topic (RFC 8030 section 5.4). Refused with `"over_limit"` when the user agent already has more
   * than `waitingMax` messages waiting; expired ones do not count. Answers `behind` when one with the
   * same or a larger sort key was stored before, though it may be gone.
   */
  saveMessage(message: PushMessage, waitingMax: number): Promise<SaveOutcome> {
    const nowMs = this.#clock.wallNow();
    const lapsedAt = nowMs - this.#userLifetimeMs;
    return this.#group.submit({ kind: "save_message", message, waitingMax, nowMs, lapsedAt });
  }

  /** A page of waiting messages in ascending sort key. */
  async messages(page: PageRequest): Promise<readonly PushMessage[]> {
    const { uaid, kind, nowSeconds, limit } = page;
    const rows = await this.#rows(sql`SELECT sort_key, channel_id, version, ttl_seconds,
        expires_at, topic, encoding, encryption, crypto_key, body
      FROM message
      WHERE user_id = (SELECT id FROM user_agent
          WHERE uaid = ${uaid}::uuid AND connected_at > ${this.#lapsedAt()})
        AND (topic IS NULL) = ${kind === "plain"} AND expires_at > ${nowSeconds}
      ORDER BY sort_key LIMIT ${limit}`);
    return rows.map((row) => messageOf(uaid, row));
  }

  /** Removes these messages of a user agent; unknown sort keys are fine. */
  removeMessages(uaid: string, sortKeys: readonly number[]): Promise<void> {
    return this.#group.submit({ kind: "remove_messages", uaid, sortKeys });
  }

  /**
   * Removes up to `limit` expired messages and as many lapsed user agents with all that is theirs; says
   * how many in all. Rows that somebody writes to at this moment are left for the next time, and so are
   * those that another node sweeps.
   */
  async sweep(nowSeconds: number, limit: number): Promise<number> {
    const expired = await this.#postgres.query(
      "sweep",
      sql`DELETE FROM message USING (
        SELECT user_id AS due_user, sort_key AS due_key FROM message WHERE expires_at <= ${nowSeconds}
        ORDER BY expires_at LIMIT ${limit} FOR UPDATE SKIP LOCKED) AS due
      WHERE user_id = due_user AND sort_key = due_key`,
    );
    const lapsedAt = nowSeconds * 1000 - this.#userLifetimeMs;
    const { rows: [row] } = await this.#postgres.query(
      "sweep",
      sql`WITH lapsed AS (
        DELETE FROM user_agent WHERE id IN (
          SELECT id FROM user_agent WHERE connected_at <= ${lapsedAt}
          ORDER BY connected_at LIMIT ${limit} FOR UPDATE SKIP LOCKED)
        RETURNING uaid
      ), departed AS (DELETE FROM presence WHERE uaid IN (SELECT uaid FROM lapsed))
      SELECT count(*) AS lapsed FROM lapsed`,
    );
    return expired.count + USERS.integer(row, "lapsed");
  }

  /** The largest sort key ever stored, 0 when none was; it survives the removal of the message. */
  async lastSortKey(): Promise<number> {
    const [row] = await this.#rows(sql`SELECT max(largest) AS largest FROM sort_key_mark`);
    return MARKS.integer(row, "largest");
  }

  /** Resolves when the store can read and when a write reaches the disk. */
  async ping(): Promise<void> {
    await this.#group.submit({ kind: "touch" });
    await this.lastSortKey();
  }

  /** From now on this is where the user agent is; answers where it was until now. */
  arrive(uaid: string, at: Whereabouts): Promise<Whereabouts | undefined> {
    return this.#group.submit({ kind: "arrive", uaid, at });
  }

  /** Forgets that the user agent is here, unless it has arrived elsewhere since. */
  depart(uaid: string, at: Whereabouts): Promise<void> {
    return this.#group.submit({ kind: "depart", uaid, at });
  }

  /** Where each of these user agents is, by place. */
  async whereabouts(uaids: readonly string[]): Promise<readonly (Whereabouts | undefined)[]> {
    const rows = await this.#rows(sql`SELECT node, session
      FROM unnest(${uaids}::uuid[]) WITH ORDINALITY AS asked (uaid, place)
      LEFT JOIN presence USING (uaid) ORDER BY place`);
    return rows.map(whereaboutsOf);
  }

  /** Enters this node, or prolongs its lease from now on, by the server's clock. */
  async renew(node: NodeRecord, leaseMs: number): Promise<void> {
    await this.#postgres.query(
      "renew a node",
      sql`INSERT INTO node (id, url, roles, version, keys, started_at, facts, lease_ends_at)
        VALUES (${node.id}, ${node.url ?? null}, ${JSON.stringify(node.roles)}, ${node.version},
          ${JSON.stringify(node.keys)}, ${node.startedAt}, ${nodeFactsText(node.facts) ?? null},
          clock_timestamp() + ${leaseMs}::float8 * interval '1 millisecond')
        ON CONFLICT (id) DO UPDATE SET url = excluded.url, roles = excluded.roles,
          version = excluded.version, keys = excluded.keys, started_at = excluded.started_at,
          facts = excluded.facts, lease_ends_at = excluded.lease_ends_at`,
    );
  }

  /** Removes a node; unknown is fine. */
  async leave(id: string): Promise<void> {
    await this.#postgres.query("remove a node", sql`DELETE FROM node WHERE id = ${id}`);
  }

  /** All nodes whose lease lasts, by their start, and the ids of at most a hundred whose lease has ended. */
  async nodes(): Promise<NodesFound> {
    const rows = await this.#rows(sql`
      (SELECT id, url, roles, version, keys, started_at,
          CASE WHEN length(facts) <= ${FACTS_CHARS_MAX} THEN facts END AS facts, true AS alive
        FROM node WHERE lease_ends_at > statement_timestamp()
        ORDER BY started_at, id LIMIT ${NODES_ALIVE_MAX})
      UNION ALL
      (SELECT id, url, roles, version, keys, started_at, NULL, false
        FROM node WHERE lease_ends_at <= statement_timestamp()
        ORDER BY lease_ends_at LIMIT ${NODES_ENDED_MAX})`);
    const isAlive = (row: Row) => NODES.boolean(row, "alive");
    return {
      alive: rows.filter(isAlive).map(nodeOf),
      ended: rows.filter((row) => !isAlive(row)).map((row) => NODES.text(row, "id")),
    };
  }

  /** Writes what is waiting and closes the connections; again is fine. */
  close(): Promise<void> {
    this.#closed ??= this.#group.close().then(() => this.#postgres.close());
    return this.#closed;
  }

  /** The same as {@link PostgresMessageStore.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #lapsedAt(): number {
    return this.#clock.wallNow() - this.#userLifetimeMs;
  }

  async #rows(statement: Statement): Promise<readonly Row[]> {
    return (await this.#postgres.query("read", statement)).rows;
  }
}

/** The body of a message with its headers, `undefined` when it has none. */
function contentOf(row: Row): Content | undefined {
  if (row["encoding"] === null) return undefined;
  const encryption = MESSAGES.optionalText(row, "encryption");
  const cryptoKey = MESSAGES.optionalText(row, "crypto_key");
  const headers: ContentHeaders = {
    encoding: MESSAGES.oneOf(row, "encoding", ["aes128gcm", "aesgcm"]),
    ...(encryption !== undefined && { encryption }),
    ...(cryptoKey !== undefined && { crypto_key: cryptoKey }),
  };
  return { body: MESSAGES.bytes(row, "body"), headers };
}

function messageOf(uaid: string, row: Row): PushMessage {
  return {
    uaid,
    channelId: MESSAGES.text(row, "channel_id"),
    ttlSeconds: MESSAGES.integer(row, "ttl_seconds"),
    topic: MESSAGES.optionalText(row, "topic"),
    content: contentOf(row),
    sortKey: MESSAGES.integer(row, "sort_key"),
    version: MESSAGES.text(row, "version"),
    expiresAt: MESSAGES.integer(row, "expires_at"),
  };
}

function nodeOf(row: Row): NodeRecord {
  return {
    id: NODES.text(row, "id"),
    url: NODES.optionalText(row, "url"),
    roles: NODES.texts(row, "roles"),
    version: NODES.text(row, "version"),
    keys: NODES.texts(row, "keys"),
    startedAt: NODES.integer(row, "started_at"),
    facts: readNodeFacts(NODES.optionalText(row, "facts")),
  };
}

/**
 * Opens the store in a schema that `migrate` has made; changes nothing of it.
 *
 * @throws {StoreOpenError} When the database cannot be used, or its schema is not what this program
 * knows; its `code` says why and its message what to do.
 */
export function openPostgresMessageStore(
  options: PostgresMessageStoreOptions,
): Promise<PostgresMessageStore> {
  return PostgresMessageStore.open(options);
}
