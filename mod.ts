/**
 * Heliograph: a push server, and the parts it is made of.
 *
 * `deno run -A mod.ts serve` runs a node; `--help` says the rest. As a library this module has the
 * actor runtime, the push actors with their ports, and the transports, so that a program of your
 * own can put them together differently: with a store of its own, say, or inside a larger tree.
 *
 * @module
 */

export * from "./actors/mod.ts";
export type * from "./actors/push/ports.ts";
export {
  type Doors,
  type ListenersRefs,
  type MessagesRefs,
  type PushRefs,
  pushTree,
  type PushTreeParts,
} from "./actors/push/tree.ts";
export { PushService, type PushServiceParts } from "./actors/push/messages/push_service.ts";
export { SortKeys } from "./actors/push/messages/sort_keys.ts";
export { MemoryStore } from "./transports/memory/memory_store.ts";
export { openSqliteStore } from "./transports/sqlite/sqlite_store.ts";
export { type DeviceListenerOptions, listenDevices } from "./transports/device_socket/listener.ts";
export { servePushEndpoint } from "./transports/push_endpoint/serve_push_endpoint.ts";
export { TokenBox, type TokenBoxOptions } from "./transports/push_endpoint/token_box.ts";

if (import.meta.main) {
  const { main } = await import("./program/main.ts");
  Deno.exit(await main(Deno.args));
}
