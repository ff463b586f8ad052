import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { notifications, routes, WorldNodes } from "../../../support/node_pair.ts";
import {
  LOOKUP_RETRY_MS,
  NODE_RENEW_MS,
  NODES_LOOK_MS,
} from "../../../../actors/push/cluster/limits.ts";
import { LOOK_PAUSE_MS, LOOK_SLICE } from "../../../../actors/push/limits.ts";
import { versions } from "../../../support/push_world.ts";

Deno.test("a message posted to one node reaches a device on another, and is removed when acknowledged", async () => {
  await using nodes = await WorldNodes.open(["a", "b"]);
  const { device, ...target } = await nodes.node("b").push.subscribe();
  const accepted = await nodes.node("a").push.post(target);
  assert(accepted.kind === "accepted");
  const heard = notifications(device);
  assertEquals(versions(heard), [accepted.messageId]);
  assertEquals(routes(nodes.node("a").events), ["forwarded"]);
  device.ack(heard);
  await nodes.world.settle();
  assertEquals(await nodes.node("a").push.waiting(target.uaid), []);
});

Deno.test("a message with TTL 0 reaches a device on another node, or nobody", async () => {
  await using nodes = await WorldNodes.open(["a", "b"]);
  const { device, ...target } = await nodes.node("b").push.subscribe();
  await nodes.node("a").push.post(target, { ttlSeconds: 0 });
  assertEquals(notifications(device).length, 1);
  device.drop();
  await nodes.world.settle();
  await nodes.node("a").push.post(target, { ttlSeconds: 0 });
  assertEquals(routes(nodes.node("a").events), ["forwarded", "dropped"]);
});

Deno.test("a message for now reaches a device on a node that has only just started", async () => {
  await using nodes = await WorldNodes.open(["a"]);
  nodes.cutOff.add("a"); // It hears of nobody by itself.
  await nodes.add("b");
  const { device, ...target } = await nodes.node("b").push.subscribe();
  await nodes.node("a").push.post(target, { ttlSeconds: 0 });
  assertEquals(notifications(device).length, 1);
  assertEquals(routes(nodes.node("a").events), ["forwarded"]);
});

Deno.test("a device on a node that died has the directory asked now and then, not for each message", async () => {
  let asked = 0;
  await using nodes = await WorldNodes.open(["a"], {
    cluster: { delay: ({ name }) => void (name === "nodes" && asked++) },
  });
  const { device, ...target } = await nodes.node("a").push.subscribe();
  device.drop();
  await nodes.world.settle();
  await nodes.cluster.arrive(target.uaid, { node: "dead", session: "1" });
  asked = 0;
  for (let count = 0; count < 5; count++) await nodes.node("a").push.post(target);
  assertEquals(asked, 1);
  await nodes.pass(NODES_LOOK_MS);
  await nodes.node("a").push.post(target);
  assertEquals(asked, 2);
});

Deno.test("a device that connects to another node is displaced where it was, and only there", async () => {
  await using nodes = await WorldNodes.open(["a", "b"]);
  const { device: first, uaid, channelId } = await nodes.node("a").push.subscribe();
  const second = await nodes.connect("b", uaid);
  assertEquals(first.closedBy, "1011 SM");
  assertEquals(second.open, true);
  const third = await nodes.connect("a", uaid);
  assertEquals([second.closedBy, third.open], ["1011 SM", true]);
  await nodes.node("b").push.post({ uaid, channelId });
  assertEquals(notifications(third).length, 1);
});

Deno.test("a late word of a displaced session ends no newer one", async () => {
  await using nodes = await WorldNodes.open(["a", "b"]);
  const { uaid } = await nodes.node("a").push.subscribe();
  const device = await nodes.connect("a", uaid);
  const { registry } = nodes.node("a").push.refs.messages;
  await registry.send("displace", [{ uaid, session: "1" }]);
  await nodes.world.settle();
  assertEquals(device.open, true);
  await registry.send("displace", [{ uaid, session: "2" }]);
  await nodes.world.settle();
  assertEquals(device.closedBy, "1011 SM");
});

Deno.test("a node that cannot be reached has its devices look into the store when it can be", async () => {
  await using nodes = await WorldNodes.open(["a", "b"]);
  const { device, ...target } = await nodes.node("b").push.subscribe();
  nodes.unreachable.add("b");
  await nodes.node("a").push.post(target);
  await nodes.node("a").push.post(target, { ttlSeconds: 0 });
  await nodes.pass(3_000);
  assertEquals(notifications(device), []);
  assertEquals(routes(nodes.node("a").events), ["stored", "dropped"]);
  nodes.unreachable.delete("b");
  await nodes.pass(1_500);
  assertEquals(notifications(device).length, 1);
});

