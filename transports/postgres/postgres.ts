/**
 * A handle on one database: statements, transactions, and a bound on how long and how many.
 *
 * Invariants: every call ends within the time of a statement plus the time to wait for its turn,
 * also when the server is frozen or gone; the number of waiting calls is bounded; after the server was
 * away the next calls find it again without anybody's help. Commits are durable when they are
 * answered (`synchronous_commit`).
 *
 * Single statements share a few connections, many on their way over each. Transactions have the
 * others, one at a time each: so neither waits for the other.
 *
 * The handle names the schema by the connection's `search_path`: statements name tables only. A pooler
 * in between must keep both, and prepared statements, for each client's connection.
 *
 * @module
 */

import { type Address, parseAddress } from "./address.ts";
import {
  asOpenError,
  asStoreError,
  invariant,
  isConflict,
  StoreError,
  StoreOpenError,
} from "./errors.ts";
import { Lane } from "./lane.ts";
import {
  ANSWER_GRACE_MS,
  CONFLICT_RETRIES_MAX,
  CONNECTIONS_MAX,
  CONNECTIONS_MIN,
  PIPELINE_MAX,
  SERVER_MAJOR_MIN,
  STATEMENT_TIMEOUT_MS,
} from "./limits.ts";
import { Columns } from "./rows.ts";
import { type Answer, Session, type SessionSettings } from "./session.ts";
import { sql, type Statement } from "./sql.ts";

/** How a database is opened. */
export interface PostgresOptions {
  /** Its address, see `parseAddress`. */
  readonly url: string | { reveal(): string };
  /** Certificate authorities to trust instead of the system's, PEM. */
  readonly caCert?: string;
  /** Connections at most, at least 2; default 6. */
  readonly connectionsMax?: number;
  /** How the server names these connections in its lists; default `heliograph`. */
  readonly applicationName?: string;
  /** Milliseconds the server may work on one statement; default 5,000. */
  readonly statementTimeoutMs?: number;
  /** Settings of the server for these connections by their names, such as those of its planner. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** What can be done inside a transaction. */
export interface Transaction {
  /**
   * Runs a statement. Several may be on their way: they run in the order of the calls.
   *
   * @throws The server's error; then the transaction can only be given up.
   */
  query(statement: Statement): Promise<Answer>;
  /** Runs texts without values that answer nothing, separated by semicolons. */
  run(text: string): Promise<void>;
}

/** An open database; made by {@link openPostgres}. */
export class Postgres implements AsyncDisposable {
  readonly #address: Address;
  readonly #shared: Lane;
  readonly #exclusive: Lane;
  #closed: Promise<void> | undefined;

  private constructor(address: Address, settings: SessionSettings, connectionsMax: number) {
    this.#address = address;
    const open = (onLost: (session: Session) => void) => Session.open(settings, onLost);
    const waitMs = settings.answerTimeoutMs;
    const shared = Math.floor(connectionsMax / 3) || 1;
    this.#shared = new Lane({ open, waitMs, sessionsMax: shared, callsMax: PIPELINE_MAX });
    const exclusive = connectionsMax - shared;
    this.#exclusive = new Lane({ open, waitMs, sessionsMax: exclusive, callsMax: 1 });
  }

  /** For {@link openPostgres}. */
  static async open(options: PostgresOptions): Promise<Postgres> {
    const { url, connectionsMax = CONNECTIONS_MAX } = options;
    const address = parseAddress(typeof url === "string" ? url : url.reveal());
    if (!Number.isSafeInteger(connectionsMax) || connectionsMax < CONNECTIONS_MIN) {
      throw new StoreOpenError(
        "bad_address",
        `Cannot use ${connectionsMax} connections: at least ${CONNECTIONS_MIN} are needed`,
      );
    }
    const statementTimeoutMs = options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS;
    const settings: SessionSettings = {
      // Certificates are only of use when they are looked at.
      address: { ...address, tls: address.tls || options.caCert !== undefined },
      caCert: options.caCert,
      applicationName: options.applicationName ?? "heliograph",
      settings: options.settings ?? {},
      statementTimeoutMs,
      answerTimeoutMs: statementTimeoutMs + ANSWER_GRACE_MS,
    };
    const opened = new Postgres(address, settings, connectionsMax);
    try {
      await opened.#checkServer();
      return opened;
    } catch (error) {
      await opened.close();
      throw asOpenError(address.place, error);
    }
  }

