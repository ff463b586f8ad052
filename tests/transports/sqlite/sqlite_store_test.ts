/** Opening a store, or saying why not; and what the store leaves in its folder. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import {
  openSqliteStore,
  StoreError,
  StoreOpenError,
  type StoreOpenErrorCode,
} from "../../../transports/sqlite/sqlite_store.ts";
import { uaidOf } from "../../conformance/store_world.ts";
import {
  hasNameSpaces,
  linesOf,
  NAME_SPACE,
  runChild,
  startChild,
  TemporaryFolder,
} from "./child_process.ts";

const FILE = "messages.sqlite";

function database(path: string, statements: string): void {
  using file = new DatabaseSync(path);
  file.exec(statements);
}

/** What is in the folder, and how the store refuses it. */
interface Refusal {
  readonly title: string;
  prepare(folder: string): void | Promise<void>;
  readonly code: StoreOpenErrorCode;
  readonly message: RegExp;
}

const REFUSALS: readonly Refusal[] = [
  {
    title: "a file that is not SQLite",
    prepare: (folder) => Deno.writeTextFile(`${folder}/${FILE}`, "shopping list\n".repeat(500)),
    code: "not_sqlite",
    message: /^Cannot open ".*messages\.sqlite": it is not a SQLite database\. Move it away/,
  },
  {
    title: "a short file that is not SQLite",
    prepare: (folder) => Deno.writeTextFile(`${folder}/${FILE}`, "x"),
    code: "not_sqlite",
    message: /it is not a SQLite database/,
  },
  {
    title: "the database of another program",
    prepare: (folder) => database(`${folder}/${FILE}`, "CREATE TABLE bookmark (url TEXT)"),
    code: "foreign",
    message: /it is a SQLite database of another program\. Move it away/,
  },
  {
    title: "a file of a newer program",
    async prepare(folder) {
      await (await openSqliteStore({ directory: folder })).close();
      database(`${folder}/${FILE}`, "PRAGMA user_version = 7");
    },
    code: "newer_schema",
    message: /its schema has version 7, this program knows versions up to 1\. Start the newer/,
  },
  {
    title: "a folder in the place of the file",
    prepare: (folder) => Deno.mkdir(`${folder}/${FILE}`),
    code: "unusable",
    message: /^Cannot open ".*messages\.sqlite": .*directory/,
  },
];

for (const { title, prepare, code, message } of REFUSALS) {
  Deno.test(`openSqliteStore() refuses ${title}, and changes nothing of it`, async () => {
    await using folder = new TemporaryFolder();
    await prepare(folder.path);
    const before = await contents(folder.path);
    for (const _attempt of [1, 2]) { // The second shows that the first let go of the lock.
      const open = () => openSqliteStore({ directory: folder.path });
      const error = await assertRejects(open, StoreOpenError);
      assertEquals(error.code, code);
      assertMatch(error.message, message);
    }
    assertEquals(await contents(folder.path), before);
  });
}

/** The file's bytes, `undefined` for a folder. */
async function contents(folder: string): Promise<Uint8Array | undefined> {
  const path = `${folder}/${FILE}`;
  return (await Deno.stat(path)).isFile ? await Deno.readFile(path) : undefined;
}

Deno.test("openSqliteStore() refuses a file in the place of the directory", async () => {
  await using folder = new TemporaryFolder();
  const directory = `${folder.path}/data`;
  await Deno.writeTextFile(directory, "");
  const error = await assertRejects(() => openSqliteStore({ directory }), StoreOpenError);
  assertEquals(error.code, "unusable");
});

