/**
 * The store a setting names.
 *
 * @module
 */

import type { MessageStore } from "../actors/push/ports.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import { MemoryStore } from "../transports/memory/memory_store.ts";
import { StoreOpenError } from "../transports/sqlite/errors.ts";
import { openSqliteStore } from "../transports/sqlite/sqlite_store.ts";
import { StartError } from "./start_error.ts";

/** A store that can be closed. */
export type Store = MessageStore & AsyncDisposable;

/** The store's address as a person writes it. */
export function storeText({ store, data }: Pick<Settings, "store" | "data">): string {
  return store?.kind === "memory" ? "memory:" : `sqlite:${store?.folder ?? data}`;
}

/** Opens the store; rejects with the reason as a sentence. Commits are told with their length. */
export async function openStore(
  settings: Settings,
  onCommit: (commit: { readonly durationMs: number }) => void,
): Promise<Store> {
  const { store, data, userLifetimeSeconds } = settings;
  if (store?.kind === "memory") {
    return new MemoryStore({ userLifetimeSeconds });
  }
  try {
    return await openSqliteStore({
      directory: store?.folder ?? data,
      userLifetimeSeconds,
      onCommit,
    });
  } catch (error) {
    if (!(error instanceof StoreOpenError)) throw error;
    // Its own sentence says what to do; that of its cause would not.
    const setting = store === undefined ? "data" : "store";
    throw new StartError(`${setting}: ${error.message}`, 1, { cause: error });
  }
}
