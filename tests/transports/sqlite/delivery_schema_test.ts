/**
 * The plans of all statements of the delivery store: none walks a table that grows with devices,
 * notifications, batches or deliveries.
 */

import { assertEquals, assertGreater } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { DELIVERY_SCHEMA } from "../../../transports/sqlite/delivery/schema.ts";
import { openForWriting } from "../../../transports/sqlite/schema.ts";
import { openSqliteDeliveryStore } from "../../../transports/sqlite/sqlite_delivery_store.ts";
import { DeliveryReader } from "../../../transports/sqlite/delivery/reader.ts";
import { DeliveryWriter } from "../../../transports/sqlite/delivery/writer.ts";
import { TemporaryFolder } from "./child_process.ts";

/** Runs `work` and gives back the statements that it prepared. */
function preparedBy(work: () => void): readonly string[] {
  const { prepare } = DatabaseSync.prototype;
  const texts: string[] = [];
  DatabaseSync.prototype.prepare = function (text, ...rest) {
    texts.push(text);
    return prepare.call(this, text, ...rest);
  };
  try {
    work();
  } finally {
    DatabaseSync.prototype.prepare = prepare;
  }
  return texts.filter((text) => /^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)/.test(text));
}

/**
 * What may be walked: tables of apps and lanes, lists handed in, pages, what is walked in the order of
 * an index until the first match, and indexes of the few that are unfinished.
 */
