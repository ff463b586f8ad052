/**
 * Every bound of the parent and of its channel to each child, each with its reason.
 *
 * @module
 */

/** Processes one parent starts: more than the cores of a large machine only share them. */
export const PROCESSES_MAX = 64;

/** Time between two heartbeats of a child, in milliseconds. */
export const HEARTBEAT_MS = 1_000;

/**
 * Heartbeats missed in a row after which a child counts as hanging: garbage collections and full
 * disks hold a process up for a second or two, and nobody waits for an answer much longer than five.
 */
export const HEARTBEATS_MISSED_MAX = 5;

/** Lateness of a child's timers that is worth a line, in milliseconds: connected devices feel it. */
export const LATE_MS = 1_000;

/** Time a child may take until it is ready, in milliseconds: a store may have work to finish first. */
export const START_MS = 60_000;

/** Time a child may take to end in order, in milliseconds: its doors, batches and connections drain one after the other. */
export const DRAIN_MS = 30_000;

/** Time after which the parent no longer waits for a child that was killed, in milliseconds, its drain included. */
export const SHUTDOWN_MS: number = DRAIN_MS + 5_000;

/** Largest line on the channel, in bytes; the program's own are shorter than a tenth of it. */
export const LINE_BYTES_MAX = 4_096;

/** Characters of what a child calls itself: an address with room to spare. */
export const NODE_CHARS_MAX = 1_000;

/** Characters shown of what is no message of the channel. */
export const STRAY_CHARS_MAX = 120;
