/** What only the delivery store in PostgreSQL promises: who may open it, and what it says of a bad row, a missing server. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Columns, migrate, openPostgres, sql } from "../../../transports/postgres/mod.ts";
import {
  DELIVERY_PART,
  openPostgresDeliveryStore,
  type PostgresDeliveryStore,
  StoreError,
  StoreOpenError,
} from "../../../transports/postgres_delivery/mod.ts";
import { SECOND, tallyAt, wholeHistory } from "../../conformance/delivery_history.ts";
import { DeliveryWorld, deviceOf, NEWS, NONE } from "../../conformance/delivery_world.ts";
import { WallClock } from "../../conformance/store_world.ts";
import { startPostgres } from "../../support/postgres_server.ts";
import { Relay } from "../../support/relay.ts";

const server = (await startPostgres()).endWithTests();

/** A migrated schema that nobody used. */
async function freshSchema(): Promise<string> {
  const url = server.freshUrl();
  await migrate({ url }, [DELIVERY_PART]);
  return url;
}

/** Resolves when the server is there again: the first calls after an absence may still be told of it. */
async function back(store: { ping(): Promise<void> }): Promise<void> {
  while (!await store.ping().then(() => true, () => false));
}

/** A store in it with what the tests of the suite have. */
async function openWorld(url: string, clock = new WallClock()): Promise<DeliveryWorld> {
  const store = await openPostgresDeliveryStore({ url, clock });
  return new DeliveryWorld(clock, {
    store,
    reopen: () => Promise.reject(new Error("opened by hand")),
    corrupt: () => Promise.reject(new Error("corrupted by hand")),
    [Symbol.asyncDispose]: () => store.close(),
  });
}

async function run(url: string, statement: ReturnType<typeof sql>): Promise<void> {
  await using postgres = await openPostgres({ url });
  await postgres.query("change a table", statement);
}

/** An app with two devices, and rows of a notification to one and of a later one to a token of the same number. */
const FIRST_VERSION = [
  sql`INSERT INTO app (name, version, credentials) VALUES (${NEWS}, 1, '{}')`,
  sql`INSERT INTO device (app_id, platform, registered_at, id, address)
    VALUES (1, 0, 0, ${deviceOf(1)}, 'a'), (1, 0, 0, ${deviceOf(2)}, 'b')`,
  sql`INSERT INTO notification (id, app_id, digest, direct, send_at, expires_at, state)
    VALUES ('to devices', 1, '', false, 0, 0, 'sending'), ('to tokens', 1, '', true, 0, 0, 'sending')`,
  sql`INSERT INTO delivery (seq, number, at, status, attempts, platform, outcome, address, reason)
    VALUES (1, 1, 0, 400, 1, 0, 2, 'a', 'of the device'), (2, 1, 0, 400, 1, 0, 2, 't', 'of a token')`,
  sql`INSERT INTO tally (at, platform, retries, delivered, token_invalid, rejected, expired, failed,
      cancelled, notification, app)
    VALUES (${SECOND * 1_000}, 0, 0, 0, 0, 1, 0, 0, 0, 'to devices', ${NEWS})`,
];

Deno.test("openPostgresDeliveryStore() refuses a schema that was not migrated", async () => {
  const error = await assertRejects(
    () => openPostgresDeliveryStore({ url: server.freshUrl() }),
    StoreOpenError,
    "schema version 0, need 2: run heliograph migrate",
  );
  assertEquals(error.code, "older_schema");
});

Deno.test("openPostgresDeliveryStore() refuses a schema of a newer program", async () => {
  const url = await freshSchema();
  await run(url, sql`UPDATE schema_version SET version = 9 WHERE part = 'delivery'`);
  const error = await assertRejects(
    () => openPostgresDeliveryStore({ url }),
    StoreOpenError,
    "schema version 9 was written by a newer version of this program, which knows 2",
  );
  assertEquals(error.code, "newer_schema");
});

Deno.test("tables of the first version keep their last outcomes, and their log is counted from its beginning", async () => {
  const url = server.freshUrl();
  await migrate({ url }, [{ ...DELIVERY_PART, migrations: DELIVERY_PART.migrations.slice(0, 1) }]);
  for (const statement of FIRST_VERSION) await run(url, statement);
  assertEquals(await migrate({ url }, [DELIVERY_PART]), [{ part: "delivery", from: 1, to: 2 }]);
  await using world = await openWorld(url);
  const outcomes = await world.store.lastOutcomes([deviceOf(1), deviceOf(2)]);
  assertEquals(outcomes.map((row) => row?.reason), ["of the device", undefined]);
  assertEquals(await world.store.sinkPosition("history", "tallies"), 0);
  world.clock.nowMs = SECOND * 1_000;
  await world.store.addToHistory(await world.store.talliesAfter(0, 9));
  const history = await wholeHistory(world);
  assertEquals(history.map(({ second, outcomes }) => [second, outcomes.rejected]), [[SECOND, 1]]);
});

