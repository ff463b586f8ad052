/** The gateway over connections that a test opens, ends and answers for. */

import { assert, assertEquals } from "@std/assert";
import { IDLE_LOOK_MS, IDLE_MS } from "../../../../actors/push/delivery/limits.ts";
import type { Verdict } from "../../../../actors/push/delivery/ports.ts";
import {
  block,
  DELIVERED,
  GatewayWorld,
  same,
  type Sent,
  UNSENT,
} from "../../../support/gateway_world.ts";
import { TraceLedger } from "../../../support/trace_ledger.ts";

const BROKEN: Verdict = { kind: "retry", status: 503, reason: "down", scope: "recipient" };

function kindsOf(sent: Sent | undefined): readonly string[] | string | undefined {
  return typeof sent === "object" ? sent.map(({ kind }) => kind) : sent;
}

/** Twenty recipients of one origin, enough to open its circuit. */
function twenty(origin: string) {
  return block(...Array.from({ length: 20 }, (_, index) => `${origin}.${index}`));
}

/** A message whose handling crashes the gateway. */
function crashing() {
  const news = { kind: "leaving", id: 1, reason: "" } as const;
  const message = Object.defineProperty({ ...news }, "id", {
    get: () => {
      throw new Error("broken on purpose");
    },
  });
  return Object.freeze(message);
}

Deno.test("gateway gives each recipient the verdict of its own request, whatever its origin", async () => {
  await using world = await GatewayWorld.open();
  world.send = (_, addresses) =>
    Promise.resolve({
      verdicts: addresses.map((reason): Verdict => ({ kind: "rejected", status: 400, reason })),
      of: Uint16Array.from(addresses.keys()),
    });
  const sent = await world.sent(block("a.1", "b.2", "a.3", "b.4"));
  assert(typeof sent === "object");
  assertEquals(sent.map((verdict) => "reason" in verdict && verdict.reason), [
    "a.1",
    "b.2",
    "a.3",
    "b.4",
  ]);
  assertEquals(world.connections.map(({ origin }) => origin), ["a", "b"]);
});

Deno.test("gateway renders a notification once for all its blocks", async () => {
  await using world = await GatewayWorld.open();
  for (let round = 0; round < 3; round++) await world.sent(block("a.1"));
  assertEquals([world.rendered, world.connections.length], [1, 1]);
});

Deno.test("gateway hands a block back when its notification cannot be rendered, and renders again for the next", async () => {
  await using world = await GatewayWorld.open();
  const { prepare } = world;
  const failing: readonly (() => Promise<never>)[] = [
    () => Promise.reject(new Error("not now")),
    () => {
      throw new Error("thrown at once");
    },
  ];
  for (const failure of failing) {
    world.prepare = failure;
    assertEquals(kindsOf(await world.sent(block("a.1"))), ["unsent"]);
  }
  world.prepare = prepare;
  assertEquals(await world.sent(block("a.1")), [DELIVERED]);
});

Deno.test("gateway rejects a block its provider cannot route, and no other", async () => {
  await using world = await GatewayWorld.open();
  const slow = Promise.withResolvers<void>();
  world.send = async (_, addresses) => {
    await slow.promise;
    return same(DELIVERED, addresses.length);
  };
  const other = world.offer(block("a.1"));
  await world.world.settle();
  const route = world.route.bind(world);
  world.route = () => {
    throw new Error("poison");
  };
  assertEquals(await world.sent(block("a.2")), "rejected");
  world.route = (addresses) => route(addresses.slice(1));
  assertEquals(await world.sent(block("a.3", "a.4")), "rejected");
  slow.resolve();
  await world.world.settle();
  assertEquals(other.sent, [DELIVERED]);
});

Deno.test("gateway sends again at once, over another connection, what one that leaves hands back", async () => {
  await using world = await GatewayWorld.open();
  assertEquals(await world.sent(block("a.0")), [DELIVERED]);
  let refused = 0;
  world.send = (connection, addresses) => {
    if (connection !== world.connections[0]) {
      return Promise.resolve(same(DELIVERED, addresses.length));
    }
    refused += addresses.length;
    connection.leave("going away");
    return Promise.resolve(same(UNSENT, addresses.length));
  };
  assertEquals(await world.sent(block("a.1", "a.2")), [DELIVERED, DELIVERED]);
  assertEquals([world.connections.length, refused], [2, 2]);
  assertEquals(world.connections[0]?.closed, true);
});

