/**
 * Who runs next, and when the event loop gets its time.
 *
 * Ready actors wait in one queue. The first one that becomes ready wakes a slice in a microtask,
 * so that an idle system answers at once; a slice ends after about `SLICE_MS`, and what is left
 * goes on when a zero timer has fired. That timer is armed when a slice begins and also tells
 * that the loop has parked in between: chains of promises and turns that never leave the
 * microtask queue are therefore stopped too. Why a timer and not `MessageChannel` or
 * `setImmediate`: with those the loop does not park, and sockets starve. Why a slice waits on a
 * promise and not in `queueMicrotask`: a promise's reaction runs in the async context where the
 * reaction was made, the scheduler's own, so a turn never runs inside the context of whoever
 * happened to wake it, and entering its own costs half as much from there.
 *
 * @module
 */

import type { Clock, TimerHandle } from "./clock.ts";
import { invariant } from "./errors.ts";
import { SLICE_MS, WORK_PER_CLOCK_READ } from "./limits.ts";

/** What can be scheduled. */
export interface Runnable {
  /** Takes one turn and schedules itself again when it has more to do; tells how many messages it handled. */
  turn(): number;
}

/** Decides when ready actors have their turns. */
export interface Scheduler extends Disposable {
  /** Gives a turn soon; the caller sees to it that nothing is in here twice. */
  schedule(task: Runnable): void;
}

/** First size of the ring. */
const FIRST_SLOTS = 64;

/** The scheduler of production: first come, first served. */
export class FifoScheduler implements Scheduler {
  readonly #clock: Clock;
  #ring: (Runnable | undefined)[] = new Array<Runnable | undefined>(FIRST_SLOTS);
  #head = 0;
  #length = 0;
  #state: "idle" | "ready" | "running" | "yielded" = "idle";
  #parking: TimerHandle | undefined;
  #sliceStart = 0;
  /** Work since the last look at the clock. */
  #work = 0;
  #disposed = false;
  #wake: () => void = () => {};
  readonly #sleep = (wake: () => void): void => {
    this.#wake = wake;
  };
  readonly #drain = (): void => this.#slice();

  /** @param clock Measures slices and yields. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#rest();
  }

  /** Gives a turn after those that are ready already. */
  schedule(task: Runnable): void {
    if (this.#disposed) return;
    if (this.#length === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#length) & (this.#ring.length - 1)] = task;
    this.#length++;
    if (this.#state !== "idle") return;
    this.#state = "ready";
    this.#wake();
  }

  /** Drops what is ready and disarms the timer. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#ring = [];
    this.#length = 0;
    if (this.#parking !== undefined) this.#clock.clear(this.#parking);
    this.#parking = undefined;
  }

  #slice(): void {
    if (this.#disposed) return;
    if (this.#parking === undefined) {
      this.#sliceStart = this.#clock.now();
      this.#parking = this.#clock.set(0, () => this.#parked());
    }
    this.#state = "running";
    while (this.#length > 0) {
      if (this.#work >= WORK_PER_CLOCK_READ && this.#sliceOver()) {
        this.#state = "yielded";
        return;
      }
      this.#work += 1 + this.#take().turn();
    }
    this.#rest();
  }

  /** Waits for something to do. */
  #rest(): void {
    this.#state = "idle";
    void new Promise<void>(this.#sleep).then(this.#drain);
  }

  #sliceOver(): boolean {
    this.#work = 0;
    return this.#clock.now() - this.#sliceStart >= SLICE_MS;
  }

  /** The loop has parked, sockets were read: a new slice may begin. */
  #parked(): void {
    this.#parking = undefined;
    if (this.#length > 0) this.#slice();
  }

  #take(): Runnable {
    const task = this.#ring[this.#head];
    invariant(task !== undefined, "The ready queue has a hole");
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#length--;
    return task;
  }

  #grow(): void {
    const ring = [...this.#ring.slice(this.#head), ...this.#ring.slice(0, this.#head)];
    ring.length = this.#ring.length * 2;
    this.#ring = ring;
    this.#head = 0;
  }
}
