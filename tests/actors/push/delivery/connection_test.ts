/** One connection's actor: what its owner hears, whatever becomes of it. */

import { assertEquals, assertRejects } from "@std/assert";
import type { Ref } from "../../../../actors/runtime/actor.ts";
import { AskError } from "../../../../actors/runtime/errors.ts";
import type { Pool } from "../../../../actors/runtime/pool.ts";
import { pool, worker } from "../../../../actors/runtime/spec.ts";
import {
  type Carried,
  connection,
  type ConnectionArgs,
  type ConnectionNews,
  type ConnectionOwnerProtocol,
  type ConnectionProtocol,
  verdictOf,
} from "../../../../actors/push/delivery/connection.ts";
import { CONNECT_MS } from "../../../../actors/push/delivery/limits.ts";
import type { Answers } from "../../../../actors/push/delivery/ports.ts";
import { Probe, World } from "../../../../actors/testing/mod.ts";
import { DELIVERED, same, TestConnection } from "../../../support/gateway_world.ts";

interface Refs {
  readonly owner: Ref<ConnectionOwnerProtocol>;
  readonly connections: Pool<ConnectionProtocol<TestConnection>, ConnectionArgs<TestConnection>>;
}

type Opened = Ref<ConnectionProtocol<TestConnection>>;

class ConnectionWorld implements AsyncDisposable {
  readonly world = new World();
  readonly #owner: Probe<ConnectionOwnerProtocol>;
  refs!: Refs;

  private constructor(capacity: number) {
    this.#owner = new Probe<ConnectionOwnerProtocol>({ connectionNews: "record" }, {
      capacity,
      overflow: "refuse",
    });
  }

  static async open(capacity = 16): Promise<ConnectionWorld> {
    const opened = new ConnectionWorld(capacity);
    opened.refs = await opened.world.system.start<Refs>("test", {
      strategy: "one_for_one",
      intensity: { restarts: 0, withinMs: 1_000 },
      children: {
        owner: worker(opened.#owner.actor, { args: () => undefined, restart: "permanent" }),
        connections: pool(connection<TestConnection>(), { childrenMax: 8 }),
      },
    });
    return opened;
  }

  /** Starts a connection whose opening comes to this. */
  async start(connect: () => Promise<TestConnection>, id = 1): Promise<Opened> {
    const { connections, owner } = this.refs;
    const destination = { key: "a", origin: "a", connectionsMax: 1, connect };
    const started = connections.start({ destination, id, owner });
    if (started === "full" || started === "stopped") throw new Error(started);
    await this.world.settle();
    return started;
  }

  get news(): readonly ConnectionNews[] {
    return this.#owner.takeAll().map(({ payload }) => payload);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
  }
}

function carry(ref: Opened, send: () => Promise<Answers>): Promise<Carried> {
  const connect = () => Promise.reject(new Error("not asked for"));
  const destination = { key: "a", origin: "a", connectionsMax: 1, connect };
  return ref.within(600_000).ask("carry", {
    leg: { destination, places: [0], send },
    indexes: [0],
  });
}

Deno.test("connection tells that it is open, that it leaves and that it is gone, each once", async () => {
  await using world = await ConnectionWorld.open();
  const transport = new TestConnection("a");
  const ref = await world.start(() => Promise.resolve(transport));
  assertEquals(world.news, [{ kind: "open", id: 1, streamsMax: 100 }]);
  transport.leave("going away");
  ref.trySend("retire");
  await world.world.settle();
  assertEquals(world.news, [
    { kind: "leaving", id: 1, reason: "going away" },
    { kind: "gone", id: 1, reason: "going away", opened: true },
  ]);
  assertEquals(transport.closed, true);
});

const FAILURES: readonly (readonly [string, () => Promise<TestConnection>])[] = [
  ["rejects", () => Promise.reject(new Error("refused"))],
  ["throws", () => {
    throw new Error("refused");
  }],
];

for (const [title, connect] of FAILURES) {
  Deno.test(`connection is gone, with the reason, when opening it ${title}`, async () => {
    await using world = await ConnectionWorld.open();
    await world.start(connect);
    assertEquals(world.news, [{ kind: "gone", id: 1, reason: "refused", opened: false }]);
    assertEquals(world.refs.connections.size, 0);
  });
}

Deno.test("connection that does not open in time is gone at that time, and closed if it opens after all", async () => {
  await using world = await ConnectionWorld.open();
  const late = Promise.withResolvers<TestConnection>();
  await world.start(() => late.promise);
  await world.world.advance(CONNECT_MS - 1);
  assertEquals(world.news, []);
  await world.world.advance(1);
  const reason = `not open within ${CONNECT_MS} ms`;
  assertEquals(world.news, [{ kind: "gone", id: 1, reason, opened: false }]);
  await world.world.advance(60_000);
  const transport = new TestConnection("a");
  late.resolve(transport);
  await world.world.settle();
  assertEquals([transport.closed, world.news], [true, []]);
});

Deno.test("connection that leaves waits for what it carries, and says so with the answers", async () => {
  await using world = await ConnectionWorld.open();
  const transport = new TestConnection("a");
  const ref = await world.start(() => Promise.resolve(transport));
  const answers = Promise.withResolvers<Answers>();
  const carried = carry(ref, () => answers.promise);
  await world.world.settle();
  transport.leave("going away");
  await world.world.advance(60_000);
  assertEquals(world.news.map(({ kind }) => kind), ["open", "leaving"]);
  assertEquals(transport.closed, false);
  answers.resolve(same(DELIVERED, 1));
  await world.world.settle();
  const { leaving, answers: given } = await carried;
  assertEquals([leaving, given], [true, same(DELIVERED, 1)]);
  assertEquals(world.news.map(({ kind }) => kind), ["gone"]);
  assertEquals(transport.closed, true);
});

Deno.test("connection outlives requests that cannot be sent, and only those fail", async () => {
  await using world = await ConnectionWorld.open();
  const ref = await world.start(() => Promise.resolve(new TestConnection("a")));
  const slow = Promise.withResolvers<Answers>();
  const other = carry(ref, () => slow.promise);
  await world.world.settle();
  const failing: readonly (() => Promise<Answers>)[] = [
    () => Promise.reject(new Error("poison")),
    () => {
      throw new Error("poison");
    },
  ];
  for (const send of failing) {
    const error = await assertRejects(() => carry(ref, send), AskError);
    assertEquals([error.code, verdictOf(error).kind], ["crashed", "retry"]);
  }
  slow.resolve(same(DELIVERED, 1));
  await world.world.settle();
  assertEquals((await other).answers, same(DELIVERED, 1));
});

Deno.test("connection that ended never had in hand what it is asked to carry then", async () => {
  await using world = await ConnectionWorld.open();
  const transport = new TestConnection("a");
  const ref = await world.start(() => Promise.resolve(transport));
  transport.leave("idle");
  await world.world.settle();
  const error = await assertRejects(() => carry(ref, () => Promise.resolve(same(DELIVERED, 1))));
  assertEquals(verdictOf(error).kind, "unsent");
});

Deno.test("connection tells its news to an owner that had no room for them", async () => {
  await using world = await ConnectionWorld.open(1);
  const transports = [1, 2, 3, 4].map(() => new TestConnection("a"));
  for (const [index, transport] of transports.entries()) {
    await world.start(() => Promise.resolve(transport), index);
  }
  assertEquals(world.news.length, 4);
  for (const transport of transports) transport.leave("going away");
  await world.world.settle();
  const gone = world.news.filter(({ kind }) => kind === "gone");
  assertEquals(gone.map(({ id }) => id).sort(), [0, 1, 2, 3]);
});
