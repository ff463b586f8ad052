/**
 * A TCP relay between a client and a server: it records both directions and, when told, cuts,
 * refuses, swallows or holds back one direction, or slows both down.
 *
 * Invariants: bytes are passed on unchanged and in order, or not at all; every connection is
 * closed on disposal.
 *
 * @module
 */

/** Bytes recorded per direction and connection. */
const RECORDED_MAX = 16 * 1_024 * 1_024;
/** Length of one slice of throttled traffic, in milliseconds. */
const SLICE_MS = 50;

/** `up` is from the client to the server, `down` the other way. */
export type Direction = "up" | "down";

/** One connection through the relay. */
export class RelayedConnection {
  /** Bytes passed or swallowed so far, per direction. */
  readonly bytes: { up: number; down: number } = { up: 0, down: 0 };
  /** Resolves when both sides are closed. */
  readonly closed: Promise<void>;
  readonly #client: Deno.TcpConn;
  readonly #server: Deno.TcpConn;
  #cut = false;

  /** Joins two connections; called by the relay only. */
  constructor(relay: Relay, client: Deno.TcpConn, server: Deno.TcpConn) {
    this.#client = client;
    this.#server = server;
    // A relay adds no wait of its own: Nagle's algorithm would hold small frames back.
    client.setNoDelay();
    server.setNoDelay();
    this.closed = Promise.all([
      this.#pump(relay, "up", client, server),
      this.#pump(relay, "down", server, client),
    ]).then(() => this.cut());
  }

  /** Closes both sides now. */
  cut(): void {
    this.#cut = true;
    for (const conn of [this.#client, this.#server]) {
      try {
        conn.close();
      } catch (error) {
        if (!(error instanceof Deno.errors.BadResource)) throw error;
      }
    }
  }

  async #pump(
    relay: Relay,
    direction: Direction,
    from: Deno.TcpConn,
    to: Deno.TcpConn,
  ): Promise<void> {
    const buffer = new Uint8Array(16_384);
    try {
      for (;;) {
        const rate = relay.bytesPerSecond;
        const room = rate === undefined ? buffer.length : Math.max(1, rate * SLICE_MS / 1_000 | 0);
        const length = await from.read(buffer.subarray(0, Math.min(room, buffer.length)));
        if (length === null) break;
        const chunk = buffer.slice(0, length);
        this.bytes[direction] += length;
        if (this.bytes[direction] <= RECORDED_MAX) relay.onBytes?.(this, direction, chunk);
        if (relay.swallow === direction) continue;
        while (relay.hold === direction && !this.#cut) await slice();
        for (let sent = 0; sent < length;) sent += await to.write(chunk.subarray(sent));
        if (rate !== undefined) await slice();
      }
      await to.closeWrite();
    } catch {
      // A side that is reset or cut ends the connection; there is nobody to tell but the peer.
      this.cut();
    }
  }
}

function slice(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SLICE_MS));
}

/** A relay in front of one port of loopback. */
export class Relay implements AsyncDisposable {
  /** Sees every chunk before it is passed on. */
  onBytes: ((conn: RelayedConnection, direction: Direction, bytes: Uint8Array) => void) | undefined;
  /** Reads this direction and passes nothing on. */
  swallow: Direction | undefined;
  /** Passes nothing of this direction on until it is told otherwise; nothing is lost. */
  hold: Direction | undefined;
  /** Closes new connections at once, like a server that is down. */
  refuse = false;
  /** Slows each direction of each connection down to about this rate. */
  bytesPerSecond: number | undefined;
  readonly #listener: Deno.TcpListener;
  readonly #targetPort: number;
  readonly #connections = new Set<RelayedConnection>();
  readonly #accepting: Promise<void>;

  private constructor(listener: Deno.TcpListener, targetPort: number) {
    this.#listener = listener;
    this.#targetPort = targetPort;
    this.#accepting = this.#accept();
  }

  /** Opens a relay on a port of its own in front of this port. */
  static open(targetPort: number): Relay {
    return new Relay(Deno.listen({ hostname: "127.0.0.1", port: 0 }), targetPort);
  }

  /** The port clients connect to. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** The connections that are open, oldest first. */
  get connections(): readonly RelayedConnection[] {
    return [...this.#connections];
  }

  /** Closes every open connection and waits until both sides of each are. */
  async cutAll(): Promise<void> {
    const open = this.connections;
    for (const conn of open) conn.cut();
    await Promise.all(open.map((conn) => conn.closed));
  }

  /** Stops accepting and closes everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    await this.cutAll();
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      if (this.refuse) client.close();
      else await this.#join(client);
    }
  }

  async #join(client: Deno.TcpConn): Promise<void> {
    let server: Deno.TcpConn;
    try {
      server = await Deno.connect({ hostname: "127.0.0.1", port: this.#targetPort });
    } catch {
      client.close(); // The server is down: the client sees the same.
      return;
    }
    const conn = new RelayedConnection(this, client, server);
    this.#connections.add(conn);
    conn.closed.then(() => this.#connections.delete(conn));
  }
}
