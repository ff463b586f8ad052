/**
 * Judges whether a child hangs.
 *
 * Checks that heard nothing are counted, not the time since the last heartbeat: a parent that was
 * held up itself (a suspended machine, a stopped group of processes) then finds one check missed,
 * and not a minute's silence of children whose lines it has not read yet.
 *
 * @module
 */

/** The heartbeats of one child. */
export class Heartbeats {
  readonly #missedMax: number;
  #missed = 0;

  /**
   * Nothing has been missed yet.
   *
   * @param missedMax Checks in a row without a heartbeat after which the child hangs, at least 1.
   */
  constructor(missedMax: number) {
    this.#missedMax = missedMax;
  }

  /** A heartbeat has come. */
  heard(): void {
    this.#missed = 0;
  }

  /** Call it once in the time of a heartbeat: whether as many as that have been missed in a row. */
  check(): "alive" | "hanging" {
    return this.#missed++ < this.#missedMax ? "alive" : "hanging";
  }
}
