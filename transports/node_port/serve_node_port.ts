/**
 * The door for other nodes: they hand over messages here, have sessions look into the store, and end
 * sessions whose devices have moved.
 *
 * | Request | Body | Answer |
 * | --- | --- | --- |
 * | `POST /push` | array of messages | 200 and an array of booleans: whether each session was there |
 * | `POST /notif` | array of UAIDs | the same |
 * | `POST /displace` | array of `{uaid, session}` | 204 |
 * | `PUT /push/{uaid}` | one message | 200 handed over, 404 not here |
 * | `PUT /notif/{uaid}` | none | 200 told, 404 not here |
 * | `GET /status` | none | 200, without a token |
 *
 * The last three are autopush's; messages are described in `messages.ts`. All but `/status` need the
 * bearer token of one of the shared keys. A request is answered 400 as a whole when one item is
 * wrong; nothing of it was done then.
 *
 * Invariants: bodies held at once stay below a bound; a token is looked at before a body is read; no
 * answer and no event carries a secret.
 *
 * @example
 * ```ts
 * await using port = await serveNodePort({
 *   hostname: "127.0.0.1",
 *   port: 0,
 *   secrets: ["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="],
 *   version: "1.0.0",
 *   peer: {
 *     push: (messages) => Promise.resolve(messages.map(() => true)),
 *     notify: (uaids) => Promise.resolve(uaids.map(() => true)),
 *     displace: () => Promise.resolve(),
 *   },
 * });
 * const status = await (await fetch(`http://127.0.0.1:${port.port}/status`)).json();
 * ```
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import { readBody } from "../http_door/body.ts";
import { answer, type DoorEvent, type HttpDoor, openHttpDoor } from "../http_door/http_door.ts";
import { quoted } from "../http_door/refusal.ts";
import {
  BODIES_BYTES_MAX,
  NODE_CONNECTIONS_MAX,
  NODE_REQUEST_MS,
  NODE_RETRY_AFTER_SECONDS,
  REQUEST_BYTES_MAX,
} from "./limits.ts";
import {
  type Read,
  readBlock,
  readDisplaced,
  readMessage,
  readMessageFor,
  readUaid,
  uaidOfPath,
} from "./messages.ts";
import { NodeTokenCheck } from "./node_token.ts";
import type { DisplacedSession, Peer } from "./ports.ts";

/** What happens at the port, for counters and logs; nothing in it tells who or what. */
export type NodePortEvent =
  /** Items were handed to the peer; of these, `there` had a session here. */
  | {
    readonly kind: "taken";
    readonly what: "push" | "notif" | "displace";
    readonly items: number;
    readonly there: number;
  }
  /** A request was refused, by the port or its door. */
  | { readonly kind: "refused"; readonly status: number; readonly reason: string }
  /** The peer rejected or the handler threw. */
  | { readonly kind: "failed"; readonly error: unknown }
  /** A connection was cut because its address has too many. */
  | { readonly kind: "connection_refused" };

/** Bounds of a port that its owner may want otherwise. */
export interface NodePortLimits {
  /** Connections at most; default 4,096. */
  readonly connectionsMax: number;
  /** Milliseconds for a whole request; default 10,000. */
  readonly requestMs: number;
  /** Bytes of a request's body; default 2,097,152. */
  readonly requestBytesMax: number;
  /** Bytes of bodies held at once; default 67,108,864. */
  readonly bodiesBytesMax: number;
}

/** How to serve a node port. */
export interface NodePortOptions {
  /** The address to listen on. */
  readonly hostname: string;
  /** The port; 0 picks a free one. */
  readonly port: number;
  /** Certificate chain and private key, PEM; without them it speaks plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** `Host` names answered to besides loopback and the bound address: the one by which others reach it. */
  readonly allowedHosts?: readonly string[];
  /** The endpoint keys this node has; a token of any of them opens the port. */
  readonly secrets: readonly string[];
  /** The version of this program, for `/status`. */
  readonly version: string;
  /** Does what other nodes ask for. */
  readonly peer: Peer;
  /** Bounds other than the usual. */
  readonly limits?: Partial<NodePortLimits>;
  /** Hears what happens; must return at once and never throw. */
  readonly onEvent?: (event: NodePortEvent) => void;
}

/**
 * Opens a node port.
 *
 * @throws {Error} When the address cannot be listened on (`code` is `"EADDRINUSE"` and the like) or the
 * certificate and key cannot be used.
 * @throws {TypeError} When there is no secret or one is too short.
 */
export async function serveNodePort(options: NodePortOptions): Promise<HttpDoor> {
  const handler = new NodePortHandler(options);
  const { hostname, port, tls, allowedHosts, onEvent, limits = {} } = options;
  const { connectionsMax = NODE_CONNECTIONS_MAX, requestMs = NODE_REQUEST_MS } = limits;
  return await openHttpDoor({
    hostname,
    port,
    ...(tls === undefined ? {} : { tls }),
    ...(allowedHosts === undefined ? {} : { allowedHosts }),
    connectionsMax,
    connectionsPerAddressMax: connectionsMax,
    timeouts: { headersMs: requestMs, requestMs },
    handle: (request, response) => handler.handle(request, response),
    render: ({ status, message }) => ({
      contentType: JSON_TYPE,
      body: problemText(status, message),
    }),
    onEvent: (event) => onEvent?.(eventOf(event)),
  });
}