Deno.test("a device that moved while its message was under way is looked for once more", async () => {
  let held: (() => void) | undefined;
  await using nodes = await WorldNodes.open(["a", "b", "c"], {
    cluster: {
      delay: ({ name }) =>
        name === "whereabouts" && held === undefined
          ? new Promise((resolve) => held = resolve)
          : undefined,
    },
  });
  const { uaid, channelId } = await nodes.node("b").push.subscribe();
  const posting = nodes.node("a").push.post({ uaid, channelId });
  await nodes.world.settle();
  const device = await nodes.connect("c", uaid);
  held?.();
  await posting;
  await nodes.world.settle();
  // Read from the store as it came, or handed over: once in either case.
  assertEquals(notifications(device).length, 1);
});

Deno.test("a stale place is forgotten, and its message waits in the store", async () => {
  await using nodes = await WorldNodes.open(["a", "b"]);
  const { device, ...target } = await nodes.node("b").push.subscribe();
  device.drop();
  await nodes.world.settle();
  // As after a depart that the store could not take.
  await nodes.cluster.arrive(target.uaid, { node: "b", session: "1" });
  await nodes.node("a").push.post(target);
  assertEquals(routes(nodes.node("a").events), ["stored"]);
  assertEquals(await nodes.cluster.whereabouts([target.uaid]), [undefined]);
  assertEquals(notifications(await nodes.connect("a", target.uaid)).length, 1);
});

Deno.test("a device is told to look into the store when it can be said again where it is", async () => {
  let failing = false;
  await using nodes = await WorldNodes.open(["a", "b"], {
    cluster: { fault: ({ name }) => failing && name === "whereabouts" ? "io" : undefined },
  });
  const { device, ...target } = await nodes.node("b").push.subscribe();
  failing = true;
  const accepted = await nodes.node("a").push.post(target, { ttlSeconds: 3_600 });
  assertEquals(accepted.kind, "accepted");
  assertEquals(routes(nodes.node("a").events), ["stored"]);
  assertEquals(notifications(device), []);
  await nodes.pass(10_000);
  assertEquals(notifications(device), []);
  failing = false;
  await nodes.pass(LOOKUP_RETRY_MS + LOOK_PAUSE_MS);
  assertEquals(notifications(device).length, 1);
  assertEquals(routes(nodes.node("a").events), ["stored"]);
});

Deno.test("a node whose lease has ended is buried by the others, its batches made due", async () => {
  let lost = false;
  await using nodes = await WorldNodes.open(["a"], {
    cluster: { fault: () => lost ? "io" : undefined },
  });
  await nodes.cluster.renew({
    ...{ id: "gone", url: "http://gone", roles: [], version: "1", keys: ["k"], startedAt: 0 },
    facts: undefined,
  }, 5_000);
  await nodes.pass(2_500);
  assertEquals(nodes.node("a").events.map(({ kind }) => kind), ["node_joined"]);
  await nodes.pass(5_000);
  assertEquals(nodes.abandoned, ["gone"]);
  assertEquals(
    nodes.node("a").events.filter(({ kind }) => kind.startsWith("node_")),
    [
      { kind: "node_joined", node: "gone", url: "http://gone" },
      { kind: "node_lost", node: "gone", batches: 3 },
      { kind: "node_left", node: "gone" },
    ],
  );
  assertEquals(await nodes.cluster.nodes().then(({ ended }) => ended), ["gone"]);
  await nodes.pass(2_500);
  assertEquals(await nodes.cluster.nodes().then(({ ended }) => ended), []);
  assertEquals(nodes.abandoned, ["gone"]);
  lost = true;
  await nodes.pass(60_000);
  lost = false;
  await nodes.pass(5_000);
  assert(nodes.node("a").events.some(({ kind }) => kind === "lease_lapsed"));
  const { alive } = await nodes.cluster.nodes();
  assertEquals(alive.map(({ id }) => id), ["a"]);
});

Deno.test("what a node accepted and told nobody before it died is found when its lease has ended, by every node", async () => {
  await using nodes = await WorldNodes.open(["a", "b"]);
  const devices = [];
  for (const name of ["a", "b"]) {
    const { device, ...target } = await nodes.node(name).push.subscribe();
    devices.push(device);
    // As the node would that is dead by now.
    const expiresAt = Math.floor(nodes.world.clock.wallNow() / 1_000) + 60;
    const message = { ...target, ttlSeconds: 60, topic: undefined, content: undefined };
    const place = { sortKey: 1, version: name, expiresAt };
    assertEquals(await nodes.store.saveMessage({ ...message, ...place }, 10), "stored");
  }
  const gone = {
    id: "gone",
    url: "http://gone",
    roles: [],
    version: "1",
    keys: ["k"],
    startedAt: 0,
    facts: undefined,
  };
  await nodes.cluster.renew(gone, 1_000);
  assertEquals(devices.flatMap(notifications), []);
  await nodes.pass(6_000);
  assertEquals(devices.map((device) => notifications(device).length), [1, 1]);
});

