/** The message store in PostgreSQL: what it refuses to open, to read and to store; away and back. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { migrate, openPostgres, sql, statement } from "../../../transports/postgres/mod.ts";
import {
  MESSAGES_PART,
  openPostgresMessageStore,
  type PostgresMessageStore,
  type PushMessage,
  StoreError,
  StoreOpenError,
} from "../../../transports/postgres_messages/mod.ts";
import { ALICE, NEWS, uaidOf } from "../../conformance/store_world.ts";
import { factsOf, FOREIGN_FACTS } from "../../support/node_facts.ts";
import { type PostgresServer, startPostgres } from "../../support/postgres_server.ts";

const shared = (await startPostgres()).endWithTests();

/** A schema with the store's tables, changed by these statements. */
async function prepared(server: PostgresServer, ...changes: readonly string[]): Promise<string> {
  const url = server.freshUrl();
  await migrate({ url }, [MESSAGES_PART]);
  await using postgres = await openPostgres({ url });
  for (const change of changes) await postgres.query("change", statement(change));
  return url;
}

function messageOf(sortKey: number, differences: Partial<PushMessage> = {}): PushMessage {
  return {
    uaid: ALICE,
    channelId: NEWS,
    ttlSeconds: 60,
    topic: undefined,
    content: { body: new Uint8Array([1]), headers: { encoding: "aes128gcm" } },
    sortKey,
    version: `v${sortKey}`,
    expiresAt: Math.floor(Date.now() / 1000) + 60,
    ...differences,
  };
}

async function subscribe(store: PostgresMessageStore, uaid = ALICE): Promise<void> {
  await store.saveUser({ uaid, connectedAt: Date.now() });
  assertEquals(await store.addChannel(uaid, NEWS, 10), "added");
}

async function page(store: PostgresMessageStore, uaid = ALICE): Promise<readonly PushMessage[]> {
  return await store.messages({ uaid, kind: "plain", limit: 1_000, nowSeconds: 0 });
}