const JSON_TYPE = "application/json";
const DECODER = new TextDecoder("utf-8", { fatal: true });
/** Opens the body of one message in problems. */
const BODY = "body";

/** What a path names; `uaid` as it is written there. */
type Route =
  | { readonly kind: "status" }
  | { readonly kind: "block"; readonly what: "push" | "notif" | "displace" }
  | { readonly kind: "single"; readonly what: "push" | "notif"; readonly uaid: string };

/** An answer that is not a success. */
interface Problem {
  readonly status: 400 | 401 | 404 | 405 | 413 | 503;
  /** For counters. */
  readonly reason: string;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const UNAUTHORIZED: Problem = {
  status: 401,
  reason: "unauthorized",
  message: "Authorization: expected the bearer token of a key that this node shares",
  headers: { "WWW-Authenticate": "Bearer" },
};

const UNKNOWN_PATH: Problem = { status: 404, reason: "unknown_path", message: "no such resource" };

const RETRY = { "Retry-After": String(NODE_RETRY_AFTER_SECONDS) };

const NO_ROOM: Problem = {
  status: 503,
  reason: "no_room",
  message: "too much at a time",
  headers: RETRY,
};

const UNAVAILABLE: Problem = {
  status: 503,
  reason: "unavailable",
  message: "this node cannot do it now",
  headers: RETRY,
};

class NodePortHandler {
  readonly #options: NodePortOptions;
  readonly #check: NodeTokenCheck;
  readonly #requestBytesMax: number;
  /** Bytes of bodies that may still come. */
  #roomBytes: number;

  constructor(options: NodePortOptions) {
    this.#options = options;
    this.#check = new NodeTokenCheck(options.secrets);
    this.#requestBytesMax = options.limits?.requestBytesMax ?? REQUEST_BYTES_MAX;
    this.#roomBytes = options.limits?.bodiesBytesMax ?? BODIES_BYTES_MAX;
  }

  handle(request: IncomingMessage, response: ServerResponse): void | Promise<void> {
    const route = routeOf(request.url ?? "");
    if (route === undefined) return this.#refuse(response, UNKNOWN_PATH);
    const allow = methodsOf(route);
    if (!allow.includes(request.method ?? "")) {
      return this.#refuse(response, methodNotAllowed(allow.join(", ")));
    }
    if (route.kind === "status") {
      const shown = JSON.stringify({ status: "OK", version: this.#options.version });
      return answer(response, 200, { "Content-Type": JSON_TYPE }, shown);
    }
    if (!this.#check.accepts(request.headers.authorization)) {
      return this.#refuse(response, UNAUTHORIZED);
    }
    if (route.kind === "block") return this.#block(request, response, route.what);
    const uaid = uaidOfPath(route.uaid);
    if (uaid === undefined) return this.#refuse(response, badUaid(route.uaid));
    return route.what === "push"
      ? this.#push(request, response, uaid)
      : this.#ask(response, "notif", 1, (peer) => peer.notify([uaid]), single);
  }

  #block(
    request: IncomingMessage,
    response: ServerResponse,
    what: "push" | "notif" | "displace",
  ): Promise<void> {
    return this.#withBody(request, response, (value) => {
      switch (what) {
        case "push":
          return this.#items(
            response,
            what,
            readBlock(value, "messages", readMessage),
            (peer, items) => peer.push(items),
          );
        case "notif":
          return this.#items(
            response,
            what,
            readBlock(value, "uaids", readUaid),
            (peer, items) => peer.notify(items),
          );
        case "displace":
          return this.#displace(response, readBlock(value, "sessions", readDisplaced));
      }
    });
  }

  #push(request: IncomingMessage, response: ServerResponse, uaid: string): Promise<void> {
    return this.#withBody(request, response, (value) => {
      const read = readMessageFor(uaid, value, BODY);
      if (read.kind === "wrong") return this.#refuse(response, badRequest(read.problem));
      return this.#ask(response, "push", 1, (peer) => peer.push([read.value]), single);
    });
  }

  #items<T>(
    response: ServerResponse,
    what: "push" | "notif",
    read: Read<readonly T[]>,
    call: (peer: Peer, items: readonly T[]) => Promise<readonly boolean[]>,
  ): void | Promise<void> {
    if (read.kind === "wrong") return this.#refuse(response, badRequest(read.problem));
    return this.#ask(response, what, read.value.length, (peer) => call(peer, read.value), whole);
  }

  async #displace(
    response: ServerResponse,
    read: Read<readonly DisplacedSession[]>,
  ): Promise<void> {
    if (read.kind === "wrong") return this.#refuse(response, badRequest(read.problem));
    try {
      await this.#options.peer.displace(read.value);
    } catch (error) {
      return this.#failed(response, error);
    }
    const items = read.value.length;
    this.#emit({ kind: "taken", what: "displace", items, there: items });
    response.writeHead(204);
    response.end();
  }

  async #ask(
    response: ServerResponse,
    what: "push" | "notif",
    items: number,
    call: (peer: Peer) => Promise<readonly boolean[]>,
    reply: (response: ServerResponse, there: readonly boolean[]) => void,
  ): Promise<void> {
    let there: readonly boolean[];
    try {
      there = await call(this.#options.peer);
    } catch (error) {
      return this.#failed(response, error);
    }
    if (there.length !== items) {
      throw new Error(`The peer answered ${there.length} times for ${items} items`);
    }
    const found = there.filter((here) => here).length;
    this.#emit({ kind: "taken", what, items, there: found });
    reply(response, there);
  }

  /** Reads the body as JSON; while it is held and worked on, it takes room. */
  async #withBody(
    request: IncomingMessage,
    response: ServerResponse,
    use: (value: unknown) => void | Promise<void>,
  ): Promise<void> {
    const declared = request.headers["content-length"];
    const bytesMax = this.#requestBytesMax;
    const bytes = Math.min(declared === undefined ? bytesMax : Number(declared), bytesMax);
    if (bytes > this.#roomBytes) return this.#refuse(response, NO_ROOM);
    this.#roomBytes -= bytes;
    try {
      const body = await readBody(request, response, bytesMax);
      switch (body.kind) {
        case "body": {
          const json = parsed(body.bytes);
          if (json.kind === "read") return await use(json.value);
          return this.#refuse(response, badRequest(json.problem));
        }
        case "too_large":
          return this.#refuse(response, tooLarge(body.declaredBytes, bytesMax));
        case "aborted":
          return;
      }
    } finally {
      this.#roomBytes += bytes;
    }
  }

  #failed(response: ServerResponse, error: unknown): void {
    this.#emit({ kind: "failed", error });
    this.#refuse(response, UNAVAILABLE);
  }

  #refuse(response: ServerResponse, { status, reason, message, headers = {} }: Problem): void {
    this.#emit({ kind: "refused", status, reason });
    answer(
      response,
      status,
      { ...headers, "Content-Type": JSON_TYPE },
      problemText(status, message),
    );
  }

  #emit(event: NodePortEvent): void {
    this.#options.onEvent?.(event);
  }
}

