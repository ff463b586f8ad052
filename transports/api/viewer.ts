/**
 * One page's events on their way to it.
 *
 * Invariants: at most so many frames and bytes wait, and of what only the newest is worth reading at
 * most one each; a page too far behind gets no more and its stream ends. A frame is taken from those
 * that wait when it is written, so that nothing waits in a second place.
 *
 * @module
 */

import type { EventFrame } from "./event_frame.ts";
import { HEARTBEAT_MS, RECONNECT_MS, VIEWER_BYTES_MAX, VIEWER_FRAMES_MAX } from "./limits.ts";
import type { ApiClock } from "./readiness.ts";

/** Whether a newer frame makes one that waits worthless: it is the state, not what happened. */
const REPLACED: Readonly<Record<EventFrame["type"], boolean>> = {
  bar: false,
  status: true,
  tree: true,
  crash: false,
};

/** The events of one page. */
export class Viewer {
  readonly #clock: ApiClock;
  readonly #signal: AbortSignal;
  readonly #waiting: EventFrame[] = [];
  #waitingBytes = 0;
  #over = false;
  #wake: (() => void) | undefined;

  /** A page that watches until the signal is aborted. */
  constructor(clock: ApiClock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#wake?.(), { once: true });
  }

  /** Takes a frame; a page that is too far behind gets no more, and its stream ends. */
  add(frame: EventFrame): void {
    if (this.#over) return;
    if (REPLACED[frame.type]) this.#forget(frame.type);
    const { length } = frame.bytes;
    // A single frame beyond the bound passes: the stream could never show it otherwise.
    const tooMuch = this.#waiting.length > 0 && this.#waitingBytes + length > VIEWER_BYTES_MAX;
    if (this.#waiting.length >= VIEWER_FRAMES_MAX || tooMuch) return this.end();
    this.#waiting.push(frame);
    this.#waitingBytes += length;
    this.#wake?.();
  }

  /** Ends the stream; what waits is not sent. */
  end(): void {
    this.#over = true;
    this.#waiting.length = 0;
    this.#wake?.();
  }

  /**
   * The bytes of the stream.
   *
   * @param missed What it begins with.
   */
  async *stream(missed?: EventFrame): AsyncGenerator<string | Uint8Array, void, void> {
    yield `retry: ${RECONNECT_MS}\n\n`;
    if (missed !== undefined) yield missed.bytes;
    while (!this.#signal.aborted && !this.#over) {
      const frame = this.#waiting.shift();
      if (frame !== undefined) {
        this.#waitingBytes -= frame.bytes.length;
        yield frame.bytes;
      } else if (await this.#something() === "quiet") yield ": still here\n\n";
    }
  }

  #forget(type: EventFrame["type"]): void {
    const place = this.#waiting.findIndex((frame) => frame.type === type);
    const [old] = place < 0 ? [] : this.#waiting.splice(place, 1);
    this.#waitingBytes -= old?.bytes.length ?? 0;
  }

  /** Resolves at the next event, at the end, or when it is time for a sign of life. */
  async #something(): Promise<"news" | "quiet"> {
    const { promise, resolve } = Promise.withResolvers<"news" | "quiet">();
    this.#wake = () => resolve("news");
    const cancel = this.#clock.after(HEARTBEAT_MS, () => resolve("quiet"));
    const what = await promise;
    this.#wake = undefined;
    cancel();
    return what;
  }
}
