/**
 * Every limit of the connection to PostgreSQL, each with its reason.
 *
 * @module
 */

/**
 * Connections of one handle. A server allows a hundred by default, and a node has two handles: so
 * half a dozen nodes fit before an operator has to think about it. More do not commit faster, since
 * what arrives together goes together.
 */
export const CONNECTIONS_MAX = 6;

/** Fewest connections of one handle: one for single statements and one for transactions. */
export const CONNECTIONS_MIN = 2;

/**
 * Statements on their way over one connection. They are answered in order, so behind a slow one all
 * others wait: enough to hide the way to the server and back, no more.
 */
export const PIPELINE_MAX = 64;

/**
 * Calls that wait for a connection, of single statements and of transactions each; the next is refused
 * with the code `"busy"`. Callers that write a lot put their writes together first, so this many are
 * some seconds of work.
 */
export const WAITING_MAX = 1_024;

/** How long the server works on one statement, waiting for locks included, before it gives up. */
export const STATEMENT_TIMEOUT_MS = 5_000;

/**
 * How much longer than the statement's own limit the answer is awaited. A server that has not even
 * said by then that the time is over is frozen, or the way to it is cut.
 */
export const ANSWER_GRACE_MS = 2_000;

/** How long a new connection may take until it is authenticated. */
export const CONNECT_TIMEOUT_MS = 3_000;

/** How long after a failed attempt to connect the next one is made, at first; doubled for each after it. */
export const RECONNECT_DELAY_MIN_MS = 50;

/** Longest time between two attempts: calls in between are refused at once. */
export const RECONNECT_DELAY_MAX_MS = 1_000;

/** How long a connection that has nothing on its way may take to close. */
export const CLOSE_TIMEOUT_MS = 1_000;

/**
 * Times a transaction is run again after a conflict with another one. Conflicts are rare, as rows are
 * locked in one order everywhere; one that comes again this often is a queue that does not move.
 */
export const CONFLICT_RETRIES_MAX = 5;

/** Characters of a foreign text, such as a message of PostgreSQL, that are repeated in an error. */
export const QUOTED_CHARS_MAX = 200;

/** How long one step of a migration may take, in milliseconds: it may rewrite a large table. */
export const MIGRATION_TIMEOUT_MS = 3_600_000;

/** Oldest supported major version of the server: those before it are not maintained any more. */
export const SERVER_MAJOR_MIN = 13;
