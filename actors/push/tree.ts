/**
 * The whole supervision tree of a node, as data.
 *
 * ```
 * push
 * ├─ messages    registry ─ broadcasts ─ sweeper ─ device_session*
 * └─ listeners   push_endpoint ─ device_sockets ─ api    those this node has
 * ```
 *
 * Start order is top to bottom and left to right, stop order the reverse: listeners close first,
 * so no new work comes in while sessions and the registry end. The push endpoint opens before the
 * device sockets, since endpoint URLs name its port. Without the registry the sessions
 * that entered it are unreachable, so its crash restarts everything after it (`rest_for_one`) and
 * the devices connect again.
 *
 * @module
 */

import type { Ref } from "../runtime/actor.ts";
import type { Pool } from "../runtime/pool.ts";
import { branch, pool, worker } from "../runtime/spec.ts";
import type { Supervisor } from "../runtime/supervisor.ts";
import type { Arrivals } from "./cluster/arrivals.ts";
import type { ForwarderProtocol } from "./cluster/forwarder.ts";
import { LISTENER_SHUTDOWN_MS } from "./limits.ts";
import { listener, type ListenerArgs, type ListenerProtocol } from "./listener.ts";
import { broadcasts, type BroadcastsProtocol } from "./messages/broadcasts.ts";
import {
  deviceSession,
  type DeviceSessionArgs,
  type DeviceSessionProtocol,
} from "./messages/device_session.ts";
import { registry, type RegistryProtocol } from "./messages/registry.ts";
import { sweeper, type SweeperProtocol } from "./messages/sweeper.ts";
import type { BroadcastSource, MessageStore, Observer } from "./ports.ts";

/** What the tree is given from outside. */
export interface PushTreeParts {
  /** Where everything is kept. */
  readonly store: MessageStore;
  /** Told what happens. */
  readonly observer: Observer;
  /** What finds devices on other nodes, and what they are told, if there are any. */
  readonly cluster?: { readonly forwarder: Ref<ForwarderProtocol>; readonly arrivals: Arrivals };
  /** Where broadcasts come from, if anywhere, and how often to look. */
  readonly broadcastSource: BroadcastSource | undefined;
  /** Time between two polls of the source. */
  readonly broadcastIntervalMs: number;
  /** Device sessions at once. */
  readonly sessionsMax: number;
  /** How to open each door; they may use the refs of the messages half. */
  readonly doors: (messages: MessagesRefs) => Doors;
}

/** The doors of a node, in the order of opening: HTTP for application servers, WebSockets of devices, HTTP for the operator. */
export const DOORS = ["pushEndpoint", "deviceSockets", "api"] as const;

/** One of {@link DOORS}. */
export type Door = typeof DOORS[number];

/** How to open each door this node has. */
export type Doors = Readonly<Partial<Record<Door, ListenerArgs["open"]>>>;

/** The Web Push half's actors. */
export interface MessagesRefs {
  /** Who is connected. */
  readonly registry: Ref<RegistryProtocol>;
  /** Versions of broadcasts. */
  readonly broadcasts: Ref<BroadcastsProtocol>;
  /** Removes what expired. */
  readonly sweeper: Ref<SweeperProtocol>;
  /** One actor per device connection. */
  readonly sessions: Pool<DeviceSessionProtocol, DeviceSessionArgs>;
}

/** The listening doors' actors, by the names in {@link DOORS}. */
export type ListenersRefs = Readonly<Record<string, Ref<ListenerProtocol>>>;

/** Refs of the whole tree. */
export interface PushRefs {
  /** The Web Push half. */
  readonly messages: MessagesRefs;
  /** The doors. */
  readonly listeners: ListenersRefs;
}

/** Actors that do their work from memory: five crashes in ten seconds mean that restarting does not help. */
const INTENSITY = { restarts: 5, withinMs: 10_000 };
const BACKOFF = { minMs: 100, maxMs: 5_000 };

/** The tree over these parts. */
export function pushTree(parts: PushTreeParts): Supervisor<PushRefs> {
  return {
    strategy: "rest_for_one",
    intensity: INTENSITY,
    children: {
      messages: branch(messagesTree(parts)),
      listeners: branch((refs: PushRefs) => listenersTree(parts.doors(refs.messages))),
    },
  };
}

function messagesTree(parts: PushTreeParts): Supervisor<MessagesRefs> {
  const { store, observer, broadcastSource, broadcastIntervalMs, sessionsMax } = parts;
  return {
    strategy: "rest_for_one",
    intensity: INTENSITY,
    children: {
      registry: worker(registry, {
        args: () => ({
          observer,
          forwarder: parts.cluster?.forwarder,
          arrivals: parts.cluster?.arrivals,
        }),
        restart: "permanent",
      }),
      broadcasts: worker(broadcasts, {
        args: () => ({ source: broadcastSource, intervalMs: broadcastIntervalMs, observer }),
        restart: "permanent",
        backoff: BACKOFF,
      }),
      sweeper: worker(sweeper, { args: () => ({ store, observer }), restart: "permanent" }),
      sessions: pool(deviceSession, { childrenMax: sessionsMax }),
    },
  };
}

const DOOR_NAMES: Readonly<Record<Door, string>> = {
  pushEndpoint: "push_endpoint",
  deviceSockets: "device_sockets",
  api: "api",
};

function listenersTree(doors: Doors): Supervisor<ListenersRefs> {
  const children = DOORS.flatMap((door) => {
    const open = doors[door];
    if (open === undefined) return [];
    const spec = worker(listener(DOOR_NAMES[door]), {
      args: (_: ListenersRefs) => ({ open }),
      restart: "permanent",
      shutdownMs: LISTENER_SHUTDOWN_MS,
      backoff: BACKOFF,
    });
    return [[door, spec] as const];
  });
  return { strategy: "one_for_one", intensity: INTENSITY, children: Object.fromEntries(children) };
}
