/** `store copy`: everything arrives, whatever ends the copy in the middle; and what it refuses. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { copyStore, type TableProgress } from "../../../program/store_copy/copy.ts";
import { rowsIn } from "../../../program/store_copy/report.ts";
import { Source } from "../../../program/store_copy/source.ts";
import { TABLES } from "../../../program/store_copy/tables.ts";
import { Target } from "../../../program/store_copy/target.ts";
import {
  Columns,
  migrate,
  openPostgres,
  sql,
  statement,
  StoreError,
  StoreOpenError,
} from "../../../transports/postgres/mod.ts";
import {
  DELIVERY_PART,
  openPostgresDeliveryStore,
} from "../../../transports/postgres_delivery/mod.ts";
import {
  MESSAGES_PART,
  openPostgresMessageStore,
} from "../../../transports/postgres_messages/mod.ts";
import { uaidOf, WallClock, World } from "../../conformance/store_world.ts";
import { startPostgres } from "../../support/postgres_server.ts";
import { linesOf } from "../../transports/sqlite/child_process.ts";
import {
  deliveryWorld,
  DEVICES,
  fixtureOf,
  goOn,
  LAST_SORT_KEY,
  openDelivery,
  openMessages,
  populate,
  seenOfDelivery,
  seenOfMessages,
  USER_LIFETIME_SECONDS,
} from "./populated.ts";

const server = (await startPostgres()).endWithTests();
const NOW = new WallClock().nowMs + 1_000;

/** A filled folder that no test changes. */
const FILLED = await Deno.makeTempDir({ prefix: "heliograph_copy_" });
await populate(FILLED);
addEventListener("unload", () => Deno.removeSync(FILLED, { recursive: true }));

/** The address of tables that nobody has used. */
async function migrated(): Promise<string> {
  const url = server.freshUrl();
  await migrate({ url }, [MESSAGES_PART, DELIVERY_PART]);
  return url;
}

/** Copies a folder; ends as if it had been cut off where `cut` says so, before the rows that follow are written. */
async function copy(
  url: string,
  { folder = FILLED, cut = () => false }: {
    readonly folder?: string;
    readonly cut?: (copied: number) => boolean;
  } = {},
): Promise<readonly TableProgress[]> {
  using source = new Source(folder);
  await using target = await Target.open({ url });
  return await copyStore(source, target, {
    wallNow: () => NOW,
    onProgress(tables) {
      if (cut(rowsIn(tables))) throw new Error("cut off");
    },
  });
}

/** Copies so many pages and then no more; answers `false` when there were not so many left. */
async function copyPages(url: string, pages: number): Promise<boolean> {
  const seen = new Set<number>();
  const cut = (copied: number) => seen.add(copied).size > pages;
  try {
    await copy(url, { cut });
    return false;
  } catch (error) {
    if (error instanceof Error && error.message === "cut off") return true;
    throw error;
  }
}

/**
 * Digests of all that is in the tables, but for the times that leases ended at, which are the clock's; a
 * failure names the table.
 */
async function digests(url: string): Promise<readonly (readonly [name: string, digest: string])[]> {
  await using postgres = await openPostgres({ url });
  const names = [...TABLES.map(({ name }) => name), "sort_key_mark", "schema_version"];
  return await Promise.all(names.map(async (name) => {
    const text = `SELECT count(*) || ' ' || md5(string_agg(one::text, '' ORDER BY one::text)) AS row
      FROM (SELECT to_jsonb(${name}) - ARRAY['due_at', 'finished_at'] AS one FROM ${name}) AS all_of`;
    const { rows } = await postgres.query("read", statement(text));
    return [name, new Columns(name).text(rows[0], "row")] as const;
  }));
}

/** Runs a statement in the tables. */
async function change(url: string, text: string): Promise<void> {
  await using postgres = await openPostgres({ url });
  await postgres.query("change", statement(text));
}

/** A folder with the same files, which is removed in the end. */
async function sameFolder(folder = FILLED): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "heliograph_copy_" });
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.endsWith("-shm")) await Deno.copyFile(`${folder}/${name}`, `${path}/${name}`);
  }
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