Deno.test("gateway does not doubt an origin for a connection that leaves with requests it goes on to answer", async () => {
  await using world = await GatewayWorld.open();
  const slow = Promise.withResolvers<void>();
  world.send = async (_, addresses) => {
    await slow.promise;
    return same(DELIVERED, addresses.length);
  };
  const first = world.offer(block("a.1"));
  await world.world.settle();
  world.send = (connection, addresses) => {
    if (connection !== world.connections[0]) {
      return Promise.resolve(same(DELIVERED, addresses.length));
    }
    connection.leave("going away");
    return Promise.resolve(same(UNSENT, addresses.length));
  };
  assertEquals(await world.sent(block("a.2")), [DELIVERED]);
  slow.resolve();
  await world.world.settle();
  assertEquals(first.sent, [DELIVERED]);
  assertEquals(world.events.filter(({ kind }) => kind === "circuit"), []);
});

Deno.test("gateway opens another connection where one is slow, and tries it each second at most", async () => {
  await using world = await GatewayWorld.open();
  const { connect } = world;
  world.send = async (_, addresses) => {
    await new Promise<void>((resolve) => world.world.clock.set(1_000, resolve));
    return same(DELIVERED, addresses.length);
  };
  let attempts = 0;
  world.connect = (origin) => {
    attempts++;
    return attempts === 1 ? connect(origin) : Promise.reject(new Error("refused"));
  };
  const hundred = block(...Array.from({ length: 100 }, (_, index) => `a.${index}`));
  world.offer(hundred);
  await world.world.advance(1_000);
  assertEquals(attempts, 1);
  const sends = [];
  for (let tenth = 0; tenth < 30; tenth++) {
    sends.push(world.offer(hundred));
    await world.world.advance(100);
  }
  assert(attempts >= 3 && attempts <= 5, `${attempts - 1} attempts in three seconds`);
  await world.world.advance(5_000);
  assertEquals(new Set(sends.flatMap(({ sent }) => kindsOf(sent))), new Set(["delivered"]));
});

Deno.test("gateway sends again what it gave to a connection that had just ended", async () => {
  await using world = await GatewayWorld.open();
  assertEquals(await world.sent(block("a.0")), [DELIVERED]);
  world.connections[0]?.leave("idle");
  const sent = world.offer(block("a.1"));
  await world.world.settle();
  assertEquals(sent.sent, [DELIVERED]);
});

Deno.test("gateway does not open connection after connection to a peer that takes no requests", async () => {
  await using world = await GatewayWorld.open();
  world.send = (connection, addresses) => {
    connection.leave("going away");
    return Promise.resolve(same(UNSENT, addresses.length));
  };
  for (let tenth = 0; tenth < 300; tenth++) {
    assertEquals(kindsOf(await world.sent(block("a.1"))), ["unsent"]);
    await world.world.advance(100);
  }
  assert(world.connections.length < 20, `${world.connections.length} in half a minute`);
});

Deno.test("gateway sends nothing but a few probes to an origin that fails, and all once one is answered", async () => {
  await using world = await GatewayWorld.open();
  let requests = 0;
  world.send = (_, addresses) => {
    requests += addresses.length;
    return Promise.resolve(same(BROKEN, addresses.length));
  };
  await world.sent(twenty("a"));
  assertEquals(requests, 20);
  assertEquals(new Set(kindsOf(await world.sent(twenty("a")))), new Set(["unsent"]));
  assertEquals(requests, 20);
  await world.world.advance(1_000);
  await world.sent(twenty("a"));
  assertEquals(requests, 28);
  world.send = (_, addresses) => Promise.resolve(same(DELIVERED, addresses.length));
  await world.world.advance(2_000);
  await world.sent(twenty("a"));
  assertEquals(new Set(kindsOf(await world.sent(twenty("a")))), new Set(["delivered"]));
  const states = world.events.flatMap((event) => event.kind === "circuit" ? [event.state] : []);
  assertEquals(states, ["open", "closed"]);
});

Deno.test("gateway does not take a probe that was not sent for a good one", async () => {
  await using world = await GatewayWorld.open();
  world.send = (_, addresses) => Promise.resolve(same(BROKEN, addresses.length));
  await world.sent(twenty("a"));
  const unsent: readonly Verdict[] = [UNSENT, { ...UNSENT, afterMs: 100 }];
  for (const verdict of unsent) {
    world.send = (_, addresses) => Promise.resolve(same(verdict, addresses.length));
    await world.world.advance(1_000);
    assertEquals(new Set(kindsOf(await world.sent(twenty("a")))), new Set(["unsent"]));
  }
  const states = world.events.flatMap((event) => event.kind === "circuit" ? [event.state] : []);
  assertEquals(states, ["open"]);
  // And it leaves room for the next.
  world.send = (_, addresses) => Promise.resolve(same(DELIVERED, addresses.length));
  await world.world.advance(1_000);
  assertEquals(await world.sent(block("a.1")), [DELIVERED]);
});

