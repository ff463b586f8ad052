/**
 * The client of a node port: another node as a {@link Peer}.
 *
 * A call is split into blocks that follow each other, so that its messages arrive in their order; two
 * calls at once may overtake each other. Invariants: every call ends, at the latest when its deadline has passed; at most
 * `PEER_CONNECTIONS_MAX` connections are open and `CALLS_MAX` calls under way; nothing is sent twice,
 * but for a request that was refused because of its token.
 *
 * Why `node:http` and not `fetch`: it says by a code why a connection failed, asks no proxy of the
 * environment, and sends 1.7 times as many requests with one message.
 *
 * @example
 * ```ts
 * await using peer = openPeer({
 *   url: "http://127.0.0.1:8084",
 *   secrets: ["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="],
 * });
 * const none = await peer.push([]); // []
 * ```
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { Agent, type ClientRequest, type IncomingMessage, request } from "node:http";
import { Agent as TlsAgent, request as requestTls } from "node:https";
import type { Socket } from "node:net";
import { quoted } from "../http_door/refusal.ts";
import {
  ANSWER_BYTES_MAX,
  BLOCK_BYTES,
  BLOCK_ITEMS_MAX,
  CALL_MS,
  CALLS_MAX,
  PEER_CONNECTIONS_MAX,
  PEER_IDLE_MS,
} from "./limits.ts";
import { messageBytes, messageJson } from "./messages.ts";
import { nodeTokens } from "./node_token.ts";
import {
  type DisplacedSession,
  type Peer,
  PeerError,
  type PeerErrorCode,
  type PushMessage,
} from "./ports.ts";

/** Time, for tests. */
export interface PeerClock {
  /** Calls back once after `ms`. */
  set(ms: number, callback: () => void): PeerTimer;
  /** Disarms a timer; one that has fired is ignored. */
  clear(timer: PeerTimer): void;
}

/** A timer that was set. */
export interface PeerTimer {
  /** What the clock knows it by. */
  readonly id: number | ReturnType<typeof setTimeout>;
}

const SYSTEM_CLOCK: PeerClock = {
  set: (ms, callback) => ({ id: setTimeout(callback, ms) }),
  clear: ({ id }) => clearTimeout(id),
};

/** Which node, and what opens it. */
export interface PeerOptions {
  /** Origin of its node port: `http://host[:port]` or `https://…`. */
  readonly url: string;
  /** The endpoint keys this node has, newest first; the token of the last is tried first. */
  readonly secrets: readonly string[];
  /** Milliseconds until a call is given up; default 3,000. */
  readonly callMs?: number;
  /** Further roots that may certify the node, PEM; default none. */
  readonly caCerts?: readonly string[];
  /** Time; default the machine's. */
  readonly clock?: PeerClock;
}

/** Another node; its calls reject with a {@linkcode PeerError}. Disposing it ends calls under way. */
export interface PeerClient extends Peer, AsyncDisposable {}

/**
 * Makes a client; nothing is sent yet.
 *
 * @throws {TypeError} When the URL is no http or https origin, there is no secret, or one is too short.
 */
export function openPeer(options: PeerOptions): PeerClient {
  return new NodePeer(options);
}

/** An answer as it came. */
interface Answer {
  readonly status: number;
  readonly text: string;
}

class NodePeer implements PeerClient {
  readonly #url: URL;
  readonly #tokens: readonly [string, ...string[]];
  readonly #agent: Agent;
  readonly #callMs: number;
  readonly #clock: PeerClock;
  /** What ends each call that is under way. */
  readonly #calls = new Set<AbortController>();
  /** Those that wait for a connection. */
  readonly #waiting = new Set<PromiseWithResolvers<void>>();
  /** Connections that no call uses, open or not. */
  #free = PEER_CONNECTIONS_MAX;
  readonly #sockets = new Set<Socket>();
  /** Place of the token that was accepted last. */
  #place: number;
  #closed = false;