Deno.test("copyStore() leaves nothing behind, and both stores go on the same from there", async () => {
  const url = await migrated();
  const tables = await copy(url);
  assertEquals(tables.filter(({ copied, total }) => copied !== total || total === 0), []);
  await using folder = await sameFolder();
  const [here, there] = [new WallClock(), new WallClock()];
  here.nowMs = there.nowMs = NOW;
  await using messages = await openMessages(folder.path);
  await using copiedMessages = await openPostgresMessageStore({
    url,
    clock: new WallClock(),
    userLifetimeSeconds: USER_LIFETIME_SECONDS,
  });
  assertEquals(await seenOfMessages(copiedMessages), await seenOfMessages(messages));
  // An acknowledged message's key stays its own.
  const again = new World(new WallClock(), fixtureOf(copiedMessages));
  assertEquals(await again.save(LAST_SORT_KEY), { behind: LAST_SORT_KEY });
  assertEquals(await again.save(LAST_SORT_KEY + 1), "stored");
  await using delivery = await openDelivery(folder.path, here);
  await using copiedDelivery = await openPostgresDeliveryStore({ url, clock: there });
  const [old, next] = [deliveryWorld(delivery, here), deliveryWorld(copiedDelivery, there)];
  assertEquals(await seenOfDelivery(next), await seenOfDelivery(old));
  assertEquals(await goOn(next), await goOn(old));
  assertEquals(await seenOfDelivery(next), await seenOfDelivery(old));
  const ended = await next.store.notifications({ after: undefined, limit: 100 });
  assertEquals(ended.filter(({ sendingDone, counts }) => !sendingDone || counts.pending > 0), []);
});

Deno.test("copyStore() cut off after each page goes on without a row twice or none", async () => {
  const whole = await migrated();
  await copy(whole);
  const url = await migrated();
  let times = 0;
  while (await copyPages(url, 1)) {
    times++;
    for (const open of [openPostgresMessageStore, openPostgresDeliveryStore]) {
      const error = await assertRejects(() => open({ url }), StoreOpenError);
      assertEquals(error.code, "unfinished_copy");
    }
  }
  assert(times > TABLES.length, `${times} pages`);
  assertEquals(await digests(url), await digests(whole));
});

Deno.test("copyStore() rejects when the server ends, and goes on when it is back", async () => {
  await using own = await startPostgres();
  const [whole, url] = [own.freshUrl(), own.freshUrl()];
  for (const one of [whole, url]) await migrate({ url: one }, [MESSAGES_PART, DELIVERY_PART]);
  await copy(whole);
  let stopped: Promise<void> | undefined;
  const cut = (copied: number) => {
    if (copied > DEVICES) stopped ??= own.stop("immediate");
    return false;
  };
  const error = await assertRejects(() => copy(url, { cut }), StoreError);
  assertEquals(error.code, "unavailable");
  await stopped;
  await own.start();
  await copy(url);
  assertEquals(await digests(url), await digests(whole));
});

/** More kills than a copy that comes further each time can be ended by. */
const KILLS_MAX = 30;

/** Starts the program on the filled folder. */
function startProgram(url: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "mod.ts", "store", "copy", "--from", `sqlite:${FILLED}`],
    cwd: new URL("../../../", import.meta.url),
    env: { HELIOGRAPH_STORE: url },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

Deno.test("store copy killed with -9 at any progress goes on when it is called again", async () => {
  const whole = await migrated();
  await copy(whole);
  const url = await migrated();
  let kills = 0;
  let ended = false;
  while (!ended && kills < KILLS_MAX) {
    await using child = startProgram(url);
    const output = new Response(child.stdout).text();
    let lines = 0;
    for await (const line of linesOf(child.stderr)) {
      assertMatch(line, /^\w+: [\d,]+ of [\d,]+ rows \(\d+%\); all: /);
      // At least the first of two tables is complete by then.
      if (++lines < 4) continue;
      child.kill("SIGKILL");
      kills++;
      break;
    }
    ended = (await child.status).success;
    assertEquals(/^Complete with [\d,]+ rows, in /.test(await output), ended);
  }
  assert(kills > 3, `${kills} kills`);
  assertEquals(await digests(url), await digests(whole));
});

