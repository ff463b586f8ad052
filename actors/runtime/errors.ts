/**
 * Errors of the actor runtime: each has a stable `code`, so that a `switch` on it narrows.
 *
 * @module
 */

/** Why a `send` or an `ask` failed. */
export type AskErrorCode = "timeout" | "stopped" | "crashed" | "dropped";

/** A `send` or an `ask` that will not be answered. Uncaught in a handler it crashes the asker. */
export class AskError extends Error {
  /** Its class, as shown before the message. */
  override readonly name = "AskError";
  /**
   * - `"timeout"`: the deadline passed; the message may or may not have been handled.
   * - `"stopped"`: the actor ended before it handled the message.
   * - `"crashed"`: the actor crashed while it handled the message; the crash is the `cause`.
   * - `"dropped"`: the mailbox's policy dropped the message, or too many senders wait already.
   */
  readonly code: AskErrorCode;

  /**
   * Makes an error.
   *
   * @param code Why it failed.
   * @param message The action that failed.
   * @param options The crash as `cause`, when there was one.
   */
  constructor(code: AskErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A tree that did not start: everything of it that had started was stopped again. */
export class StartError extends Error {
  /** Its class, as shown before the message. */
  override readonly name = "StartError";
  /** Stable code. */
  readonly code = "start_failed";
  /** Path of the child whose start failed. */
  readonly path: string;

  /**
   * Makes an error.
   *
   * @param path Path of the child whose start failed.
   * @param cause Why it failed.
   */
  constructor(path: string, cause: unknown) {
    super(`Cannot start "${path}": ${errorText(cause)}`, { cause });
    this.path = path;
  }
}

/** A supervisor that reached its limit of restarts and gave up. */
export class RestartLimitError extends Error {
  /** Its class, as shown before the message. */
  override readonly name = "RestartLimitError";
  /** Stable code. */
  readonly code = "restart_limit";
  /** Path of the supervisor. */
  readonly path: string;

  /**
   * Makes an error.
   *
   * @param path Path of the supervisor.
   * @param limit Its restart intensity.
   * @param limit.restarts Restarts allowed.
   * @param limit.withinMs The window in milliseconds.
   * @param cause The last crash.
   */
  constructor(
    path: string,
    limit: { readonly restarts: number; readonly withinMs: number },
    cause: unknown,
  ) {
    super(
      `Cannot keep "${path}" running: more than ${limit.restarts} restarts within ${limit.withinMs} ms`,
      { cause },
    );
    this.path = path;
  }
}

/** A broken invariant: a bug, in the runtime or in how it is used. It crashes the actor it happens in. */
export class InvariantError extends Error {
  /** Its class, as shown before the message. */
  override readonly name = "InvariantError";
  /** Stable code. */
  readonly code = "invariant";
}

/** Every error the runtime makes. */
export type RuntimeError = AskError | StartError | RestartLimitError | InvariantError;

/**
 * Throws unless the condition holds. On in production: a wrong state must not spread.
 *
 * @param condition What must be true.
 * @param message What is wrong when it is not.
 * @throws {InvariantError} When the condition is false.
 */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/**
 * The name and message of a thrown value as one line; anything can be thrown, so anything is accepted.
 *
 * @param error The thrown value.
 * @returns Its text, without a stack trace.
 */
export function errorText(error: unknown): string {
  try {
    return describe(error).replaceAll(/\s+/g, " ");
  } catch {
    // Its own getters or its own inspection threw: it has crashed one actor and shall not end the process.
    return "a thrown value which cannot be shown";
  }
}

function describe(error: unknown): string {
  if (error instanceof Error) return `${error.name}: ${error.message}`;
  return typeof error === "string" ? error : Deno.inspect(error, { depth: 1, compact: true });
}
