/**
 * `status --watch`: what ends in each second, on all nodes of the store: bars on a terminal, a line a second
 * elsewhere, or a JSON line for each bar.
 *
 * Invariants: nothing is told twice, but a bar to which something was added is JSON again; a node that is
 * away is waited for, and what ended meanwhile is told when it is back, as far as it knows; the terminal
 * is left as it was found, for neither its cursor nor its colours are changed beyond a line.
 *
 * @module
 */

import type { NodeAnswer } from "../../transports/api_client/answers.ts";
import type { ApiClient, ApiFailure } from "../../transports/api_client/api_client.ts";
import type { BarAnswer } from "../../transports/api_client/event_answers.ts";
import { chartLines } from "../../transports/command_line/bar_chart.ts";
import { BarWindow, endedOn } from "../../transports/command_line/bar_window.ts";
import { PLATFORM_NAMES } from "../../transports/command_line/client_options.ts";
import type { ClientSettings } from "../../transports/command_line/client_settings.ts";
import { BAR_SECONDS_MAX } from "../../transports/command_line/limits.ts";
import { LiveLines } from "../../transports/command_line/live_lines.ts";
import { grouped } from "../../transports/command_line/shown_number.ts";
import { apiError, openClient } from "./api_access.ts";
import { ABSENT_MS, ABSENT_TEXT, isPassing } from "./watch.ts";
import { INTERRUPTED, type Screen, type World } from "./world.ts";

/** A bar comes each second: without one for so many milliseconds the connection is lost. */
const SILENCE_MS = 10_000;

/** Milliseconds between two attempts to reach a node that is away. */
const RETRY_MS = 1_000;

/** Lines of the picture where the terminal does not say how many it has. */
const CHART_ROWS = 12;

/** What the node says, to a person or a program. */
interface View {
  /** Bars that are new or have grown, oldest first; they are in the window already. */
  bars(news: readonly BarAnswer[]): void;
  /** The node's load. */
  status(status: NodeAnswer): void;
  /** The node is away. */
  absent(): void;
}

/** Watches the node until a person interrupts. */
export async function watchNode(
  settings: ClientSettings,
  json: boolean,
  world: World,
): Promise<number> {
  const client = openClient(settings, { silenceMs: SILENCE_MS });
  const interrupted = new AbortController();
  const { signal } = interrupted;
  using _handler = world.onInterrupt(() => interrupted.abort());
  const window = new BarWindow();
  const view = json
    ? new JsonView(world)
    : world.terminal.screen === undefined
    ? new LineView(world, window)
    : new ChartView(world, window);
  let heardMs = world.now();
  try {
    while (!signal.aborted) {
      const failure = await follow({ client, window, view, signal }, () => heardMs = world.now());
      if (signal.aborted) break;
      if (!isPassing(failure) || world.now() - heardMs >= ABSENT_MS) {
        throw apiError(failure, settings);
      }
      view.absent();
      await world.sleep(RETRY_MS, signal);
    }
  } catch (error) {
    // Whoever read it has seen enough, such as `head`.
    if (error instanceof Deno.errors.BrokenPipe) return 0;
    throw error;
  }
  return INTERRUPTED;
}

/** Who follows what. */
interface Following {
  readonly client: ApiClient;
  readonly window: BarWindow;
  readonly view: View;
  readonly signal: AbortSignal;
}

/** Shows what happens until the node is lost or a person interrupts; why the node was lost. */
async function follow(
  { client, window, view, signal }: Following,
  heard: () => void,
): Promise<ApiFailure> {
  const past = await client.bars(signal);
  if (past.kind === "failed") return past.failure;
  const { to, bars } = past.value;
  const news = bars.filter((bar) => window.take(bar));
  window.moveTo(to - 1);
  view.bars(news);
  for await (const event of client.events({ since: window.since, signal })) {
    if (event.kind === "failed") return event.failure;
    heard();
    switch (event.value.type) {
      case "bar":
        if (window.take(event.value.data)) view.bars([event.value.data]);
        break;
      case "status":
        view.status(event.value.data);
        break;
      case "tree":
      case "crash":
        break; // Not asked for.
    }
  }
  return { kind: "unreachable", reason: "it has closed" };
}

