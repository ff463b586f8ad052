/**
 * What arrives from outside, in order, with waiting: the one way in which tests wait for real
 * processes.
 *
 * Invariants: nothing that arrived is forgotten; a wait either sees its items, or fails with a
 * sentence that says what was awaited and what had arrived; no wait leaves a timer behind.
 * Why not polling: a test that waits for an event takes as long as the event, and no longer.
 *
 * @module
 */

/** Items one collection keeps: above the largest count any test awaits, so a runaway peer fails loudly. */
const ARRIVALS_MAX = 500_000;
/** Items shown in the text of a failed wait. */
const SHOWN_MAX = 12;
/** How long a wait lasts unless told, in milliseconds: generous, because two cores are shared. */
const WITHIN_MS = 20_000;

/** What is awaited. */
export interface Awaited {
  /** What is awaited, for the text of the failure. */
  readonly what: string;
  /** Matching items to wait for; default 1. */
  readonly count?: number;
  /** Only items from this position on count; default 0. */
  readonly from?: number;
  /** Longest wait in milliseconds; default 20,000. */
  readonly withinMs?: number;
}

/**
 * An ordered collection that tests wait on.
 *
 * @typeParam T What arrives.
 */
export class Arrivals<T> {
  readonly #items: T[] = [];
  readonly #wakers = new Set<() => void>();
  #ended: string | undefined;

  /** Everything that arrived so far, oldest first. */
  get all(): readonly T[] {
    return this.#items;
  }

  /** How many items arrived so far; a position for {@linkcode Awaited.from}. */
  get size(): number {
    return this.#items.length;
  }

  /** Adds an item and wakes the waits it may satisfy. */
  add(item: T): void {
    if (this.#items.length >= ARRIVALS_MAX) {
      throw new RangeError(`Cannot keep another arrival: ${ARRIVALS_MAX} are kept already`);
    }
    this.#items.push(item);
    this.#wake();
  }

  /** Nothing more will arrive: waits that are not satisfied fail at once with this reason. */
  end(reason: string): void {
    this.#ended ??= reason;
    this.#wake();
  }

  /**
   * Waits until enough items match.
   *
   * @returns The matching items, in order, at least `count` of them.
   * @throws {Error} When the time is over or the collection has ended before that.
   */
  async until(match: (item: T) => boolean, awaited: Awaited): Promise<readonly T[]> {
    const count = awaited.count ?? 1;
    const withinMs = awaited.withinMs ?? WITHIN_MS;
    const found: T[] = [];
    let position = awaited.from ?? 0;
    let overdue = false;
    let wake = () => {};
    const timer = setTimeout(() => {
      overdue = true;
      wake();
    }, withinMs);
    const waker = () => wake();
    this.#wakers.add(waker);
    try {
      for (;;) {
        while (position < this.#items.length) {
          const item = this.#items[position++];
          if (item !== undefined && match(item)) found.push(item);
        }
        if (found.length >= count) return found;
        if (overdue || this.#ended !== undefined) {
          const why = this.#ended ?? `${withinMs} ms are over`;
          throw new Error(
            `Waited for ${awaited.what}, but ${why}. ${this.#seen(found.length, count)}`,
          );
        }
        await new Promise<void>((resolve) => wake = resolve);
      }
    } finally {
      clearTimeout(timer);
      this.#wakers.delete(waker);
    }
  }

  /** Waits for one matching item and returns it. */
  async next(match: (item: T) => boolean, awaited: Awaited): Promise<T> {
    const [item] = await this.until(match, awaited);
    if (item === undefined) throw new Error(`Waited for ${awaited.what}: none`);
    return item;
  }

  #wake(): void {
    for (const waker of [...this.#wakers]) waker();
  }

  #seen(found: number, count: number): string {
    const last = this.#items.slice(-SHOWN_MAX).map((item) => Deno.inspect(item, { depth: 4 }));
    return `${found} of ${count} came; the last of ${this.#items.length} arrivals:\n${
      last.join("\n")
    }`;
  }
}

/**
 * Lets real seconds pass: only for what a real process decides by the wall clock, where no clock
 * can be injected, such as a TTL that runs out.
 */
export async function secondsPass(seconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
}

/**
 * Waits for a promise of something real, but no longer than this.
 *
 * @throws {Error} When the time is over; the text says what was awaited.
 */
export async function within<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`Waited ${ms} ms for ${what}`)), ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
