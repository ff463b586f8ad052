/**
 * The store a setting names.
 *
 * @module
 */

import type { MessageStore } from "../actors/push/ports.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import { MemoryStore } from "../transports/memory/memory_store.ts";
import { openSqliteStore } from "../transports/sqlite/sqlite_store.ts";

/** A store that can be closed. */
export type Store = MessageStore & AsyncDisposable;

/** The store's address as a person writes it. */
export function storeText({ store, data }: Pick<Settings, "store" | "data">): string {
  return store?.kind === "memory" ? "memory:" : `sqlite:${store?.folder ?? data}`;
}

/** Opens the store; rejects with the reason as a sentence. Commits are told with their length. */
export function openStore(
  settings: Settings,
  onCommit: (commit: { readonly durationMs: number }) => void,
): Promise<Store> {
  const { store, data, userLifetimeSeconds } = settings;
  if (store?.kind === "memory") {
    return Promise.resolve(new MemoryStore({ userLifetimeSeconds }));
  }
  return openSqliteStore({
    directory: store?.folder ?? data,
    userLifetimeSeconds,
    onCommit,
  });
}
