/**
 * Watches a notification until it is done: drawn in place on a terminal, a line a second elsewhere.
 *
 * A node that restarts meanwhile is waited for, since the notification goes on by itself; only one
 * that stays away for a minute ends the watching.
 *
 * @module
 */

import type { NotificationAnswer } from "../../transports/api_client/answers.ts";
import type { ApiClient, ApiFailure } from "../../transports/api_client/api_client.ts";
import { LiveLines } from "../../transports/command_line/live_lines.ts";
import {
  progressLine,
  progressLines,
  ProgressMeters,
} from "../../transports/command_line/progress.ts";
import type { World } from "./world.ts";

/** Milliseconds between two looks: four a second where they are drawn, one a second where they are lines. */
const LIVE_MS = 250;
const LINE_MS = 1_000;

/** How long an absent node is waited for, in milliseconds: a restart with a long drain fits. */
const ABSENT_MS = 60_000;

/** How the watching ended. */
export type Watched =
  | { readonly kind: "ended"; readonly notification: NotificationAnswer }
  | { readonly kind: "interrupted" }
  | { readonly kind: "failed"; readonly failure: ApiFailure };

/** What is done with what was seen. */
export type Show = "lines" | "json" | "nothing";

/** Whether nothing more happens to it. */
export function hasEnded({ status, sendingDone }: NotificationAnswer): boolean {
  // A cancelled one still waits for the outcomes of what was on its way.
  return status === "done" || (status === "cancelled" && sendingDone);
}

/** Watches until the notification has ended, a person interrupts or the node stays away. */
export async function watch(
  id: string,
  client: ApiClient,
  world: World,
  show: Show,
): Promise<Watched> {
  const interrupted = new AbortController();
  using _handler = world.onInterrupt(() => interrupted.abort());
  const view = new View(world, show);
  let seenAt = world.now();
  while (!interrupted.signal.aborted) {
    const result = await client.notification(id);
    if (result.kind === "ok") {
      seenAt = world.now();
      view.show(result.value);
      if (hasEnded(result.value)) return { kind: "ended", notification: result.value };
    } else if (!isPassing(result.failure) || world.now() - seenAt >= ABSENT_MS) {
      return result;
    } else {
      view.absent();
    }
    const live = show === "lines" && world.terminal.live !== undefined;
    await world.sleep(live ? LIVE_MS : LINE_MS, interrupted.signal);
  }
  return { kind: "interrupted" };
}

/** Whether the node may be back soon: it restarts, or its store is busy. */
function isPassing(failure: ApiFailure): boolean {
  return failure.kind === "unreachable" || (failure.kind === "problem" && failure.status >= 500);
}

/** Shows progress. */
class View {
  readonly #world: World;
  readonly #mode: Show;
  readonly #meters = new ProgressMeters();
  readonly #live: LiveLines;
  #lines: readonly string[] = [];

  constructor(world: World, mode: Show) {
    this.#world = world;
    this.#mode = mode;
    this.#live = new LiveLines((text) => world.terminal.report(text));
  }

  show(notification: NotificationAnswer): void {
    const { terminal } = this.#world;
    this.#meters.add(this.#world.now(), notification);
    switch (this.#mode) {
      case "nothing":
        return;
      case "json":
        return terminal.print(`${JSON.stringify(notification)}\n`);
      case "lines": {
        if (terminal.live === undefined) {
          return terminal.report(`${progressLine(notification, this.#meters)}\n`);
        }
        this.#lines = progressLines(notification, this.#meters, terminal.live);
        return this.#live.draw(this.#lines);
      }
    }
  }

  absent(): void {
    const { terminal } = this.#world;
    if (this.#mode !== "lines") return;
    const text = "the node does not answer; waiting for it";
    if (terminal.live === undefined) return terminal.report(`${text}\n`);
    this.#live.draw([...this.#lines, text]);
  }
}
