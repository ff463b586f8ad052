/** What only the store in Redis promises: its key space, whereabouts, nodes, and Redis's own failures. */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { PLACES } from "../../../transports/redis_messages/keys.ts";
import {
  openRedisMessageStore,
  type RedisMessageStore,
  StoreError,
} from "../../../transports/redis_messages/redis_message_store.ts";
import {
  ALICE,
  BOB,
  MAIL,
  NEWS,
  USER_LIFETIME_SECONDS,
  WallClock,
  World,
} from "../../conformance/store_world.ts";
import { type RedisFixture, redisFixture } from "../../conformance/fixtures.ts";
import { factsOf, FOREIGN_FACTS } from "../../support/node_facts.ts";
import { startRedis } from "../../support/redis_server.ts";

const server = await startRedis({ appendfsync: "always" });
globalThis.addEventListener("unload", () => server.abandon());

/** A world whose store is in Redis, and the address it was opened with. */
interface RedisWorld extends AsyncDisposable {
  readonly world: World;
  readonly store: RedisMessageStore;
  readonly url: string;
  /** A key of Alice's. */
  key(name: string): string;
}

async function open(): Promise<RedisWorld> {
  const url = server.freshUrl();
  const prefix = new URL(url).searchParams.get("prefix");
  const clock = new WallClock();
  const settings = { clock, userLifetimeSeconds: USER_LIFETIME_SECONDS };
  const fixture: RedisFixture = await redisFixture(() => url)(settings);
  const world = new World(clock, fixture);
  return {
    world,
    url,
    get store() {
      return fixture.store;
    },
    key: (name) => `${prefix}:{aa}:${name}:${ALICE}`,
    [Symbol.asyncDispose]: () => Promise.resolve(world[Symbol.asyncDispose]()),
  };
}

/** All keys under the prefix of this address. */
async function keysOf(url: string): Promise<readonly string[]> {
  const prefix = new URL(url).searchParams.get("prefix");
  const text = await server.cli("KEYS", `${prefix}:*`);
  return text.split("\n").filter((key) => key !== "").map((key) =>
    key.slice((prefix ?? "").length + 1)
  ).sort();
}

Deno.test("nothing stays of user agents that are gone but the largest sort key", async () => {
  await using opened = await open();
  const { world, store, url } = opened;
  for (const uaid of [ALICE, BOB]) {
    await world.subscribe(uaid);
    await world.subscribe(uaid, MAIL);
    await world.save(1, { uaid });
    await world.save(2, { uaid, topic: "t" });
    await world.save(3, { uaid, topic: "t" });
    await store.arrive(uaid, { node: "n", session: "s" });
    await store.depart(uaid, { node: "n", session: "s" });
  }
  await store.removeUser(ALICE);
  world.clock.nowMs += USER_LIFETIME_SECONDS * 1000;
  assertEquals(await store.sweep(world.clock.seconds, 10), 2 + 1);
  assertEquals(await keysOf(url), ["schema", "{aa}:last", "{bb}:last"]);
});

Deno.test("acknowledged messages leave nothing behind, and are counted no more", async () => {
  await using opened = await open();
  const { world, store, url } = opened;
  await world.subscribe();
  const before = await keysOf(url);
  await world.save(1);
  await world.save(2, { topic: "t" });
  await store.removeMessages(ALICE, [1, 2]);
  assertEquals(await keysOf(url), [...before, "{aa}:last"].sort());
});

Deno.test("Redis itself lets go of what belongs to a user agent, a day after it lapses", async () => {
  await using opened = await open();
  const { world, store, key } = opened;
  await world.subscribe();
  await world.save(1);
  await world.save(2, { topic: "t" });
  await store.arrive(ALICE, { node: "n", session: "s" });
  const keptMs = (USER_LIFETIME_SECONDS + 86_400) * 1000;
  for (const name of ["user", "channels", "plain", "topics", "expiry", "messages", "at"]) {
    const left = Number(await server.cli("PTTL", key(name)));
    assertEquals(left > keptMs - 60_000 && left <= keptMs, true, `${name}: ${left}`);
  }
});

Deno.test("refreshUser() keeps everything of the user agent for another lifetime", async () => {
  await using opened = await open();
  const { world, store, key } = opened;
  await world.subscribe();
  await world.save(1);
  for (const name of ["user", "channels", "plain", "expiry", "messages"]) {
    await server.cli("PEXPIRE", key(name), "600000");
  }
  await store.refreshUser({ uaid: ALICE, connectedAt: world.clock.nowMs });
  for (const name of ["user", "channels", "plain", "expiry", "messages"]) {
    assertEquals(Number(await server.cli("PTTL", key(name))) > 600_000, true, name);
  }
});

