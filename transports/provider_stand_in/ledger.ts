/**
 * Who was asked how often: one entry for each recipient that a request reached.
 *
 * A hash table with open addressing in typed arrays, keyed by 64 bits of the address: 12 bytes a slot,
 * at most three quarters of them taken, so a million recipients need 25 megabytes. Two of a million
 * addresses share their 64 bits once in 37 million runs.
 *
 * @module
 */

import type { AddressHash } from "./fate.ts";
import { RECIPIENTS_MAX } from "./limits.ts";

/** The columns of the table. */
interface Columns {
  readonly high: Uint32Array;
  readonly low: Uint32Array;
  /** Requests, 0 for an empty slot; stays at 65,535. */
  readonly requests: Uint16Array;
  /** Requests that were accepted; stays at 255. */
  readonly accepted: Uint8Array;
}

/** Counts requests by recipient. */
export class Ledger {
  #columns = columns(65_536);
  #recipients = 0;

  /** Recipients that were asked. */
  get recipients(): number {
    return this.#recipients;
  }

  /**
   * Counts a request; the number of earlier ones to this recipient.
   *
   * @throws {RangeError} When there are too many recipients to count.
   */
  visit(hash: AddressHash): number {
    let { requests } = this.#columns;
    if (this.#recipients * 4 >= requests.length * 3) {
      this.#grow();
      requests = this.#columns.requests;
    }
    const slot = slotOf(this.#columns, hash);
    const before = requests[slot] ?? 0;
    if (before === 0) {
      this.#recipients++;
      this.#columns.high[slot] = hash.high;
      this.#columns.low[slot] = hash.low;
    }
    requests[slot] = Math.min(before + 1, 0xffff);
    return before;
  }

  /** Counts an acceptance of a recipient that was visited; the number of earlier ones. */
  accept(hash: AddressHash): number {
    const { accepted } = this.#columns;
    const slot = slotOf(this.#columns, hash);
    const before = accepted[slot] ?? 0;
    accepted[slot] = Math.min(before + 1, 0xff);
    return before;
  }

  /** Requests to this recipient, and how many were accepted. */
  look(hash: AddressHash): { readonly requests: number; readonly accepted: number } {
    const slot = slotOf(this.#columns, hash);
    const { requests, accepted } = this.#columns;
    return { requests: requests[slot] ?? 0, accepted: accepted[slot] ?? 0 };
  }

  /** Forgets everything. */
  clear(): void {
    this.#columns = columns(65_536);
    this.#recipients = 0;
  }

  #grow(): void {
    if (this.#recipients >= RECIPIENTS_MAX) {
      throw new RangeError(`Cannot count more than ${RECIPIENTS_MAX} recipients`);
    }
    const from = this.#columns;
    const to = columns(from.requests.length * 2);
    for (let i = 0; i < from.requests.length; i++) {
      const requests = from.requests[i] ?? 0;
      if (requests === 0) continue;
      const hash = { high: from.high[i] ?? 0, low: from.low[i] ?? 0 };
      const slot = slotOf(to, hash);
      to.high[slot] = hash.high;
      to.low[slot] = hash.low;
      to.requests[slot] = requests;
      to.accepted[slot] = from.accepted[i] ?? 0;
    }
    this.#columns = to;
  }
}

/** An empty table; the number of slots is a power of two. */
function columns(slots: number): Columns {
  return {
    high: new Uint32Array(slots),
    low: new Uint32Array(slots),
    requests: new Uint16Array(slots),
    accepted: new Uint8Array(slots),
  };
}

/** The slot that has this hash, or the empty one where it belongs. */
function slotOf({ high, low, requests }: Columns, hash: AddressHash): number {
  const mask = requests.length - 1;
  let slot = hash.low & mask;
  while (requests[slot] !== 0 && (low[slot] !== hash.low || high[slot] !== hash.high)) {
    slot = (slot + 1) & mask;
  }
  return slot;
}
