/**
 * A campaign on nodes that share a store, with everything that counts it: what the providers saw, the
 * notification's counts, counters in Redis, rows in PostgreSQL, a webhook.
 *
 * The engines are real, and each world has a schema and a prefix of its own in them, so that several
 * worlds can use the same servers one after the other.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { runMigrate } from "../../program/migrate.ts";
import type { NotificationAnswer } from "../../transports/api_client/answers.ts";
import { parseCommandLine } from "../../transports/command_line/parse_command_line.ts";
import { readTextFile } from "../../transports/command_line/read_file.ts";
import {
  type Change,
  expectedCounts,
  type Shares,
} from "../../transports/provider_stand_in/mod.ts";
import { openPostgres, type Postgres, sql } from "../../transports/postgres/mod.ts";
import { openRedis, type Redis } from "../../transports/redis/redis.ts";
import { readNotificationCounters } from "../../transports/redis_counters/mod.ts";
import { CampaignService, total } from "./campaign_service.ts";
import type { PostgresServer } from "./postgres_server.ts";
import type { RedisServer } from "./redis_server.ts";
import type { Service } from "./service.ts";

/** The app of these campaigns. */
const APP = "shop";
const WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/** Time between two looks, in milliseconds. */
const LOOK_MS = 100;

/** What nodes stand on: the store, and where its batches wait. */
export type Stand = "postgres_and_redis_queue" | "postgres" | "redis";

/** How a campaign is opened. */
export interface NodesCampaignOptions {
  /** What the nodes stand on. */
  readonly stand: Stand;
  /** The engines. */
  readonly servers: CampaignServers;
  /** Decides which recipient has which fate. */
  readonly seed: number;
  /** How the providers behave. */
  readonly change: Change & { readonly shares: Shares };
  /** Devices of the app. */
  readonly recipients: number;
  /** Nodes; 2 by default. */
  readonly nodes?: number;
  /** Further flags of `serve`. */
  readonly flags?: readonly string[];
}

/** The engines, one server for each thing or one for several. */
export interface CampaignServers {
  /** Has the store. */
  readonly postgres: PostgresServer;
  /** Has the store, or the queue. */
  readonly redis: RedisServer;
  /** Has the counters; the other Redis when absent. */
  readonly counters?: RedisServer;
  /** Has the rows; the other PostgreSQL when absent. */
  readonly results?: PostgresServer;
}