Deno.test("store copy --json prints the rows of each table alone, and exits 1 when it is complete", async () => {
  const url = await migrated();
  const { main } = await copyCommand(url);
  assertEquals(main.code, 0);
  assertEquals(main.stderr, "");
  const { copied } = JSON.parse(main.stdout);
  assertEquals(Object.keys(copied), TABLES.map(({ name }) => name));
  assertEquals(copied.sink, 4);
  const again = await copyCommand(url);
  assertEquals(again.main.code, 1);
  assertEquals(again.main.stdout, "");
  assertMatch(
    again.main.stderr,
    /^heliograph: store: Cannot copy into .*: this copy is complete\.\n$/,
  );
});

async function copyCommand(url: string) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "mod.ts", "store", "copy", "--json", "--from", `sqlite:${FILLED}`],
    cwd: new URL("../../../", import.meta.url),
    env: { HELIOGRAPH_STORE: url },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { main: { code, stdout: text(stdout), stderr: text(stderr) } };
}

/** Tables and columns of which the embedded store has nothing: what nodes that share a store have of each other. */
const OWN = [
  ...["node", "presence", "pulse", "schema_version", "sort_key_mark"],
  ...["chunk.call", "sink.node", "sink.until"],
];

Deno.test("TABLES have every column of PostgreSQL that the embedded store has something of", async () => {
  const url = await migrated();
  await using postgres = await openPostgres({ url });
  const { rows } = await postgres.query(
    "read columns",
    sql`SELECT table_name, column_name FROM information_schema.columns
      WHERE table_schema = ${postgres.schema} ORDER BY 1, 2`,
  );
  const copied = new Set(
    TABLES.flatMap(({ name, columns }) =>
      Object.keys(columns).map((column) => `${name}.${column}`)
    ),
  );
  const columns = new Columns("columns");
  const others = rows
    .map((row) => [columns.text(row, "table_name"), columns.text(row, "column_name")] as const)
    .filter(([table, column]) => !copied.delete(`${table}.${column}`))
    .filter(([table, column]) => !OWN.includes(table) && !OWN.includes(`${table}.${column}`));
  assertEquals(others, []);
  assertEquals([...copied], []);
});

const NODE_ALIVE = `INSERT INTO node (id, roles, version, keys, started_at, lease_ends_at)
  VALUES ('n1', '[]', '1', '[]', 0, now() + interval '1 minute')`;

/** Targets that are not to be copied into. */
const TARGETS: readonly (readonly [title: string, url: () => Promise<string>, words: RegExp])[] = [
  [
    "tables that nobody made",
    () => Promise.resolve(server.freshUrl()),
    /schema version 0, need 2: run heliograph migrate$/,
  ],
  [
    "tables of a newer program",
    async () => {
      const url = await migrated();
      await change(url, "UPDATE schema_version SET version = 9 WHERE part = 'delivery'");
      return url;
    },
    /schema version 9 was written by a newer version/,
  ],
  [
    "tables with anything in them",
    async () => {
      const url = await migrated();
      await change(url, "INSERT INTO sink (name, position) VALUES ('webhook', 0)");
      return url;
    },
    /its table "sink" is not empty\. Name another schema by "\?schema="$/,
  ],
  [
    "tables that a node uses",
    async () => {
      const url = await migrated();
      await change(url, NODE_ALIVE);
      return url;
    },
    /the node n1 uses it\. Stop all nodes on it$/,
  ],
  [
    "a copy that is complete",
    async () => {
      const url = await migrated();
      await copy(url);
      return url;
    },
    /this copy is complete$/,
  ],
  [
    "a part of another state of the store",
    async () => {
      const url = await migrated();
      await using folder = await sameFolder();
      await using _opened = await openDelivery(folder.path);
      await _opened.close();
      await assertRejects(() => copy(url, { folder: folder.path, cut: (copied) => copied > 3 }));
      return url;
    },
    /it holds a part of another store, or of this one before it went on\. Remove the schema/,
  ],
];

