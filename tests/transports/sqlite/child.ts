/**
 * A process of its own around a store, for the tests that kill it, trace it or take its disk away.
 * Its arguments are a scenario and a directory; it reports one fact a line on standard output.
 *
 * @module
 */

import { openSqliteStore, type SqliteStore } from "../../../transports/sqlite/sqlite_store.ts";
import { channelOf, uaidOf } from "../../conformance/store_world.ts";

const UAID = uaidOf(1);
const CHANNEL = channelOf(1);
const WAITING_MAX = 1_000_000;
const BODY = new Uint8Array(1_000).fill(7);

function report(...words: readonly unknown[]): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${words.join(" ")}\n`));
}

/** What became of a call: its value, or the code of its error. */
async function outcomeOf(call: Promise<unknown>): Promise<string> {
  try {
    return String(await call);
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : `bug ${error}`;
  }
}

function save(store: SqliteStore, sortKey: number): Promise<string> {
  const content = { body: BODY, headers: { encoding: "aes128gcm" } } as const;
  return outcomeOf(store.saveMessage({
    uaid: UAID,
    channelId: CHANNEL,
    ttlSeconds: 3600,
    topic: undefined,
    content,
    sortKey,
    version: `v${sortKey}`,
    expiresAt: Math.floor(Date.now() / 1000) + 3600,
  }, WAITING_MAX));
}

async function subscribed(directory: string): Promise<SqliteStore> {
  const store = await openSqliteStore({ directory });
  await store.saveUser({ uaid: UAID, connectedAt: Date.now() });
  await store.addChannel(UAID, CHANNEL, 10);
  return store;
}

async function waitingKeys(store: SqliteStore): Promise<readonly number[]> {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const page = { uaid: UAID, kind: "plain", limit: WAITING_MAX, nowSeconds } as const;
  return (await store.messages(page)).map(({ sortKey }) => sortKey);
}

/** Saves from sixteen loops at once until it is killed; every third message is removed again. */
async function saveForEver(directory: string): Promise<void> {
  const store = await subscribed(directory);
  let sortKey = await store.lastSortKey();
  const loop = async () => {
    while (true) {
      const key = ++sortKey;
      const outcome = await save(store, key);
      report(outcome, key);
      if (key % 3 !== 0) continue;
      report("removing", key);
      await store.removeMessages(UAID, [key]);
      report("removed", key);
    }
  };
  await Promise.all(Array.from({ length: 16 }, loop));
}

/** Saves so many messages, one after the other, and says what is there in the end. */
async function saveSome(directory: string, count: number): Promise<void> {
  await using store = await subscribed(directory);
  report("ready");
  for (let key = 1; key <= count; key++) report(await save(store, key), key);
  report("waiting", ...await waitingKeys(store));
}

/** Saves until the disk is full, makes room, saves again; the file `ballast` is the room. */
async function fillDisk(directory: string, ballast: string): Promise<void> {
  Deno.writeFileSync(ballast, new Uint8Array(300_000));
  await using store = await subscribed(directory);
  const stored: number[] = [];
  let sortKey = 0;
  let outcome = "stored";
  while (outcome === "stored" && sortKey < 10_000) {
    outcome = await save(store, ++sortKey);
    if (outcome === "stored") stored.push(sortKey);
  }
  report("first failure:", outcome);
  report("in a group:", ...await Promise.all([save(store, ++sortKey), save(store, ++sortKey)]));
  report("only the stored are there:", String(await waitingKeys(store)) === String(stored));
  Deno.removeSync(ballast);
  report("with room:", await save(store, ++sortKey));
  report("there:", (await waitingKeys(store)).at(-1) === sortKey);
}

/** Opens a store and says how that went; holds it until standard input ends. */
async function open(directory: string): Promise<void> {
  try {
    await using _store = await openSqliteStore({ directory });
    report("open", Deno.pid);
    await Deno.stdin.read(new Uint8Array(1));
  } catch (error) {
    const { code, message } = Object(error);
    report(code, message);
  }
}

const [scenario, directory = "", argument = ""] = Deno.args;
switch (scenario) {
  case "save_for_ever":
    await saveForEver(directory);
    break;
  case "save_some":
    await saveSome(directory, Number(argument));
    break;
  case "fill_disk":
    await fillDisk(directory, argument);
    break;
  case "open":
    await open(directory);
    break;
  default:
    throw new Error(`Unknown scenario "${scenario}"`);
}
