/**
 * The device door: accepts TCP or TLS connections, upgrades them to WebSockets, and answers
 * health checks. It knows nothing of what the messages mean.
 *
 * Invariants: every accepted connection is a handshake, a device connection, or closed; the
 * limits hold at every moment; after `shutdown` has resolved no connection, timer or read is left.
 * At `connectionsMax` an upgrade is answered 503, so that a device learns it and a health check
 * still works; at `handshakesMax` accepting waits instead, because that state lasts seconds and
 * the kernel's backlog is a better queue than a thousand refusals that all come back at once.
 *
 * ```ts
 * import { listenDevices } from "./listener.ts";
 *
 * await using listener = listenDevices({
 *   hostname: "127.0.0.1",
 *   port: 0,
 *   status: () => ({ status: "OK" }),
 *   open: (socket) => ({
 *     text: (message) => void socket.send(message),
 *     pong() {},
 *     closed() {},
 *   }),
 * });
 * ```
 *
 * @module
 */

import { Admission, countedAddress } from "./admission.ts";
import { BufferPool } from "./buffers.ts";
import {
  Backlog,
  Connection,
  type ConnectionHub,
  type DeviceEvents,
  type DeviceSocket,
  type Ending,
  type SocketEnd,
} from "./connection.ts";
import { DeadlineQueue, type DeviceClock, SYSTEM_CLOCK, type TimerHandle } from "./deadlines.ts";
import type { EarlyBytes } from "./frame_reader.ts";
import { Handshake, type HandshakeAnswer, type HandshakeHub } from "./handshake.ts";
import type { HttpProblem, RequestHead } from "./http_head.ts";
import { ACCEPT_RETRY_MS, DEVICE_LIMITS, type DeviceLimits } from "./limits.ts";
import {
  judgeRequest,
  okResponse,
  problemResponse,
  switchingProtocols,
  type UpgradeInfo,
  upgradeInfo,
} from "./upgrade.ts";

export type {
  DeviceClock,
  DeviceEvents,
  DeviceLimits,
  DeviceSocket,
  SocketEnd,
  TimerHandle,
  UpgradeInfo,
};

/** The answer of an owner who does not want this device now. */
export interface Refusal {
  /** 429 for this device or its address, 503 for everyone. */
  readonly status: 429 | 503;
  /** One sentence for the log of the client. */
  readonly reason: string;
}

/** What happens at the door, for counters and logs. Nothing in it comes from a device but codes. */
export type DeviceDoorEvent =
  | { readonly kind: "opened" }
  | { readonly kind: "left"; readonly how: SocketEnd["kind"]; readonly code: number }
  | { readonly kind: "http_refused"; readonly status: number; readonly reason: string }
  | { readonly kind: "owner_failed"; readonly error: unknown }
  | { readonly kind: "accept_failed"; readonly error: unknown };

/** How to listen. */
export interface DeviceListenerOptions {
  /** The address to listen on. */
  readonly hostname: string;
  /** The port, 0 for a free one. */
  readonly port: number;
  /** Serve TLS with this certificate chain and key, both PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Share the port with other processes. */
  readonly reusePort?: boolean;
  /** Time, for tests. */
  readonly clock?: DeviceClock;
  /** Limits other than {@linkcode DEVICE_LIMITS}. */
  readonly limits?: Partial<DeviceLimits>;
  /**
   * Addresses without the limit per address: the proxies in front, which speak for everyone and
   * guard their own door. Default: all of loopback. One IPv6 address stands for its /64.
   */
  readonly unlimitedAddresses?: readonly string[];
  /**
   * Decides about an upgrade, before it is answered. What is sent here already follows the 101.
   * A throw is answered 500.
   */
  open(socket: DeviceSocket, upgrade: UpgradeInfo): DeviceEvents | Refusal;
  /** The body of `GET /status`: a text, or an object sent as JSON. */
  status(): string | object;
  /** Hears of every event; it must not throw. */
  onEvent?(event: DeviceDoorEvent): void;
}

