/**
 * Providers that do not behave: servers on loopback that say what a test wants to whoever connects,
 * by bytes or by frames of HTTP/2.
 *
 * @module
 */

import { Peer, type Received } from "../transports/http2/scripted_peer.ts";

export type { Peer } from "../transports/http2/scripted_peer.ts";

/** Does something with a connection; when it ends, so does the connection. */
export type Serve = (conn: Deno.TcpConn) => Promise<void>;

/** A server. */
export class HostileProvider implements AsyncDisposable {
  /** Connections that were accepted. */
  connections = 0;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.TcpConn>();
  readonly #serving: Promise<void>;

  /** Listens on a free port. */
  constructor(serve: Serve) {
    this.#serving = this.#accept(serve);
  }

  /** Where it is. */
  get origin(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  async #accept(serve: Serve): Promise<void> {
    const serving: Promise<void>[] = [];
    for await (const conn of this.#listener) {
      this.connections++;
      this.#open.add(conn);
      serving.push(this.#serve(conn, serve));
    }
    await Promise.all(serving);
  }

  async #serve(conn: Deno.TcpConn, serve: Serve): Promise<void> {
    try {
      await serve(conn);
    } catch {
      // The client, or the test, has ended the connection.
    }
    this.#open.delete(conn);
    close(conn);
  }

  /** Stops listening and ends every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#open) close(conn);
    await this.#serving;
  }
}

function close(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/** Says these bytes to the first bytes of a client, and then nothing until the client ends. */
export function saying(bytes: string): Serve {
  return async (conn) => {
    const buffer = new Uint8Array(65_536);
    await conn.read(buffer);
    await conn.write(new TextEncoder().encode(bytes));
    while (await conn.read(buffer) !== null);
  };
}

/** Speaks HTTP/2 and answers each request by a function, which is told how many came before. */
export function http2(
  answer: (peer: Peer, request: Received, before: number) => Promise<void>,
): Serve {
  let before = 0;
  return async (conn) => {
    const peer = new Peer(conn);
    await peer.greet();
    for (;;) await answer(peer, await peer.request(), before++);
  };
}
