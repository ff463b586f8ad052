/**
 * The plans of all statements of the delivery store: none walks a table that grows with devices,
 * notifications, batches or deliveries.
 */

import { assertEquals, assertGreater } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
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