/** An open device door. Disposing it is a shutdown with 1001. */
export interface DeviceListener extends AsyncDisposable {
  /** The port in use. */
  readonly port: number;
  /** Device connections whose TCP has not ended. */
  readonly connections: number;
  /** Stops accepting; what is connected stays. */
  close(): void;
  /** Stops accepting, sends Close to every device, and resolves when all TCP has ended (a second). */
  shutdown(code?: number, reason?: string): Promise<void>;
}

/**
 * Opens a device door.
 *
 * @throws {Deno.errors.AddrInUse} When the port is taken.
 * @throws {Error} When the certificate or the key cannot be used.
 */
export function listenDevices(options: DeviceListenerOptions): DeviceListener {
  return new Listener(options);
}

class Listener implements DeviceListener, HandshakeHub, ConnectionHub {
  readonly limits: DeviceLimits;
  readonly clock: DeviceClock;
  readonly buffers = new BufferPool();
  readonly backlog = new Backlog();
  readonly arriving = { bytes: 0 };
  readonly headDeadlines: DeadlineQueue<Handshake>;
  readonly messageDeadlines: DeadlineQueue<Connection>;
  readonly closeDeadlines: DeadlineQueue<Ending>;
  readonly #options: DeviceListenerOptions;
  readonly #listener: Deno.TcpListener | Deno.TlsListener;
  readonly #admission: Admission;
  readonly #handshakes = new Set<Handshake>();
  readonly #connections = new Set<Connection>();
  #accepting = true;
  /** Wakes the accept loop: a handshake has ended, or accepting has. */
  #wake: (() => void) | undefined;
  /** Resolves when shutdown has nothing left to wait for. */
  #idle: (() => void) | undefined;

  constructor(options: DeviceListenerOptions) {
    this.#options = options;
    this.limits = { ...DEVICE_LIMITS, ...options.limits };
    this.clock = options.clock ?? SYSTEM_CLOCK;
    this.#admission = new Admission(
      this.limits.connectionsPerAddressMax,
      options.unlimitedAddresses ?? ["127.0.0.1"],
    );
    const { headTimeoutMs, messageTimeoutMs, closeTimeoutMs } = this.limits;
    this.headDeadlines = new DeadlineQueue(this.clock, headTimeoutMs, (h) => h.headOverdue());
    this.messageDeadlines = new DeadlineQueue(
      this.clock,
      messageTimeoutMs,
      (c) => c.messageOverdue(),
    );
    this.closeDeadlines = new DeadlineQueue(this.clock, closeTimeoutMs, (e) => e.end());
    this.#listener = listen(options);
    void this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  get connections(): number {
    return this.#connections.size;
  }