for (const [title, makeUrl, words] of TARGETS) {
  Deno.test(`copyStore() refuses ${title}`, async () => {
    const url = await makeUrl();
    const error = await assertRejects(() => copy(url), StoreOpenError);
    assertMatch(error.message, words);
    assert(!error.message.includes("postgres://"));
  });
}

Deno.test("copyStore() ends when a node is started or another copy goes on meanwhile", async () => {
  const cases = [NODE_ALIVE, "UPDATE store_copy SET copied = copied + 1"];
  for (const text of cases) {
    const url = await migrated();
    await copyPages(url, 8);
    using source = new Source(FILLED);
    await using target = await Target.open({ url });
    await target.begin(source.digest);
    const [table] = TABLES;
    assert(table !== undefined);
    const page = { columns: Object.keys(table.columns).map(() => []), rows: 0, key: [1] };
    await target.write(table, page, source.count(table));
    await change(url, text);
    await assertRejects(
      () => target.write(table, page, source.count(table)),
      StoreOpenError,
      "another copy into it is running, or a node was started on it",
    );
  }
});

/** Folders that are not to be copied. */
const FOLDERS: readonly (readonly [
  title: string,
  spoil: (folder: string) => void | Promise<void>,
  words: RegExp,
])[] = [
  [
    "without a store",
    (folder) => Deno.remove(`${folder}/messages.sqlite`),
    /messages\.sqlite": there is no such file\. Name the folder of a store that a node has used$/,
  ],
  [
    "of an older version",
    (folder) => {
      using file = new DatabaseSync(`${folder}/delivery.sqlite`);
      file.exec("PRAGMA user_version = 1");
    },
    /delivery\.sqlite": its schema has version 1, need 3\. Start a node of this version on it once$/,
  ],
  [
    "of a newer version",
    (folder) => {
      using file = new DatabaseSync(`${folder}/delivery.sqlite`);
      file.exec("PRAGMA user_version = 99");
    },
    /its schema has version 99, this program knows versions up to 3/,
  ],
  [
    "that is not one of SQLite's",
    (folder) => Deno.writeTextFile(`${folder}/delivery.sqlite`, "x".repeat(1_000)),
    /it is not a SQLite database/,
  ],
];

for (const [title, spoil, words] of FOLDERS) {
  Deno.test(`Source refuses a folder ${title}, and lets go of it`, async () => {
    await using folder = await sameFolder();
    await spoil(folder.path);
    for (let times = 0; times < 2; times++) {
      const error = assertThrows(() => new Source(folder.path), Error);
      assertEquals(error.name, "StoreOpenError");
      assertMatch(error.message, words);
    }
  });
}

Deno.test("Source reads what a node that was killed had not put into its files yet", async () => {
  await using folder = await sameFolder();
  await using messages = await openMessages(folder.path);
  await messages.saveUser({ uaid: uaidOf(5), connectedAt: NOW });
  await using killed = await sameFolder(folder.path);
  assert((await Deno.stat(`${killed.path}/messages.sqlite-wal`)).size > 0);
  const [agents] = TABLES;
  assert(agents !== undefined);
  using before = new Source(FILLED);
  using source = new Source(killed.path);
  assertEquals(source.count(agents), before.count(agents) + 1);
  assertNotEquals(source.digest, before.digest);
});

Deno.test("Source refuses a folder that a node uses, and keeps nodes from one that is copied", async () => {
  await using folder = await sameFolder();
  {
    await using _store = await openMessages(folder.path);
    const inUse = assertThrows(() => new Source(folder.path), Error);
    assertMatch(inUse.message, /messages\.lock": in use by process \d+/);
  }
  using _source = new Source(folder.path);
  const error = await assertRejects(() => openDelivery(folder.path), Error);
  assertMatch(error.message, /delivery\.lock": in use by process \d+/);
});
