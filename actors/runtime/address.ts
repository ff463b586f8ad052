/**
 * The outer half of an actor: its address and its mailbox, what a sender sees.
 *
 * Invariants: an ask that was accepted is settled exactly once; a sender that waits for room is
 * let in, told that its time is up, or told that the actor stopped. Why a base class of the cell
 * and not an object beside it: a million idle actors cost a million of each object, and this one
 * is made for every actor, while its mailbox is made with the first message.
 *
 * @module
 */

import type { Admission, Exit, Ref } from "./actor.ts";
import type { Behaviour } from "./behaviour.ts";
import { Call, type Callee, callError } from "./calls.ts";
import type { Core } from "./core.ts";
import type { DeadLetterReason } from "./events.ts";
import { invariant } from "./errors.ts";
import { ASK_TIMEOUT_MS } from "./limits.ts";
import { assertCapacity, type Letter, Mailbox } from "./mailbox.ts";

/** The promise of every `send` that found room at once. */
const ACCEPTED: Promise<void> = Promise.resolve();

/** Something that wants to know of an actor's end. */
export interface Watcher {
  /** Told once, at the final end. */
  exited(exit: Exit): void;
}

/** Something whose end can be watched. */
export interface Watchable {
  /** Tells the watcher of the end, at once if it is over. */
  watch(watcher: Watcher): void;
  /** Forgets the watcher. */
  unwatch(watcher: Watcher): void;
}

/** What a sender sees of an actor. */
export abstract class Address implements Callee, Watchable {
  /** What all actors of the system share. */
  readonly core: Core;
  /** The actor, its types forgotten. */
  protected readonly behaviour: Behaviour;
  #mailbox: Mailbox<Call> | undefined = undefined;

  /**
   * @param core What all actors of the system share.
   * @param actor The actor; an object here, since its types end here.
   * @throws {InvariantError} When the capacity of its mailbox is not allowed.
   */
  constructor(core: Core, actor: object) {
    this.core = core;
    this.behaviour = actor as Behaviour;
    assertCapacity(this.behaviour.mailbox.capacity);
  }

  /** Path from the root. */
  abstract get path(): string;

  /** Whether nothing is accepted any more. */
  protected abstract get closed(): boolean;

  /** Gives a turn when it is idle. */
  abstract wake(): void;

  /** Tells the watcher of the end, at once if it is over. */
  abstract watch(watcher: Watcher): void;

  /** Forgets the watcher. */
  abstract unwatch(watcher: Watcher): void;

  /** The ref to hand out: `Ref<never>` fits every `Ref<P>`, and whoever makes a cell knows its `P`. */
  ref(): Ref<never> {
    return this as Ref<never>;
  }

  /** Offers a tell without waiting. */
  trySend(type: string, payload?: unknown): Admission {
    return this.closed ? "stopped" : this.#offer(type, payload, undefined);
  }

  /** Sends a tell, waiting for room. */
  send(type: string, payload?: unknown): Promise<void> {
    return this.sendWithin(ASK_TIMEOUT_MS, type, payload);
  }

  /** Sends an ask. */
  ask(type: string, payload?: unknown): Promise<never> {
    return this.askWithin(ASK_TIMEOUT_MS, type, payload);
  }

  /** The same ref with another deadline. */
  within(ms: number): Ref<never> {
    return new TimedRef(this, ms) as Ref<never>;
  }

  /** `send` with a deadline. */
  sendWithin(ms: number, type: string, payload: unknown): Promise<void> {
    if (this.closed) return Promise.reject(callError("stopped", "send", type, this.path));
    if (this.#offer(type, payload, undefined) === "accepted") return ACCEPTED;
    const call = new Call("send", this.core.calls, this, type);
    this.core.calls.add(call, ms);
    this.#park(call, payload);
    return call.promise as Promise<void>;
  }

  /** `ask` with a deadline. */
  askWithin(ms: number, type: string, payload: unknown): Promise<never> {
    if (this.closed) return Promise.reject(callError("stopped", "ask", type, this.path));
    const call = new Call("ask", this.core.calls, this, type);
    this.core.calls.add(call, ms);
    if (this.#offer(type, payload, call) === "full") this.#park(call, payload);
    // The ref through which it was asked promises the reply's type; the runtime carries the value.
    return call.promise as Promise<never>;
  }

  /** A call that waited for room has timed out. */
  abandoned(call: Call): void {
    this.#mailbox?.leave(call);
  }

  /** Messages that wait. */
  get queued(): number {
    return this.#mailbox === undefined ? 0 : this.#mailbox.length;
  }

  /** Senders that wait for room. */
  protected get waiting(): number {
    return this.#mailbox === undefined ? 0 : this.#mailbox.waiting;
  }

  /** Takes the oldest message out. */
  protected take(into: Letter<Call>): boolean {
    return this.#mailbox !== undefined && this.#mailbox.shift(into);
  }

  /** Makes dead letters of all that waits. */
  protected discard(): void {
    this.dismissWaiting();
    const letter = this.core.letter;
    while (this.take(letter)) this.#deadLetter(letter.type, letter.asker, "stopped");
    this.#mailbox = undefined;
  }

  #offer(type: string, payload: unknown, asker: Call | undefined): "accepted" | "full" {
    this.#mailbox ??= new Mailbox(this.behaviour.mailbox);
    this.core.onAccepted?.(payload);
    const pushed = this.#mailbox.push(type, payload, asker);
    if (pushed === "full") return pushed;
    if (pushed !== "accepted") {
      this.#deadLetter(pushed.displaced.type, pushed.displaced.asker, "dropped");
    }
    this.wake();
    return "accepted";
  }

  #park(call: Call, payload: unknown): void {
    call.payload = payload;
    if (this.#mailbox?.wait(call) !== true) call.fail("dropped");
  }

  /** Tells the senders that wait for room that there will be none. */
  protected dismissWaiting(): void {
    if (this.#mailbox === undefined) return;
    for (const call of this.#mailbox.dismiss()) if (call instanceof Call) call.fail("stopped");
  }

  #deadLetter(type: string, asker: Call | undefined, reason: DeadLetterReason): void {
    asker?.fail(reason);
    this.core.deadLetter(this.path, type, reason);
  }
}

/** A ref with a deadline of its own. */
class TimedRef {
  readonly address: Address;
  readonly #ms: number;

  constructor(address: Address, ms: number) {
    this.address = address;
    this.#ms = ms;
  }

  get path(): string {
    return this.address.path;
  }

  trySend(type: string, payload?: unknown): Admission {
    return this.address.trySend(type, payload);
  }

  send(type: string, payload?: unknown): Promise<void> {
    return this.address.sendWithin(this.#ms, type, payload);
  }

  ask(type: string, payload?: unknown): Promise<never> {
    return this.address.askWithin(this.#ms, type, payload);
  }

  within(ms: number): Ref<never> {
    return this.address.within(ms);
  }
}

/**
 * What is behind a ref.
 *
 * @param ref Any ref.
 * @throws {InvariantError} When the runtime did not make it.
 */
export function addressOf(ref: Ref<unknown>): Address {
  const target: unknown = ref;
  if (target instanceof Address) return target;
  invariant(target instanceof TimedRef, `"${ref.path}" is no ref of an actor`);
  return target.address;
}