Deno.test("a node that was cut off has its sessions look into the store when it is back", async () => {
  await using nodes = await WorldNodes.open(["a", "b"]);
  const { device, ...target } = await nodes.node("b").push.subscribe();
  nodes.cutOff.add("b");
  await nodes.pass(20_000);
  await nodes.node("a").push.post(target);
  assertEquals(notifications(device), []);
  nodes.cutOff.delete("b");
  await nodes.pass(5_000);
  assertEquals(notifications(device).length, 1);
});

Deno.test("a node with other endpoint keys does not start, and says why", async () => {
  await using nodes = await WorldNodes.open(["a"]);
  const error = await assertRejects(() => nodes.add("b", { keys: ["other", "k"] }), Error);
  const causes: string[] = [];
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    causes.push(cause.message);
  }
  assertStringIncludes(causes.join("\n"), "crypto-keys: the node http://a of this store has other");
  assertEquals((await nodes.cluster.nodes()).alive.map(({ id }) => id), ["a"]);
});

Deno.test("a node that cannot see the others does not start, and is not left in the directory", async () => {
  let failing = false;
  await using nodes = await WorldNodes.open(["a"], {
    cluster: { fault: ({ name }) => failing && name === "nodes" ? "io" : undefined },
  });
  failing = true;
  await assertRejects(() => nodes.add("b"), Error);
  failing = false;
  assertEquals((await nodes.cluster.nodes()).alive.map(({ id }) => id), ["a"]);
});

Deno.test("a node says how it does with each renewal of its lease, and as of then", async () => {
  await using nodes = await WorldNodes.open(["a", "b"]);
  const agesMs = async () => {
    const { alive } = await nodes.cluster.nodes();
    const now = nodes.world.clock.wallNow();
    return alive.map(({ facts }) => facts && now - facts.at);
  };
  // Each was given three seconds after it came, and has renewed its lease since.
  assertEquals(await agesMs(), [6_000 % NODE_RENEW_MS, 3_000 % NODE_RENEW_MS]);
  nodes.cutOff.add("a");
  await nodes.pass(NODE_RENEW_MS);
  assertEquals(await agesMs(), [1_000 + NODE_RENEW_MS, 500]);
});

Deno.test("a node that stops leaves the directory", async () => {
  const nodes = await WorldNodes.open(["a", "b"]);
  await nodes.world.system.stop();
  assertEquals(await nodes.cluster.nodes(), { alive: [], ended: [] });
  await nodes[Symbol.asyncDispose]();
});

Deno.test("PushService takes a larger key when another node's message waits under it", async () => {
  await using nodes = await WorldNodes.open(["a", "b"]);
  const { device, ...target } = await nodes.node("a").push.subscribe();
  device.drop();
  await nodes.world.settle();
  // Both nodes make keys by the same clock, in the same millisecond.
  for (const name of ["a", "b", "b", "a"]) {
    assertEquals((await nodes.node(name).push.post(target)).kind, "accepted");
  }
  assertEquals((await nodes.node("a").push.waiting(target.uaid)).length, 4);
});

Deno.test("a node that was cut off asks until the store says who holds the user agents", async () => {
  let failing = false;
  await using nodes = await WorldNodes.open(["a", "b"], {
    cluster: { fault: ({ name }) => failing && name === "whereabouts" ? "io" : undefined },
  });
  const { device, uaid } = await nodes.node("b").push.subscribe();
  // The new node cannot tell the old one, and has forgotten that it wanted to when it could.
  nodes.cutOff.add("b");
  nodes.unreachable.add("b");
  const moved = await nodes.connect("a", uaid);
  await nodes.pass(60_000);
  assertEquals([device.open, moved.open], [true, true]);
  failing = true;
  nodes.cutOff.delete("b");
  await nodes.pass(5_000);
  assertEquals(device.open, true, "nobody knows");
  failing = false;
  await nodes.pass(2_000);
  assertEquals([device.closedBy, moved.open], ["1011 SM", true]);
});

Deno.test("sessions look into the store a few at a time when their node was cut off", async () => {
  let reads = 0;
  await using nodes = await WorldNodes.open(["a"], {
    store: { fault: ({ name }) => void (name === "messages" && reads++) },
  });
  const { push } = nodes.node("a");
  const count = 1.5 * LOOK_SLICE;
  for (let session = 0; session < count; session++) await push.subscribe();
  await push.refs.messages.registry.send("confirmAll");
  reads = 0;
  const perPause: number[] = [];
  for (let pause = 0; pause < 6; pause++) {
    await nodes.pass(LOOK_PAUSE_MS);
    perPause.push(reads);
    reads = 0;
  }
  // Two pages each: replaceable messages, and the others.
  assertEquals(perPause.reduce((sum, each) => sum + each), 2 * count);
  assertEquals(Math.max(...perPause), 2 * LOOK_SLICE);
});
