/**
 * One connection to the server, from its opening to its end; it never comes back.
 *
 * Invariants: statements are sent in the order of the calls and answered in that order; a call that has
 * no answer within its time ends the connection and with it all that are on their way; after the end
 * every call is refused, and nothing is sent over another connection in its place.
 *
 * Why a client library's pool of one for each: in a pool the library reconnects by itself, and then sends
 * what nobody waits for any more, or the rest of a transaction without its beginning. It is given its
 * one socket, and no second one.
 *
 * @module
 */

import type { Socket } from "node:net";
import postgres from "postgres";
import type { Address } from "./address.ts";
import { ConnectionLost, endsConnection, quoted } from "./errors.ts";
import { CLOSE_TIMEOUT_MS, CONNECT_TIMEOUT_MS } from "./limits.ts";
import type { Row } from "./rows.ts";
import { connectSocket } from "./socket.ts";
import { sql, type Statement } from "./sql.ts";

/** What a statement answered. */
export interface Answer {
  /** The rows, in order. */
  readonly rows: readonly Row[];
  /** How many rows were read, inserted, updated or deleted. */
  readonly count: number;
  /** The command as the server names it: `"COMMIT"` or, for one that failed, `"ROLLBACK"`. */
  readonly command: string;
}

/** How a connection is opened. */
export interface SessionSettings {
  /** Where to. */
  readonly address: Address;
  /** Certificate authorities to trust instead of the system's, PEM. */
  readonly caCert: string | undefined;
  /** How the server names this connection in its lists. */
  readonly applicationName: string;
  /** Settings of the server for this connection. */
  readonly settings: Readonly<Record<string, string>>;
  /** The server gives up a statement after so long. */
  readonly statementTimeoutMs: number;
  /** This program gives up waiting for an answer after so long. */
  readonly answerTimeoutMs: number;
}

/** A call that waits for its answer. */
interface OnItsWay {
  readonly since: number;
  reject(error: Error): void;
}

/** Values are made texts before the library sees them: see `sql.ts`. */
const same = (text: string): string => text;

/** Types as this program wants to see them, by their numbers in PostgreSQL. */
const TYPES = {
  integer: { to: 20, from: [20], serialize: same, parse: integerOf },
  boolean: { to: 16, from: [16], serialize: same, parse: (text: string) => text === "t" },
  bytes: {
    to: 17,
    from: [17],
    serialize: same,
    parse: (text: string) => Uint8Array.fromHex(text.slice(2)),
  },
  json: { to: 3802, from: [114, 3802], serialize: same, parse: (text: string) => JSON.parse(text) },
  time: { to: 1184, from: [1184], serialize: same, parse: (text: string) => new Date(text) },
};

/** A number, or the text itself when the number would not be exact: then `Columns` refuses it. */
function integerOf(text: string): number | string {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : text;
}

/** A statement is prepared under its text, also one without values. */
const PREPARED = { prepare: true, simple: false };

/** An open connection. */
export class Session {
  readonly #socket: Socket;
  readonly #client: postgres.Sql<Record<never, never>>;
  readonly #answerTimeoutMs: number;
  readonly #onItsWay = new Set<OnItsWay>();
  readonly #onLost: (session: Session) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lost: ConnectionLost | undefined;
  #closed: Promise<void> | undefined;

  private constructor(
    socket: Socket,
    settings: SessionSettings,
    onLost: (session: Session) => void,
  ) {
    this.#socket = socket;
    this.#answerTimeoutMs = settings.answerTimeoutMs;
    this.#onLost = onLost;
    this.#client = client(socket, settings, () => this.end("the connection was closed"));
  }

