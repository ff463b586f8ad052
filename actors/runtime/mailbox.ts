/**
 * Bounded mailbox: a ring of letters with a stated policy for the moment it is full, and the
 * senders that wait for room.
 *
 * Invariants: `0 <= length <= capacity`; order is FIFO among accepted letters, waiting senders
 * included: while one waits, nothing overtakes it. Waiting senders are let in when the ring is
 * half empty, so that a full mailbox does not switch between sender and receiver at every letter.
 * Why three parallel arrays and not an array of objects: a letter then costs three slots and no
 * allocation. The arrays grow with what waits in them and are given back when drained
 * unless the last burst needed them: an idle actor should cost next to nothing.
 *
 * @example A gauge for which only the newest value counts
 * ```ts
 * import { Mailbox } from "./mailbox.ts";
 *
 * const mailbox = new Mailbox<never>({ capacity: 1, overflow: "drop_oldest" });
 * mailbox.push("measured", 17, undefined); // "accepted"
 * mailbox.push("measured", 18, undefined); // { displaced: { type: "measured", payload: 17, … } }
 * ```
 *
 * @module
 */

import type { MailboxOptions } from "./actor.ts";
import { invariant } from "./errors.ts";
import { MAILBOX_CAPACITY_MAX, MAILBOX_SLOTS_KEPT, WAITING_SENDERS_MAX } from "./limits.ts";

/** One letter as it is taken out; reused by its reader, so that taking allocates nothing. */
export interface Letter<A> {
  /** Name of the message. */
  type: string;
  /** Its payload. */
  payload: unknown;
  /** Who waits for the reply; absent for a tell. */
  asker: A | undefined;
}

/** What became of a pushed letter: `displaced` is the one the policy dropped, perhaps the new one. */
export type Pushed<A> = "accepted" | "full" | { readonly displaced: Readonly<Letter<A>> };

/** A sender that waits for room. */
export interface WaitingSender<A> extends Readonly<Letter<A>> {
  /** Called when its letter has been accepted. */
  admitted(): void;
}

/** Slots of the first allocation. */
const FIRST_SLOTS = 2;
/** How much larger the next ring is: a burst should not copy its letters at every doubling. */
const GROWTH = 4;

/**
 * The mailbox. It knows nothing of actors.
 *
 * @typeParam A What stands for an asker.
 */
export class Mailbox<A extends object> {
  readonly #options: MailboxOptions;
  #types: string[] = [];
  #payloads: unknown[] = [];
  #askers: (A | undefined)[] | undefined;
  #slots = 0;
  #head = 0;
  #length = 0;
  /** Most letters at a time since it was last drained. */
  #peak = 0;
  #waiting: Set<WaitingSender<A>> | undefined;

  /**
   * @param options Capacity and policy.
   * @throws {InvariantError} When the capacity is not an integer from 1 to `MAILBOX_CAPACITY_MAX`.
   */
  constructor(options: MailboxOptions) {
    assertCapacity(options.capacity);
    this.#options = options;
  }

  /** Letters waiting to be handled. */
  get length(): number {
    return this.#length;
  }

  /** Senders waiting for room. */
  get waiting(): number {
    return this.#waiting === undefined ? 0 : this.#waiting.size;
  }

  /**
   * Offers a letter.
   *
   * @param type Name of the message.
   * @param payload Its payload.
   * @param asker Who waits for the reply.
   * @returns What became of it.
   */
  push(type: string, payload: unknown, asker: A | undefined): Pushed<A> {
    if (this.#length < this.#options.capacity && this.#waiting === undefined) {
      this.#append(type, payload, asker);
      return "accepted";
    }
    switch (this.#options.overflow) {
      case "refuse":
        return "full";
      case "drop_newest":
        return { displaced: { type, payload, asker } };
      case "drop_oldest": {
        const displaced: Letter<A> = { type: "", payload: undefined, asker: undefined };
        this.shift(displaced);
        this.#append(type, payload, asker);
        return { displaced };
      }
    }
  }

