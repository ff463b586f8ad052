/**
 * A public HTTP/1.1 listener with every limit set: the door before the push endpoint and the API.
 *
 * Slow, silent, oversized, ambiguous and foreign requests are answered and cut here; a handler sees only
 * requests with one allowed `Host`, a path, a known method and plain framing. A handler that throws
 * answers 500 and disturbs no other request.
 *
 * Why `node:http` and not `Deno.serve`: the latter is faster but never cuts a client that sends half a
 * header or half a body, and gives no hold on its sockets. What the parser here lets through (two
 * `Host` headers, unknown codings, HTTP/0.9 and 2.0, fragments, absolute targets, deep pipelines) is
 * checked in `refusal.ts`.
 *
 * @example
 * ```ts
 * await using door = await openHttpDoor({
 *   hostname: "127.0.0.1",
 *   port: 0,
 *   handle: (_request, response) => void response.end("hello"),
 * });
 * const text = await (await fetch(`http://127.0.0.1:${door.port}/`)).text(); // "hello"
 * ```
 *
 * @module
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { HostList } from "./hosts.ts";
import {
  CONNECTIONS_MAX,
  CONNECTIONS_PER_ADDRESS_MAX,
  DISCARDED_BYTES_MAX,
  HEADER_BYTES_MAX,
  HEADERS_MAX,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_TIMEOUT_MS,
  PIPELINED_MAX,
  REQUEST_TIMEOUT_MS,
  RETRY_AFTER_SECONDS,
} from "./limits.ts";
import {
  CONNECT_REFUSAL,
  EXPECTATION_REFUSAL,
  FAILURE_REFUSAL,
  PIPELINE_REFUSAL,
  type Refusal,
  refusalOfError,
  screen,
  unknownHost,
} from "./refusal.ts";

/** How a refusal is written by the door's owner. */
export interface RenderedRefusal {
  /** The `Content-Type`. */
  readonly contentType: string;
  /** The body. */
  readonly body: string;
  /** Headers that every answer of the owner has, by name. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a door tells, for counters and logs. */
export type DoorEvent =
  /** A request was not let in. */
  | { readonly kind: "refused"; readonly refusal: Refusal }
  /** A connection was cut because its address has too many. */
  | { readonly kind: "connection_refused" }
  /** A handler threw, and its request was answered 500 if that was still possible; or accepting failed. */
  | { readonly kind: "handler_failed"; readonly error: unknown };

/** Deadlines of a door, in milliseconds. */
export interface DoorTimeouts {
  /** For the head of a request, and for the TLS handshake; default 10,000. */
  readonly headersMs?: number;
  /** For a whole request; default 30,000. */
  readonly requestMs?: number;
  /** For an idle connection; default 75,000. */
  readonly keepAliveMs?: number;
}

/** How to open an {@linkcode HttpDoor}. */
export interface HttpDoorOptions {
  /** The address to listen on. */
  readonly hostname: string;
  /** The port; 0 picks a free one. */
  readonly port: number;
  /** Lets several processes listen on one port. */
  readonly reusePort?: boolean;
  /** Certificate chain and private key, PEM; without them the door speaks plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Names the door answers to besides loopback and the address a connection arrived at. */
  readonly allowedHosts?: readonly string[];
  /** Connections at most; default 10,000. The ones above it are closed at once. */
  readonly connectionsMax?: number;
  /** Connections from one address; default 1,000, and for loopback, where proxies come from, no such bound. */
  readonly connectionsPerAddressMax?: number;
  /** Deadlines. */
  readonly timeouts?: DoorTimeouts;
  /** Answers a request; a rejection or throw answers 500. */
  handle(request: IncomingMessage, response: ServerResponse): void | Promise<void>;
  /** Writes the door's own refusals; default: the sentence as plain text. */
  readonly render?: (refusal: Refusal) => RenderedRefusal;
  /** Hears what the door refuses. */
  readonly onEvent?: (event: DoorEvent) => void;
}

/** An open door. */
export interface HttpDoor extends AsyncDisposable {
  /** The port it listens on. */
  readonly port: number;
  /** Connections open now. */
  readonly connections: number;
  /** Stops accepting, lets requests in work finish for `drainMs` milliseconds, then cuts the rest; says how many. */
  close(drainMs: number): Promise<{ readonly cutRequests: number }>;
}

/**
 * Opens a door.
 *
 * @throws {Error} When the address cannot be listened on (`code` is `"EADDRINUSE"` and the like) or the
 * certificate and key cannot be used.
 */
export async function openHttpDoor(options: HttpDoorOptions): Promise<HttpDoor> {
  const door = new NodeHttpDoor(options);
  await door.listen();
  return door;
}

/** Answers with a body that is complete now. */
export function answer(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string | Uint8Array,
): void {
  const bytes = typeof body === "string" ? ENCODER.encode(body) : body;
  response.writeHead(status, { ...headers, "Content-Length": String(bytes.length) });
  response.end(bytes.length === 0 ? undefined : bytes);
}

const ENCODER = new TextEncoder();

/** What the door knows of one connection. */
interface Connection {
  /** Requests whose answers are not finished. */
  inWork: number;
  /** The request that arrived last, while it is in work. */
  last: { readonly request: IncomingMessage; readonly response: ServerResponse } | undefined;
  /** Said after the answers that are still due; nothing behind it is served. */
  farewell: Refusal | undefined;
}

class NodeHttpDoor implements HttpDoor {
  readonly #options: HttpDoorOptions;
  readonly #server: Server;
  readonly #hosts: HostList;
  readonly #connections = new Map<Duplex, Connection>();
  /** TCP connections; with TLS also those whose handshake is not done. */
  readonly #sockets = new Set<Socket>();
  readonly #perAddress = new Map<string, number>();
  #closing: Promise<{ readonly cutRequests: number }> | undefined;
  #drained: (() => void) | undefined;

