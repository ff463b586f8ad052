/**
 * What nodes that share a store do for each other, over HTTP: the port of a node, and its client.
 *
 * @module
 */

export type { HttpDoor } from "../http_door/http_door.ts";
export {
  openPeer,
  type PeerClient,
  type PeerClock,
  type PeerOptions,
  type PeerTimer,
} from "./open_peer.ts";
export {
  type Content,
  type ContentHeaders,
  type DisplacedSession,
  type Peer,
  PeerError,
  type PeerErrorCode,
  type PushMessage,
} from "./ports.ts";
export {
  type NodePortEvent,
  type NodePortLimits,
  type NodePortOptions,
  serveNodePort,
} from "./serve_node_port.ts";