const FINE: readonly RegExp[] = [
  /^SCAN (app|lane|sink|one|ready|page|dead_letter|sqlite_\w+|state|json_each|\(subquery)/,
  /^SCAN (\d+ )?CONSTANT ROW/,
  /^SCAN batch USING INDEX batch_due/,
  /^SCAN notification USING INDEX notification_(paced|unfinished|to_expand)/,
];

/** Nor are all devices of an app, where a few are asked for; those of removed apps go in steps. */
const ALL_DEVICES =
  /^SEARCH \w+ USING (COVERING )?INDEX device_in_audience \(app_id=\?( AND state=\?)?\)$/;

function walks(step: string, text: string): boolean {
  if (step.startsWith("SCAN")) return !FINE.some((fine) => fine.test(step));
  return ALL_DEVICES.test(step) && !text.includes("WHERE credentials IS NULL LIMIT");
}

Deno.test("no statement of the delivery store walks a large table", async () => {
  await using folder = new TemporaryFolder();
  const path = `${folder.path}/store`;
  const texts = preparedBy(() => {
    using _writer = new DeliveryWriter(path);
    using reader = new DeliveryReader(path);
    for (const filter of [{}, { user: "u" }, { tag: "t" }, { state: "invalid" }] as const) {
      reader.devices({ app: "a", after: undefined, limit: 1, ...filter });
    }
  });
  using database = new DatabaseSync(path);
  const walking = texts.flatMap((text) =>
    database.prepare(`EXPLAIN QUERY PLAN ${text}`).all()
      .map((row) => String(row["detail"]))
      .filter((step) => walks(step, text))
      .map((step) => `${step}: ${text}`)
  );
  assertEquals(walking, []);
  assertGreater(texts.length, 80);
});

Deno.test("openSqliteDeliveryStore() brings a file of the first version up to date, with all that is in it", async () => {
  await using folder = new TemporaryFolder();
  const now = 1_000_000;
  {
    const migrations = DELIVERY_SCHEMA.migrations.slice(0, 1);
    using old = openForWriting(`${folder.path}/delivery.sqlite`, {
      ...DELIVERY_SCHEMA,
      migrations,
    });
    old.exec(`
      INSERT INTO app VALUES (1, 'news', 1, '{}');
      INSERT INTO lane (id, app_id, platform) VALUES (1, 1, 0);
      INSERT INTO notification (seq, id, app_id, digest, direct, send_at, expires_at, state, batches,
        started_at) VALUES (1, 'n', 1, 'd', 1, 0, ${2 * now}, 'sending', 1, 5);
      INSERT INTO campaign VALUES (1, '{"id":"n","app":"news"}', '{"kind":"direct"}');
      INSERT INTO tally (seq, platform, virtual_time, total) VALUES (1, 0, 1, 1);
      INSERT INTO chunk (id, seq, first_number, addresses) VALUES (1, 1, 1, '["token"]');
      INSERT INTO batch (id, seq, lane_id, chunk_id, count, attempt, token, deliveries, place, due_at,
        virtual_time) VALUES (1, 1, 1, 1, 1, 0, 3, 1, 1, ${now + 9_000}, 1);
      INSERT INTO recipients VALUES (1, '[1]');
      INSERT INTO sink VALUES ('webhook', 5);`);
  }
  await using store = await openSqliteDeliveryStore({
    directory: folder.path,
    clock: { wallNow: () => now },
  });
  const webhook = { name: "webhook", log: "rows", node: "a", now, leaseMs: 1 } as const;
  assertEquals(await store.claimSink(webhook), 5);
  assertEquals(await store.sinkPosition("counters", "tallies"), 0);
  const request = { node: "a", now, leaseMs: 1, batchesMax: 9, laneBatchesMax: 9, lanes: [] };
  const { batches: [batch] } = await store.claim(request);
  assertEquals(batch?.lease, { batch: 1, token: 4 });
  const outcomes = {
    delivered: 1,
    token_invalid: 0,
    rejected: 0,
    expired: 0,
    failed: 0,
    cancelled: 0,
  };
  await store.commit({
    lease: { batch: 1, token: 4 },
    notification: "n",
    lane: { app: "news", platform: "apns" },
    outcomes,
    rows: [],
    remainders: [],
    attempts: 1,
    suspects: { marked: [], cleared: [] },
    pause: undefined,
    at: now,
  });
  assertEquals(await store.talliesAfter(0, 9), [
    {
      position: 1,
      notification: "n",
      app: "news",
      platform: "apns",
      at: now,
      outcomes,
      retries: 0,
    },
  ]);
});

Deno.test("openSqliteDeliveryStore() makes a history and last outcomes of what a file of the second version has", async () => {
  await using folder = new TemporaryFolder();
  {
    const migrations = DELIVERY_SCHEMA.migrations.slice(0, 2);
    using old = openForWriting(`${folder.path}/delivery.sqlite`, {
      ...DELIVERY_SCHEMA,
      migrations,
    });
    old.exec(`
      INSERT INTO app VALUES (1, 'news', 1, '{}');
      INSERT INTO device (number, app_id, id, platform, address, registered_at)
        VALUES (1, 1, 'one', 0, 'a', 0), (2, 1, 'two', 0, 'b', 0);
      INSERT INTO notification (seq, id, app_id, digest, direct, send_at, expires_at, state)
        VALUES (1, 'n', 1, 'd', 0, 0, 9, 'done'), (2, 'tokens', 1, 'd', 1, 0, 9, 'done');
      INSERT INTO delivery (position, seq, number, platform, address, outcome, status, reason,
        attempts, at) VALUES (1, 1, 1, 0, 'a', 2, 400, 'older', 1, 5),
        (2, 1, 1, 0, 'a', 2, 400, 'newer', 1, 6), (3, 2, 2, 0, 'token', 2, 400, 'direct', 1, 7),
        (4, 1, 3, 0, 'gone', 2, 400, 'removed', 1, 8);
      INSERT INTO tally_log VALUES (1, 1, 0, 70000, 3, 0, 1, 0, 0, 0, 2);`);
  }
  await using store = await openSqliteDeliveryStore({
    directory: folder.path,
    clock: { wallNow: () => 100_000 },
  });
  const rows = await store.lastOutcomes(["one", "two"]);
  assertEquals(rows.map((row) => row?.reason), ["newer", undefined]);
  const position = await store.sinkPosition("history", "tallies");
  await store.addToHistory(await store.talliesAfter(position, 9));
  const [slot] = await store.history({ from: 0, to: 300, stepSeconds: 10 });
  assertEquals(
    [slot?.second, slot?.outcomes.delivered, slot?.outcomes.rejected, slot?.retries],
    [70, 3, 1, 2],
  );
});
