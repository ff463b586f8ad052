// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The node's events, for as long as a view shows them: read by `fetch`, because the browser's own
 * `EventSource` cannot send a token without putting it into an address.
 *
 * Invariants: one stream at a time; whoever lost it comes again with a growing pause, and at once when the
 * page is shown again or the network is back; what was missed is asked for by the second of the last
 * bar. A stream that says nothing for {@linkcode SILENCE_MS} is taken for dead, as one is after sleep. One
 * that nobody sees for {@linkcode UNSEEN_MS} is ended until somebody does: a browser has six connections
 * to a node for all its tabs, and forgotten ones would keep the others from loading.
 *
 * @module
 */

import { ApiError } from "./api.js";

/** The node says something at least every 15 s. */
const SILENCE_MS = 20_000;
/** Who looks at another tab for a moment finds this one as live as before. */
const UNSEEN_MS = 60_000;
/** Pause before the first attempt to come again, and the longest one. */
const PAUSE_MIN_MS = 500;
const PAUSE_MAX_MS = 15_000;
/** Characters of one frame: a tree of a busy node has 60,000. */
const FRAME_CHARS_MAX = 4_000_000;

/**
 * A frame: what it is about, and its data.
 *
 * @typedef {{ readonly type: string, readonly id: string, readonly data: unknown }} Frame
 *
 * How the stream is: `waiting` for its first frame, `live`, or `lost` and being asked for again.
 * @typedef {"waiting" | "live" | "lost"} StreamState
 *
 * @typedef {{
 *   readonly show: readonly ("bars" | "status" | "tree")[],
 *   readonly since?: () => number | undefined,
 *   readonly onFrame: (frame: Frame) => void,
 *   readonly onState: (state: StreamState) => void,
 * }} StreamOptions
 */

/**
 * Follows the events until the signal is aborted.
 *
 * @param {import("./api.js").Api} api
 * @param {StreamOptions} options `since` gives the second from which on bars are missing, at each (new) start.
 * @param {AbortSignal} signal
 * @returns {void}
 */
export function followEvents(api, options, signal) {
  void follow(api, options, signal);
}

/**
 * @param {import("./api.js").Api} api
 * @param {StreamOptions} options
 * @param {AbortSignal} signal
 */
async function follow(api, { show, since, onFrame, onState }, signal) {
  let pauseMs = PAUSE_MIN_MS;
  while (!signal.aborted) {
    const attempt = new AbortController();
    const watch = new Watch(attempt);
    try {
      const parameters = { show: show.join(), since: since?.() };
      const body = await api.events(parameters, AbortSignal.any([signal, attempt.signal]));
      for await (const frames of framesOf(body, () => watch.heard())) {
        for (const frame of frames) give(frame, onFrame);
        if (signal.aborted) return;
        pauseMs = PAUSE_MIN_MS;
        onState("live");
      }
    } catch (error) {
      // The token is gone, and with it this view.
      if (error instanceof ApiError && error.status === 401) return;
    } finally {
      watch.end();
      attempt.abort();
    }
    if (signal.aborted) return;
    onState("lost");
    await chance(pauseMs, signal);
    pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2);
  }
}

/**
 * A view's mistake is told in the console, and ends nothing: the next attempt would meet it again.
 *
 * @param {Frame} frame
 * @param {StreamOptions["onFrame"]} onFrame
 */
function give(frame, onFrame) {
  try {
    onFrame(frame);
  } catch (error) {
    reportError(error);
  }
}

/** Ends an attempt in which nothing is heard or seen for too long; the clock it asks goes on in sleep. */
class Watch {
  #attempt;
  #heardAt = Date.now();
  #seenAt = Date.now();
  #timer;

  /** @param {AbortController} attempt */
  constructor(attempt) {
    this.#attempt = attempt;
    this.#timer = setInterval(() => this.#look(), 1_000);
    document.addEventListener("visibilitychange", this.#look);
  }

  heard() {
    this.#heardAt = Date.now();
  }

  end() {
    clearInterval(this.#timer);
    document.removeEventListener("visibilitychange", this.#look);
  }

  #look = () => {
    const now = Date.now();
    if (!document.hidden) this.#seenAt = now;
    if (now - this.#heardAt > SILENCE_MS || now - this.#seenAt > UNSEEN_MS) this.#attempt.abort();
  };
}

/**
 * A pause that ends early when there is reason to hope, and lasts while nobody sees the page.
 *
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function chance(ms, signal) {
  return new Promise((resolve) => {
    const over = new AbortController();
    const go = () => {
      clearTimeout(timer);
      over.abort();
      resolve();
    };
    const timer = document.hidden ? undefined : setTimeout(go, ms);
    const listen = { signal: over.signal };
    signal.addEventListener("abort", go, listen);
    addEventListener("online", go, listen);
    document.addEventListener("visibilitychange", () => document.hidden || go(), listen);
  });
}

/**
 * The frames of a stream as they come in (HTML Living Standard section 9.2.6), those of one read together.
 *
 * @param {ReadableStream<Uint8Array>} body
 * @param {() => void} heard Called with everything that comes, remarks too.
 * @returns {AsyncGenerator<readonly Frame[], void, void>}
 */
export async function* framesOf(body, heard) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      const parts = (rest + decoder.decode(value, { stream: true })).split(/\r\n\r\n|\n\n|\r\r/);
      rest = parts.pop() ?? "";
      if (rest.length > FRAME_CHARS_MAX) throw new Error("The node sent a frame without an end.");
      yield parts.flatMap(frameOf);
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/**
 * @param {string} part The lines of one frame.
 * @returns {readonly Frame[]}
 */
function frameOf(part) {
  let type = "message";
  let id = "";
  /** @type {string[]} */
  const data = [];
  for (const line of part.split(/\r\n|\n|\r/)) {
    const [, field, value = ""] = /^([^:]+)(?:: ?(.*))?$/.exec(line) ?? [];
    if (field === "event") type = value;
    if (field === "id") id = value;
    if (field === "data") data.push(value);
  }
  return data.length === 0 ? [] : [{ type, id, data: JSON.parse(data.join("\n")) }];
}
