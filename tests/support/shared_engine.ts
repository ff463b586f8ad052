/**
 * The store that several nodes share: a real PostgreSQL or Redis that loses nothing it has answered
 * for, and that can go away and come back.
 *
 * @module
 */

import type { NodeRecord } from "../../actors/push/ports.ts";
import { migrate } from "../../transports/postgres/mod.ts";
import { DELIVERY_PART } from "../../transports/postgres_delivery/mod.ts";
import { MESSAGES_PART, openPostgresMessageStore } from "../../transports/postgres_messages/mod.ts";
import { openRedisMessageStore } from "../../transports/redis_messages/mod.ts";
import { startPostgres } from "./postgres_server.ts";
import { startRedis } from "./redis_server.ts";

/** The engines nodes can share. */
export const ENGINES = ["postgres", "redis"] as const;

/** One of them. */
export type EngineName = typeof ENGINES[number];

/** A running engine. */
export interface SharedEngine extends AsyncDisposable {
  /** Address of a store in it that nobody else was given, ready to be opened. */
  freshStore(): Promise<string>;
  /** The nodes that are in the directory of a store and alive. */
  nodes(store: string): Promise<readonly NodeRecord[]>;
  /** Ends it in order. */
  stop(): Promise<void>;
  /** Ends it as a crash would. */
  kill9(): Promise<void>;
  /** Starts it again, on its port and with what it has kept. */
  start(): Promise<void>;
  /** Freezes it: connections stay, nothing is answered. */
  freeze(): Promise<void>;
  /** Lets it go on. */
  thaw(): Promise<void>;
}

/** Days a user agent is remembered in stores that are opened here, in seconds: longer than any test. */
const USER_LIFETIME_SECONDS = 86_400;

/** Starts an engine whose commits reach the disk before they are answered. */
export async function startEngine(name: EngineName): Promise<SharedEngine> {
  return name === "postgres" ? await postgres() : await redis();
}

async function postgres(): Promise<SharedEngine> {
  const server = await startPostgres({ durable: true });
  return {
    async freshStore() {
      const url = server.freshUrl();
      await migrate({ url }, [MESSAGES_PART, DELIVERY_PART]);
      return url;
    },
    async nodes(url) {
      await using store = await openPostgresMessageStore({
        url,
        userLifetimeSeconds: USER_LIFETIME_SECONDS,
      });
      return (await store.nodes()).alive;
    },
    stop: () => server.stop(),
    kill9: () => server.kill9(),
    start: () => server.start(),
    freeze: () => server.freeze(),
    thaw: () => server.thaw(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function redis(): Promise<SharedEngine> {
  const server = await startRedis({ appendfsync: "always" });
  return {
    freshStore: () => Promise.resolve(server.freshUrl()),
    async nodes(url) {
      await using store = await openRedisMessageStore({
        url,
        userLifetimeSeconds: USER_LIFETIME_SECONDS,
      });
      return (await store.nodes()).alive;
    },
    stop: () => server.stop(),
    kill9: () => server.kill9(),
    start: () => server.start(),
    freeze: () => Promise.resolve(server.pause()),
    thaw: () => Promise.resolve(server.resume()),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
