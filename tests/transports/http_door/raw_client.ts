/**
 * A client that writes bytes as given and reads one answer: for requests no library would send.
 *
 * @module
 */

/** One answer as it came. */
export interface RawAnswer {
  /** The status, 0 when the connection ended without one. */
  readonly status: number;
  /** Headers by lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body. */
  readonly body: string;
  /** Whether the server ended the connection, as it announced by `Connection: close` or by silence. */
  readonly ended: boolean;
}

/** A raw connection to a door on loopback. */
export class RawClient implements Disposable {
  readonly #connection: Deno.Conn;
  readonly #headRead = Promise.withResolvers<void>();
  #pending = "";

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  /** Connects to a port of 127.0.0.1. */
  static async open(port: number): Promise<RawClient> {
    return new RawClient(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Resolves when the head of the first answer has arrived. */
  get headRead(): Promise<void> {
    return this.#headRead.promise;
  }

  /** Writes all of it, each character one byte; a server that stopped reading is no error here. */
  async write(text: string): Promise<void> {
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    try {
      for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
    } catch {
      // The answer was given already and is what the test looks at.
    }
  }

  /** Reads the next answer; if it announces the end of the connection, waits for that. */
  async read(): Promise<RawAnswer> {
    while (!this.#pending.includes("\r\n\r\n")) {
      if (!await this.#fill()) return { status: 0, headers: {}, body: "", ended: true };
    }
    this.#headRead.resolve();
    const head = this.#pending.slice(0, this.#pending.indexOf("\r\n\r\n"));
    this.#pending = this.#pending.slice(head.length + 4);
    const [statusLine = "", ...lines] = head.split("\r\n");
    const headers = Object.fromEntries(lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }));
    const length = Number(headers["content-length"] ?? 0);
    while (this.#pending.length < length && await this.#fill());
    const body = this.#pending.slice(0, length);
    this.#pending = this.#pending.slice(length);
    const ended = headers["connection"] === "close" && await this.#drain();
    return { status: Number(statusLine.split(" ")[1]), headers, body, ended };
  }

  /** Waits until the server ends the connection. */
  async #drain(): Promise<boolean> {
    while (await this.#fill());
    return true;
  }

  async #fill(): Promise<boolean> {
    const buffer = new Uint8Array(65_536);
    const count = await this.#connection.read(buffer).catch(() => null);
    if (count === null) return false;
    this.#pending += String.fromCharCode(...buffer.subarray(0, count));
    return true;
  }

  /** Ends the connection. */
  [Symbol.dispose](): void {
    this.#connection.close();
  }
}

/** Sends one request on a connection of its own and reads its answer. */
export async function exchange(port: number, text: string): Promise<RawAnswer> {
  using client = await RawClient.open(port);
  await client.write(text);
  return await client.read();
}
