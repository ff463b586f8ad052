/**
 * A TCP server that answers HTTP/1.1 requests with whatever bytes a test says, well-formed or not.
 *
 * @module
 */

/** What is answered to one request: bytes in parts, then perhaps the end of the connection. */
export interface RawAnswer {
  /** Written one after the other. */
  readonly parts: readonly (string | Uint8Array<ArrayBuffer>)[];
  /** Closes the connection after it. */
  readonly end?: boolean;
}

/** A request as it came: head with its empty line, and body. */
export interface RawRequest {
  /** The head as text. */
  readonly head: string;
  /** The body. */
  readonly body: Uint8Array;
  /** Which connection of the server it came on, from 0. */
  readonly connection: number;
}

/** A server; the answer `undefined` leaves a request without one. */
export class RawServer implements AsyncDisposable {
  /** Requests in the order in which they came. */
  readonly requests: RawRequest[] = [];
  /** Connections that were accepted. */
  connections = 0;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #answer: (request: RawRequest) => RawAnswer | undefined;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #serving: Promise<void>;

  constructor(answer: (request: RawRequest) => RawAnswer | undefined) {
    this.#answer = answer;
    this.#serving = this.#accept();
  }

  /** Its port on 127.0.0.1. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** Opens a socket to it. */
  dial(): Promise<Deno.TcpConn> {
    return Deno.connect({ hostname: "127.0.0.1", port: this.port });
  }

  /** Ends every connection from its side. */
  cut(): void {
    for (const conn of this.#open) close(conn);
    this.#open.clear();
  }

  /** Takes no more connections. */
  stopListening(): void {
    try {
      this.#listener.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopListening();
    this.cut();
    await this.#serving;
  }

  async #accept(): Promise<void> {
    const serving: Promise<void>[] = [];
    try {
      for await (const conn of this.#listener) {
        this.#open.add(conn);
        serving.push(this.#serve(conn, this.connections++));
      }
    } finally {
      await Promise.all(serving);
    }
  }

  async #serve(conn: Deno.TcpConn, connection: number): Promise<void> {
    try {
      for (let held = new Uint8Array(0);;) {
        const request = takeRequest(held, connection);
        if (request === undefined) {
          const more = new Uint8Array(65_536);
          const read = await conn.read(more);
          if (read === null) break;
          held = concat(held, more.subarray(0, read));
          continue;
        }
        held = held.slice(new TextEncoder().encode(request.head).length + request.body.length);
        this.requests.push(request);
        const answer = this.#answer(request);
        for (const part of answer?.parts ?? []) {
          const bytes = typeof part === "string" ? new TextEncoder().encode(part) : part;
          for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
        }
        if (answer?.end) break;
      }
    } catch {
      // The client, or the test, has ended the connection.
    }
    this.#open.delete(conn);
    close(conn);
  }
}

function takeRequest(held: Uint8Array, connection: number): RawRequest | undefined {
  const text = new TextDecoder("latin1").decode(held);
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = text.slice(0, end + 4);
  const length = Number(/^content-length: (\d+)\r$/im.exec(head)?.[1] ?? 0);
  const body = held.slice(end + 4, end + 4 + length);
  return body.length < length ? undefined : { head, body, connection };
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

function close(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