Deno.test("openPostgresDeliveryStore() ends nobody's leases", async () => {
  const url = await freshSchema();
  await using world = await openWorld(url);
  await world.populate(0);
  await world.submitTokens(3);
  const { batches: [batch] } = await world.claim();
  assert(batch !== undefined);
  await using other = await openWorld(url, world.clock);
  assertEquals((await other.claim()).batches, []);
  assertEquals((await world.commit(batch)).kind, "committed");
});

const WRONG = [
  [sql`UPDATE app SET credentials = '{"a'`, 'table "app": its column "credentials"'],
  [sql`UPDATE device SET tags = '{}'`, 'table "device": its column "tags"'],
  [sql`UPDATE device SET platform = 7`, 'table "device": its column "platform"'],
  [sql`UPDATE delivery SET outcome = 9`, 'table "delivery": its column "outcome"'],
  [sql`UPDATE campaign SET body = 'no'`, 'table "campaign": its column "body"'],
  [sql`UPDATE notification SET state = 'asleep'`, 'table "notification": its column "state"'],
  [sql`UPDATE history SET platform = 7`, 'table "history": its column "platform"'],
] as const;

Deno.test("a row that this program did not write is an error that names table and column", async () => {
  for (const [statement, expected] of WRONG) {
    const url = await freshSchema();
    await using world = await openWorld(url);
    await world.populate(1);
    const id = await world.submit();
    await world.expand(id);
    const { batches: [batch] } = await world.claim();
    assert(batch !== undefined);
    const row = { number: 1, address: "a", outcome: "rejected", status: 1, reason: "" } as const;
    const rows = [{ ...row, registeredBefore: undefined }];
    await world.commit(batch, { outcomes: { ...NONE, rejected: 1 }, rows });
    await world.store.addToHistory(await world.store.talliesAfter(0, 9));
    await run(url, statement);
    const error = await assertRejects(
      async () => {
        await world.store.apps();
        await world.store.device(deviceOf(1));
        await world.store.rowsAfter(0, 9);
        await world.store.notification(id);
        await wholeHistory(world);
      },
      StoreError,
      expected,
    );
    assertEquals(error.code, "corrupt");
  }
});

Deno.test("a table that somebody removed is an error with a code, and no other call suffers", async () => {
  const url = await freshSchema();
  await using world = await openWorld(url);
  await world.populate(0);
  await run(url, sql`DROP TABLE dead_letter`);
  const error = await assertRejects(() => world.store.deadLetters(1), StoreError, "42P01");
  assertEquals(error.code, "io");
  assertEquals((await world.store.app(NEWS))?.version, 1);
});

Deno.test("calls are refused while the server is away, and come through when it is back", async () => {
  await using own = await startPostgres();
  const url = own.freshUrl();
  await migrate({ url }, [DELIVERY_PART]);
  await using world = await openWorld(url);
  await world.populate(0);
  await world.submitTokens(3);
  const { batches: [batch] } = await world.claim();
  assert(batch !== undefined);
  await own.stop();
  const calls = [
    () => world.commit(batch),
    () => world.claim(),
    () => world.store.ping(),
    () => world.store.renew([batch.lease], world.now),
  ];
  for (const call of calls) {
    const error = await assertRejects(call, StoreError);
    assertEquals(error.code, "unavailable");
  }
  await own.start();
  await back(world.store);
  assertEquals(await world.commit(batch), { kind: "committed", notificationDone: true });
});

/** A store behind a relay that loses the server's answer once these words have gone by. */
class FarStore implements AsyncDisposable {
  readonly store: PostgresDeliveryStore;
  readonly #relay: Relay;

  private constructor(store: PostgresDeliveryStore, relay: Relay) {
    this.store = store;
    this.#relay = relay;
  }

  static async open(url: string): Promise<FarStore> {
    const relay = Relay.open(server.port);
    const relayed = new URL(url);
    relayed.port = `${relay.port}`;
    return new FarStore(await openPostgresDeliveryStore({ url: relayed.href }), relay);
  }

  /** Makes a call whose answer is lost when its effect is there. */
  async lose(
    words: string,
    call: () => Promise<unknown>,
    happened: () => Promise<boolean>,
  ): Promise<void> {
    const sent = Promise.withResolvers<void>();
    const decoder = new TextDecoder();
    this.#relay.onBytes = (_, direction, bytes) => {
      if (direction === "down" || !decoder.decode(bytes).includes(words)) return;
      this.#relay.swallow = "down";
      sent.resolve();
    };
    const refused = assertRejects(call, StoreError);
    await sent.promise;
    while (!await happened());
    await this.#relay.cutAll();
    assertEquals((await refused).code, "unavailable");
    this.#relay.swallow = undefined;
    this.#relay.onBytes = undefined;
    await back(this.store);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    await this.#relay[Symbol.asyncDispose]();
  }
}