Deno.test("a sort key is never given twice to a user agent, though its message is gone", async () => {
  await using opened = await open();
  const { world, store } = opened;
  await world.subscribe();
  await world.save(7);
  await store.removeMessages(ALICE, [7]);
  assertEquals(await world.save(7, { topic: "t" }), { behind: 7 });
  assertEquals(await world.save(8, { topic: "t" }), "stored");
  await store.removeChannel(ALICE, NEWS);
  await world.subscribe();
  assertEquals(await world.save(8), { behind: 8 });
  await store.removeUser(ALICE);
  await world.subscribe();
  assertEquals(await world.save(1), "stored", "another user agent now");
});

const NODE = {
  ...{ url: undefined, roles: [], version: "1", keys: [], startedAt: 5 },
  facts: undefined,
};

Deno.test("a node whose lease has ended for a week is forgotten, should nobody remove it", async () => {
  await using opened = await open();
  const { store, url } = opened;
  await store.renew({ ...NODE, id: "old" }, 60_000);
  const leases = `${new URL(url).searchParams.get("prefix")}:{nodes}:leases`;
  const weekAgo = Date.now() - 7 * 86_400_000 - 60_000;
  await server.cli("ZADD", leases, String(weekAgo), "old");
  assertEquals((await store.nodes()).ended, ["old"]);
  await store.renew({ ...NODE, id: "new" }, 60_000);
  assertEquals((await store.nodes()).ended, []);
});

Deno.test("nodes() has a node whose facts somebody else wrote, without them", async (t) => {
  await using opened = await open();
  const { store, url } = opened;
  const node = { ...NODE, id: "n" };
  await store.renew({ ...node, facts: factsOf() }, 60_000);
  const key = `${new URL(url).searchParams.get("prefix")}:{nodes}:node:n`;
  for (const [what, text] of FOREIGN_FACTS) {
    await t.step(what, async () => {
      await server.cli("HSET", key, "facts", text);
      assertEquals((await store.nodes()).alive, [node]);
    });
  }
  await server.cli("HSET", key, "facts", JSON.stringify(factsOf()));
  assertEquals((await store.nodes()).alive, [{ ...node, facts: factsOf() }]);
});

type Damage = readonly [
  what: string,
  command: (key: (name: string) => string) => readonly string[],
  call: (world: World, store: RedisMessageStore) => Promise<unknown>,
  key: string,
  words: string,
];

const MESSAGE = {
  channel: NEWS,
  ttl: 60,
  expires: 2_000_000_000,
  version: "v",
  encoding: "aes128gcm",
};
const withMessage = (differences: object) => (key: (name: string) => string) => [
  ...["HSET", key("messages"), "1"],
  `${JSON.stringify({ ...MESSAGE, ...differences })}\nbody`,
];

const DAMAGES: readonly Damage[] = [
  [
    "a time that is none",
    (key) => ["HSET", key("user"), "connected_at", "yesterday"],
    (_, store) => store.user(ALICE),
    "user",
    'field "connected_at" is "yesterday", expected a whole number',
  ],
  [
    "a time that is none, in a script",
    (key) => ["HSET", key("user"), "connected_at", "yesterday"],
    (world) => world.save(9),
    "user",
    'field "connected_at" is missing or of another form',
  ],
  [
    "a time that is missing",
    (key) => [
      "EVAL",
      "redis.call('HSET', KEYS[1], 'other', 1) redis.call('HDEL', KEYS[1], 'connected_at')",
      "1",
      key("user"),
    ],
    (_, store) => store.user(ALICE),
    "user",
    'field "connected_at" is missing',
  ],
  [
    "a sort key that is none",
    (key) => ["HSET", key("user"), "last_sort_key", "x"],
    (world) => world.save(9),
    "user",
    'field "last_sort_key" is missing or of another form',
  ],
  [
    "a session that is missing",
    (key) => ["HSET", key("at"), "node", "n"],
    (_, store) => store.whereabouts([ALICE]),
    "at",
    'field "session" is missing',
  ],
  [
    "a message without its text",
    (key) => ["HDEL", key("messages"), "1"],
    (world) => world.page(),
    "messages",
    'field "1" is missing or of another form',
  ],
  [
    "a message without its expiry",
    (key) => ["ZREM", key("expiry"), "1"],
    (world) => world.page(),
    "expiry",
    'field "1" is missing or of another form',
  ],
  [
    "a message that is no JSON",
    (key) => ["HSET", key("messages"), "1", "body"],
    (world) => world.page(),
    "messages",
    'field "1" does not begin with JSON',
  ],
  [
    "a channel that is missing",
    withMessage({ channel: undefined }),
    (world) => world.page(),
    "messages",
    'field "1.channel" is missing',
  ],
  [
    "a time to live that is a text",
    withMessage({ ttl: "60" }),
    (world) => world.page(),
    "messages",
    'field "1.ttl" is string, expected a whole number',
  ],
  [
    "an encoding from the future",
    withMessage({ encoding: "aes512gcm" }),
    (world) => world.page(),
    "messages",
    'field "1.encoding" is "aes512gcm", expected aes128gcm or aesgcm',
  ],
];

