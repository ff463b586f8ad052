/**
 * What the cells of one system share: time, chance, the scheduler, deadlines and the ear of the host.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { HandlerLookup } from "./behaviour.ts";
import type { DeadLetter, DeadLetterReason, DeadLetters, RuntimeEvent } from "./events.ts";
import { type Call, Calls } from "./calls.ts";
import type { Clock, Random } from "./clock.ts";
import { DEAD_LETTERS_KEPT } from "./limits.ts";
import type { Letter } from "./mailbox.ts";
import type { Scheduler } from "./scheduler.ts";
import { Timers } from "./timers.ts";

/**
 * Which incarnation runs, kept by the platform across awaits, so that a leaked rejection can be
 * attributed. One for the module: the platform carries every storage through every promise.
 */
export const context: AsyncLocalStorage<unknown> = new AsyncLocalStorage<unknown>();

/** What a core is made of. */
export interface CoreOptions {
  /** Time. */
  readonly clock: Clock;
  /** Chance. */
  readonly random: Random;
  /** Who runs next. */
  readonly scheduler: Scheduler;
  /** Told every event. */
  readonly onEvent: ((event: RuntimeEvent) => void) | undefined;
  /** Shown every payload that is offered: the test kit freezes them. */
  readonly onAccepted: ((payload: unknown) => void) | undefined;
}

/** The shared parts. */
export class Core implements Disposable {
  /** Time. */
  readonly clock: Clock;
  /** Chance. */
  readonly random: Random;
  /** Who runs next. */
  readonly scheduler: Scheduler;
  /** Timers of all actors. */
  readonly timers: Timers;
  /** Deadlines of all calls. */
  readonly calls: Calls;
  /** Shown every payload that is offered. */
  readonly onAccepted: ((payload: unknown) => void) | undefined;
  /** Where a letter is put on its way from mailbox to handler; read at once, never kept. */
  readonly letter: Letter<Call> = { type: "", payload: undefined, asker: undefined };
  /** Finds the handlers of all actors. */
  readonly handlers: HandlerLookup = new HandlerLookup();
  readonly #onEvent: ((event: RuntimeEvent) => void) | undefined;
  readonly #recent: DeadLetter[] = [];
  #deadLetters = 0;

  /** @param options The parts. */
  constructor(options: CoreOptions) {
    this.clock = options.clock;
    this.random = options.random;
    this.scheduler = options.scheduler;
    this.timers = new Timers(options.clock);
    this.calls = new Calls(options.clock, this.timers, context);
    this.onAccepted = options.onAccepted;
    this.#onEvent = options.onEvent;
  }

  /** Whether anybody listens: events of a hundred thousand actors are not made for nobody. */
  get listening(): boolean {
    return this.#onEvent !== undefined;
  }

  /**
   * Tells the host. A host whose listener throws has a bug which must not change what actors do:
   * the error is reported as uncaught, and a promise it leaks is the host's, not the actor's.
   */
  emit(event: RuntimeEvent): void {
    if (this.#onEvent === undefined) return;
    try {
      context.run(undefined, this.#onEvent, event);
    } catch (error) {
      reportError(error);
    }
  }

  /** Counts and remembers a letter that nobody will handle. */
  deadLetter(path: string, message: string, reason: DeadLetterReason): void {
    const letter: DeadLetter = { path, message, reason };
    this.#deadLetters++;
    if (this.#recent.length === DEAD_LETTERS_KEPT) this.#recent.shift();
    this.#recent.push(letter);
    if (this.listening) this.emit({ type: "dead_letter", ...letter });
  }

  /** The letters nobody handled. */
  get deadLetters(): DeadLetters {
    return { count: this.#deadLetters, recent: [...this.#recent] };
  }

  /** Disarms everything; what is scheduled does not run. */
  [Symbol.dispose](): void {
    this.timers[Symbol.dispose]();
    this.scheduler[Symbol.dispose]();
  }
}
