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
import { hasEnded, pauseLines } from "./why.ts";
import type { World } from "./world.ts";

/** Milliseconds between two looks: four a second where they are drawn, one a second where they are lines. */
const LIVE_MS = 250;
const LINE_MS = 1_000;

/** What a person hears of a node that is waited for. */
export const ABSENT_TEXT = "the node does not answer; waiting for it";

/** Time without progress after which it is asked whether something is paused, and between two such questions. */
const STILL_MS = 2_000;

/** How long an absent node is waited for, in milliseconds: a restart with a long drain fits. */
export const ABSENT_MS = 60_000;

/** How the watching ended. */
export type Watched =
  | { readonly kind: "ended"; readonly notification: NotificationAnswer }
  | { readonly kind: "interrupted" }
  | { readonly kind: "failed"; readonly failure: ApiFailure };

/** What is done with what was seen. */
export type Show = "lines" | "json" | "nothing";

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
  const pauses = new Pauses(client, world);
  let seenAt = world.now();
  while (!interrupted.signal.aborted) {
    const result = await client.notification(id);
    if (result.kind === "ok") {
      seenAt = world.now();
      view.show(result.value, show === "lines" ? await pauses.of(result.value) : []);
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
export function isPassing(failure: ApiFailure): boolean {
  return failure.kind === "unreachable" || (failure.kind === "problem" && failure.status >= 500);
}

/** Finds out why a notification stands still on some platform. */
class Pauses {
  readonly #client: ApiClient;
  readonly #world: World;
  readonly #waiting = new Map<string, { readonly pending: number; readonly sinceMs: number }>();
  #askedAt = -Infinity;
  #lines: readonly string[] = [];

  constructor(client: ApiClient, world: World) {
    this.#client = client;
    this.#world = world;
  }

  /** What is paused, for people; the API is asked when nothing has moved for a while. */
  async of({ app, status, platforms }: NotificationAnswer): Promise<readonly string[]> {
    const now = this.#world.now();
    const still: string[] = [];
    for (const [name, { pending }] of Object.entries(platforms)) {
      const before = this.#waiting.get(name);
      if (before?.pending !== pending) this.#waiting.set(name, { pending, sinceMs: now });
      else if (pending > 0 && now - before.sinceMs >= STILL_MS) still.push(name);
    }
    if (still.length === 0 || status !== "sending") return this.#lines = [];
    if (now - this.#askedAt < STILL_MS) return this.#lines;
    this.#askedAt = now;
    return this.#lines = await pauseLines(this.#client, app, still);
  }
}

/** Shows progress. */
class View {
  readonly #world: World;
  readonly #mode: Show;
  readonly #meters = new ProgressMeters();
  readonly #live: LiveLines;
  #lines: readonly string[] = [];
  #printed = "";

  constructor(world: World, mode: Show) {
    this.#world = world;
    this.#mode = mode;
    this.#live = new LiveLines((text) => world.terminal.report(text));
  }

  show(notification: NotificationAnswer, notes: readonly string[]): void {
    const { terminal } = this.#world;
    this.#meters.add(this.#world.now(), notification);
    switch (this.#mode) {
      case "nothing":
        return;
      case "json":
        return terminal.print(`${JSON.stringify(notification)}\n`);
      case "lines": {
        const { live } = terminal;
        if (live === undefined) {
          return this.#print([progressLine(notification, this.#meters), ...notes].join("\n"));
        }
        const short = notes.map((line) => line.slice(0, live.columns));
        this.#lines = [...progressLines(notification, this.#meters, live), ...short];
        return this.#live.draw(this.#lines);
      }
    }
  }

  absent(): void {
    const { terminal } = this.#world;
    if (this.#mode !== "lines") return;
    if (terminal.live === undefined) return this.#print(ABSENT_TEXT);
    this.#live.draw([...this.#lines, ABSENT_TEXT]);
  }

  /** What stays the same for hours, such as a notification for tomorrow, is one line. */
  #print(text: string): void {
    if (text !== this.#printed) this.#world.terminal.report(`${text}\n`);
    this.#printed = text;
  }
}
