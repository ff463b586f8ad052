/** What sinks need of a store, in memory: rows, tallies, and how far each sink has come. */

import type { DeliveryRow } from "../../../../../actors/push/delivery/records.ts";
import type { SinkArgs } from "../../../../../actors/push/delivery/sinks/sink.ts";
import type { SinkClaim, Tally } from "../../../../../actors/push/delivery/store.ts";

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

/** A tally at this position: ten deliveries of which two failed. */
export function tally(position: number, change: Partial<Tally> = {}): Tally {
  return {
    position,
    notification: "11111111-1111-4111-8111-111111111111",
    app: "shop",
    platform: "fcm",
    at: 1_700_000_000_000,
    outcomes: { delivered: 8, token_invalid: 0, rejected: 0, expired: 0, failed: 2, cancelled: 0 },
    retries: 0,
    ...change,
  };
}

/** The logs of a store. */
export class RowLog {
  /** The rows, by growing positions. */
  readonly rows: DeliveryRow[] = [];
  /** The tallies, by growing positions. */
  readonly tallies: Tally[] = [];
  /** Each claim of the lease on a sink. */
  readonly claims: SinkClaim[] = [];
  /** Who has the lease on each sink, until when. */
  readonly leases = new Map<string, { readonly node: string; readonly until: number }>();
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

  /** Adds so many tallies behind the others. */
  addTallies(count: number): void {
    for (let added = 0; added < count; added++) this.tallies.push(tally(this.tallies.length + 1));
  }

  /** As a sink's actor sees it. */
  readonly store: SinkArgs["store"] = {
    rowsAfter: (position, limit) =>
      this.#answer(() => this.rows.filter((row) => row.position > position).slice(0, limit)),
    talliesAfter: (position, limit) =>
      this.#answer(() => this.tallies.filter((tally) => tally.position > position).slice(0, limit)),
    claimSink: (claim) => this.#answer(() => this.#claim(claim)),
    saveSinkPosition: (name, position) =>
      this.#answer(() => {
        this.saves.push([name, position]);
        this.positions.set(name, position);
      }),
  };

  #claim(claim: SinkClaim): number | undefined {
    const { name, log, node, now, leaseMs } = claim;
    this.claims.push(claim);
    const lease = this.leases.get(name);
    if (lease !== undefined && lease.node !== node && lease.until > now) return undefined;
    this.leases.set(name, { node, until: now + leaseMs });
    const entries = log === "rows" ? this.rows : this.tallies;
    const position = this.positions.get(name) ?? entries.at(-1)?.position ?? 0;
    this.positions.set(name, position);
    return position;
  }

  // deno-lint-ignore require-await -- a refusal is a rejection, as of any store
  async #answer<T>(read: () => T): Promise<T> {
    if (this.away) throw new Error("the store is away");
    return read();
  }
}
