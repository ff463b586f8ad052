// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/**
 * What happened: crashes, starts after them, supervisors that gave up. Pure.
 *
 * Invariants: at most {@linkcode HAPPENINGS_MAX}, the newest first; a start belongs to the crash before it; what a
 * frame of the tree remembers is added only when nobody has told of it.
 *
 * @module
 */

/** Rows that are kept. */
export const HAPPENINGS_MAX = 50;
/** For so long a box shows that something happened to it. */
export const FRESH_MS = 15_000;
/** A crash that the tree remembers is the one that was told of when it is so near to it. */
const SAME_MS = 1_000;

/**
 * A `crash` frame.
 *
 * @typedef {{
 *   readonly at: number, readonly kind: "crashed" | "restarted" | "gave_up", readonly path: string,
 *   readonly error: string | null, readonly incarnation: number | null,
 * } | { readonly at: number, readonly kind: "more", readonly count: number }} CrashFrame
 *
 * One row of the list; `restartedAt` is when the part was started again.
 * @typedef {{
 *   readonly key: string, readonly at: number, readonly kind: "crashed" | "restarted" | "gave_up" | "more",
 *   readonly path: string, readonly error: string | null, readonly count: number,
 *   readonly restartedAt: number | null, readonly told: boolean,
 * }} Happening `told` says whether it happened while somebody looked.
 */

/** The list. */
export class Happenings {
  #key = 0;
  /** @type {readonly Happening[]} */
  #rows = [];

  /** The newest first. @returns {readonly Happening[]} */
  get rows() {
    return this.#rows;
  }

  /** @param {CrashFrame} frame */
  take(frame) {
    if (frame.kind === "restarted") {
      const crash = this.#rows.findIndex(({ kind, path, restartedAt }) =>
        kind === "crashed" && path === frame.path && restartedAt === null
      );
      const row = this.#rows[crash];
      if (row !== undefined) {
        this.#rows = this.#rows.with(crash, { ...row, restartedAt: frame.at });
        return;
      }
    }
    const { at, kind } = frame;
    const [path, error, count] = frame.kind === "more"
      ? ["", null, frame.count]
      : [frame.path, frame.error, 1];
    this.#add({ at, kind, path, error, count, restartedAt: null, told: true });
  }

  /**
   * Adds the crashes that parts remember and of which nobody has told, from before one looked.
   *
   * @param {Iterable<import("./tour_tree.js").Part>} parts
   */
  remember(parts) {
    for (const part of parts) {
      if (part.kind !== "actor" && part.kind !== "pool") continue;
      const { path, lastCrash = null, lastCrashAt } = part;
      if (lastCrashAt === undefined || lastCrashAt === null) continue;
      const known = this.#rows.some((row) =>
        row.kind === "crashed" && (row.path === path || row.path.startsWith(`${path}/`)) &&
        Math.abs(row.at - lastCrashAt) < SAME_MS
      );
      // Crashes that were only counted stand under that number.
      const counted = this.#rows.some(({ kind, at }) =>
        kind === "more" && lastCrashAt <= at && at - lastCrashAt <= SAME_MS
      );
      if (known || counted) continue;
      const row = /** @type {const} */ ({ kind: "crashed", path, error: lastCrash, count: 1 });
      this.#add({ ...row, at: lastCrashAt, restartedAt: null, told: false });
    }
  }

  /**
   * What happened last to a part, if that is not long ago.
   *
   * @param {string} path
   * @param {number} now Time of the node.
   * @param {boolean} beneath Whether what happened to those beneath it counts, too.
   * @returns {"crashed" | "restarted" | "gave_up" | undefined}
   */
  mark(path, now, beneath) {
    const row = this.#rows.find((one) =>
      one.told && (one.path === path || beneath && one.path.startsWith(`${path}/`))
    );
    if (row === undefined || row.kind === "more") return undefined;
    if (now - (row.restartedAt ?? row.at) > FRESH_MS) return undefined;
    return row.restartedAt === null ? row.kind : "restarted";
  }

  /** @param {Omit<Happening, "key">} row */
  #add(row) {
    const next = [...this.#rows, { ...row, key: String(++this.#key) }];
    this.#rows = next.toSorted((a, b) => b.at - a.at || Number(b.key) - Number(a.key))
      .slice(0, HAPPENINGS_MAX);
  }
}

/**
 * What screen readers are told of some rows: one in words, many as a number.
 *
 * @param {readonly Happening[]} rows
 * @param {(path: string) => string} titleOf
 * @returns {string}
 */
export function announcement(rows, titleOf) {
  const crashes = rows.reduce(
    (sum, { kind, count }) => sum + (kind === "restarted" ? 0 : count),
    0,
  );
  const titles = [...new Set(rows.flatMap(({ path }) => path === "" ? [] : [titleOf(path)]))];
  const some = titles.slice(0, 3).join(", ") + (titles.length > 3 ? " and others" : "");
  if (crashes === 0) return rows.length === 0 ? "" : `Started again: ${some}.`;
  const [row] = rows;
  if (rows.length === 1 && crashes === 1 && row !== undefined) {
    const after = row.restartedAt === null ? "" : " and was started again";
    return row.kind === "gave_up" ? `${some} gave up.` : `${some} crashed${after}.`;
  }
  return `${crashes.toLocaleString("en")} crashes: ${some}.`;
}