for (const [what, command, call, name, words] of DAMAGES) {
  Deno.test(`${what} is named: ${words}`, async () => {
    await using opened = await open();
    const { world, store, key } = opened;
    await world.subscribe();
    await world.save(1);
    await server.cli(...command(key));
    const error = await assertRejects(() => call(world, store), StoreError);
    assertEquals([error.code, error.message], [
      "damaged",
      `Cannot read key ${key(name)}: ${words}`,
    ]);
  });
}

const FOREIGN:
  readonly (readonly [name: string, article: string, call: (world: World) => Promise<unknown>])[] =
    [
      ["user", "a hash", (world) => world.store.user(ALICE)],
      ["channels", "a set", (world) => world.store.addChannel(ALICE, MAIL, 5)],
      ["plain", "a sorted set", (world) => world.save(9)],
      ["messages", "a hash", (world) => world.save(9)],
      ["expiry", "a sorted set", (world) => world.save(9)],
    ];

for (const [name, article, call] of FOREIGN) {
  Deno.test(`a key of another program at "${name}" is named with both types`, async () => {
    await using opened = await open();
    const { world, key } = opened;
    await world.subscribe();
    await server.cli("DEL", key(name));
    await server.cli("RPUSH", key(name), "x");
    const error = await assertRejects(() => call(world), StoreError);
    assertEquals(error.code, "wrong_type");
    assertStringIncludes(error.message, `key ${key(name)} is a list, expected ${article}`);
  });
}

for (const name of ["plain", "topics", "expiry", "messages", "due", "last"]) {
  Deno.test(`saveMessage() stores nothing of a message while "${name}" is another program's key`, async () => {
    await using opened = await open();
    const { world, store, key, url } = opened;
    await world.subscribe();
    const ofPlace = name === "due" || name === "last";
    const foreign = ofPlace ? key("").slice(0, -ALICE.length - 1) + name : key(name);
    await server.cli("DEL", foreign);
    await server.cli("RPUSH", foreign, "x");
    const before = await keysOf(url);
    for (const topic of [undefined, "t"]) {
      const error = await assertRejects(() => world.save(9, { topic }), StoreError);
      assertEquals(error.code, "wrong_type");
    }
    // It has nothing to do with the largest sort key of others.
    if (name !== "last") await assertRejects(() => store.removeChannel(ALICE, NEWS), StoreError);
    assertEquals(await keysOf(url), before);
    assertEquals(await store.subscription(ALICE, NEWS), "subscribed");
    await server.cli("DEL", foreign);
    assertEquals(await world.save(9), "stored");
  });
}

Deno.test("sweep() does not stumble over a damaged user agent, and hello mends it", async () => {
  await using opened = await open();
  const { world, store, key } = opened;
  await world.subscribe();
  await server.cli("HSET", key("user"), "connected_at", "x");
  world.clock.nowMs += USER_LIFETIME_SECONDS * 1000;
  assertEquals(await store.sweep(world.clock.seconds, 10), 0);
  await world.subscribe();
  assertEquals(await world.save(1), "stored");
});

Deno.test("sweep() finds everything due among hundreds of user agents of one place", async () => {
  await using opened = await open();
  const { world, store } = opened;
  const uaids = Array.from({ length: 200 }, (_, index) => `aa${String(index).padStart(30, "0")}`);
  await Promise.all(uaids.map((uaid) => world.subscribe(uaid)));
  await Promise.all(uaids.map((uaid, index) => world.save(index + 1, { uaid })));
  // Half of them took theirs: what is due for them is nothing.
  await Promise.all(
    uaids.slice(0, 100).map((uaid, index) => store.removeMessages(uaid, [index + 1])),
  );
  world.clock.nowMs += 61_000;
  assertEquals(await store.sweep(world.clock.seconds, 1_000), 100);
  assertEquals(await store.sweep(world.clock.seconds, 1_000), 0);
});