  constructor(options: HttpDoorOptions) {
    this.#options = options;
    this.#hosts = new HostList([...options.allowedHosts ?? [], literal(options.hostname)]);
    this.#server = createNodeServer(options);
    this.#server.maxHeadersCount = HEADERS_MAX + 1; // One more than allowed, to see that there are more.
    this.#server.maxConnections = options.connectionsMax ?? CONNECTIONS_MAX;
    this.#wire();
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : this.#options.port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  listen(): Promise<void> {
    const { hostname: host, port, reusePort = false } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port, reusePort, backlog: 511 }, () => {
        this.#server.off("error", reject);
        // An accept that fails (too many open files) concerns one connection that was never ours.
        this.#server.on(
          "error",
          (error) => this.#options.onEvent?.({ kind: "handler_failed", error }),
        );
        resolve();
      });
    });
  }

  close(drainMs: number): Promise<{ readonly cutRequests: number }> {
    this.#closing ??= this.#close(drainMs);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0);
  }

  async #close(drainMs: number): Promise<{ readonly cutRequests: number }> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const [socket, connection] of this.#connections) {
      if (connection.inWork === 0) socket.destroy();
      else if (connection.last !== undefined) connection.last.response.shouldKeepAlive = false;
    }
    if (drainMs > 0 && this.#connections.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, drainMs);
        this.#drained = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    let cutRequests = 0;
    for (const [socket, connection] of this.#connections) {
      cutRequests += connection.inWork;
      socket.destroy();
    }
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    return { cutRequests };
  }

  #wire(): void {
    const server = this.#server;
    server.on("connection", (socket) => this.#admit(socket));
    const usable = this.#options.tls === undefined ? "connection" : "secureConnection";
    server.on(usable, (socket: Duplex) => this.#open(socket));
    server.on("request", (request, response) => this.#serve(request, response));
    server.on("checkContinue", (request, response) => {
      // Until the body is asked for, an answer ends the connection: whether a body follows is unknown.
      response.shouldKeepAlive = false;
      this.#serve(request, response);
    });
    server.on(
      "checkExpectation",
      (_request, response) => this.#refuse(response, EXPECTATION_REFUSAL),
    );
    server.on("connect", (_request, socket) => this.#refuseRaw(socket, CONNECT_REFUSAL));
    server.on("clientError", (error, socket) => this.#clientFailed(error, socket));
  }

  /** Lets a TCP connection in, or cuts it because its address has too many. */
  #admit(socket: Socket): void {
    const address = socket.remoteAddress ?? "";
    const count = (this.#perAddress.get(address) ?? 0) + 1;
    const countMax = this.#options.connectionsPerAddressMax ?? perAddressMax(address);
    if (count > countMax) {
      this.#options.onEvent?.({ kind: "connection_refused" });
      socket.destroy();
      return;
    }
    this.#perAddress.set(address, count);
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      const left = (this.#perAddress.get(address) ?? 1) - 1;
      if (left === 0) this.#perAddress.delete(address);
      else this.#perAddress.set(address, left);
    });
  }

  /** Remembers a connection that can carry requests: after the TLS handshake, if there is one. */
  #open(socket: Duplex): void {
    if (socket.destroyed) return;
    this.#connections.set(socket, { inWork: 0, last: undefined, farewell: undefined });
    socket.once("close", () => {
      this.#connections.delete(socket);
      if (this.#connections.size === 0) this.#drained?.();
    });
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.#connections.get(request.socket);
    if (connection === undefined || connection.farewell !== undefined) return;
    connection.inWork++;
    connection.last = { request, response };
    response.once("close", () => this.#answered(connection, request));
    if (this.#closing !== undefined) response.shouldKeepAlive = false;
    const refusal = connection.inWork > PIPELINED_MAX ? PIPELINE_REFUSAL : this.#screen(request);
    if (refusal !== undefined) {
      this.#refuse(response, refusal);
      return;
    }
    try {
      const served = this.#options.handle(request, response);
      if (served !== undefined) served.catch((error) => this.#failed(response, error));
    } catch (error) {
      this.#failed(response, error);
    }
  }

  #screen(request: IncomingMessage): Refusal | undefined {
    const refusal = screen(request);
    if (refusal !== undefined) return refusal;
    const host = request.headers.host ?? "";
    switch (this.#hosts.judge(host, request.socket.localAddress)) {
      case "allowed":
        return undefined;
      case "unknown":
        return unknownHost(host);
      case "malformed":
        return { ...unknownHost(host), status: 400, reason: "bad_host" };
    }
  }

  #answered(connection: Connection, request: IncomingMessage): void {
    connection.inWork--;
    if (connection.last?.request === request) connection.last = undefined;
    const socket = request.socket;
    if (!request.complete && !socket.destroyed) discardRest(request);
    if (connection.inWork > 0 || connection.farewell === undefined) return;
    this.#say(socket, connection.farewell);
  }

  #failed(response: ServerResponse, error: unknown): void {
    this.#options.onEvent?.({ kind: "handler_failed", error });
    if (response.headersSent) response.destroy();
    else this.#refuse(response, FAILURE_REFUSAL);
  }

  #clientFailed(error: Error, socket: Duplex): void {
    const refusal = refusalOfError(error);
    if (refusal === undefined) socket.destroy();
    else this.#refuseRaw(socket, refusal);
  }

  /** Refuses within HTTP; the connection ends, since what follows on it cannot be trusted. */
  #refuse(response: ServerResponse, refusal: Refusal): void {
    this.#options.onEvent?.({ kind: "refused", refusal });
    const { headers, body } = this.#render(refusal);
    answer(response, refusal.status, headers, body);
  }

  /** Refuses where there is no response to write to; answers still due on the connection go first. */
  #refuseRaw(socket: Duplex, refusal: Refusal): void {
    const connection = this.#connections.get(socket);
    if (!socket.writable || connection?.farewell !== undefined) return;
    this.#options.onEvent?.({ kind: "refused", refusal });
    if (connection !== undefined && connection.inWork > 0) {
      const { last } = connection;
      if (connection.inWork > 1 || last === undefined || last.request.complete) {
        connection.farewell = refusal;
        return;
      }
      if (last.response.headersSent) {
        socket.destroy();
        return;
      }
      connection.farewell = refusal; // The request in work is the broken one: this is its answer.
    }
    this.#say(socket, refusal);
  }

  #say(socket: Duplex, refusal: Refusal): void {
    if (!socket.writable) return;
    const { headers, body } = this.#render(refusal);
    const length = { "Content-Length": `${ENCODER.encode(body).length}` };
    const lines = Object.entries({ ...headers, ...length }).map(([name, value]) =>
      `${name}: ${value}\r\n`
    );
    socket.end(
      `HTTP/1.1 ${refusal.status} ${REASONS[refusal.status]}\r\n${lines.join("")}\r\n${body}`,
      () => socket.destroy(),
    );
  }

  /** The whole answer but its length; the connection ends with every refusal. */
  #render(refusal: Refusal): { readonly headers: Readonly<Record<string, string>>; body: string } {
    const { contentType, body, headers } = this.#options.render?.(refusal) ??
      { contentType: "text/plain; charset=utf-8", body: `${refusal.message}\n` };
    const retry = refusal.status === 429 ? { "Retry-After": `${RETRY_AFTER_SECONDS}` } : {};
    return {
      headers: { ...headers, "Content-Type": contentType, ...retry, Connection: "close" },
      body,
    };
  }
}

