import { assertEquals, assertRejects } from "@std/assert";
import { StoreError } from "../../../transports/sqlite/errors.ts";
import { GroupCommit } from "../../../transports/sqlite/group_commit.ts";
import { BATCH_MAX, PENDING_MAX, RESTARTS_MAX } from "../../../transports/sqlite/limits.ts";
import type { Operation, Outcomes, WriterSettings } from "../../../transports/sqlite/operations.ts";
import { Reader } from "../../../transports/sqlite/reader.ts";
import { channelOf, uaidOf } from "../../conformance/store_world.ts";
import { TemporaryFolder } from "./child_process.ts";
import { DIE_AFTER, DIE_BEFORE } from "./dying_thread.ts";

const UAID = uaidOf(1);
const CHANNEL = channelOf(1);
const NOW_MS = 1_800_000_000_000;
const WRITER_THREAD = new URL("../../../transports/sqlite/writer_thread.ts", import.meta.url);
const DYING_THREAD = new URL("./dying_thread.ts", import.meta.url);

type Group = GroupCommit<Operation, Outcomes, WriterSettings>;

/** A group commit on a thread that can die, with a subscribed user agent. */
class World implements AsyncDisposable {
  readonly folder = new TemporaryFolder();
  readonly delays: number[] = [];
  readonly path = `${this.folder.path}/store`;
  #group: Group | undefined;
  #reader: Reader | undefined;

  get group(): Group {
    if (this.#group === undefined) throw new Error("The world is not open");
    return this.#group;
  }

  get reader(): Reader {
    return this.#reader ??= new Reader(this.path);
  }

  static async open(thread = WRITER_THREAD): Promise<World> {
    const world = new World();
    world.#group = await GroupCommit.open<Operation, Outcomes, WriterSettings>({
      path: world.path,
      thread,
      settings: { userLifetimeMs: 86_400_000 },
      limits: { pendingMax: PENDING_MAX, batchMax: BATCH_MAX },
      receipt: () => world.reader.receipt(),
      delay(ms) {
        world.delays.push(ms);
        return Promise.resolve();
      },
    });
    const user = { uaid: UAID, connectedAt: NOW_MS };
    await world.group.submit({ kind: "save_user", user, nowMs: NOW_MS });
    const channel = { uaid: UAID, channelId: CHANNEL, channelsMax: 1, nowMs: NOW_MS } as const;
    await world.group.submit({ kind: "add_channel", ...channel });
    return world;
  }

  save(sortKey: number, version = "v"): Promise<unknown> {
    return this.group.submit({
      kind: "save_message",
      waitingMax: PENDING_MAX,
      nowMs: NOW_MS,
      message: {
        uaid: UAID,
        channelId: CHANNEL,
        ttlSeconds: 60,
        topic: undefined,
        content: undefined,
        sortKey,
        version,
        expiresAt: NOW_MS,
      },
    });
  }

  saves(first: number, last: number): Promise<unknown>[] {
    return Array.from({ length: last - first + 1 }, (_, index) => this.save(first + index));
  }

  waiting(): readonly number[] {
    const page = { uaid: UAID, kind: "plain", limit: PENDING_MAX, nowSeconds: 0 } as const;
    return this.reader.messages(page, 0).map(({ sortKey }) => sortKey);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#reader?.[Symbol.dispose]();
    await this.#group?.[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

async function codeOf(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    return error instanceof StoreError ? error.code : error;
  }
}

Deno.test("GroupCommit.submit() gathers what arrives in one turn into one transaction", async () => {
  await using world = await World.open();
  const before = world.reader.receipt().batch;
  await Promise.all(world.saves(1, 100));
  const receipt = world.reader.receipt();
  assertEquals([receipt.batch - before, receipt.results.length], [1, 100]);
});