  /**
   * Connects and authenticates; `onLost` is told once when the connection ends by itself.
   *
   * @throws {ConnectionLost | TlsRefused} When there is no connection.
   * @throws The server's error when it does not let us in.
   */
  static async open(
    settings: SessionSettings,
    onLost: (session: Session) => void,
  ): Promise<Session> {
    const socket = await connectSocket(settings.address, settings.caCert, CONNECT_TIMEOUT_MS);
    // The library listens only while it needs the socket; an error that nobody hears ends the process.
    socket.on("error", () => {});
    const session = new Session(socket, settings, onLost);
    const timer = setTimeout(
      () => session.end(`no answer for ${CONNECT_TIMEOUT_MS} ms`),
      CONNECT_TIMEOUT_MS,
    );
    try {
      await session.query(sql`SELECT 1`);
      return session;
    } catch (error) {
      session.end("it was not opened");
      await session.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whether it has ended. */
  get lost(): boolean {
    return this.#lost !== undefined;
  }

  /**
   * Sends a statement and waits for its answer.
   *
   * @throws {ConnectionLost} When the connection ended before the answer.
   * @throws The server's error, see `sqlState`.
   */
  query({ text, values }: Statement): Promise<Answer> {
    return this.#run((client) => client.unsafe(text, [...values], PREPARED));
  }

  /** Sends texts that answer nothing, as one: `BEGIN`, or the statements of a migration. */
  async run(text: string): Promise<string> {
    const { command } = await this.#run((client) => client.unsafe(text).simple());
    return command;
  }

  /** Ends the connection at once; calls on their way are refused. */
  end(reason: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = new ConnectionLost(reason);
    clearTimeout(this.#timer);
    for (const call of this.#onItsWay) call.reject(this.#lost);
    this.#onItsWay.clear();
    // With a reason, for without one the library would try to connect again.
    this.#socket.destroy(this.#lost);
    this.#closed = this.#client.end({ timeout: 0 });
    this.#onLost(this);
  }

  /** Takes leave of the server, unless it has ended; nothing may be on its way. Resolves when all is put away. */
  async close(): Promise<void> {
    this.#lost ??= new ConnectionLost("it is closed");
    this.#closed ??= this.#client.end({ timeout: CLOSE_TIMEOUT_MS / 1000 });
    await this.#closed;
    this.#socket.destroy();
  }

  async #run(
    send: (client: postgres.Sql<Record<never, never>>) => Promise<postgres.RowList<postgres.Row[]>>,
  ): Promise<Answer> {
    if (this.#lost !== undefined) throw this.#lost;
    const { promise, reject } = Promise.withResolvers<never>();
    const call: OnItsWay = { since: performance.now(), reject };
    this.#onItsWay.add(call);
    if (this.#onItsWay.size === 1) this.#watch(this.#answerTimeoutMs);
    try {
      const answer = await Promise.race([send(this.#client), promise]);
      // The library's own kind of list has more in it than rows.
      return { rows: [...answer], count: answer.count ?? 0, command: answer.command };
    } catch (error) {
      if (endsConnection(error)) this.end(quoted(error));
      // The library has its own errors for a connection that is gone; callers know one.
      throw error instanceof Error && error.name === "PostgresError" ? error : this.#lost;
    } finally {
      this.#onItsWay.delete(call);
      if (this.#onItsWay.size === 0) clearTimeout(this.#timer);
    }
  }

  /** One timer for all that are on their way: they are answered in order, so the first is the oldest. */
  #watch(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const [oldest] = this.#onItsWay;
      if (oldest === undefined) return;
      const waitedMs = performance.now() - oldest.since;
      if (waitedMs < this.#answerTimeoutMs) return this.#watch(this.#answerTimeoutMs - waitedMs);
      this.end(`no answer for ${this.#answerTimeoutMs} ms`);
    }, delayMs);
  }
}

/** The library on this socket, with everything set that it would take from the environment. */
function client(
  socket: Socket,
  { address, applicationName, settings, statementTimeoutMs }: SessionSettings,
  onclose: () => void,
): postgres.Sql<Record<never, never>> {
  let used = false;
  const options = {
    host: address.host,
    port: address.port,
    database: address.database,
    username: address.user,
    // A function, so that the password is in no object that somebody may print.
    password: () => address.password,
    max: 1,
    ssl: false,
    sslnegotiation: "postgres",
    idle_timeout: 0,
    connect_timeout: 0,
    max_lifetime: 0,
    max_pipeline: 100,
    backoff: () => 0,
    keep_alive: 30,
    prepare: true,
    debug: false,
    fetch_types: false,
    publications: "alltables",
    target_session_attrs: undefined,
    types: TYPES,
    onnotice: () => {},
    onclose,
    connection: {
      // Compiling a statement takes a hundred times as long as these small ones run.
      jit: "off",
      ...settings,
      application_name: applicationName,
      search_path: address.schema,
      statement_timeout: statementTimeoutMs,
      // A node that is frozen in a transaction loses it before those who wait for its locks give up.
      idle_in_transaction_session_timeout: Math.ceil(statementTimeoutMs / 2),
      synchronous_commit: "on",
      DateStyle: "ISO",
      TimeZone: "UTC",
      bytea_output: "hex",
    },
    /** What the library takes for the way to the server: one socket, once. */
    socket(): Socket {
      if (used) throw new Error("the connection is gone");
      used = true;
      return socket;
    },
  };
  return postgres(options);
}
