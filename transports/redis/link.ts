/**
 * The connection itself: one to a single Redis, or one to each master of a cluster. Both are the
 * library's, which pipelines what is sent within one turn and connects again by itself.
 *
 * Commands are sent raw and over RESP2, with blobs as bytes: one shape of replies for every command,
 * and nothing is ever decoded that nobody reads. Nothing waits for a connection that is lost: calls
 * fail at once, so that their callers can answer.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { Buffer as NodeBuffer } from "node:buffer";
import { createClient, createCluster, RESP_TYPES } from "redis";
import type { RedisAddress } from "./address.ts";
import {
  CONNECT_TIMEOUT_MS,
  PING_INTERVAL_MS,
  RECONNECT_DELAY_MAX_MS,
  RECONNECT_DELAY_MIN_MS,
} from "./limits.ts";

/** A node of a cluster. */
export interface Seed {
  /** Its host, as the cluster names it. */
  readonly host: string;
  /** Its port. */
  readonly port: number;
}

/** What a link is made with. */
export interface LinkOptions {
  /** Where Redis is. */
  readonly address: RedisAddress;
  /** Certificates of authorities to trust besides the system's, PEM. */
  readonly caCert: string | undefined;
  /** The name under which Redis lists the connection. */
  readonly clientName: string;
  /** Nodes of the cluster that an earlier link knew; each of them tells the others. */
  readonly seeds: readonly Seed[];
  /** How long the other side may be silent, in milliseconds, until it is taken to be away. */
  readonly silenceMaxMs: number;
  /** Told each time a connection is ready, before anything is sent over it. */
  readonly onReady: () => void;
}

/** Something commands are sent over. */
export interface Link {
  /** Connects, once: rejects when that fails. Later the connection is made again by itself. */
  connect(): Promise<void>;
  /** Sends a command to the node that has `key`, to any when there is none. */
  send(key: string | undefined, args: readonly (string | Buffer)[]): Promise<unknown>;
  /** Sends a command to every node that takes writes. */
  sendToAll(args: readonly (string | Buffer)[]): Promise<readonly unknown[]>;
  /** The nodes of the cluster that it knows now; none when it is no cluster. */
  seeds(): readonly Seed[];
  /** The first thing that went wrong: what `connect` throws may only be its consequence. */
  readonly firstError: unknown;
  /** Ends it at once; calls on their way fail. */
  destroy(): void;
}

const TYPE_MAPPING = { [RESP_TYPES.BLOB_STRING]: NodeBuffer };

/** The delay before an attempt to connect again; a little chance keeps nodes from coming all at once. */
function reconnectDelay(retries: number): number {
  const delay = Math.min(
    RECONNECT_DELAY_MAX_MS,
    RECONNECT_DELAY_MIN_MS * 2 ** Math.min(retries, 10),
  );
  return delay / 2 + Math.random() * delay / 2;
}

/** What both kinds of connection are made with. */
function clientOptions(options: LinkOptions, isOpen: () => boolean) {
  const { address, caCert, clientName, silenceMaxMs } = options;
  const socket = {
    connectTimeout: Math.min(CONNECT_TIMEOUT_MS, silenceMaxMs),
    // A connection that has nothing to say is pinged, so silence means that the peer is away.
    socketTimeout: silenceMaxMs,
    // The first connection is tried once: whoever starts a program wants to know what is wrong.
    reconnectStrategy: (retries: number) => isOpen() ? reconnectDelay(retries) : false as const,
  };
  const tls = { tls: true as const, servername: serverName(address.host), ...caOption(caCert) };
  return {
    socket: address.tls ? { ...socket, ...tls } : socket,
    ...(address.username !== undefined && { username: address.username }),
    ...(address.password !== undefined && { password: address.password }),
    name: clientName,
    disableOfflineQueue: true,
    disableClientInfo: true,
    pingInterval: Math.min(PING_INTERVAL_MS, silenceMaxMs / 2),
    maintNotifications: "disabled" as const,
    // The library's own timeout ends only calls that were not yet written, at the price of a timer each.
    commandOptions: { typeMapping: TYPE_MAPPING, timeout: 0 },
  };
}

function caOption(caCert: string | undefined): { ca?: string } {
  return caCert === undefined ? {} : { ca: caCert };
}

/** Server names are for names: RFC 6066 section 3 forbids addresses there. */
function serverName(host: string): string {
  return /^[\d.]+$|:/.test(host) ? "" : host;
}

/** Makes the connection for one Redis. */
function singleLink(options: LinkOptions): Link {
  let opened = false;
  let destroyed = false;
  let firstError: unknown;
  const { host, port, database } = options.address;
  const common = clientOptions(options, () => opened);
  const client = createClient({
    ...common,
    RESP: 2,
    database,
    socket: { ...common.socket, host, port },
  });
  client.on("error", (error: unknown) => firstError ??= error);
  client.on("ready", () => {
    options.onReady();
    // Destroyed in the moment in which the handshake's last answer came, the library gets ready all the
    // same, and keeps the timer of its pings until it is told again.
    if (destroyed) queueMicrotask(() => client.destroy());
  });
  return {
    async connect() {
      await client.connect();
      opened = true;
    },
    send: (_key, args) => client.sendCommand(args),
    sendToAll: async (args) => [await client.sendCommand(args)],
    seeds: () => [],
    get firstError() {
      return firstError;
    },
    destroy() {
      destroyed = true;
      client.destroy();
    },
  };
}

/**
 * Makes the connections for a cluster, starting from the node that the address names, or from another
 * that was known before. Each node is connected to when it is first needed: one that is away must not
 * keep the others' keys away as well.
 */
function clusterLink(options: LinkOptions): Link {
  let opened = false;
  let firstError: unknown;
  const { host, port } = options.address;
  const seeds = [{ host, port }, ...options.seeds];
  const { commandOptions, ...defaults } = clientOptions(options, () => opened);
  const cluster = createCluster({
    RESP: 2,
    rootNodes: seeds.map((seed) => ({ socket: { ...defaults.socket, ...seed } })),
    defaults,
    minimizeConnections: true,
    commandOptions,
  });
  cluster.on("error", (error: unknown) => firstError ??= error);
  cluster.on("node-error", (error: unknown) => firstError ??= error);
  cluster.on("node-ready", options.onReady);
  return {
    async connect() {
      await cluster.connect();
      opened = true;
    },
    send: (key, args) => cluster.sendCommand(key, false, [...args]),
    sendToAll: (args) =>
      Promise.all(cluster.masters.map(async (node) => {
        const client = await cluster.nodeClient(node);
        return client.sendCommand(args);
      })),
    seeds: () => cluster.masters.map((node) => ({ host: node.host, port: node.port })),
    get firstError() {
      return firstError;
    },
    destroy: () => cluster.destroy(),
  };
}

/** Makes a link; {@link Link.connect} connects it. */
export function makeLink(options: LinkOptions): Link {
  return options.address.cluster ? clusterLink(options) : singleLink(options);
}