  close(): void {
    if (!this.#accepting) return;
    this.#accepting = false;
    this.#listener.close();
    this.#wake?.();
  }

  async shutdown(code = 1001, reason = "server is going away"): Promise<void> {
    this.close();
    for (const handshake of [...this.#handshakes]) handshake.end();
    for (const connection of [...this.#connections]) connection.close(code, reason);
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => this.#idle = resolve);
    }
    this.headDeadlines[Symbol.dispose]();
    this.messageDeadlines[Symbol.dispose]();
    this.closeDeadlines[Symbol.dispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  async #accept(): Promise<void> {
    while (this.#accepting) {
      if (this.#handshakes.size >= this.limits.handshakesMax) {
        await new Promise<void>((resolve) => this.#wake = resolve);
        continue;
      }
      try {
        this.#admit(await this.#listener.accept());
      } catch (error) {
        if (!this.#accepting) return;
        // Out of descriptors, or a connection that was reset in the backlog: go on a little later.
        this.#emit({ kind: "accept_failed", error });
        await this.#pause();
      }
    }
  }

  /** Waits a moment, or until accepting ends. */
  async #pause(): Promise<void> {
    const woken = Promise.withResolvers<void>();
    const timer = this.clock.set(ACCEPT_RETRY_MS, woken.resolve);
    this.#wake = woken.resolve;
    await woken.promise;
    this.clock.clear(timer);
  }

  #admit(conn: Deno.TcpConn | Deno.TlsConn): void {
    // Two small frames in a row would wait 40 ms for the first one's acknowledgement. Over TLS
    // the runtime has no such switch: there, frames of a burst after the first may be that late.
    if ("setNoDelay" in conn) conn.setNoDelay();
    const address = countedAddress(conn.remoteAddr.hostname);
    if (!this.#admission.enter(address)) {
      this.#turnAway(conn);
      return;
    }
    const handshake = new Handshake(this, conn, address);
    this.#handshakes.add(handshake);
    void handshake.run();
  }

  /** Answers without reading, and does not wait: one address must not take the others' places. */
  #turnAway(conn: Deno.TcpConn | Deno.TlsConn): void {
    const problem: HttpProblem = { status: 429, message: "too many connections from this address" };
    this.refused(problem);
    // A failed write is a client that is gone already.
    conn.write(problemResponse(problem, true)).catch(() => {}).finally(() => conn.close());
  }

  serve(handshake: Handshake, head: RequestHead, early: EarlyBytes): HandshakeAnswer {
    const request = judgeRequest(head);
    switch (request.kind) {
      case "status":
        return { kind: "response", bytes: okResponse(this.#options.status(), request.withBody) };
      case "alive":
        return { kind: "response", bytes: okResponse("", request.withBody) };
      case "refused":
        return { kind: "problem", problem: request.problem, withBody: head.method !== "HEAD" };
      case "upgrade":
        return this.#upgrade(handshake, head, request.accept, early);
    }
  }

  #upgrade(
    handshake: Handshake,
    head: RequestHead,
    accept: string,
    early: EarlyBytes,
  ): HandshakeAnswer {
    if (this.#connections.size >= this.limits.connectionsMax) {
      return problem(503, `all ${this.limits.connectionsMax} connections are in use`);
    }
    const { conn, address } = handshake;
    const connection = new Connection(this, conn, address);
    const remote = conn.remoteAddr;
    const info = upgradeInfo(head, remote.transport === "tcp" ? remote.hostname : "");
    let owner: DeviceEvents | Refusal;
    try {
      owner = this.#options.open(connection, info);
    } catch (error) {
      connection.abandon();
      this.ownerFailed(error);
      return problem(500, "internal error");
    }
    if ("status" in owner) {
      connection.abandon();
      return problem(owner.status, owner.reason);
    }
    this.#connections.add(connection);
    this.#emit({ kind: "opened" });
    connection.start(owner, switchingProtocols(accept), early);
    return { kind: "taken" };
  }

  refused({ status, message }: HttpProblem): void {
    this.#emit({ kind: "http_refused", status, reason: message });
  }

  handshakeEnded(handshake: Handshake, taken: boolean): void {
    this.#handshakes.delete(handshake);
    if (!taken) this.#admission.leave(handshake.address);
    this.#wake?.();
  }

  ownerFailed(error: unknown): void {
    this.#emit({ kind: "owner_failed", error });
  }

  left(how: SocketEnd): void {
    this.#emit({ kind: "left", how: how.kind, code: how.kind === "lost" ? 1006 : how.code });
  }

  ended(connection: Connection): void {
    if (!this.#connections.delete(connection)) return;
    this.#admission.leave(connection.address);
    if (this.#connections.size === 0) this.#idle?.();
  }

  #emit(event: DeviceDoorEvent): void {
    this.#options.onEvent?.(event);
  }
}

function problem(status: HttpProblem["status"], message: string): HandshakeAnswer {
  return { kind: "problem", problem: { status, message }, withBody: true };
}

function listen(
  { hostname, port, tls, reusePort = false }: DeviceListenerOptions,
): Deno.TcpListener | Deno.TlsListener {
  if (tls === undefined) return Deno.listen({ hostname, port, reusePort });
  return Deno.listenTls({ hostname, port, reusePort, ...tls, alpnProtocols: ["http/1.1"] });
}
