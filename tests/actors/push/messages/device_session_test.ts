import { assertEquals } from "@std/assert";
import {
  LOOK_PAUSE_MS,
  REGISTRY_MAILBOX,
  SESSION_MAILBOX,
} from "../../../../actors/push/limits.ts";
import {
  DeviceSessionState,
  type SessionServices,
} from "../../../../actors/push/messages/device_session.ts";
import { BROKEN, PushWorld, versions } from "../../../support/push_world.ts";

Deno.test("deviceSession delivers at once, and forgets what is acknowledged", async () => {
  await using push = await PushWorld.open();
  const { device, ...target } = await push.subscribe();
  const accepted = await push.post(target);
  const sent = device.take("notification");
  assertEquals(accepted.kind, "accepted");
  assertEquals(sent.length, 1);
  assertEquals(await push.waiting(target.uaid), versions(sent));
  device.ack(sent);
  await push.world.settle();
  assertEquals(await push.waiting(target.uaid), []);
});

Deno.test("deviceSession keeps the identity and brings what came meanwhile, in order", async () => {
  await using push = await PushWorld.open();
  const { device, ...target } = await push.subscribe();
  device.drop();
  await push.world.settle();
  for (let count = 0; count < 25; count++) await push.post(target);
  const waiting = await push.waiting(target.uaid);
  const again = await push.greet({ uaid: target.uaid });
  assertEquals(again.uaid, target.uaid);
  const got: string[] = [];
  for (let page = 0; page < 3; page++) {
    const sent = again.device.take("notification");
    got.push(...versions(sent));
    again.device.ack(sent);
    await push.world.settle();
  }
  assertEquals(got, waiting);
  assertEquals(await push.waiting(target.uaid), []);
});

Deno.test("deviceSession sends unacknowledged messages again on the next connection", async () => {
  await using push = await PushWorld.open();
  const { device, ...target } = await push.subscribe();
  await push.post(target);
  await push.post(target);
  const [first, second] = device.take("notification");
  if (first === undefined || second === undefined) throw new Error("Two messages expected");
  device.ack([first]);
  device.drop();
  await push.world.settle();
  const again = await push.greet({ uaid: target.uaid });
  assertEquals(versions(again.device.take("notification")), versions([second]));
});

Deno.test("deviceSession forgets a user agent without channels, and answers a lost one with a new identity", async () => {
  await using push = await PushWorld.open();
  const first = await push.greet();
  first.device.drop();
  await push.world.settle();
  const second = await push.greet({ uaid: first.uaid });
  assertEquals(second.uaid === first.uaid, false);
  assertEquals(
    push.events.filter(({ kind }) => kind === "hello").map((event) =>
      event.kind === "hello" ? event.user : ""
    ),
    ["new", "reassigned"],
  );
});

Deno.test("deviceSession gives way to a newer connection of its user agent", async () => {
  await using push = await PushWorld.open();
  const { device, ...target } = await push.subscribe();
  const newer = await push.greet({ uaid: target.uaid });
  await push.world.settle();
  assertEquals(device.closedBy, "1011 SM");
  await push.post(target);
  assertEquals(device.take("notification").length, 0);
  assertEquals(newer.device.take("notification").length, 1);
  assertEquals(await push.refs.messages.registry.ask("connected"), 1);
});

Deno.test("deviceSession closes a device that says nothing", async () => {
  await using push = await PushWorld.open();
  const device = push.connect();
  await push.world.advance(4_999);
  assertEquals(device.closedBy, undefined);
  await push.world.advance(1);
  assertEquals(device.closedBy, "1011 HandshakeTimeout");
});

Deno.test("deviceSession pings a silent device, and closes one that does not answer", async () => {
  await using push = await PushWorld.open();
  const { device } = await push.greet();
  await push.world.advance(300_000);
  assertEquals(device.pings, 1);
  device.pong();
  await push.world.advance(300_000);
  assertEquals(device.pings, 2);
  await push.world.advance(4_000);
  assertEquals(device.closedBy, "1011 PongTimeout");
});

