/**
 * The store a setting names.
 *
 * @module
 */

import type { MessageStore, NodeDirectory, Presence } from "../actors/push/ports.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import { MemoryStore } from "../transports/memory/memory_store.ts";
import { openSqliteStore } from "../transports/sqlite/sqlite_store.ts";
import { openSharedMessages, type SharedMessages } from "./engines.ts";
import { naming } from "./start_error.ts";

/** The store of the Web Push half, opened. */
export interface OpenStore extends AsyncDisposable {
  /** User agents, channels and messages. */
  readonly messages: MessageStore;
  /** What nodes that use it tell each other through it; absent when no other node can use it. */
  readonly cluster: (Presence & NodeDirectory) | undefined;
}

/** The store's address as a person writes it. */
export function storeText({ store, data }: Pick<Settings, "store" | "data">): string {
  switch (store?.kind) {
    case undefined:
      return `sqlite:${data}`;
    case "sqlite":
      return `sqlite:${store.folder}`;
    case "memory":
      return "memory:";
    case "postgres":
    case "redis":
      return store.shown;
  }
}

/** Opens the store; rejects with the reason as a sentence. Commits to a disk of this machine are told with their length. */
export async function openStore(
  settings: Settings,
  onCommit: (commit: { readonly durationMs: number }) => void,
): Promise<OpenStore> {
  const { store, data, userLifetimeSeconds } = settings;
  switch (store?.kind) {
    case "memory":
      return alone(new MemoryStore({ userLifetimeSeconds }));
    case undefined:
    case "sqlite": {
      const directory = store?.folder ?? data;
      // The error's own sentence says what to do; that of its cause would not.
      const setting = store === undefined ? "data" : "store";
      return alone(
        await naming(setting, () => openSqliteStore({ directory, userLifetimeSeconds, onCommit })),
      );
    }
    case "postgres":
    case "redis":
      return shared(await naming("store", () => openSharedMessages(settings, store)));
  }
}

function alone(messages: MessageStore & AsyncDisposable): OpenStore {
  return {
    messages,
    cluster: undefined,
    [Symbol.asyncDispose]: () => messages[Symbol.asyncDispose](),
  };
}

function shared(messages: SharedMessages): OpenStore {
  return {
    messages,
    cluster: messages,
    [Symbol.asyncDispose]: () => messages[Symbol.asyncDispose](),
  };
}
