/**
 * Load for several nodes on one store: devices that move between the nodes, senders that post to
 * any of them at a steady rate, and a last look by which nothing may be missing and nothing may
 * come back any more.
 *
 * @module
 */

import { assert } from "@std/assert";
import { Arrivals } from "../support/arrivals.ts";
import type { Seeded } from "../support/seeded.ts";
import type { Service } from "../support/service.ts";
import { endpointAt } from "../support/two_nodes.ts";
import type { Ledger } from "./ledger.ts";
import { type Channel, ForgottenError, LoadDevice, postNext } from "./load.ts";

/** Time between the answer to a post and the next one of its channel, in milliseconds. */
const PACE_MS = 20;
/** How long a device stays with a node, in milliseconds: a hop, or until something happens. */
const HOP_MS_MAX = 1_000;
const STAY_MS = 8_000;
const STAY_CHANCE = 0.4;
/** How likely a device is away between two sessions, and how long at most, in milliseconds. */
const AWAY_CHANCE = 0.3;
const AWAY_MS_MAX = 700;
/** Delay before a device tries another node, in milliseconds. */
const AGAIN_MS = 50;
/** How likely a session acknowledges everything, and how much it does otherwise. */
const ALL_ACKS_CHANCE = 0.7;
const FEW_ACKS_MAX = 30;
/** How likely a session makes sure of its acknowledgements. */
const CONFIRM_CHANCE = 0.5;
/** How long the last delivery may take, in milliseconds. */
const DRAIN_MS = 60_000;
/** Time between two looks at the ledger, in milliseconds. */
const LOOK_MS = 50;
/** Returns after which nothing may come that was acknowledged. */
const RETURNS_MAX = 5;

/** What the load is made of. */
export interface RoamingLoadOptions {
  /** The nodes; one that is not running refuses connections. */
  readonly nodes: readonly Service[];
  /** Where all is written down. */
  readonly ledger: Ledger;
  /** Decides who goes where. */
  readonly random: Seeded;
  /** Devices. */
  readonly devices: number;
  /** Channels of each. */
  readonly channels: number;
  /** Whether all posts of a channel go to the node that made its endpoint; otherwise to any node. */
  readonly ownNode?: boolean;
}

/** An answer to a post. */
export interface Answered {
  /** Its status, 0 when there was none. */
  readonly status: number;
  /** Its `Retry-After`. */
  readonly retryAfter: string | null;
  /** When it was posted, and when it was answered, monotonic. */
  readonly from: number;
  /** See {@link Answered.from}. */
  readonly to: number;
}

/** The running load. */
export class RoamingLoad {
  /** All answers. */
  readonly answers: Arrivals<Answered> = new Arrivals();
  readonly #options: RoamingLoadOptions;
  readonly #devices: readonly LoadDevice[];
  readonly #stop = new AbortController();
  readonly #tasks: readonly Promise<void>[];