const REASONS: Readonly<Record<Refusal["status"], string>> = {
  400: "Bad Request",
  405: "Method Not Allowed",
  408: "Request Timeout",
  414: "URI Too Long",
  417: "Expectation Failed",
  421: "Misdirected Request",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  505: "HTTP Version Not Supported",
};

function createNodeServer(options: HttpDoorOptions): Server {
  const { headersMs = HEADERS_TIMEOUT_MS, requestMs = REQUEST_TIMEOUT_MS } = options.timeouts ?? {};
  const settings = {
    headersTimeout: Math.min(headersMs, requestMs), // The head is a part of the request.
    requestTimeout: requestMs,
    keepAliveTimeout: options.timeouts?.keepAliveMs ?? KEEP_ALIVE_TIMEOUT_MS,
    connectionsCheckingInterval: Math.min(1_000, Math.ceil(headersMs / 4)),
    maxHeaderSize: HEADER_BYTES_MAX,
    requireHostHeader: false, // Checked with the other rules, so that the answer has a sentence.
    insecureHTTPParser: false,
    noDelay: true,
  };
  if (options.tls === undefined) return createServer(settings);
  const { cert, key } = options.tls;
  return createTlsServer({
    ...settings,
    cert,
    key,
    handshakeTimeout: headersMs,
    minVersion: "TLSv1.2",
  });
}

function perAddressMax(address: string): number {
  return /^(::ffff:)?127\.|^::1$/.test(address) ? Infinity : CONNECTIONS_PER_ADDRESS_MAX;
}

function literal(hostname: string): string {
  return hostname.includes(":") && !hostname.startsWith("[") ? `[${hostname}]` : hostname;
}

/** Reads on and drops what nobody wants, so that the answer is seen; a body without end is cut. */
function discardRest(request: IncomingMessage): void {
  let bytes = 0;
  request.on("data", (chunk: Uint8Array) => {
    bytes += chunk.length;
    if (bytes > DISCARDED_BYTES_MAX) request.socket.destroy();
  });
  request.resume();
}