Deno.test("addRecipients() counts once what is repeated because its answer was lost", async () => {
  const url = await freshSchema();
  await using world = await openWorld(url);
  await world.populate(0);
  const id = await world.submit({ kind: "open" });
  const total = async () => (await world.store.notification(id))?.counts.total;
  await using far = await FarStore.open(url);
  const recipients = [{ platform: "apns", address: "the address", keys: undefined }] as const;
  const add = () => far.store.addRecipients(id, recipients);
  await far.lose("the address", add, async () => await total() === 1);
  await far.lose("the address", add, async () => await total() === 1);
  assertEquals(await add(), "added");
  assertEquals(await total(), 1);
  // From now on it is another call with the same recipients.
  assertEquals(await add(), "added");
  assertEquals(await total(), 2);
});

Deno.test("submit() and commit() count once what is repeated because its answer was lost", async () => {
  const url = await freshSchema();
  await using world = await openWorld(url);
  await world.populate(0);
  await using far = await FarStore.open(url);
  const notification = world.notification();
  const recipients = [{ platform: "apns", address: "a", keys: undefined }] as const;
  const submission = {
    notification,
    audience: { kind: "direct", recipients },
    idempotencyKey: undefined,
    digest: "digest",
  } as const;
  const counts = async () => (await world.store.notification(notification.id))?.counts;
  const submit = () => far.store.submit(submission);
  await far.lose(notification.id, submit, async () => await counts() !== undefined);
  assertEquals(await submit(), { kind: "accepted", id: notification.id });
  const { batches } = await world.claim();
  assertEquals(batches.length, 1);
  const [batch] = batches;
  assert(batch !== undefined);
  const commit = () => far.store.commit(world.result(batch));
  await far.lose("COMMIT", commit, async () => (await counts())?.delivered === 1);
  assertEquals(await commit(), { kind: "stale" });
  const { total, delivered } = await counts() ?? {};
  assertEquals([total, delivered], [1, 1]);
  assertEquals((await world.store.talliesAfter(0, 9)).length, 1);
});

Deno.test("addToHistory() counts once what is repeated because its answer was lost", async () => {
  const url = await freshSchema();
  await using world = await openWorld(url);
  await using far = await FarStore.open(url);
  // The far store goes by the clock of the machine.
  world.clock.nowMs = Date.now();
  const tallies = [tallyAt(1, world.now), tallyAt(2, world.now)];
  const add = () => far.store.addToHistory(tallies);
  const counted = async () => {
    const slots = await wholeHistory(world);
    return slots.reduce((sum, { outcomes }) => sum + outcomes.delivered, 0);
  };
  await far.lose("COMMIT", add, async () => await counted() === 2);
  await world.store.addToHistory(tallies);
  assertEquals(await counted(), 2);
});

const UNREADABLE = ["no", "{}", "[1]", "[]"];

Deno.test("load() says of a chunk that holds no addresses that it is unreadable", async () => {
  const url = await freshSchema();
  await using world = await openWorld(url);
  await world.populate(0);
  await world.submitTokens(1);
  const { batches: [batch] } = await world.claim();
  assert(batch !== undefined);
  for (const addresses of UNREADABLE) {
    await run(url, sql`UPDATE chunk SET addresses = ${addresses}`);
    assertEquals(await world.store.load(batch.lease), "unreadable", addresses);
  }
});

const NARROWED = [
  {},
  { state: "active" },
  { tag: "t" },
  { tag: "t", state: "active" },
  { user: "p" },
  { user: "p", tag: "t", state: "active" },
] as const;

Deno.test("devices() pages through more than it sorts, however narrowed", async () => {
  const url = await freshSchema();
  await using world = await openWorld(url);
  await world.populate(0);
  await run(
    url,
    sql`WITH added AS (
        INSERT INTO device (app_id, platform, registered_at, id, address, person, tags)
        SELECT app.id, 0, 0, 'device-' || lpad(place::text, 6, '0'), 'a', 'p', '["t"]'
        FROM app, generate_series(1, 10001) AS place RETURNING number, app_id
      ), tagged AS (
        INSERT INTO tag (app_id, name) SELECT DISTINCT app_id, 't' FROM added RETURNING id)
      INSERT INTO device_tag SELECT id, number FROM tagged, added`,
  );
  for (const narrowed of NARROWED) {
    const page = await world.store.devices({
      app: NEWS,
      after: deviceOf(7),
      limit: 2,
      ...narrowed,
    });
    assertEquals(page.map(({ id }) => id), [deviceOf(8), deviceOf(9)], JSON.stringify(narrowed));
  }
});