Deno.test("gateway lets another probe through when there was no room for the connection of the first", async () => {
  await using world = await GatewayWorld.open({ connectionsMax: 1 });
  world.send = (connection, addresses) => {
    connection.leave("reset");
    return Promise.resolve(same(BROKEN, addresses.length));
  };
  await world.sent(twenty("a"));
  const stuck = Promise.withResolvers<void>();
  world.send = async (_, addresses) => {
    await stuck.promise;
    return same(DELIVERED, addresses.length);
  };
  const other = world.offer(block("b.1"));
  await world.world.advance(2_000);
  assertEquals(new Set(kindsOf(await world.sent(twenty("a")))), new Set(["unsent"]));
  stuck.resolve();
  await world.world.settle();
  assertEquals(other.sent, [DELIVERED]);
  // The connection to the other origin is idle now and makes room.
  await world.sent(twenty("a"));
  await world.world.advance(2_000);
  await world.sent(twenty("a"));
  await world.world.advance(2_000);
  assertEquals(new Set(kindsOf(await world.sent(twenty("a")))), new Set(["delivered"]));
});

Deno.test("gateway takes a recipient without a verdict for one without an answer", async () => {
  await using world = await GatewayWorld.open();
  world.send = () => Promise.resolve({ verdicts: [DELIVERED], of: Uint16Array.of(0, 5, 0) });
  assertEquals(kindsOf(await world.sent(block("a.1", "a.2", "a.3"))), [
    "delivered",
    "retry",
    "delivered",
  ]);
});

Deno.test("gateway that crashed lets go of its connections, and does not take their news for others'", async () => {
  await using world = await GatewayWorld.open();
  const slow = Promise.withResolvers<void>();
  world.send = async (_, addresses) => {
    await slow.promise;
    return same(DELIVERED, addresses.length);
  };
  const lost = world.offer(block("a.1"));
  await world.world.settle();
  world.refs.gateway.trySend("connectionNews", crashing());
  await world.world.settle();
  assertEquals(lost.sent, "rejected");
  world.send = (_, addresses) => Promise.resolve(same(DELIVERED, addresses.length));
  assertEquals(await world.sent(block("a.2")), [DELIVERED]);
  slow.resolve();
  await world.world.settle();
  assertEquals(world.connections.map(({ closed }) => closed), [true, false]);
  // The end of the first was no news of the second, which is still used.
  assertEquals(await world.sent(block("a.3")), [DELIVERED]);
  assertEquals(world.connections.length, 2);
});

Deno.test("gateway that crashed tells of its connections as gone, once, and of none that was never open", async () => {
  await using world = await GatewayWorld.open();
  await world.sent(block("a.1"));
  const { connect } = world;
  world.connect = (origin) =>
    origin === "b" ? Promise.withResolvers<never>().promise : connect(origin);
  void world.offer(block("b.1"));
  await world.world.settle();
  world.refs.gateway.trySend("connectionNews", crashing());
  await world.world.settle();
  const told = world.events.flatMap((event) =>
    event.kind.endsWith("connected") ? [event.kind] : []
  );
  assertEquals(told, ["connected", "disconnected"]);
});

Deno.test("gateway closes connections that nobody used for a while", async () => {
  await using world = await GatewayWorld.open();
  await world.sent(block("a.1"));
  await world.world.advance(IDLE_MS - IDLE_LOOK_MS);
  assertEquals(world.connections[0]?.closed, false);
  await world.world.advance(2 * IDLE_LOOK_MS);
  assertEquals(world.connections[0]?.closed, true);
  assertEquals(await world.sent(block("a.2")), [DELIVERED]);
  assertEquals(world.connections.length, 2);
});

Deno.test("gateway traces requests by connection, those that are sent again too", async () => {
  await using world = await GatewayWorld.open();
  const traces = new TraceLedger();
  const traced = (...addresses: readonly string[]) => ({
    ...block(...addresses),
    span: traces.begin({ kind: "notification", id: "n" }, "batch"),
  });
  const { send } = world;
  world.send = (connection) => {
    world.send = send;
    connection.leave("going away");
    return Promise.resolve({ verdicts: [DELIVERED, UNSENT], of: Uint16Array.of(0, 1) });
  };
  await world.sent(traced("a.1", "a.2"));
  world.send = () => Promise.reject(new Error("broken"));
  await world.sent(traced("b.1"));
  assertEquals(traces.lines, [
    "batch > request origin=a connection=1 count=2 attempt=0 answers=delivered:1,unsent:1",
    "batch > request origin=a connection=2 count=1 attempt=1 answers=delivered:1",
    "batch > request origin=b connection=3 count=1 attempt=0 failure=connection_lost",
  ]);
});