  constructor({ url, secrets, callMs = CALL_MS, caCerts, clock = SYSTEM_CLOCK }: PeerOptions) {
    this.#url = originOf(url);
    this.#tokens = nodeTokens(secrets);
    this.#place = this.#tokens.length - 1;
    this.#callMs = callMs;
    this.#clock = clock;
    // Calls wait for their turn here and not in the agent, which opens connections for the ones given up.
    const settings = { keepAlive: true, timeout: PEER_IDLE_MS };
    this.#agent = this.#url.protocol === "http:"
      ? new Agent(settings)
      : new TlsAgent({ ...settings, ...(caCerts === undefined ? {} : { ca: [...caCerts] }) });
  }

  push(messages: readonly PushMessage[]): Promise<readonly boolean[]> {
    return this.#ask("/push", messages, messageBytes, messageJson);
  }

  notify(uaids: readonly string[]): Promise<readonly boolean[]> {
    return this.#ask("/notif", uaids, () => 0, (uaid) => uaid);
  }

  async displace(sessions: readonly DisplacedSession[]): Promise<void> {
    await this.#call(async (signal) => {
      for (const block of blocksOf(sessions, () => 0)) {
        const body = block.map(({ uaid, session }) => ({ uaid, session }));
        const answer = await this.#authorized("/displace", JSON.stringify(body), signal);
        if (answer.status !== 204) throw this.#refused("/displace", answer);
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const call of this.#calls) call.abort(this.#error("closed", "the client was closed"));
    this.#agent.destroy();
    await Promise.all([...this.#sockets].map((socket) => {
      const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      socket.destroy();
      return closed;
    }));
  }

  #ask<T>(
    path: string,
    items: readonly T[],
    bytesOf: (item: T) => number,
    jsonOf: (item: T) => unknown,
  ): Promise<readonly boolean[]> {
    return this.#call(async (signal) => {
      const there: boolean[] = [];
      for (const block of blocksOf(items, bytesOf)) {
        const answer = await this.#authorized(path, JSON.stringify(block.map(jsonOf)), signal);
        if (answer.status !== 200) throw this.#refused(path, answer);
        there.push(...this.#booleans(path, answer.text, block.length));
      }
      return there;
    });
  }

  /** Runs a call under its deadline. */
  async #call<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#closed) throw this.#error("closed", "the client was closed");
    if (this.#calls.size >= CALLS_MAX) {
      throw this.#error("overloaded", `${CALLS_MAX} calls are under way`);
    }
    const call = new AbortController();
    const timer = this.#clock.set(this.#callMs, () => {
      call.abort(this.#error("timeout", `no answer within ${this.#callMs} ms`));
    });
    this.#calls.add(call);
    try {
      await this.#turn(call.signal);
      try {
        return await work(call.signal);
      } finally {
        this.#pass();
      }
    } finally {
      this.#clock.clear(timer);
      this.#calls.delete(call);
    }
  }

  /** Resolves when one of the connections is free for this call; calls have their turns in order. */
  async #turn(signal: AbortSignal): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    const turn = Promise.withResolvers<void>();
    const leave = () => turn.reject(signal.reason);
    signal.addEventListener("abort", leave);
    this.#waiting.add(turn);
    try {
      await turn.promise;
    } finally {
      this.#waiting.delete(turn);
      signal.removeEventListener("abort", leave);
    }
  }

  /** Gives a connection to the call that waits for one longest. */
  #pass(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#free++;
    else {
      this.#waiting.delete(next);
      next.resolve();
    }
  }

  /** Sends a request with the token that was accepted last; on a 401 with the others. */
  async #authorized(path: string, body: string, signal: AbortSignal): Promise<Answer> {
    const { length } = this.#tokens;
    const first = this.#place;
    for (let tried = 0; tried < length; tried++) {
      const place = (first - tried + length) % length;
      const answer = await this.#send(path, body, this.#tokens[place] ?? "", signal);
      if (answer.status === 401) continue;
      this.#place = place;
      return answer;
    }
    throw this.#error("unauthorized", "the node accepts none of our keys");
  }

  async #send(path: string, text: string, token: string, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    const body = ENCODER.encode(text);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const sent = this.#request(path, body.length, token);
    const end = () => {
      reject(signal.reason);
      sent.destroy();
    };
    signal.addEventListener("abort", end);
    sent.once("socket", (socket) => this.#watch(socket));
    sent.on("error", (error) => reject(this.#unreachable(error)));
    sent.once("response", (response) => {
      collect(response, (text) => {
        if (text === undefined) {
          reject(this.#error("bad_answer", "the answer broke off or is too long"));
        } else resolve({ status: response.statusCode ?? 0, text });
      });
    });
    sent.end(body);
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", end);
    }
  }

  #request(path: string, bytes: number, token: string): ClientRequest {
    const { protocol, hostname, port } = this.#url;
    const options = {
      hostname: hostname.replace(/^\[|\]$/g, ""),
      port: port === "" ? (protocol === "http:" ? 80 : 443) : Number(port),
      path,
      method: "POST",
      agent: this.#agent,
      headers: {
        "Authorization": `Bearer ${token}`,
        "Content-Type": "application/json",
        "Content-Length": bytes,
      },
    };
    return protocol === "http:" ? request(options) : requestTls(options);
  }

  /** Remembers a connection until it is closed. */
  #watch(socket: Socket): void {
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  #booleans(path: string, text: string, count: number): readonly boolean[] {
    const there = parsed(text);
    if (Array.isArray(there) && there.length === count && there.every(isBoolean)) return there;
    throw this.#error("bad_answer", `${path} answered without ${count} booleans`);
  }

  /** The error for an answer that is not the one a node gives. */
  #refused(path: string, { status, text }: Answer): PeerError {
    const json = parsed(text);
    const said = typeof json === "object" && json !== null && "message" in json
      ? `: ${quoted(String(json.message))}`
      : "";
    return this.#error(codeOf(status), `${path} answered ${status}${said}`);
  }

  #unreachable(cause: Error): PeerError {
    const code = "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
    return this.#error("unreachable", code, { cause });
  }

  #error(code: PeerErrorCode, why: string, options?: ErrorOptions): PeerError {
    return new PeerError(code, `Cannot reach node "${this.#url.origin}": ${why}`, options);
  }
}

