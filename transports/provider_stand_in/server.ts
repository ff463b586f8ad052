/**
 * A provider's listener and its connections: HTTP/2 over TLS, or without TLS from the first byte on
 * (RFC 9113 section 3.3).
 *
 * @module
 */

import { Connection } from "./connection.ts";
import { Faults } from "./faults.ts";
import { CONNECTIONS_MAX } from "./limits.ts";
import type { Service } from "./service.ts";

/** Certificate chain and private key, PEM. */
export interface Tls {
  /** The chain. */
  readonly cert: string;
  /** The key. */
  readonly key: string;
}

/** A listener of one provider on loopback. */
export class Server {
  /** The provider. */
  readonly service: Service;
  readonly #listener: Deno.Listener;
  readonly #faults = new Faults();
  /** In the order in which they were opened. */
  readonly #connections = new Set<Connection>();
  readonly #accepting: Promise<void>;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Listens on a free port. */
  constructor(service: Service, tls: Tls | undefined) {
    this.service = service;
    const address = { hostname: "127.0.0.1", port: 0 };
    this.#listener = tls === undefined
      ? Deno.listen(address)
      : Deno.listenTls({ ...address, ...tls, alpnProtocols: ["h2"] });
    this.#accepting = this.#accept();
  }

  /** The port. */
  get port(): number {
    const { addr } = this.#listener;
    return addr.transport === "tcp" ? addr.port : 0;
  }

  /** Takes notice of a behaviour that was changed. */
  behave(): void {
    clearInterval(this.#timer);
    const { goawayEveryMs } = this.service.world.behaviour;
    if (goawayEveryMs > 0) this.#timer = setInterval(() => this.#sendAway(), goawayEveryMs);
  }

  /** Stops listening and cuts every connection. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#listener.close();
    for (const connection of this.#connections) connection.close();
    await this.#accepting;
  }

  #sendAway(): void {
    const oldest = this.#connections.values().find((connection) => !connection.leaving);
    oldest?.goAway();
  }

  async #accept(): Promise<void> {
    // Ends when the listener is closed.
    for await (const socket of this.#listener) void this.#serve(socket);
  }

  async #serve(socket: Deno.Conn): Promise<void> {
    if (this.#connections.size >= CONNECTIONS_MAX) return socket.close();
    const connection = new Connection({ socket, service: this.service, faults: this.#faults });
    this.#connections.add(connection);
    this.service.world.count("connections");
    try {
      await connection.run();
    } finally {
      this.#connections.delete(connection);
    }
  }
}