Deno.test("deviceSession finds at its keep-alive what no signal told it", async () => {
  await using push = await PushWorld.open();
  const { device, ...target } = await push.subscribe();
  const message = {
    ...target,
    ttlSeconds: 600,
    topic: undefined,
    content: undefined,
    sortKey: 5,
    version: "v5",
    expiresAt: Math.floor(push.world.clock.wallNow() / 1_000) + 600,
  };
  await push.store.saveMessage(message, 10);
  await push.world.advance(299_999);
  assertEquals(device.take("notification"), []);
  await push.world.advance(1);
  assertEquals(versions(device.take("notification")), ["v5"]);
});

Deno.test("deviceSession keeps a user agent known that stays connected", async () => {
  await using push = await PushWorld.open({ userLifetimeSeconds: 7_200 });
  const { device, ...target } = await push.subscribe();
  for (let minutes = 0; minutes < 600; minutes += 5) {
    await push.world.advance(300_000);
    device.pong();
  }
  assertEquals((await push.post(target)).kind, "accepted");
  assertEquals(device.take("notification").length, 1);
});

Deno.test("deviceSession closes when its user agent was removed meanwhile", async () => {
  await using push = await PushWorld.open();
  const { device, ...target } = await push.subscribe();
  await push.store.removeUser(target.uaid);
  for (let minutes = 0; minutes < 65; minutes += 5) {
    await push.world.advance(300_000);
    device.pong();
  }
  assertEquals(device.closedBy, "1011 SM");
  assertEquals((await push.greet({ uaid: target.uaid })).uaid === target.uaid, false);
});

Deno.test("deviceSession loses TTL 0 without a device, and stores nothing", async () => {
  await using push = await PushWorld.open();
  const { device, ...target } = await push.subscribe();
  await push.post(target, { ttlSeconds: 0 });
  assertEquals(device.take("notification").length, 1);
  assertEquals(await push.waiting(target.uaid), []);
  device.drop();
  await push.world.settle();
  assertEquals((await push.post(target, { ttlSeconds: 0 })).kind, "accepted");
  assertEquals(await push.waiting(target.uaid), []);
  const routes = push.events.flatMap((event) => event.kind === "accepted" ? [event.route] : []);
  assertEquals(routes, ["direct", "dropped"]);
});

Deno.test("deviceSession does not send what has expired", async () => {
  await using push = await PushWorld.open();
  const { device, ...target } = await push.subscribe();
  device.drop();
  await push.post(target, { ttlSeconds: 1 });
  await push.post(target, { ttlSeconds: 100 });
  await push.world.advance(2_000);
  const again = await push.greet({ uaid: target.uaid });
  assertEquals(again.device.take("notification").length, 1);
});

Deno.test("deviceSession resets a user agent with more waiting than the limit, and the next hello starts anew", async () => {
  await using push = await PushWorld.open({ messageLimit: 20 });
  const { device, ...target } = await push.subscribe();
  device.drop();
  await push.world.settle();
  for (let count = 0; count < 21; count++) {
    assertEquals((await push.post(target)).kind, "accepted");
  }
  assertEquals((await push.post(target)).kind, "over_limit");
  const again = await push.greet({ uaid: target.uaid });
  assertEquals(again.uaid, target.uaid);
  for (let page = 0; page < 2; page++) {
    const sent = again.device.take("notification");
    assertEquals(sent.length, 10);
    again.device.ack(sent);
    await push.world.settle();
  }
  assertEquals(again.device.closedBy, "1000 SM");
  assertEquals((await push.post(target)).kind, "no_subscription");
  assertEquals((await push.greet({ uaid: target.uaid })).uaid === target.uaid, false);
});

