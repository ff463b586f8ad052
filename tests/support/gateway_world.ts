/**
 * One gateway with its connections in a world of its own, over a provider whose every connection and
 * answer a test decides.
 */

import { branch, pool, worker } from "../../actors/runtime/spec.ts";
import { connection } from "../../actors/push/delivery/connection.ts";
import { gateway, type GatewayArgs } from "../../actors/push/delivery/gateway.ts";
import type {
  Answers,
  DeliveryEvent,
  Destination,
  Leg,
  Prepared,
  ProviderConnection,
  Routed,
  SendBlock,
  Verdict,
} from "../../actors/push/delivery/ports.ts";
import type { Notification } from "../../actors/push/delivery/records.ts";
import type { GatewayRefs } from "../../actors/push/delivery/tree.ts";
import { World } from "../../actors/testing/mod.ts";

/** Says the same to all. */
export function same(verdict: Verdict, count: number): Answers {
  return { verdicts: count === 0 ? [] : [verdict], of: new Uint16Array(count) };
}

export const DELIVERED: Verdict = { kind: "delivered" };
export const UNSENT: Verdict & { kind: "unsent" } = {
  kind: "unsent",
  reason: "the connection is going away",
};

/** What a connection does with the addresses it is given. */
export type Send = (
  connection: TestConnection,
  addresses: readonly string[],
) => Promise<Answers>;

/** A connection that a test ends. */
export class TestConnection implements ProviderConnection {
  readonly streamsMax = 100;
  readonly inFlight = 0;
  readonly ended: Promise<string>;
  readonly origin: string;
  closed = false;
  readonly leave: (reason: string) => void;

  constructor(origin: string) {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.origin = origin;
    this.ended = promise;
    this.leave = resolve;
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

const NOTIFICATION: Notification = {
  id: "0190f0e4-8a3b-7c11-9d55-3f2b6c1a7e90",
  app: "shop",
  content: { title: "hello" },
  ttlSeconds: 3_600,
  urgency: "normal",
  topic: undefined,
  createdAt: 0,
  sendAt: 0,
  expiresAt: 3_600_000,
  ratePerSecond: undefined,
  rows: "failures",
};

/** A block of these addresses; what stands before their first dot is the origin they lead to. */
export function block(...addresses: readonly string[]): SendBlock {
  return {
    notification: NOTIFICATION,
    app: { name: "shop", version: 1, credentials: {} },
    recipients: {
      platform: "apns",
      numbers: [...addresses.keys()],
      addresses,
      keys: new Uint8Array(),
      suspects: [],
    },
  };
}

/** What became of a block: its verdicts by recipient, or why there are none. */
export type Sent = readonly Verdict[] | "rejected";

export class GatewayWorld implements AsyncDisposable {
  readonly world: World = new World();
  readonly events: DeliveryEvent[] = [];
  /** All that were opened, the oldest first. */
  readonly connections: TestConnection[] = [];
  /** Each call to render a notification. */
  rendered = 0;
  /** What connections do. */
  send: Send = (_, addresses) => Promise.resolve(same(DELIVERED, addresses.length));
  /** What opening one comes to. */
  connect = (origin: string): Promise<TestConnection> => {
    const opened = new TestConnection(origin);
    this.connections.push(opened);
    return Promise.resolve(opened);
  };
  /** What rendering comes to. */
  prepare = (): Promise<Prepared<TestConnection>> =>
    Promise.resolve({ kind: "ready", route: (recipients) => this.route(recipients.addresses) });
  refs!: GatewayRefs<TestConnection>;

  static async open({ connectionsMax = 8 } = {}): Promise<GatewayWorld> {
    const opened = new GatewayWorld();
    const args: Omit<GatewayArgs<TestConnection>, "connections"> = {
      provider: {
        platform: "apns",
        prepare: () => {
          opened.rendered++;
          return opened.prepare();
        },
      },
      observer: { record: (event) => void opened.events.push(event) },
    };
    const refs = await opened.world.system.start<{ gateway: GatewayRefs<TestConnection> }>("test", {
      strategy: "one_for_one",
      intensity: { restarts: 0, withinMs: 1_000 },
      children: {
        gateway: branch<GatewayRefs<TestConnection>, unknown>({
          strategy: "rest_for_one",
          intensity: { restarts: 5, withinMs: 10_000 },
          children: {
            connections: pool(connection<TestConnection>(), { childrenMax: connectionsMax }),
            gateway: worker(gateway<TestConnection>("gateway"), {
              args: ({ connections }: GatewayRefs<TestConnection>) => ({ ...args, connections }),
              restart: "permanent",
            }),
          },
        }),
      },
    });
    opened.refs = refs.gateway;
    return opened;
  }

  /** Splits addresses by origin. */
  route(addresses: readonly string[]): Routed<TestConnection> {
    const origins = Map.groupBy(addresses.keys(), (place) => addresses[place]?.split(".")[0] ?? "");
    const legs = [...origins].map(([origin, places]): Leg<TestConnection> => {
      const destination: Destination<TestConnection> = {
        key: origin,
        origin,
        connectionsMax: 4,
        connect: () => this.connect(origin),
      };
      const named = (index: number) => addresses[places[index] ?? 0] ?? "";
      return {
        destination,
        places,
        send: (connection, indexes) => this.send(connection, indexes.map(named)),
      };
    });
    return { settled: new Map<number, Verdict>(), legs };
  }

  /** Offers a block; what became of it is there once it is settled. */
  offer(offered: SendBlock): { sent: Sent | undefined } {
    const seen: { sent: Sent | undefined } = { sent: undefined };
    this.refs.gateway.within(600_000).ask("send", offered).then(({ verdicts, of }) => {
      seen.sent = [...of].flatMap((index) => verdicts[index] ?? []);
    }, () => {
      seen.sent = "rejected";
    });
    return seen;
  }

  /** Offers a block, lets what can happen at once happen, and says what became of it. */
  async sent(offered: SendBlock): Promise<Sent | undefined> {
    const seen = this.offer(offered);
    await this.world.settle();
    return seen.sent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
  }
}