Deno.test("while Redis is full, what gives space back works and nothing is half stored", async () => {
  await using opened = await open();
  const { world, store } = opened;
  await world.subscribe();
  await world.subscribe(BOB);
  for (const sortKey of [1, 2, 3]) await world.save(sortKey);
  // What was due for Bob is gone: the sweep only looks at him.
  await world.save(1, { uaid: BOB });
  await store.removeMessages(BOB, [1]);
  await server.cli("CONFIG", "SET", "maxmemory", "1");
  try {
    const error = await assertRejects(() => world.save(4, { topic: "t" }), StoreError);
    assertEquals(error.code, "full");
    assertEquals(await world.keys(), [1, 2, 3]);
    await store.removeMessages(ALICE, [1]);
    world.clock.nowMs += 60_000;
    assertEquals(await store.sweep(world.clock.seconds, 10), 2);
    assertEquals(await store.removeChannel(ALICE, NEWS), true);
    await store.removeUser(ALICE);
  } finally {
    await server.cli("CONFIG", "SET", "maxmemory", "0");
  }
  assertEquals(await store.user(ALICE), undefined);
  assertEquals(await store.subscription(BOB, NEWS), "subscribed");
});

Deno.test("while Redis is full, known user agents take their messages, and no new ones come", async () => {
  await using opened = await open();
  const { world, store } = opened;
  await world.subscribe();
  await world.save(1);
  const here = { node: "one", session: "a" };
  await store.arrive(ALICE, here);
  await server.cli("CONFIG", "SET", "maxmemory", "1");
  try {
    world.clock.nowMs += 1_000;
    assertEquals(await store.refreshUser({ uaid: ALICE, connectedAt: world.clock.nowMs }), true);
    assertEquals(await store.arrive(ALICE, { ...here, session: "b" }), here);
    assertEquals(await world.keys(), [1]);
    await store.removeMessages(ALICE, [1]);
    const stranger = { uaid: BOB, connectedAt: world.clock.nowMs };
    const error = await assertRejects(() => store.saveUser(stranger), StoreError);
    assertEquals(error.code, "full");
  } finally {
    await server.cli("CONFIG", "SET", "maxmemory", "0");
  }
  assertEquals(await store.user(BOB), undefined);
  assertEquals((await store.user(ALICE))?.connectedAt, world.clock.nowMs);
});

Deno.test("ping() fails while Redis takes no writes", async () => {
  await using opened = await open();
  await server.cli("CONFIG", "SET", "maxmemory", "1");
  try {
    const error = await assertRejects(() => opened.store.ping(), StoreError);
    assertEquals(error.code, "full");
  } finally {
    await server.cli("CONFIG", "SET", "maxmemory", "0");
  }
  await opened.store.ping();
});

Deno.test("what was stored survives kill -9 of Redis with appendfsync always", async () => {
  await using mortal = await startRedis({ appendfsync: "always" });
  const url = mortal.freshUrl();
  const clock = new WallClock();
  const connectedAt = clock.nowMs;
  const stored: number[] = [];
  {
    await using store = await openRedisMessageStore({ url, clock });
    assertEquals((await store.durability()).loses, "nothing");
    await using world = new World(clock, {
      store,
      reopen: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => store.close(),
    });
    await world.subscribe();
    let killed = false;
    const saves = Array.from({ length: 400 }, async (_, index) => {
      const sortKey = index + 1;
      const outcome = await store.saveMessage(world.message(sortKey), 1_000).catch(() => "lost");
      if (outcome === "stored") stored.push(sortKey);
      if (stored.length === 100 && !killed) {
        killed = true;
        await mortal.kill9();
      }
    });
    await Promise.all(saves);
  }
  await mortal.start();
  await using store = await openRedisMessageStore({ url, clock });
  const nowSeconds = clock.seconds;
  const page = await store.messages({ uaid: ALICE, kind: "plain", limit: 1_000, nowSeconds });
  const found = new Set(page.map(({ sortKey }) => sortKey));
  assertEquals(stored.filter((sortKey) => !found.has(sortKey)), []);
  assertEquals((await store.user(ALICE))?.connectedAt, connectedAt);
});

Deno.test("every place of the key space is one that a user agent's id can begin with", () => {
  assertEquals([PLACES.length, PLACES[0], PLACES[255]], [256, "00", "ff"]);
});
