/**
 * The push actors: what a Web Push service decides, and the ports to what it stands on.
 *
 * @module
 */

export * from "./cluster/arrivals.ts";
export * from "./cluster/forwarder.ts";
export * from "./cluster/lease_keeper.ts";
export * from "./cluster/local_peer.ts";
export * from "./cluster/tree.ts";
export * from "./listener.ts";
export * from "./messages/broadcasts.ts";
export type { Acknowledgement, ClientMessage } from "./messages/client_message.ts";
export * from "./messages/device_session.ts";
export * from "./messages/push_service.ts";
export * from "./messages/registry.ts";
export type { BroadcastDelta } from "./messages/server_message.ts";
export * from "./messages/session.ts";
export * from "./messages/sort_keys.ts";
export * from "./messages/sweeper.ts";
export type * from "./ports.ts";
export type * from "./tracer.ts";
export * from "./tree.ts";
