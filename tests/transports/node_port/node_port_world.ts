/**
 * A node port for one test: a real port on loopback, whose peer writes down what it is asked.
 *
 * @module
 */

import type { DisplacedSession, Peer, PushMessage } from "../../../transports/node_port/ports.ts";
import type { HttpDoor } from "../../../transports/http_door/http_door.ts";
import {
  type NodePortEvent,
  type NodePortOptions,
  serveNodePort,
} from "../../../transports/node_port/serve_node_port.ts";
import { nodeTokens } from "../../../transports/node_port/node_token.ts";
import { exchange, type RawAnswer } from "../http_door/raw_client.ts";

/** Two keys, newest first. */
export const NEW_KEY = "TmV3S2V5TmV3S2V5TmV3S2V5TmV3S2V5TmV3S2V5TmU=";
/** The key that was there before. */
export const OLD_KEY = "T2xkS2V5T2xkS2V5T2xkS2V5T2xkS2V5T2xkS2V5T2w=";

/** A user agent that is connected here. */
export const HERE = "0123456789abcdef0123456789abcdef";
/** One that is not. */
export const AWAY = "ffffffffffffffffffffffffffffffff";

/** Does what it is asked, for all user agents but {@link AWAY}. */
export class RecordingPeer implements Peer {
  /** Messages in the order they came. */
  readonly messages: PushMessage[] = [];
  /** Items of each call of `push`. */
  readonly blocks: number[] = [];
  /** User agents that were to look into the store. */
  readonly notified: string[] = [];
  /** Sessions to end. */
  readonly displaced: DisplacedSession[] = [];
  /** Thrown instead of an answer, when set. */
  failure: Error | undefined;

  push(messages: readonly PushMessage[]): Promise<readonly boolean[]> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.messages.push(...messages);
    this.blocks.push(messages.length);
    return Promise.resolve(messages.map(({ uaid }) => uaid !== AWAY));
  }

  notify(uaids: readonly string[]): Promise<readonly boolean[]> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.notified.push(...uaids);
    return Promise.resolve(uaids.map((uaid) => uaid !== AWAY));
  }

  displace(sessions: readonly DisplacedSession[]): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.displaced.push(...sessions);
    return Promise.resolve();
  }
}

/** A port with a {@link RecordingPeer}. */
export class NodePortWorld implements AsyncDisposable {
  /** What the port asks. */
  readonly peer: RecordingPeer;
  /** What it reported. */
  readonly events: readonly NodePortEvent[];
  readonly #door: HttpDoor;

  private constructor(door: HttpDoor, peer: RecordingPeer, events: readonly NodePortEvent[]) {
    this.#door = door;
    this.peer = peer;
    this.events = events;
  }

  /** Opens a port on a free port number with both keys, unless told otherwise. */
  static async open(options: Partial<NodePortOptions> = {}): Promise<NodePortWorld> {
    const peer = new RecordingPeer();
    const events: NodePortEvent[] = [];
    const door = await serveNodePort({
      hostname: "127.0.0.1",
      port: 0,
      secrets: [NEW_KEY, OLD_KEY],
      version: "1.2.3",
      peer,
      onEvent: (event) => events.push(event),
      ...options,
    });
    return new NodePortWorld(door, peer, events);
  }

  /** The number of its port. */
  get port(): number {
    return this.#door.port;
  }

  /** Its origin. */
  get url(): string {
    return `http://127.0.0.1:${this.#door.port}`;
  }

  /** Connections open now. */
  get connections(): number {
    return this.#door.connections;
  }

  /** Sends one request with the token of the old key, on a connection of its own. */
  ask(method: string, path: string, body: unknown, token = TOKEN): Promise<RawAnswer> {
    // A text is written as it is, each character one byte.
    const bytes = typeof body === "string"
      ? body
      : String.fromCharCode(...new TextEncoder().encode(JSON.stringify(body)));
    const head = [
      `${method} ${path} HTTP/1.1`,
      "Host: localhost",
      "Connection: close",
      ...(token === "" ? [] : [`Authorization: Bearer ${token}`]),
      `Content-Length: ${bytes.length}`,
    ];
    return exchange(this.port, `${head.join("\r\n")}\r\n\r\n${bytes}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#door[Symbol.asyncDispose]();
  }
}

/** The token of the old key. */
export const [TOKEN]: readonly [string, ...string[]] = nodeTokens([OLD_KEY]);

/** A message for {@link HERE}, but for these fields. */
export function messageOf(changes: Partial<PushMessage> = {}): PushMessage {
  return {
    uaid: HERE,
    channelId: "00000000-0000-4000-8000-000000000001",
    ttlSeconds: 60,
    topic: undefined,
    content: undefined,
    sortKey: 1_700_000_000_000_000,
    version: "gAAAAABversion==",
    expiresAt: 1_700_000_060,
    ...changes,
  };
}