const REFUSALS: readonly (readonly [title: string, url: () => Promise<string>, words: RegExp])[] = [
  [
    "a schema that nobody migrated",
    () => Promise.resolve(shared.freshUrl()),
    /schema version 0, need 2: run heliograph migrate$/,
  ],
  [
    "the tables of a newer program",
    () => prepared(shared, "UPDATE schema_version SET version = 9"),
    /schema version 9 was written by a newer version of this program, which knows 2\. Start that one$/,
  ],
  ["an address of another kind", () => Promise.resolve("mysql://x"), /expected "postgres:\/\//],
];

for (const [title, url, words] of REFUSALS) {
  Deno.test(`openPostgresMessageStore() refuses ${title}`, async () => {
    const address = await url();
    const error = await assertRejects(
      () => openPostgresMessageStore({ url: address }),
      StoreOpenError,
    );
    assert(words.test(error.message), error.message);
  });
}

/** What somebody did to a table, and what reading says then. */
const CORRUPTIONS: readonly (readonly [change: string, message: string])[] = [
  [
    "ALTER TABLE message ALTER COLUMN expires_at TYPE float8; UPDATE message SET expires_at = 9e9 + 0.5",
    'the table "message": its column "expires_at" is of type number, expected an integer below 2^53',
  ],
  [
    "ALTER TABLE message ALTER COLUMN version DROP NOT NULL; UPDATE message SET version = NULL",
    'the table "message": its column "version" is NULL, expected text',
  ],
  [
    "UPDATE message SET encoding = 'rot13'",
    'the table "message": its column "encoding" is text, expected one of aes128gcm, aesgcm',
  ],
  [
    "ALTER TABLE message ALTER COLUMN body TYPE text USING 'x'",
    'the table "message": its column "body" is text, expected bytes',
  ],
];

for (const [change, message] of CORRUPTIONS) {
  Deno.test(`messages() names the column after "${change.slice(0, 60)}…"`, async () => {
    const url = await prepared(shared);
    {
      await using store = await openPostgresMessageStore({ url });
      await subscribe(store);
      await store.saveMessage(messageOf(1), 10);
    }
    await using postgres = await openPostgres({ url });
    await postgres.transaction("change", ({ run }) => run(change));
    await using store = await openPostgresMessageStore({ url });
    const error = await assertRejects(() => page(store), StoreError);
    assertEquals([error.code, error.message], ["corrupt", `Cannot read ${message}`]);
  });
}

Deno.test("nodes() has a node whose facts somebody else wrote, without them", async (t) => {
  const url = await prepared(shared);
  await using store = await openPostgresMessageStore({ url });
  await using postgres = await openPostgres({ url });
  const node = { url: undefined, roles: [], version: "1", keys: [], startedAt: 5 };
  const record = { ...node, id: "n", facts: undefined };
  await store.renew({ ...record, facts: factsOf() }, 60_000);
  for (const [what, text] of [...FOREIGN_FACTS, ["ten million characters", "9".repeat(1e7)]]) {
    await t.step(`${what}`, async () => {
      await postgres.query("write", sql`UPDATE node SET facts = ${text}`);
      assertEquals((await store.nodes()).alive, [record]);
    });
  }
  await postgres.query("write", sql`UPDATE node SET facts = ${JSON.stringify(factsOf())}`);
  assertEquals((await store.nodes()).alive, [{ ...record, facts: factsOf() }]);
});

Deno.test("a node of an older program, which said nothing of itself, is among the others", async () => {
  const url = shared.freshUrl();
  const [first = ""] = MESSAGES_PART.migrations;
  await migrate({ url }, [{ ...MESSAGES_PART, migrations: [first] }]);
  await using postgres = await openPostgres({ url });
  await postgres.query(
    "enter",
    statement(`INSERT INTO node VALUES ('old', NULL, '["api"]', '0.1.0', '["k"]', 5,
      now() + interval '1 minute')`),
  );
  await migrate({ url }, [MESSAGES_PART]);
  await using store = await openPostgresMessageStore({ url });
  const record = { id: "old", url: undefined, roles: ["api"], version: "0.1.0", keys: ["k"] };
  assertEquals((await store.nodes()).alive, [{ ...record, startedAt: 5, facts: undefined }]);
});

Deno.test("a table that was removed is named, and is no reason to end", async () => {
  const url = await prepared(shared);
  await using store = await openPostgresMessageStore({ url });
  await using postgres = await openPostgres({ url });
  await subscribe(store);
  await postgres.query("remove", statement("DROP TABLE message"));
  for (const call of [() => page(store), () => store.saveMessage(messageOf(1), 10)]) {
    const error = await assertRejects(call, StoreError);
    assertEquals(error.code, "io");
    assert(/relation "message" does not exist/.test(error.message), error.message);
  }
});

Deno.test("a write that breaks a rule fails alone among those of its moment", async () => {
  await using store = await openPostgresMessageStore({ url: await prepared(shared) });
  await subscribe(store);
  await subscribe(store, uaidOf(1));
  const [good, broken, other] = await Promise.allSettled([
    store.saveMessage(messageOf(1), 10),
    store.saveMessage(messageOf(1, { uaid: uaidOf(1), version: "\0" }), 10),
    store.saveMessage(messageOf(2, { uaid: uaidOf(1) }), 10),
  ]);
  assertEquals([good, other], [
    { status: "fulfilled", value: "stored" },
    { status: "fulfilled", value: "stored" },
  ]);
  assert(broken.status === "rejected" && !(broken.reason instanceof StoreError));
  assertEquals((await page(store)).map(({ sortKey }) => sortKey), [1]);
  assertEquals((await page(store, uaidOf(1))).map(({ sortKey }) => sortKey), [2]);
});

Deno.test("writes beyond what may wait are refused, and the others are stored", async () => {
  await using store = await openPostgresMessageStore({ url: await prepared(shared) });
  await subscribe(store);
  const saves = Array.from(
    { length: 4_100 },
    (_, index) =>
      store.saveMessage(messageOf(index + 1), 10_000).catch((error: unknown) =>
        error instanceof StoreError ? error.code : error
      ),
  );
  const outcomes = await Promise.all(saves);
  assertEquals(outcomes.filter((outcome) => outcome === "stored").length, 4_096);
  assertEquals(outcomes.slice(4_096), ["busy", "busy", "busy", "busy"]);
});

Deno.test("close() stores what waits and refuses what comes after", async () => {
  const url = await prepared(shared);
  const store = await openPostgresMessageStore({ url });
  await subscribe(store);
  const save = store.saveMessage(messageOf(1), 10);
  const closing = store.close();
  const late = await assertRejects(() => store.saveMessage(messageOf(2), 10), StoreError);
  assertEquals(late.code, "closed");
  assertEquals(await save, "stored");
  await closing;
  assertEquals((await assertRejects(() => page(store), StoreError)).code, "closed");
  await using again = await openPostgresMessageStore({ url });
  assertEquals((await page(again)).map(({ sortKey }) => sortKey), [1]);
});

Deno.test("no message that was stored is lost when the server is killed, again and again", async () => {
  await using server = await startPostgres({ durable: true });
  await using store = await openPostgresMessageStore({ url: await prepared(server) });
  const uaids = Array.from({ length: 16 }, (_, index) => uaidOf(index));
  for (const uaid of uaids) await subscribe(store, uaid);
  const stored = new Set<string>();
  let sortKey = 0;
  let running = true;
  const callers = uaids.map(async (uaid) => {
    while (running) {
      const key = ++sortKey;
      try {
        assertEquals(await store.saveMessage(messageOf(key, { uaid }), 1_000_000), "stored");
        stored.add(`${uaid} ${key}`);
      } catch (error) {
        assert(error instanceof StoreError && error.code === "unavailable", String(error));
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
  });
  try {
    for (let round = 1; round <= 3; round++) {
      const before = stored.size;
      while (stored.size < before + 200) await new Promise((resolve) => setTimeout(resolve, 1));
      await server.kill9();
      await assertRejects(() => store.ping(), StoreError);
      await server.start();
    }
    const before = stored.size;
    while (stored.size < before + 200) await new Promise((resolve) => setTimeout(resolve, 1));
  } finally {
    running = false;
  }
  await Promise.all(callers);
  for (const uaid of uaids) {
    for (let next = await page(store, uaid); next.length > 0; next = await page(store, uaid)) {
      for (const { sortKey } of next) stored.delete(`${uaid} ${sortKey}`);
      await store.removeMessages(uaid, next.map(({ sortKey }) => sortKey));
    }
  }
  assertEquals([...stored], []);
});