  private constructor(options: RoamingLoadOptions, devices: readonly LoadDevice[]) {
    this.#options = options;
    this.#devices = devices;
    const channels = devices.flatMap((device) => device.channels);
    this.#tasks = [
      ...devices.map((device) => this.#roam(device)),
      ...channels.map((channel) => this.#send(channel)),
    ];
  }

  /** Subscribes the devices, sends them on their ways and starts the senders. */
  static async start(options: RoamingLoadOptions): Promise<RoamingLoad> {
    const devices: LoadDevice[] = [];
    for (let count = 0; count < options.devices; count++) {
      const device = new LoadDevice(options.ledger);
      await device.connect(nodeOf(options).deviceUrl, 0);
      await device.subscribe(options.channels);
      await device.disconnect();
      devices.push(device);
    }
    return new RoamingLoad(options, devices);
  }

  /** Posts so many messages at once, beside the steady ones; resolves when all are answered. */
  async burst(count: number): Promise<void> {
    const channels = this.#devices.flatMap((device) => device.channels);
    const posts = Array.from({ length: Math.ceil(count / channels.length) }, () => channels);
    await Promise.all(posts.flat().map((channel) => this.#post(channel)));
  }

  /** Ends senders and journeys; rejects when a device was forgotten. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#tasks);
  }

  /**
   * Everybody returns and acknowledges all there is, until a return brings nothing: all that must
   * arrive has arrived, and nothing that was acknowledged comes back for ever.
   */
  async drain(): Promise<void> {
    const { ledger } = this.#options;
    await this.#all((device) => device.connect(nodeOf(this.#options).deviceUrl, Infinity));
    await allArrived(ledger, DRAIN_MS);
    for (let returns = 1;; returns++) {
      await this.#all((device) => device.confirmAcks());
      await this.#all((device) => device.disconnect());
      const before = ledger.counts();
      await this.#all((device) => device.connect(nodeOf(this.#options).deviceUrl, Infinity));
      await this.#all((device) => device.confirmAcks());
      const { afterAck, redelivered } = ledger.counts();
      if (afterAck === before.afterAck && redelivered === before.redelivered) break;
      assert(returns < RETURNS_MAX, `${afterAck - before.afterAck} came back at return ${returns}`);
    }
    await this.#all((device) => device.disconnect());
  }

  async #all(run: (device: LoadDevice) => Promise<void>): Promise<void> {
    await Promise.all(this.#devices.map(run));
  }

  async #roam(device: LoadDevice): Promise<void> {
    const { random } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const acksMax = random.chance(ALL_ACKS_CHANCE) ? Infinity : random.between(0, FEW_ACKS_MAX);
      try {
        await device.connect(nodeOf(this.#options).deviceUrl, acksMax);
      } catch (error) {
        if (error instanceof ForgottenError) throw error;
        await pause(AGAIN_MS, signal); // That node is not there.
        continue;
      }
      const stayMs = random.chance(STAY_CHANCE) ? STAY_MS : random.between(0, HOP_MS_MAX);
      await pause(stayMs, signal, device.ended());
      // Who was cut off cannot know: those acknowledgements may come again.
      if (random.chance(CONFIRM_CHANCE)) await device.confirmAcks().catch(() => {});
      await device.disconnect();
      if (random.chance(AWAY_CHANCE)) await pause(random.between(0, AWAY_MS_MAX), signal);
    }
  }

  async #send(channel: Channel): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#post(channel);
      await pause(PACE_MS, signal);
    }
  }

  async #post(channel: Channel): Promise<void> {
    const { ledger, random, ownNode } = this.#options;
    const { endpoint } = channel;
    const url = ownNode === true ? endpoint : endpointAt(endpoint, nodeOf(this.#options));
    const from = performance.now();
    const answer = await postNext(ledger, random, channel, url);
    this.answers.add({
      status: answer?.status ?? 0,
      retryAfter: answer?.headers.get("retry-after") ?? null,
      from,
      to: performance.now(),
    });
  }
}

/** Waits until nothing is missing any more. */
export async function allArrived(ledger: Ledger, withinMs: number): Promise<void> {
  const looks = new Arrivals<number>();
  const timer = setInterval(() => looks.add(ledger.missing), LOOK_MS);
  try {
    await looks.next((missing) => missing === 0, {
      what: `the last of ${ledger.missing} messages: ${ledger.missingNames().join("; ")}`,
      withinMs,
    });
  } finally {
    clearInterval(timer);
  }
}

/** Answers by status; 0 counts the posts without one. */
export function byStatus(answers: readonly Answered[]): Readonly<Record<number, number>> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

function nodeOf({ nodes, random }: RoamingLoadOptions): Service {
  const node = nodes[random.between(0, nodes.length - 1)];
  if (node === undefined) throw new Error("No node to go to");
  return node;
}

/** Lets time pass, until the load ends or something else does. */
export async function pause(ms: number, signal: AbortSignal, or?: Promise<void>): Promise<void> {
  if (signal.aborted) return;
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(over.resolve, ms);
  const stop = () => over.resolve();
  signal.addEventListener("abort", stop, { once: true });
  or?.then(stop);
  await over.promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", stop);
}
