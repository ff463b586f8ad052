/**
 * Three nodes on one store under random traffic: devices that hop between nodes, posts to any of them,
 * nodes that cannot reach each other or cannot renew their lease, failing stores, one seed at a time.
 *
 * When the faults stop, a device that is connected has been sent everything that was accepted for it,
 * without connecting again and without its keep-alive: no message waits in a gap, though the calls that
 * say where devices are fail, too, in every other run. Every message that was
 * accepted reached its device and left the store; while the nodes reach each other, those that one of
 * them accepted came in the order of acceptance.
 *
 * `SIMULATION_SEEDS=1000 deno task simulate` runs more; `SIMULATION_SEED=17` runs one.
 */

import { assertEquals } from "@std/assert";
import { SeededRandom } from "../../actors/testing/mod.ts";
import { notifications, WorldNodes } from "../support/node_pair.ts";
import type { Heard, WorldDevice } from "../support/push_world.ts";

const FIRST = Number(Deno.env.get("SIMULATION_SEED") ?? 1);
const COUNT = Deno.env.has("SIMULATION_SEED") ? 1 : Number(Deno.env.get("SIMULATION_SEEDS") ?? 40);
const STEPS = 300;
const USERS = 3;
const NAMES = ["a", "b", "c"];
/** Longer than a lease and a few renewals. */
const HEALED_MS = 20_000;

/** A user agent and what the outside knows of it. */
interface User {
  device: WorldDevice | undefined;
  /** What this connection brought and the device has not acknowledged. */
  unacknowledged: readonly Heard[];
  readonly uaid: string;
  readonly channelId: string;
  /** By node, message ids in the order in which their senders were answered. */
  readonly accepted: ReadonlyMap<string, string[]>;
  /** Message ids in the order in which the device first saw them. */
  readonly seen: string[];
}

/** Takes what was sent and acknowledges some of it. */
function read(user: User, acknowledge: (notification: Heard) => boolean): void {
  const { device, seen } = user;
  if (device === undefined) return;
  const sent = [...user.unacknowledged, ...notifications(device)];
  for (const { version } of sent) {
    if (!seen.includes(String(version))) seen.push(String(version));
  }
  const acknowledged = new Set(sent.filter(acknowledge));
  user.unacknowledged = sent.filter((notification) => !acknowledged.has(notification));
  if (device.open) device.ack([...acknowledged]);
}

/** Posts to a node; a failing store is an answer too, and then nothing was accepted. */
async function post(nodes: WorldNodes, name: string, user: User): Promise<void> {
  try {
    const accepted = await nodes.node(name).push.post(user, { ttlSeconds: 1_000_000 });
    if (accepted.kind === "accepted") user.accepted.get(name)?.push(accepted.messageId);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "StoreError") throw error;
  }
}

/** Connects to a node; the connection before may be open still, on any node. */
async function connect(nodes: WorldNodes, name: string, user: User): Promise<void> {
  read(user, () => true);
  const device = nodes.node(name).push.connect();
  user.device = device;
  user.unacknowledged = [];
  device.say({ messageType: "hello", uaid: user.uaid });
  await nodes.world.settle();
}

async function simulate(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const chance = (share: number) => random.next() < share;
  const pick = <T>(list: readonly T[]): T | undefined =>
    list[Math.floor(random.next() * list.length)];
  const node = () => pick(NAMES) ?? "a";
  const presenceFails = seed % 2 === 0;
  const undisturbed = seed % 4 === 1;
  let faulty = false;
  const fault = () => faulty && chance(0.1) ? "io" : undefined;
  await using nodes = await WorldNodes.open(NAMES, {
    seed,
    store: { fault },
    cluster: { fault: () => presenceFails ? fault() : undefined },
  });
  const users: User[] = [];
  for (let count = 0; count < USERS; count++) {
    const accepted = new Map(NAMES.map((name) => [name, []]));
    const subscribed = await nodes.node(node()).push.subscribe();
    users.push({ ...subscribed, accepted, seen: [], unacknowledged: [] });
  }
  const toggle = (set: Set<string>) => {
    const name = node();
    if (!set.delete(name)) set.add(name);
  };
  const actions: readonly ((user: User) => unknown)[] = [
    (user) => post(nodes, node(), user),
    (user) => post(nodes, node(), user),
    (user) => post(nodes, node(), user),
    (user) => post(nodes, node(), user),
    (user) => read(user, () => chance(0.7)),
    (user) => read(user, () => true),
    (user) => user.device?.drop(),
    (user) => connect(nodes, node(), user),
    (user) => connect(nodes, node(), user),
    () => nodes.world.advance(Math.floor(random.next() * 4_000)),
    () => undisturbed || toggle(nodes.unreachable),
    () => undisturbed || chance(0.5) && toggle(nodes.cutOff),
    () => faulty = chance(0.3),
    () => nodes.world.settle(),
  ];
  for (let step = 0; step < STEPS; step++) {
    const user = pick(users);
    if (user !== undefined) await pick(actions)?.(user);
  }
  faulty = false;
  nodes.unreachable.clear();
  nodes.cutOff.clear();
  // What failed before may be about to end a session.
  await nodes.world.settle();
  for (const user of users) {
    if (user.device?.open !== true) await connect(nodes, node(), user);
  }
  for (let ms = 0; ms < HEALED_MS; ms += 1_000) {
    await nodes.pass(1_000);
    for (const { device } of users) device?.pong();
  }
  for (const user of users) await compare(nodes, user, undisturbed);
}

/** The device acknowledges what it was sent until nothing more comes; it has everything then. */
async function compare(nodes: WorldNodes, user: User, inOrder: boolean): Promise<void> {
  for (let round = 0; round < STEPS; round++) {
    read(user, () => true);
    await nodes.world.settle();
  }
  assertEquals(user.device?.closedBy, undefined);
  assertEquals(await nodes.node("a").push.waiting(user.uaid), []);
  for (const accepted of user.accepted.values()) {
    const seen = user.seen.filter((id) => accepted.includes(id));
    assertEquals(inOrder ? seen : seen.toSorted(), inOrder ? accepted : accepted.toSorted());
  }
}

for (let seed = FIRST; seed < FIRST + COUNT; seed++) {
  Deno.test(`nodes simulation, SIMULATION_SEED=${seed}`, () => simulate(seed));
}