  /** Host, port and database, for messages: without user and password. */
  get place(): string {
    return this.#address.place;
  }

  /** The schema that holds the tables. */
  get schema(): string {
    return this.#address.schema;
  }

  /**
   * Runs one statement by itself, committed when this resolves. `action` completes "Cannot …" in errors.
   *
   * @throws {StoreError} `"busy"`, `"unavailable"`, `"full"`, `"io"` or `"closed"`.
   * @throws {Error} When the statement is at fault, as with a broken constraint.
   */
  async query(action: string, statement: Statement): Promise<Answer> {
    try {
      return await this.#query(statement);
    } catch (error) {
      throw named(action, error);
    }
  }

  /**
   * Runs a transaction and commits it. After a conflict with another one (a serialisation failure or
   * a deadlock) `work` runs again from its beginning, in a new transaction, up to five times.
   *
   * @throws What {@link Postgres.query} throws, and what `work` throws: then nothing was stored.
   */
  async transaction<T>(
    action: string,
    work: (transaction: Transaction) => Promise<T>,
    isolation: "read committed" | "repeatable read" | "serializable" = "read committed",
  ): Promise<T> {
    for (let attempt = 0;; attempt++) {
      try {
        return await this.#attempt(work, isolation);
      } catch (error) {
        if (isConflict(error) && attempt < CONFLICT_RETRIES_MAX) continue;
        throw named(action, error);
      }
    }
  }

  /** Lets the calls on their way end, refuses new ones and closes all connections; again is fine. */
  close(): Promise<void> {
    this.#closed ??= Promise.all([this.#shared.close(), this.#exclusive.close()]).then(() => {});
    return this.#closed;
  }

  /** The same as {@link Postgres.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #query(statement: Statement): Promise<Answer> {
    const taken = this.#shared.take();
    const session = taken instanceof Session ? taken : await taken;
    try {
      return await session.query(statement);
    } finally {
      this.#shared.give(session);
    }
  }

  async #attempt<T>(
    work: (transaction: Transaction) => Promise<T>,
    isolation: string,
  ): Promise<T> {
    const session = await this.#exclusive.take();
    try {
      return await inTransaction(session, work, isolation);
    } finally {
      this.#exclusive.give(session);
    }
  }

  async #checkServer(): Promise<void> {
    const { rows } = await this.#query(
      sql`SELECT current_setting('server_version_num')::int8 AS version`,
    );
    const major = Math.floor(new Columns("pg_settings").integer(rows[0], "version") / 10_000);
    if (major >= SERVER_MAJOR_MIN) return;
    throw new StoreOpenError(
      "unusable",
      `Cannot use the database at ${this.place}: it is PostgreSQL ${major}, needed is ${SERVER_MAJOR_MIN} or newer`,
    );
  }
}

/** Says what could not be done; errors of this program have their sentence already, or are bugs. */
function named(action: string, error: unknown): unknown {
  if (error instanceof StoreError && (error.code === "busy" || error.code === "closed")) {
    return error.message.startsWith("Cannot ")
      ? error
      : new StoreError(error.code, `Cannot ${action}: ${error.message}`);
  }
  return asStoreError(action, error);
}

/** Runs `work` between `BEGIN` and `COMMIT` on a connection that has nothing else to do. */
async function inTransaction<T>(
  session: Session,
  work: (transaction: Transaction) => Promise<T>,
  isolation: string,
): Promise<T> {
  const begun = session.run(`BEGIN ISOLATION LEVEL ${isolation}`);
  // Not awaited: the first statement goes with it. If it fails, so does what follows.
  begun.catch(() => {});
  let result: T;
  try {
    result = await work({
      query: (statement) => session.query(statement),
      run: async (text) => void await session.run(text),
    });
    await begun;
  } catch (error) {
    if (!session.lost) {
      await session.run("ROLLBACK").catch(() => session.end("it did not roll back"));
    }
    throw error;
  }
  const command = await session.run("COMMIT");
  invariant(command === "COMMIT", "a failed statement of a transaction was passed over");
  return result;
}

/**
 * Opens a database. Nothing is created or changed in it.
 *
 * @throws {StoreOpenError} When it cannot be used; its `code` says why and its message what to do.
 */
export function openPostgres(options: PostgresOptions): Promise<Postgres> {
  return Postgres.open(options);
}