for (
  const [title, mode, target] of [
    ["a directory that may not be written", 0o500, ""],
    ["a file that may not be written", 0o400, `/${FILE}`],
  ] as const
) {
  const name = `openSqliteStore() refuses ${title}`;
  Deno.test({ name, ignore: !hasNameSpaces }, async () => {
    await using folder = new TemporaryFolder();
    const directory = `${folder.path}/data`;
    await Deno.mkdir(directory);
    await Deno.writeTextFile(`${directory}/${FILE}`, "");
    await Deno.chmod(`${directory}${target}`, mode);
    const [report = ""] = await runChild({
      args: ["open", directory],
      folders: [directory],
      // Without these capabilities the rules hold for root as well.
      wrapper: [...NAME_SPACE, "setpriv", "--bounding-set=-all"],
    });
    assertMatch(
      report,
      /^read_only Cannot open ".*": it may not be written \(.*\)\. Give this user/,
    );
  });
}

Deno.test("openSqliteStore() names the process that uses the directory", async () => {
  await using folder = new TemporaryFolder();
  const holder = startChild({ args: ["open", folder.path], folders: [folder.path] });
  const lines = linesOf(holder.stdout);
  assertEquals((await lines.next()).value, `open ${holder.pid}`);
  const open = () => openSqliteStore({ directory: folder.path });
  const error = await assertRejects(open, StoreOpenError, `in use by process ${holder.pid}`);
  assertEquals(error.code, "in_use");
  holder.kill("SIGKILL");
  await holder.status;
  await holder.stdin.close();
  assertEquals((await lines.next()).done, true);
  await (await open()).close();
});

Deno.test("openSqliteStore() refuses a directory this process uses already", async () => {
  await using folder = new TemporaryFolder();
  const open = () => openSqliteStore({ directory: folder.path });
  await using _store = await open();
  const error = await assertRejects(open, StoreOpenError, `in use by process ${Deno.pid}`);
  assertEquals(error.code, "in_use");
});

Deno.test("openSqliteStore() makes folders and files that only their owner can read", async () => {
  await using folder = new TemporaryFolder();
  const directory = `${folder.path}/a/b`;
  await using store = await openSqliteStore({ directory });
  await store.ping();
  const mode = async (path: string) => ((await Deno.stat(path)).mode ?? 0) & 0o777;
  assertEquals(await mode(directory), 0o700);
  const files = (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name).sort();
  const names = ["messages.lock", FILE, `${FILE}-shm`, `${FILE}-wal`];
  assertEquals(files, names);
  for (const name of names) assertEquals(await mode(`${directory}/${name}`), 0o600, name);
});

Deno.test("SqliteStore.close() leaves one file that is whole, and answers again", async () => {
  await using folder = new TemporaryFolder();
  const store = await openSqliteStore({ directory: folder.path });
  await store.saveUser({ uaid: uaidOf(1), connectedAt: Date.now() });
  await Promise.all([store.close(), store.close()]);
  await store.close();
  const names = (await Array.fromAsync(Deno.readDir(folder.path))).map(({ name }) => name).sort();
  assertEquals(names, ["messages.lock", FILE]);
  using file = new DatabaseSync(`${folder.path}/${FILE}`);
  assertEquals({ ...file.prepare("PRAGMA integrity_check").get() }, { integrity_check: "ok" });
});

Deno.test("SqliteStore refuses every call once it is closed", async () => {
  await using folder = new TemporaryFolder();
  const store = await openSqliteStore({ directory: folder.path });
  await store.close();
  for (
    const call of [
      () => store.user(uaidOf(1)),
      () => store.saveUser({ uaid: uaidOf(1), connectedAt: 1 }),
      () => store.lastSortKey(),
      () => store.ping(),
    ]
  ) {
    assertEquals((await assertRejects(call, StoreError)).code, "closed");
  }
});

Deno.test("SqliteStore answers busy while another program holds the file, and recovers", async () => {
  await using folder = new TemporaryFolder();
  await using store = await openSqliteStore({ directory: folder.path });
  {
    using other = new DatabaseSync(`${folder.path}/${FILE}`);
    other.exec("BEGIN IMMEDIATE");
    const user = { uaid: uaidOf(1), connectedAt: Date.now() };
    assertEquals((await assertRejects(() => store.saveUser(user), StoreError)).code, "busy");
    assertEquals(await store.user(uaidOf(1)), undefined);
  }
  await store.ping();
  assert(await store.lastSortKey() === 0);
});