/** Takes what the nodes post; the first post is refused, so that it comes again. */
class Receiver implements AsyncDisposable {
  /** Numbers of the recipients it was told of. */
  readonly told = new Set<number>();
  #posts = 0;
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const { events }: { readonly events: readonly { readonly number: number }[] } = await request
        .json();
      if (this.#posts++ === 0) return new Response(null, { status: 500 });
      for (const { number } of events) this.told.add(number);
      return new Response(null, { status: 204 });
    },
  );

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/hook`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** Nodes, their providers and all that records. */
export class NodesCampaign implements AsyncDisposable {
  /** The nodes and the providers. */
  readonly world: CampaignService;
  readonly #options: NodesCampaignOptions;
  readonly #counters: Redis;
  readonly #results: Postgres;
  readonly #receiver: Receiver;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    options: NodesCampaignOptions,
    parts: {
      readonly world: CampaignService;
      readonly counters: Redis;
      readonly results: Postgres;
      readonly receiver: Receiver;
    },
    resources: AsyncDisposableStack,
  ) {
    this.#options = options;
    this.world = parts.world;
    this.#counters = parts.counters;
    this.#results = parts.results;
    this.#receiver = parts.receiver;
    this.#resources = resources;
  }

  /** Makes the tables, starts the nodes and registers the devices. */
  static async open(options: NodesCampaignOptions): Promise<NodesCampaign> {
    const { servers, seed, change, recipients, nodes = 2, flags = [] } = options;
    await using opening = new AsyncDisposableStack();
    const counters = (servers.counters ?? servers.redis).freshUrl();
    const results = (servers.results ?? servers.postgres).freshUrl();
    const stand = standFlags(options);
    await migrateFor([...stand, "--results-database", results]);
    const folder = await Deno.makeTempDir({ prefix: "heliograph-nodes-" });
    opening.defer(() => Deno.remove(folder, { recursive: true }));
    await Deno.writeTextFile(`${folder}/secret`, WEBHOOK_SECRET);
    const receiver = opening.use(new Receiver());
    const world = opening.use(
      await CampaignService.open({
        ...{ seed, change, nodes },
        flags: [
          ...[...stand, "--node-port", "0"],
          ...["--counters", counters, "--results-database", results],
          ...["--results-database-rows", "all"],
          ...["--webhook-url", receiver.url, "--webhook-secret-file", `${folder}/secret`],
          ...flags,
        ],
      }),
    );
    const parts = {
      ...{ world, receiver },
      counters: opening.use(await openRedis({ url: counters })),
      results: opening.use(await openPostgres({ url: results })),
    };
    await world.register(APP, Array.from({ length: recipients }, (_, number) => number));
    return new NodesCampaign(options, parts, opening.move());
  }

  /** Sends to all devices; each gets a row. */
  send(): Promise<string> {
    return this.world.send(APP, { record: "all" });
  }

  /** A node that runs. */
  node(place: number): Service {
    const node = this.world.nodes[place % this.world.nodes.length];
    assert(node !== undefined);
    return node;
  }

  /** Waits until every recipient has its outcome, whatever the API answers meanwhile; each count that it gives adds up. */
  async ended(id: string, withinMs: number): Promise<NotificationAnswer> {
    const deadline = performance.now() + withinMs;
    for (let look = 0;; look++) {
      const found = await this.world.apiOf(this.node(look)).notification(id);
      if (found.kind === "ok") {
        const { total, retries: _, ...parts } = found.value.counts;
        assertEquals(Object.values(parts).reduce((sum, one) => sum + one, 0), total);
        if (found.value.status === "done") return found.value;
      }
      const logs = this.world.nodes.map(({ stderr }) => stderr.split("\n").slice(-15).join("\n"));
      assert(
        performance.now() < deadline,
        `Waited ${withinMs} ms for the end: ${JSON.stringify(found)}\n${logs.join("\n\n")}`,
      );
      await pass(LOOK_MS);
    }
  }

  /** Recipients without an outcome, as soon as a node can say. */
  async pending(id: string, withinMs: number): Promise<number> {
    const deadline = performance.now() + withinMs;
    for (let look = 0;; look++) {
      const found = await this.world.apiOf(this.node(look)).notification(id);
      if (found.kind === "ok") return found.value.counts.pending;
      assert(performance.now() < deadline, `Waited ${withinMs} ms for ${JSON.stringify(found)}`);
      await pass(LOOK_MS);
    }
  }

  /**
   * Everything that counts says the same of a notification that has ended, and what the providers saw; the
   * requests beyond one for each recipient and each refusal.
   */
  async assertExact(
    id: string,
    { counts }: NotificationAnswer,
    withinMs: number,
  ): Promise<number> {
    const { recipients, seed, change: { shares } } = this.#options;
    const { origins } = this.world.standIn;
    const expected = expectedCounts(recipients, { seed, shares, origins });
    const { delivered, token_invalid } = expected;
    assertEquals(
      [counts.total, counts.delivered, counts.tokenInvalid, counts.failed, counts.pending],
      [recipients, delivered, token_invalid, 0, 0],
    );
    const seen = await this.world.standIn.seen();
    assertEquals(total(seen, (one) => one.accepted), delivered);
    const outcomes = { delivered, token_invalid };
    await this.#until("rows", async () => await this.#rows(id), {
      ...outcomes,
      recipients,
    }, withinMs);
    await this.#until("counters", async () => await this.#counted(id), {
      ...outcomes,
      retries: counts.retries,
    }, withinMs);
    const told = () => Promise.resolve(this.#receiver.told.size);
    await this.#until("recipients that the webhook was told of", told, token_invalid, withinMs);
    return total(seen, (one) => one.requests - one.recipients - one.deferred);
  }

  /** Ends all. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }

  async #rows(id: string): Promise<Readonly<Record<string, number>>> {
    const { rows } = await this.#results.query(
      "count rows",
      sql`SELECT outcome, count(*)::float8 AS n, count(DISTINCT number)::float8 AS numbers
        FROM delivery_row WHERE notification = ${id}::uuid GROUP BY outcome`,
    );
    const found: Record<string, number> = {};
    let recipients = 0;
    for (const row of rows) {
      found[String(row["outcome"])] = Number(row["n"]);
      recipients += Number(row["numbers"]);
    }
    return { ...found, recipients };
  }

  async #counted(id: string): Promise<Readonly<Record<string, number>>> {
    const platforms = Object.values(await readNotificationCounters(this.#counters, id));
    const sum = (counter: keyof typeof platforms[number]) =>
      platforms.reduce((sum, one) => sum + one[counter], 0);
    const [delivered, token_invalid] = [sum("delivered"), sum("token_invalid")];
    const others = sum("rejected") + sum("expired") + sum("failed") + sum("cancelled");
    assertEquals(others, 0);
    return { delivered, token_invalid, retries: sum("retries") };
  }

  /** Sinks are behind; they come to exactly this and stay there. */
  async #until<T>(what: string, read: () => Promise<T>, wanted: T, withinMs: number) {
    const deadline = performance.now() + withinMs;
    while (!equal(await read(), wanted)) {
      const found = `${JSON.stringify(await read())} of ${JSON.stringify(wanted)}`;
      assert(performance.now() < deadline, `Waited ${withinMs} ms for ${what}: ${found}`);
      await pass(LOOK_MS);
    }
    await pass(LOOK_MS);
    assertEquals(await read(), wanted, what);
  }
}

function equal(found: unknown, wanted: unknown): boolean {
  try {
    assertEquals(found, wanted);
    return true;
  } catch {
    return false;
  }
}

function standFlags({ stand, servers: { postgres, redis } }: NodesCampaignOptions): string[] {
  switch (stand) {
    case "postgres_and_redis_queue":
      return ["--store", postgres.freshUrl(), "--queue", redis.freshUrl()];
    case "postgres":
      return ["--store", postgres.freshUrl()];
    case "redis":
      return ["--store", redis.freshUrl()];
  }
}

/** Runs `migrate` for the databases that these flags name. */
export async function migrateFor(flags: readonly string[]): Promise<void> {
  const variables: Readonly<Record<string, string>> = {
    "--store": "HELIOGRAPH_STORE",
    "--results-database": "HELIOGRAPH_RESULTS_DATABASE",
  };
  // Not as arguments, among which no password is taken.
  const environment = flags.flatMap((flag, place): (readonly [string, string])[] => {
    const variable = variables[flag];
    return variable === undefined ? [] : [[variable, flags[place + 1] ?? ""]];
  });
  const line = parseCommandLine(["migrate"], new Map(environment), readTextFile);
  assert(line.kind === "run" && line.command.name === "migrate");
  await runMigrate(line.command.settings, true, () => {});
}

/** Lets real time pass. */
export function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
