/**
 * Autopush's tests of broadcasts: versions that a device follows without a subscription, told at
 * hello, on demand, and when they change at the next keep-alive tick, in place of its ping.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { PushClient, type ServerMessage } from "../support/push_client.ts";
import type { AutopushWorld, Megaphone } from "./autopush_world.ts";

/** One test of broadcasts. */
export type MirroredBroadcast = readonly [
  name: string,
  run: (world: AutopushWorld, megaphone: Megaphone) => Promise<void>,
];

/** What is published at the start; each test changes an id of its own. */
export const VERSIONS: Readonly<Record<string, string>> = {
  "test/hello": '"rev1"',
  "test/subscribe": "rev1",
  "test/silent": "rev1",
};

/** Longest wait for a change: the suite's two seconds, and as much again for a busy machine. */
const CHANGE_MS = 4_000;
/** What is said of an id that nobody publishes. */
export const NOT_FOUND = "Broadcast not found";

/** A device whose hello names these broadcasts, and the broadcasts of the reply. */
export async function greet(
  world: AutopushWorld,
  broadcasts: Readonly<Record<string, string>> | undefined,
): Promise<{ readonly device: PushClient; readonly told: unknown }> {
  const device = await PushClient.open(world.service.deviceUrl);
  device.send("hello", { use_webpush: true, ...broadcasts && { broadcasts } });
  const reply = await next(device, "hello", 0);
  return { device, told: reply.get("broadcasts") };
}

/** Subscribes to these broadcasts and gives what the reply tells. */
async function subscribe(
  device: PushClient,
  broadcasts: Readonly<Record<string, string>>,
): Promise<unknown> {
  const from = device.messages.size;
  device.send("broadcast_subscribe", { broadcasts });
  return (await next(device, "broadcast", from)).get("broadcasts");
}

function next(device: PushClient, type: string, from: number): Promise<ServerMessage> {
  const match = (message: ServerMessage) => message.get("messageType") === type;
  return device.messages.next(match, { what: `a ${type}`, from, withinMs: CHANGE_MS });
}

/** Changes a version and sees that the device is told, of this change and nothing else. */
async function seesChange(device: PushClient, megaphone: Megaphone, id: string): Promise<void> {
  const from = device.messages.size;
  megaphone.versions.set(id, "rev2");
  assertEquals((await next(device, "broadcast", from)).get("broadcasts"), { [id]: "rev2" });
}

/** The tests, in an order in which no change is seen by another's device. */
export const BROADCASTS: readonly MirroredBroadcast[] = [
  [
    "A hello learns the newer version, and later changes (test_broadcast_update_on_connect)",
    async (world, megaphone) => {
      const { device, told } = await greet(world, { "test/hello": "ver1" });
      await using _device = device;
      assertEquals(told, { "test/hello": '"rev1"' });
      await seesChange(device, megaphone, "test/hello");
    },
  ],
  [
    "A hello learns which ids nobody publishes (test_broadcast_update_on_connect_with_errors)",
    async (world) => {
      const { device, told } = await greet(world, {
        "test/subscribe": "ver1",
        "kinto:456": "ver1",
      });
      await using _device = device;
      assertEquals(told, { "test/subscribe": "rev1", errors: { "kinto:456": NOT_FOUND } });
    },
  ],
  [
    "A subscription is answered, and told of later changes (test_broadcast_subscribe)",
    async (world, megaphone) => {
      const { device, told } = await greet(world, undefined);
      await using _device = device;
      assertEquals(told, {});
      assertEquals(await subscribe(device, { "test/subscribe": "ver1" }), {
        "test/subscribe": "rev1",
      });
      await seesChange(device, megaphone, "test/subscribe");
    },
  ],
  [
    "A subscription learns which ids nobody publishes (test_broadcast_subscribe_with_errors)",
    async (world) => {
      const { device } = await greet(world, undefined);
      await using _device = device;
      assertEquals(await subscribe(device, { "test/silent": "ver1", "kinto:456": "ver1" }), {
        "test/silent": "rev1",
        errors: { "kinto:456": NOT_FOUND },
      });
    },
  ],
  ["A version that is known is not told (test_broadcast_no_changes)", async (world) => {
    const { device, told } = await greet(world, { "test/silent": "rev1" });
    await using _device = device;
    assertEquals(told, {});
    // Nothing to say is no message at all: the answer to the ping is the next thing that comes.
    device.send("broadcast_subscribe", { broadcasts: { "test/silent": "rev1" } });
    await device.ping();
    assertEquals(device.messages.size, 1);
  }],
];
