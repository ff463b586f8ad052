// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/**
 * Looking again and again at what has no stream: one look at a time, none while nobody sees the page.
 *
 * @module
 */

import { ApiError } from "./api.js";

/**
 * Looks now, and again so long after each look, until the signal is aborted. A look that fails keeps what
 * is shown; the frame says that the connection is lost, and the next look comes as ever.
 *
 * @param {Pick<import("./main.js").Context, "signal" | "setLive">} context
 * @param {number | (() => number)} everyMs Asked after each look, when it changes.
 * @param {() => Promise<void>} look
 * @param {(problem: string | undefined) => void} [onProblem] Told after each look what went wrong, or
 * nothing.
 * @returns {{ readonly now: () => void }} Looks at once, as after something was changed.
 */
export function poll({ signal, setLive }, everyMs, look, onProblem = () => {}) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let looking = false;
  let again = false;
  const pause = typeof everyMs === "number" ? () => everyMs : everyMs;
  const once = async () => {
    clearTimeout(timer);
    if (signal.aborted || document.hidden) return;
    if (looking) return void (again = true);
    looking = true;
    try {
      await look();
      if (signal.aborted) return;
      setLive("live");
      onProblem(undefined);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ApiError)) reportError(error);
      setLive(error instanceof ApiError && error.status > 0 ? "live" : "lost");
      onProblem(error instanceof Error ? error.message : String(error));
    } finally {
      looking = false;
    }
    timer = setTimeout(() => void once(), again ? 0 : pause());
    again = false;
  };
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  document.addEventListener("visibilitychange", () => void once(), { signal });
  void once();
  return { now: () => void once() };
}
