/**
 * Every limit of the rows in PostgreSQL, each with its reason.
 *
 * @module
 */

/** How long rows are kept, unless somebody says otherwise: what people ask about is rarely older than a quarter. */
export const ROWS_RETENTION_MS = 90 * 86_400_000;

/** Shortest retention: rows go by whole days. */
export const RETENTION_MIN_MS = 86_400_000;

/**
 * Longest retention: with more tables than some thousand the planner gets slow, and so many are open
 * at once when somebody looks a device up.
 */
export const RETENTION_MAX_MS = 3_650 * 86_400_000;

/** Days for which a table is made ahead: a database that lets nobody make tables for a day is no trouble yet. */
export const DAYS_AHEAD = 2;

/** Time between two looks whether tables are to be made or dropped. */
export const UPKEEP_MS = 600_000;

/**
 * How long dropping a table may wait for readers of the rows. Everything else waits behind it
 * meanwhile, so it gives up soon and is tried again at the next look.
 */
export const DROP_WAIT_MS = 1_000;

/**
 * Tables made in one transaction, and dropped in one look: each needs a lock for itself and for each of its
 * indexes, of which a server has some thousand.
 */
export const TABLES_AT_ONCE = 32;

/** Rows read at once. */
export const PAGE_MAX = 10_000;

/** Connections: pages come one after the other, and upkeep now and then. */
export const CONNECTIONS = 2;