Deno.test("deviceSession closes when the store is away, and everything is there afterwards", async () => {
  let away = false;
  await using push = await PushWorld.open({ fault: () => away ? "io" : undefined });
  const { device, ...target } = await push.subscribe();
  await push.post(target);
  away = true;
  device.ack(device.take("notification"));
  await push.world.settle();
  assertEquals(device.closedBy, "1011 SM");
  const refused = push.connect();
  refused.say({ messageType: "hello", uaid: target.uaid });
  await push.world.settle();
  assertEquals(refused.closedBy, "1011 SM");
  away = false;
  const again = await push.greet({ uaid: target.uaid });
  assertEquals(again.device.take("notification").length, 1);
});

Deno.test("deviceSession answers 500 to a register the store cannot take, and stays", async () => {
  let away = false;
  await using push = await PushWorld.open({ fault: () => away ? "full" : undefined });
  const { device } = await push.greet();
  const channelID = crypto.randomUUID();
  for (const [outage, status] of [[true, 500], [false, 200]] as const) {
    away = outage;
    device.say({ messageType: "register", channelID });
    await push.world.settle();
    assertEquals(device.take("register")[0]?.["status"], status);
  }
  away = true;
  device.say({ messageType: "unregister", channelID });
  await push.world.settle();
  assertEquals(device.take("unregister")[0]?.["status"], 500);
});

Deno.test("registry tells a session that was full to look into the store", async () => {
  let release: (() => void) | undefined;
  const held = new Promise<void>((resolve) => release = resolve);
  let holding = false;
  await using push = await PushWorld.open({
    delay: ({ name }) => holding && name === "addChannel" ? held : undefined,
  });
  const { device, ...target } = await push.subscribe();
  holding = true;
  device.say({ messageType: "register", channelID: crypto.randomUUID() });
  await push.world.settle();
  for (let count = 0; count < SESSION_MAILBOX + 5; count++) await push.post(target);
  release?.();
  await push.world.settle();
  const direct = device.take("notification");
  assertEquals(direct.length, SESSION_MAILBOX);
  device.ack(direct);
  await push.world.advance(LOOK_PAUSE_MS);
  assertEquals(device.take("notification").length, 5);
});

Deno.test("registry forgets all sessions when more leave at once than it can hold messages", async () => {
  await using push = await PushWorld.open();
  const { device } = await push.greet();
  const { registry, broadcasts } = push.refs.messages;
  const services: SessionServices = {
    store: push.store,
    identifiers: { endpointUrl: () => "", messageId: () => "", newUaid: () => "" },
    registry,
    broadcasts,
    observer: { record() {} },
    settings: {
      helloTimeoutMs: 0,
      pingIntervalMs: 0,
      pingTimeoutMs: 0,
      messageLimit: 1,
    },
  };
  const leaving: DeviceSessionState[] = [];
  for (let n = 0; n < REGISTRY_MAILBOX + 1_000; n++) {
    const state = new DeviceSessionState({ socket: device, services }, { now: () => 0 });
    state.registration = { uaid: `${n}`, session: device.session, id: "" };
    await registry.ask("enter", state.registration);
    leaving.push(state);
  }
  assertEquals(await registry.ask("connected"), leaving.length + 1);
  for (const state of leaving) state[Symbol.dispose]();
  await push.world.settle();
  assertEquals(await registry.ask("connected"), 1);
});

Deno.test("a crash in one session ends its connection and no other", async () => {
  await using push = await PushWorld.open();
  const { device: victim } = await push.subscribe();
  const { device, ...target } = await push.subscribe();
  // A value no codec would let through, as a bug elsewhere might.
  victim.session.trySend("deliver", BROKEN);
  await push.world.settle();
  assertEquals(victim.closedBy, "1011 session ended");
  assertEquals(push.world.events.filter(({ type }) => type === "crashed").length, 1);
  await push.post(target);
  assertEquals(device.take("notification").length, 1);
  assertEquals(await push.refs.messages.registry.ask("connected"), 1);
});

Deno.test("the tree stops in order: devices hear 1001", async () => {
  const push = await PushWorld.open();
  const { device } = await push.greet();
  await push[Symbol.asyncDispose]();
  assertEquals(device.closedBy, "1001 Shutdown");
});
