/**
 * Every bound of what nodes do for each other, with its reason.
 *
 * @module
 */

/** How long a node counts as alive without a sign of life: its devices and batches are then given up for lost. */
export const NODE_LEASE_MS = 10_000;

/** Time between two renewals of that lease: three may be refused before it ends, or one not be answered by a store that hangs. */
export const NODE_RENEW_MS = 2_500;

/** Messages that may wait for the forwarder: as many as for the registry, which hands them on. */
export const FORWARDER_MAILBOX = 16_384;

/** Messages whose devices are being looked for; what comes beyond stays in the store until its device looks there. */
export const LOOKUPS_WAITING_MAX = 16_384;

/** User agents looked for by one question to the store. */
export const LOOKUP_MAX = 512;

/** Delay before a store that could not say where devices are is asked again. */
export const LOOKUP_RETRY_MS = 1_000;

/** Time between two looks into the directory for nodes that are not known: devices may be said to be on one that is dead. */
export const NODES_LOOK_MS = 250;

/** Messages that may wait for one node; the devices of what comes beyond are told to look into the store. */
export const PEER_QUEUE_MAX = 8_192;

/** Messages handed to a node at once. */
export const PEER_BLOCK_MAX = 256;

/** Devices of a node that could not be reached which are remembered, to be told to look into the store. */
export const PEER_MISSED_MAX = 100_000;

/** Devices told to look into the store at once. */
export const NOTIFY_MAX = 1_000;

/** Delay before a node that could not be reached is tried again. */
export const PEER_RETRY_MS = 1_000;

/** Sessions to be ended on one node that may wait for it; those beyond find out when their device answers no ping. */
export const DISPLACED_MAX = 1_000;

/** Time for which devices of a node that is not in the directory are remembered: it is new, or its lease lapsed and it comes back, or neither. */
export const STRANGER_MS = 3 * NODE_LEASE_MS;

/** Nodes outside the directory that are remembered: as many as there may be in it. */
export const STRANGERS_MAX = 1_000;

/** Nodes that share a store: one machine's processes, and some machines. */
export const NODES_MAX = 1_000;