Deno.test("GroupCommit.submit() gathers what arrives during a commit into the next", async () => {
  await using world = await World.open();
  const before = world.reader.receipt().batch;
  const first = world.save(1);
  await Promise.resolve(); // The first batch is on its way now.
  await Promise.all([first, ...world.saves(2, 50)]);
  const receipt = world.reader.receipt();
  assertEquals([receipt.batch - before, receipt.results.length], [2, 49]);
});

Deno.test("GroupCommit.submit() bounds a transaction", async () => {
  await using world = await World.open();
  const before = world.reader.receipt().batch;
  await Promise.all(world.saves(1, BATCH_MAX + 1));
  assertEquals(world.reader.receipt().batch - before, 2);
});

Deno.test("GroupCommit.submit() answers busy when too many wait, and serves again after", async () => {
  await using world = await World.open();
  const accepted = world.saves(1, PENDING_MAX);
  assertEquals(await codeOf(world.save(PENDING_MAX + 1)), "busy");
  assertEquals(new Set(await Promise.all(accepted)), new Set(["stored"]));
  assertEquals(await world.save(PENDING_MAX + 2), "stored");
  assertEquals(world.waiting().includes(PENDING_MAX + 1), false);
});

Deno.test("GroupCommit finishes what was submitted before it closes, and refuses the rest", async () => {
  await using world = await World.open();
  const early = world.saves(1, BATCH_MAX * 2);
  const closed = world.group[Symbol.asyncDispose]();
  const late = codeOf(world.save(9_999));
  assertEquals(new Set(await Promise.all(early)), new Set(["stored"]));
  assertEquals(await late, "closed");
  await closed;
  assertEquals(await codeOf(world.save(10_000)), "closed");
  assertEquals(world.waiting().length, BATCH_MAX * 2);
});

Deno.test("GroupCommit rejects a batch whose thread died before the commit", async () => {
  await using world = await World.open(DYING_THREAD);
  const outcomes = await Promise.all([world.save(1), world.save(2, DIE_BEFORE)].map(codeOf));
  assertEquals(outcomes, ["io", "io"]);
  assertEquals(world.waiting(), []);
});

Deno.test("GroupCommit answers a batch whose thread died after the commit", async () => {
  await using world = await World.open(DYING_THREAD);
  await world.save(1);
  const calls = [world.save(2), world.save(3, DIE_AFTER), assertRejects(() => world.save(1))];
  assertEquals((await Promise.all(calls)).slice(0, 2), ["stored", "stored"]);
  assertEquals(world.waiting(), [1, 2, 3]);
});

Deno.test("GroupCommit keeps what was not handed over for the next thread", async () => {
  await using world = await World.open(DYING_THREAD);
  const dying = codeOf(world.save(1, DIE_BEFORE));
  await Promise.resolve();
  const waiting = world.save(2);
  assertEquals([await dying, await waiting], ["io", "stored"]);
  assertEquals(await world.save(3), "stored");
  assertEquals(world.waiting(), [2, 3]);
});

Deno.test("GroupCommit starts a dead thread again with a growing delay, from the start after an answer", async () => {
  await using world = await World.open(DYING_THREAD);
  for (const key of [1, 2, 3]) await codeOf(world.save(key, DIE_BEFORE));
  await world.save(4);
  await codeOf(world.save(5, DIE_BEFORE));
  await world.save(6);
  assertEquals(world.delays, [50, 100, 200, 50]);
});

Deno.test("GroupCommit gives up on a thread that cannot be started, and says so at every call", async () => {
  await using world = await World.open(DYING_THREAD);
  assertEquals(world.waiting(), []);
  Deno.writeTextFileSync(`${world.path}.unopenable`, "");
  const dying = codeOf(world.save(1, DIE_BEFORE));
  await Promise.resolve();
  assertEquals([await dying, await codeOf(world.save(2))], ["io", "closed"]);
  assertEquals(world.delays.length, RESTARTS_MAX);
  const error = await assertRejects(() => world.save(3), StoreError);
  assertEquals(error.code, "closed");
  assertEquals(error.message.includes("failed 5 times"), true);
});