const ENCODER = new TextEncoder();

/** Blocks of items, each within the bounds of a request. */
function* blocksOf<T>(items: readonly T[], bytesOf: (item: T) => number): Generator<readonly T[]> {
  let start = 0;
  let bytes = 0;
  for (const [place, item] of items.entries()) {
    if (place - start === BLOCK_ITEMS_MAX || bytes >= BLOCK_BYTES) {
      yield items.slice(start, place);
      start = place;
      bytes = 0;
    }
    bytes += bytesOf(item);
  }
  if (start < items.length) yield items.slice(start);
}

/** Reads an answer to its end; `undefined` when it breaks off or is longer than any of ours. The first call of `done` counts. */
function collect(response: IncomingMessage, done: (text: string | undefined) => void): void {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  response.on("data", (chunk: Uint8Array) => {
    bytes += chunk.length;
    if (bytes <= ANSWER_BYTES_MAX) chunks.push(chunk);
    else {
      done(undefined);
      response.destroy();
    }
  });
  response.on("end", () => done(Buffer.concat(chunks).toString()));
  // Both mean that it broke off; after the end they say nothing new.
  response.on("error", () => done(undefined));
  response.on("close", () => done(undefined));
}

/** What a status other than success says. */
function codeOf(status: number): PeerErrorCode {
  if (status >= 500 || status === 408 || status === 429) return "unavailable";
  return status >= 400 ? "refused" : "bad_answer";
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // No node answered this; the caller says so.
  }
}

function isBoolean(value: unknown): value is boolean {
  return typeof value === "boolean";
}

function originOf(text: string): URL {
  const url = URL.parse(text);
  const web = url?.protocol === "http:" || url?.protocol === "https:";
  const bare = url !== null && url.username + url.password + url.search + url.hash === "";
  if (web && bare && url.pathname === "/") return url;
  // Not repeated: it may hold a password.
  throw new TypeError("Cannot use the URL of a node: expected http(s)://host[:port] and no more");
}