Deno.test("removeApp() leaves no tags behind", async () => {
  const url = await freshSchema();
  await using world = await openWorld(url);
  await world.populate(0);
  await world.store.saveDevices([world.record(1, { tags: ["a", "b"] })], world.now);
  assertEquals(await world.store.removeApp(NEWS), "removed");
  await using postgres = await openPostgres({ url });
  const { rows } = await postgres.query(
    "count",
    sql`SELECT (SELECT count(*) FROM tag) AS tags, (SELECT count(*) FROM device_tag) AS devices`,
  );
  assertEquals(rows, [{ tags: 0, devices: 0 }]);
});

Deno.test("two deployments in one database, and other programs, do not wait for each other's locks", async () => {
  const [url, otherUrl] = [await freshSchema(), await freshSchema()];
  await using other = await openWorld(otherUrl);
  await other.populate(0);
  await other.submitTokens(1);
  await using postgres = await openPostgres({ url });
  await postgres.transaction("hold", async ({ query }) => {
    await query(sql`SELECT lock_queue(), lock_logs()`);
    // As a program does that locks what it knows by a number.
    await query(sql`SELECT pg_advisory_xact_lock(oid::int8) FROM pg_class
      WHERE relname IN ('batch', 'delivery')`);
    const { batches: [batch] } = await other.claim();
    assert(batch !== undefined);
    assertEquals((await other.commit(batch)).kind, "committed");
  });
});

/** Conflicts that the server has counted; it hears of them when a connection ends. */
async function deadlocksOf(url: string): Promise<number> {
  await using postgres = await openPostgres({ url, applicationName: "counter" });
  const columns = new Columns("pg_stat_database");
  while (true) {
    const { rows: [row] } = await postgres.query(
      "count conflicts",
      sql`SELECT deadlocks, (SELECT count(*) FROM pg_stat_activity
          WHERE application_name = 'heliograph') AS others
        FROM pg_stat_database WHERE datname = current_database()`,
    );
    if (columns.integer(row, "others") === 0) return columns.integer(row, "deadlocks");
  }
}

Deno.test("no conflict of locks while two nodes do everything at once", async () => {
  const url = await freshSchema();
  await everythingAtOnce(url);
  assertEquals(await deadlocksOf(url), 0);
});

/** Two nodes register, expand, claim, record, hand back, cancel, abandon, count and sweep; in the end nobody is lost. */
async function everythingAtOnce(url: string): Promise<void> {
  const clock = new WallClock();
  await using one = await openWorld(url, clock);
  await using other = await openWorld(url, clock);
  await one.populate(400, ["apns", "fcm", "webpush"]);
  const ids: string[] = [];
  for (let round = 0; round < 6; round++) {
    ids.push(await one.submit(), await one.submit({ kind: "all" }, { ratePerSecond: 2_000 }));
  }
  const work = async (node: DeliveryWorld, name: string, order: readonly string[]) => {
    const expanding = Promise.all(order.map((id) => node.expand(id, 50, 20)));
    for (let turn = 0; turn < 40; turn++) {
      const { batches } = await node.claim({ node: name, batchesMax: 8 });
      const saved = node.store.saveDevices(
        Array.from({ length: 60 }, (_, index) => node.record(1 + (index * 7 + turn) % 400)),
        node.now,
      );
      const committed = batches.map(async (batch, index) => {
        if (index % 5 === 4) return node.store.release(batch.lease, node.now);
        const loaded = await node.store.load(batch.lease);
        const marked = typeof loaded === "string" ? [] : loaded.recipients.numbers.toReversed();
        const row = { address: "a", outcome: "delivered", status: 200, reason: "" } as const;
        const rows = marked.map((number) => ({ ...row, number, registeredBefore: undefined }));
        await node.commit(batch, { suspects: { marked, cleared: [] }, rows, pause: undefined });
      });
      const counted = node.store.talliesAfter(turn, 9)
        .then((tallies) => node.store.addToHistory(tallies));
      const swept = node.store.sweep(node.now - 100, 50);
      if (turn % 10 === 9) await node.store.cancel(order[turn % order.length] ?? "", node.now);
      if (turn % 15 === 14) await node.store.abandon(name === "a" ? "b" : "a", node.now);
      clock.nowMs += 10;
      await Promise.all([saved, counted, swept, ...committed]);
    }
    await expanding;
  };
  await Promise.all([work(one, "a", ids), work(other, "b", ids.toReversed())]);
  clock.nowMs += 60_000;
  for (let left = 12; left > 0; clock.nowMs += 1_000) {
    await one.deliverAll();
    const page = await one.store.notifications({ after: undefined, limit: 99 });
    left = page.filter(({ sendingDone }) => !sendingDone).length;
    for (const { counts: { total, retries: _, ...places } } of page) {
      assertEquals(Object.values(places).reduce((sum, count) => sum + count, 0), total);
    }
  }
}