/** Bars as lines of JSON. */
class JsonView implements View {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  bars(news: readonly BarAnswer[]): void {
    if (news.length === 0) return;
    this.#world.terminal.print(news.map((bar) => `${JSON.stringify(bar)}\n`).join(""));
  }

  status(): void {}

  absent(): void {}
}

/** A line for each second from now on. It is told when the next one has begun: until then it may grow. */
class LineView implements View {
  readonly #world: World;
  readonly #window: BarWindow;
  #told: number | undefined;
  #away = false;

  constructor(world: World, window: BarWindow) {
    this.#world = world;
    this.#window = window;
  }

  bars(): void {
    this.#away = false;
    const newest = this.#window.newest ?? 0;
    // After the node's clock was set back, seconds that were told come again.
    if (this.#told === undefined || this.#told > newest) this.#told = newest - 1;
    this.#told = Math.max(this.#told, newest - BAR_SECONDS_MAX);
    let text = "";
    while (this.#told < newest - 1) {
      const bar = this.#window.at(++this.#told);
      const rates = PLATFORM_NAMES.map((name) => `${name} ${grouped(endedOn(bar, name))}/s`);
      text += `${[clock(this.#told), ...rates].join("  ")}\n`;
    }
    if (text !== "") this.#world.terminal.print(text);
  }

  status(): void {}

  absent(): void {
    if (!this.#away) this.#world.terminal.report(`${ABSENT_TEXT}\n`);
    this.#away = true;
  }
}

/** Bars in place, as large as the terminal is at the moment. */
class ChartView implements View {
  readonly #world: World;
  readonly #window: BarWindow;
  readonly #live: LiveLines;
  #status: NodeAnswer | undefined;
  #columns: number | undefined;

  constructor(world: World, window: BarWindow) {
    this.#world = world;
    this.#window = window;
    this.#live = new LiveLines((text) => world.terminal.print(text));
  }

  bars(): void {
    this.#draw([]);
  }

  status(status: NodeAnswer): void {
    this.#status = status;
    this.#draw([]);
  }

  absent(): void {
    this.#draw([ABSENT_TEXT]);
  }

  #draw(notes: readonly string[]): void {
    const { screen } = this.#world.terminal;
    if (screen === undefined) return;
    const { columns, colour } = screen;
    if (this.#columns !== undefined && this.#columns !== columns) this.#live.clear();
    this.#columns = columns;
    const all = [...notes, ...this.#status === undefined ? [] : load(this.#status)];
    const style = { columns, colour, rows: rowsOf(screen), clock };
    const lines = chartLines(this.#window, all, style);
    this.#live.draw(lines.length === 0 ? all : lines);
  }
}

/** The cursor stays on a line of its own below the picture. */
function rowsOf({ rows }: Screen): number {
  return rows === undefined ? CHART_ROWS : Math.max(1, rows - 1);
}

/** What waits, and what is paused and why. */
function load({ queue, lanes }: NodeAnswer): readonly string[] {
  const pauses = lanes.flatMap(({ app, platform, pause }) =>
    pause === null ? [] : [`${app} on ${platform} is paused: ${pause.reason}`]
  );
  const waiting = `${grouped(queue.waiting)} batches waiting, ${grouped(queue.leased)} in flight`;
  return [waiting, ...pauses];
}

/** A second since 1970 as a time of the day, where the reader is. */
function clock(second: number): string {
  const at = new Date(second * 1_000);
  return [at.getHours(), at.getMinutes(), at.getSeconds()]
    .map((part) => `${part}`.padStart(2, "0")).join(":");
}