  /**
   * Takes the oldest letter out, and lets waiting senders in when the ring is half empty.
   *
   * @param into Where to put it.
   * @returns Whether there was one.
   */
  shift(into: Letter<A>): boolean {
    if (this.#length === 0) return false;
    const head = this.#head;
    const type = this.#types[head];
    invariant(type !== undefined, "A mailbox lost a letter");
    into.type = type;
    into.payload = this.#payloads[head];
    this.#payloads[head] = undefined;
    if (this.#askers === undefined) into.asker = undefined;
    else {
      into.asker = this.#askers[head];
      this.#askers[head] = undefined;
    }
    this.#head = (head + 1) & (this.#slots - 1);
    this.#length--;
    if (this.#waiting !== undefined) this.#admit();
    else if (this.#length === 0 && this.#slots > MAILBOX_SLOTS_KEPT) this.#drained();
    return true;
  }

  /**
   * Makes a sender wait for room, after all that wait already.
   *
   * @param sender The sender.
   * @returns `false` when too many wait already.
   */
  wait(sender: WaitingSender<A>): boolean {
    this.#waiting ??= new Set();
    if (this.#waiting.size >= WAITING_SENDERS_MAX) return false;
    this.#waiting.add(sender);
    return true;
  }

  /** Forgets a sender that no longer wants to wait; one that does not wait is ignored. */
  leave(sender: WaitingSender<A>): void {
    if (this.#waiting?.delete(sender) === true && this.#waiting.size === 0) {
      this.#waiting = undefined;
    }
  }

  /** Forgets and returns all waiting senders, in order. */
  dismiss(): readonly WaitingSender<A>[] {
    const waiting = this.#waiting === undefined ? [] : [...this.#waiting];
    this.#waiting = undefined;
    return waiting;
  }

  #admit(): void {
    if (this.#waiting === undefined || this.#length > this.#options.capacity >> 1) return;
    for (const sender of this.#waiting) {
      if (this.#length === this.#options.capacity) return;
      this.#waiting.delete(sender);
      this.#append(sender.type, sender.payload, sender.asker);
      sender.admitted();
    }
    this.#waiting = undefined;
  }

  #append(type: string, payload: unknown, asker: A | undefined): void {
    if (this.#length === this.#slots) this.#grow();
    const tail = (this.#head + this.#length) & (this.#slots - 1);
    this.#types[tail] = type;
    this.#payloads[tail] = payload;
    if (asker !== undefined) this.#askers ??= new Array<A>(this.#slots);
    if (this.#askers !== undefined) this.#askers[tail] = asker;
    if (++this.#length > this.#peak) this.#peak = this.#length;
  }

  /** Makes a larger ring with the letters at its front; a power of two, so that `&` wraps. */
  #grow(): void {
    const slots = this.#slots === 0 ? FIRST_SLOTS : this.#slots * GROWTH;
    const { length } = this;
    this.#types = unwrapped(this.#types, this.#head, length, slots);
    this.#payloads = unwrapped(this.#payloads, this.#head, length, slots);
    if (this.#askers !== undefined) {
      this.#askers = unwrapped(this.#askers, this.#head, length, slots);
    }
    this.#slots = slots;
    this.#head = 0;
  }

  /** Gives the ring back unless it was needed since the last time: bursts follow bursts. */
  #drained(): void {
    const needed = this.#peak > this.#slots / GROWTH;
    this.#peak = 0;
    if (needed) return;
    this.#types = [];
    this.#payloads = [];
    this.#askers = undefined;
    this.#slots = 0;
    this.#head = 0;
  }
}

/**
 * Checks a capacity.
 *
 * @param capacity The number given.
 * @throws {InvariantError} When it is not an integer from 1 to `MAILBOX_CAPACITY_MAX`.
 */
export function assertCapacity(capacity: number): void {
  invariant(
    Number.isInteger(capacity) && capacity >= 1 && capacity <= MAILBOX_CAPACITY_MAX,
    `Cannot make a mailbox of capacity ${capacity}: allowed are 1 to ${MAILBOX_CAPACITY_MAX}`,
  );
}

/** A larger copy of a full ring, its oldest entry first. */
function unwrapped<T>(ring: readonly T[], head: number, length: number, slots: number): T[] {
  const copy = new Array<T>(slots);
  for (let index = 0; index < length; index++) {
    copy[index] = ring[(head + index) & (length - 1)] as T;
  }
  return copy;
}
