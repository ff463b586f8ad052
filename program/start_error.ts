/**
 * Why a node did not start, in one sentence that names the setting and says what to do.
 *
 * @module
 */

/** A start that failed for a reason outside the program. */
export class StartError extends Error {
  /** Name of the class. */
  override readonly name = "StartError";
  /** Exit status: 2 for a setting to correct, 1 for anything else. */
  readonly status: 1 | 2;

  /** The message is a sentence without its full stop: `setting: problem. What to do`. */
  constructor(message: string, status: 1 | 2, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

/** How many causes are followed: the runtime wraps once for each level of the tree. */
const CAUSES_MAX = 10;

/** The start error behind an error, or one made of the first cause's message. */
export function startError(error: unknown): StartError {
  let last = error;
  let current = error;
  for (let depth = 0; depth < CAUSES_MAX && current instanceof Error; depth++) {
    if (current instanceof StartError) return current;
    last = current;
    current = current.cause;
  }
  return new StartError(messageOf(last), 1, { cause: error });
}

/** Opens a store; one that cannot be opened is told with the name of its setting, in its own sentence. */
export async function naming<T>(setting: string, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    // Every kind of store names its refusals so.
    if (!(error instanceof Error) || error.name !== "StoreOpenError") throw error;
    throw new StartError(`${setting}: ${error.message}`, 1, { cause: error });
  }
}

/** What an error says, without its name. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Opens a listener; what cannot be listened on is told with the name of its setting. */
export async function listening<T>(
  setting: string,
  { hostname, port }: { readonly hostname: string; readonly port: number },
  open: () => T | Promise<T>,
): Promise<T> {
  try {
    return await open();
  } catch (error) {
    throw new StartError(listenProblem(setting, hostname, port, error), 1, { cause: error });
  }
}

function listenProblem(setting: string, hostname: string, port: number, error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "EADDRINUSE":
      return `${setting}: port ${port} is in use (EADDRINUSE). ` +
        `Stop the process that has it, or set another port; 0 takes any free one`;
    case "ENOTFOUND":
      return `host: ${hostname} is no name this machine knows (ENOTFOUND). ` +
        `Set one of its addresses, or 127.0.0.1`;
    case "EADDRNOTAVAIL":
    case "EINVAL": // What the runtime's node:net makes of EADDRNOTAVAIL.
      return `host: ${hostname} is no address of this machine (${code}). ` +
        `Set one it has, or 127.0.0.1`;
    case "EACCES":
      return `${setting}: port ${port} may not be used by this user (EACCES). ` +
        `Set one above 1023, or run behind a proxy`;
    default:
      return `${setting}: cannot listen on ${hostname} port ${port}: ${messageOf(error)}`;
  }
}
