/** What sinks need of a store, in memory: rows, and how far each sink has come. */

import type { DeliveryRow } from "../../../../../actors/push/delivery/records.ts";
import type { SinkArgs } from "../../../../../actors/push/delivery/sinks/sink.ts";

/** A row at this position; what a test does not care about has a value of its own. */
export function row(position: number, change: Partial<DeliveryRow> = {}): DeliveryRow {
  return {
    position,
    notification: "11111111-1111-4111-8111-111111111111",
    app: "shop",
    number: position,
    device: `device-${position}`,
    platform: "fcm",
    address: `token-${position}`,
    outcome: "failed",
    status: 503,
    reason: "UNAVAILABLE",
    attempts: 3,
    at: 1_700_000_000_000,
    registeredBefore: undefined,
    ...change,
  };
}

/** A log of rows. */
export class RowLog {
  /** The rows, by growing positions. */
  readonly rows: DeliveryRow[] = [];
  /** What sinks have remembered. */
  readonly positions = new Map<string, number>();
  /** Each write of a position. */
  readonly saves: (readonly [sink: string, position: number])[] = [];
  /** Whether the next calls are refused. */
  away = false;

  /** Adds rows with these outcomes behind the others. */
  add(...changes: readonly Partial<DeliveryRow>[]): void {
    for (const change of changes) this.rows.push(row(this.rows.length + 1, change));
  }

  /** As a sink's actor sees it. */
  readonly store: SinkArgs["store"] = {
    rowsAfter: (position, limit) =>
      this.#answer(() => this.rows.filter((row) => row.position > position).slice(0, limit)),
    sinkPosition: (name) =>
      this.#answer(() => this.positions.get(name) ?? this.rows.at(-1)?.position ?? 0),
    saveSinkPosition: (name, position) =>
      this.#answer(() => {
        this.saves.push([name, position]);
        this.positions.set(name, position);
      }),
  };

  // deno-lint-ignore require-await -- a refusal is a rejection, as of any store
  async #answer<T>(read: () => T): Promise<T> {
    if (this.away) throw new Error("the store is away");
    return read();
  }
}
