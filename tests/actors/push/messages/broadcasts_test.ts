import { assertEquals } from "@std/assert";
import { PushWorld } from "../../../support/push_world.ts";

/** A source whose versions the test sets; `undefined` fails. */
function source(versions: Record<string, string>) {
  const state: { versions: Record<string, string> | undefined } = { versions };
  const fetch = () =>
    state.versions === undefined
      ? Promise.reject(new Error("away"))
      : Promise.resolve(new Map(Object.entries(state.versions)));
  return { state, broadcastSource: { fetch } };
}

Deno.test("broadcasts without a source are all unknown", async () => {
  await using push = await PushWorld.open();
  const { device } = await push.greet();
  device.say({ messageType: "broadcast_subscribe", broadcasts: { "a/b": "1" } });
  await push.world.settle();
  assertEquals(device.heard, [{
    messageType: "broadcast",
    broadcasts: { errors: { "a/b": "Broadcast not found" } },
  }]);
});

Deno.test("broadcasts tell at hello what differs, and nothing when nothing does", async () => {
  const { broadcastSource } = source({ "a/b": "2", "c/d": "7" });
  await using push = await PushWorld.open({ broadcastSource });
  const cases = [
    [{ "a/b": "1", "c/d": "7" }, { "a/b": "2" }],
    [{ "c/d": "7" }, {}],
    [{ "x/y": "1" }, { errors: { "x/y": "Broadcast not found" } }],
  ] as const;
  for (const [broadcasts, expected] of cases) {
    const device = push.connect();
    device.say({ messageType: "hello", broadcasts });
    await push.world.settle();
    assertEquals(device.take("hello")[0]?.["broadcasts"], expected);
  }
});

Deno.test("broadcasts bring a change at the keep-alive, in place of the ping", async () => {
  const { state, broadcastSource } = source({ "a/b": "1" });
  await using push = await PushWorld.open({ broadcastSource });
  const { device } = await push.greet({ broadcasts: { "a/b": "1" } });
  state.versions = { "a/b": "2" };
  await push.world.advance(300_000);
  assertEquals(device.take("broadcast"), [{
    messageType: "broadcast",
    broadcasts: { "a/b": "2" },
  }]);
  assertEquals(device.pings, 0);
  await push.world.advance(300_000);
  assertEquals(device.take("broadcast"), []);
  assertEquals(device.pings, 1);
});

Deno.test("broadcasts answer a subscription only when there is something to say", async () => {
  const { broadcastSource } = source({ "a/b": "1" });
  await using push = await PushWorld.open({ broadcastSource });
  const { device } = await push.greet();
  device.say({ messageType: "broadcast_subscribe", broadcasts: { "a/b": "1" } });
  await push.world.settle();
  assertEquals(device.heard, []);
  device.say({ messageType: "broadcast_subscribe", broadcasts: { "a/b": "0" } });
  await push.world.settle();
  assertEquals(device.take("broadcast")[0]?.["broadcasts"], { "a/b": "1" });
});

Deno.test("broadcasts keep old versions while the source is away", async () => {
  const { state, broadcastSource } = source({ "a/b": "1" });
  await using push = await PushWorld.open({ broadcastSource });
  state.versions = undefined;
  await push.world.advance(60_000);
  const { device } = await push.greet();
  device.say({ messageType: "broadcast_subscribe", broadcasts: { "a/b": "0" } });
  await push.world.settle();
  assertEquals(device.take("broadcast")[0]?.["broadcasts"], { "a/b": "1" });
  const polls = push.events.filter(({ kind }) => kind === "broadcasts_polled");
  assertEquals(polls.map((event) => event.kind === "broadcasts_polled" && event.ok), [
    false,
    false,
  ]);
});