const BLOCKS: ReadonlyMap<string, "push" | "notif" | "displace"> = new Map([
  ["/push", "push"],
  ["/notif", "notif"],
  ["/displace", "displace"],
]);

function routeOf(url: string): Route | undefined {
  const block = BLOCKS.get(url);
  if (block !== undefined) return { kind: "block", what: block };
  if (url === "/status") return { kind: "status" };
  const [, what, uaid] = /^\/(push|notif)\/([^/?]+)$/.exec(url) ?? [];
  if (uaid === undefined) return undefined;
  return { kind: "single", what: what === "push" ? "push" : "notif", uaid };
}

function methodsOf(route: Route): readonly string[] {
  switch (route.kind) {
    case "status":
      return ["GET", "HEAD"];
    case "block":
      return ["POST"];
    case "single":
      return ["PUT"];
  }
}

function whole(response: ServerResponse, there: readonly boolean[]): void {
  answer(response, 200, { "Content-Type": JSON_TYPE }, JSON.stringify(there));
}

/** Autopush's answers have no body. */
function single(response: ServerResponse, [there]: readonly boolean[]): void {
  answer(response, there === true ? 200 : 404, {}, "");
}

function parsed(bytes: Uint8Array): Read<unknown> {
  try {
    return { kind: "read", value: JSON.parse(DECODER.decode(bytes)) };
  } catch {
    return { kind: "wrong", problem: `${BODY}: expected JSON, found ${bytes.length} other bytes` };
  }
}

function problemText(status: number, message: string): string {
  return JSON.stringify({ code: status, message });
}

function badRequest(message: string): Problem {
  return { status: 400, reason: "bad_request", message };
}

function badUaid(text: string): Problem {
  return badRequest(`uaid: expected a UUID, with dashes or without, found ${quoted(text)}`);
}

function methodNotAllowed(allow: string): Problem {
  return {
    status: 405,
    reason: "bad_method",
    message: `this resource takes ${allow}`,
    headers: { Allow: allow },
  };
}

function tooLarge(bytes: number | undefined, bytesMax: number): Problem {
  const seen = bytes === undefined ? "more" : String(bytes);
  const message = `${BODY}: expected at most ${bytesMax} bytes, found ${seen}`;
  return { status: 413, reason: "too_large", message };
}

function eventOf(event: DoorEvent): NodePortEvent {
  switch (event.kind) {
    case "refused":
      return { kind: "refused", status: event.refusal.status, reason: event.refusal.reason };
    case "handler_failed":
      return { kind: "failed", error: event.error };
    case "connection_refused":
      return event;
  }
}
