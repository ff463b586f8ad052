/**
 * How far a copy has come, for people: drawn in place on a terminal, a line a second elsewhere.
 *
 * @module
 */

import { LiveLines } from "../../transports/command_line/live_lines.ts";
import { RateMeter } from "../../transports/command_line/progress.ts";
import { grouped, percent, showSpan } from "../../transports/command_line/shown_number.ts";
import type { World } from "../commands/world.ts";
import type { TableProgress } from "./copy.ts";
import { LINE_MS, LIVE_MS } from "./limits.ts";

/** The report of one copy. */
export class CopyReport {
  readonly #world: World;
  readonly #live: LiveLines;
  readonly #meter = new RateMeter();
  #shownAt = -Infinity;
  #table = "";

  /** Nothing is shown before the first progress. */
  constructor(world: World) {
    this.#world = world;
    this.#live = new LiveLines((text) => world.terminal.report(text));
  }

  /** Shows how far all tables have come, and the one that is copied. */
  show(tables: readonly TableProgress[], at: TableProgress): void {
    const copied = rowsIn(tables);
    const now = this.#world.now();
    this.#meter.add(now, copied);
    const { live } = this.#world.terminal;
    // Every table is told of when it is complete, however short it is.
    const next = at.name !== this.#table || at.copied === at.total;
    if (!next && now - this.#shownAt < (live === undefined ? LINE_MS : LIVE_MS)) return;
    this.#shownAt = now;
    this.#table = at.name;
    const total = tables.reduce((sum, table) => sum + table.total, 0);
    const rate = this.#meter.perSecond();
    const left = rate === 0 ? "" : `, ${showSpan((total - copied) * 1_000 / rate)} left`;
    const texts = [
      `${at.name}: ${share(at.copied, at.total)}`,
      `all: ${share(copied, total)}, ${grouped(rate)} rows/s${left}`,
    ];
    if (live === undefined) this.#world.terminal.report(`${texts.join("; ")}\n`);
    else this.#live.draw(texts.map((text) => text.slice(0, live.columns)));
  }

  /** Removes what was drawn in place. */
  end(): void {
    if (this.#world.terminal.live !== undefined) this.#live.draw([]);
  }
}

/** Rows of all tables that are there. */
export function rowsIn(tables: readonly TableProgress[]): number {
  return tables.reduce((sum, { copied }) => sum + copied, 0);
}

function share(part: number, whole: number): string {
  return `${grouped(part)} of ${grouped(whole)} rows (${percent(part, whole)}%)`;
}
