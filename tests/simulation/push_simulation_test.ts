/**
 * The Web Push half under random traffic, lost connections, failing stores, crashing sessions and a
 * crashing registry,
 * one seed at a time. When the faults stop, every message that was accepted with a TTL must have
 * reached its device and left the store: accepted = acknowledged, none twice after its
 * acknowledgement was stored, first deliveries in the order of acceptance.
 *
 * `SIMULATION_SEEDS=1000 deno task simulate` runs more; `SIMULATION_SEED=17` runs one.
 */

import { assertEquals } from "@std/assert";
import { SeededRandom } from "../../actors/testing/mod.ts";
import { BROKEN, type Heard, PushWorld, type WorldDevice } from "../support/push_world.ts";

const FIRST = Number(Deno.env.get("SIMULATION_SEED") ?? 1);
const COUNT = Deno.env.has("SIMULATION_SEED") ? 1 : Number(Deno.env.get("SIMULATION_SEEDS") ?? 40);
const STEPS = 300;
const USERS = 3;

/** A user agent and what the outside knows of it. */
class User {
  device: WorldDevice | undefined;
  /** Message ids in the order in which their senders were answered. */
  readonly accepted: string[] = [];
  /** Message ids in the order in which the device first saw them. */
  readonly seen: string[] = [];
  readonly uaid: string;
  readonly channelId: string;

  constructor({ uaid, channelId, device }: {
    readonly uaid: string;
    readonly channelId: string;
    readonly device: WorldDevice;
  }) {
    this.uaid = uaid;
    this.channelId = channelId;
    this.device = device;
  }

  /** Takes what was sent and acknowledges some of it. */
  read(acknowledge: (notification: Heard) => boolean): void {
    const sent = this.device?.take("notification") ?? [];
    for (const { version } of sent) {
      if (!this.seen.includes(String(version))) this.seen.push(String(version));
    }
    this.device?.ack(sent.filter(acknowledge));
  }
}

async function simulate(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const chance = (share: number) => random.next() < share;
  let faulty = false;
  await using push = await PushWorld.open({
    seed,
    fault: () => faulty && chance(0.1) ? (chance(0.5) ? "io" : "busy") : undefined,
  });
  const users: User[] = [];
  for (let count = 0; count < USERS; count++) users.push(new User(await push.subscribe()));

  const actions: readonly ((user: User) => unknown)[] = [
    (user) => post(push, user),
    (user) => post(push, user),
    (user) => post(push, user),
    (user) => user.read(() => chance(0.7)),
    (user) => user.read(() => true),
    (user) => user.device?.drop(),
    (user) => connect(push, user),
    (user) => connect(push, user),
    () => push.world.advance(Math.floor(random.next() * 2_000)),
    (user) =>
      user.device?.open === true && chance(0.2) && user.device.session.trySend("received", "["),
    () => faulty = chance(0.3),
    () => push.world.settle(),
    (user) => user.device?.open === true && user.device.session.trySend("deliver", BROKEN),
    // Rarely, and never more often than the tree's restart intensity forgives.
    () => chance(0.2) && crashRegistry(push),
  ];
  for (let step = 0; step < STEPS; step++) {
    const user = users[Math.floor(random.next() * users.length)];
    const action = actions[Math.floor(random.next() * actions.length)];
    if (user !== undefined) await action?.(user);
  }
  faulty = false;
  for (const user of users) await drain(push, user);
}

/** Ends the registry and, after it, every session; the devices have to come back. */
async function crashRegistry(push: PushWorld): Promise<void> {
  push.refs.messages.registry.trySend("deliver", BROKEN);
  await push.world.advance(10_001);
}

/** Posts; a failing store is an answer too, and then nothing was accepted. */
async function post(push: PushWorld, user: User): Promise<void> {
  try {
    const accepted = await push.post(user, { ttlSeconds: 1_000_000 });
    if (accepted.kind === "accepted") user.accepted.push(accepted.messageId);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "StoreError") throw error;
  }
}

async function connect(push: PushWorld, user: User): Promise<void> {
  if (user.device?.open === true) return;
  const device = push.connect();
  user.device = device;
  device.say({ messageType: "hello", uaid: user.uaid });
  await push.world.settle();
}

/** Connects once more, acknowledges everything, and compares. */
async function drain(push: PushWorld, user: User): Promise<void> {
  user.device?.drop();
  await push.world.settle();
  await connect(push, user);
  for (let round = 0; round < STEPS; round++) {
    user.read(() => true);
    await push.world.settle();
  }
  assertEquals(user.device?.closedBy, undefined);
  assertEquals(await push.waiting(user.uaid), []);
  assertEquals(user.seen.filter((id) => user.accepted.includes(id)), user.accepted);
}

for (let seed = FIRST; seed < FIRST + COUNT; seed++) {
  Deno.test(`push simulation, SIMULATION_SEED=${seed}`, () => simulate(seed));
}
