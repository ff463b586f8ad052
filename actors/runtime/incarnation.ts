/**
 * One life of an actor, from `init` to its end: its state and all that dies with it.
 *
 * Invariants: an actor has at most one incarnation that is not retired; once retired, nothing it
 * left behind (a timer, a piped promise, a late reply, a watch) reaches the actor's next life.
 * Why an object of its own, which is also the handlers' context: code that still runs after a
 * crash holds the old context and talks to the dead, whatever the actor does meanwhile.
 * What is seldom used is made on first use: an idle actor has few of these.
 *
 * @module
 */

import type { Actor, Context, Exit, Later, Ref, SpawnOptions } from "./actor.ts";
import { addressOf, type Watchable, type Watcher } from "./address.ts";
import type { Call } from "./calls.ts";
import type { Cell } from "./cell.ts";
import { type AskErrorCode, invariant, InvariantError } from "./errors.ts";
import {
  LATERS_MAX,
  PIPES_MAX,
  RESOURCES_MAX,
  SPAWNED_CHILDREN_MAX,
  WATCHES_MAX,
} from "./limits.ts";
import { Timer } from "./timers.ts";
import type { Owner, Part } from "./tree.ts";

/** An entry of the system lane: something that has become a message of its incarnation. */
export interface Notice {
  /** Name of the message. */
  readonly type: string;
  /** The entry behind it. */
  nextNotice: Notice | undefined;
  /** Makes the payload; `false` when it was withdrawn. A throw crashes the actor. */
  open(): boolean;
  /** The payload, once opened. */
  readonly payload: unknown;
}

/** A timer of `ctx.after`: one for each message name, armed again and again. */
class MessageTimer extends Timer implements Notice {
  readonly type: string;
  payload: unknown;
  nextNotice: Notice | undefined;
  nextTimer: MessageTimer | undefined;
  readonly #incarnation: Incarnation;
  #place: "out" | "queued" | "withdrawn" = "out";

  constructor(incarnation: Incarnation, type: string, next: MessageTimer | undefined) {
    super();
    this.#incarnation = incarnation;
    this.type = type;
    this.nextTimer = next;
  }

  /** An expiry that waits in the lane is taken back; its place there stays, as a blank. */
  withdraw(): void {
    if (this.#place === "queued") this.#place = "withdrawn";
  }

  override expire(): void {
    const queued = this.#place !== "out";
    this.#place = "queued";
    if (!queued) this.#incarnation.notify(this);
  }

  open(): boolean {
    const due = this.#place === "queued";
    this.#place = "out";
    return due;
  }
}

/** A promise on its way back as a message. */
class Pipe<T> implements Notice {
  readonly type: string;
  payload: unknown;
  nextNotice: Notice | undefined;
  readonly #incarnation: Incarnation;
  readonly #map: (outcome: PromiseSettledResult<T>) => unknown;
  #outcome: PromiseSettledResult<T> | undefined;

  constructor(
    incarnation: Incarnation,
    type: string,
    map: (outcome: PromiseSettledResult<T>) => unknown,
  ) {
    this.#incarnation = incarnation;
    this.type = type;
    this.#map = map;
  }

  settle(outcome: PromiseSettledResult<T>): void {
    this.#outcome = outcome;
    this.#incarnation.notify(this);
  }

  open(): boolean {
    this.#incarnation.pipeOpened();
    invariant(this.#outcome !== undefined, "A piped promise was delivered before it settled");
    this.payload = this.#map(this.#outcome);
    return true;
  }
}

/** A watch, and the notice it becomes. */
class Watch implements Notice, Watcher {
  readonly type: string;
  payload: Exit | undefined;
  nextNotice: Notice | undefined;
  readonly target: Watchable;
  readonly #incarnation: Incarnation;

  constructor(incarnation: Incarnation, type: string, target: Watchable) {
    this.#incarnation = incarnation;
    this.type = type;
    this.target = target;
  }

  exited(exit: Exit): void {
    this.payload = exit;
    this.#incarnation.notify(this);
  }

  open(): boolean {
    this.#incarnation.watchOpened(this);
    return true;
  }
}

/** A reply owed: first bound to its asker, or first settled, in either order. */
export class LaterReply<T> implements Later<T> {
  readonly #incarnation: Incarnation;
  #asker: Call | undefined;
  #early:
    | { readonly ok: true; readonly value: T }
    | { readonly ok: false; readonly error: unknown }
    | undefined;

  /** @param incarnation Who owes it. */
  constructor(incarnation: Incarnation) {
    this.#incarnation = incarnation;
  }

  /** The handler returned it for this asker. */
  bind(asker: Call): void {
    this.#asker = asker;
    if (this.#early === undefined) this.#incarnation.owe(this);
    else if (this.#early.ok) asker.resolve(this.#early.value);
    else asker.fail("crashed", this.#early.error);
  }

  /** Answers the asker. */
  resolve(value: T): void {
    if (this.#asker === undefined) this.#early ??= { ok: true, value };
    else {
      this.#asker.resolve(value);
      this.#incarnation.paid(this);
    }
  }

  /** Fails the ask. */
  reject(error: unknown): void {
    if (this.#asker === undefined) this.#early ??= { ok: false, error };
    else this.fail("crashed", error);
  }

  /** Fails the ask with this code. */
  fail(code: AskErrorCode, cause: unknown): void {
    this.#asker?.fail(code, cause);
    this.#incarnation.paid(this);
  }
}

/** One life of an actor. */
export class Incarnation implements Owner {
  /** The actor. */
  readonly cell: Cell;
  /** Which life it is, from 1. */
  readonly incarnation: number;
  /** What `init` made. */
  state: unknown = undefined;
  /** Why the actor asked to be stopped. */
  stopReason: string | undefined = undefined;
  /** Whether it is over: nothing reaches the actor through it any more. */
  retired = false;
  /** The asker of the message in hand, while its handler is awaited. */
  hand: Call | undefined = undefined;
  #controller: AbortController | undefined = undefined;
  #timers: MessageTimer | undefined = undefined;
  #pipes = 0;
  #resources: (Disposable | AsyncDisposable)[] | undefined = undefined;
  #laters: Set<LaterReply<unknown>> | undefined = undefined;
  #watches: Set<Watch> | undefined = undefined;
  #children: Map<string, Cell> | undefined = undefined;

  /**
   * @param cell The actor.
   * @param number Which life it is.
   */
  constructor(cell: Cell, number: number) {
    this.cell = cell;
    this.incarnation = number;
  }

  /** The actor's ref. */
  get self(): Ref<never> {
    return this.cell.ref();
  }

  /** The actor's path. */
  get path(): string {
    return this.cell.path;
  }

  /** Aborted when this life ends. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.retired) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  /** Monotonic milliseconds. */
  now(): number {
    return this.cell.core.clock.now();
  }

  /** Wall-clock milliseconds. */
  wallNow(): number {
    return this.cell.core.clock.wallNow();
  }

  /** A number in [0, 1). */
  random(): number {
    return this.cell.core.random.next();
  }

  /** Arms the timer of this message name. */
  after(ms: number, type: string, payload?: unknown): void {
    if (this.retired) return;
    let timer = this.#timer(type);
    if (timer === undefined) {
      timer = new MessageTimer(this, type, this.#timers);
      this.#timers = timer;
    }
    timer.withdraw();
    this.cell.core.timers.arm(timer, ms);
    timer.payload = payload;
  }

  /** Disarms the timer of this message name. */
  cancel(type: string): void {
    const timer = this.#timer(type);
    if (timer === undefined) return;
    timer.withdraw();
    timer.payload = undefined;
    this.cell.core.timers.disarm(timer);
  }

  /** Brings the outcome of a promise back as a message. */
  pipe<T>(
    promise: Promise<T>,
    type: string,
    map: (outcome: PromiseSettledResult<T>) => unknown,
  ): void {
    this.#limit(this.#pipes, PIPES_MAX, "pipe another promise");
    this.#pipes++;
    const pipe = new Pipe(this, type, map);
    promise.then(
      (value) => pipe.settle({ status: "fulfilled", value }),
      (reason: unknown) => pipe.settle({ status: "rejected", reason }),
    );
  }

  /** A reply to settle afterwards. */
  later<T>(): Later<T> {
    return new LaterReply<T>(this);
  }

  /** Ties a resource to this life; a life that is over releases it at once. */
  use<R extends Disposable | AsyncDisposable>(resource: R): R {
    if (this.retired) {
      this.#releaseUnattended(resource);
      return resource;
    }
    this.#resources ??= [];
    this.#limit(this.#resources.length, RESOURCES_MAX, "use another resource");
    this.#resources.push(resource);
    return resource;
  }

  /** Delivers the end of another actor as a message. */
  watch(ref: Ref<unknown>, type: string): void {
    if (this.retired) return;
    const watch = new Watch(this, type, addressOf(ref));
    this.#watches ??= new Set();
    this.#limit(this.#watches.size, WATCHES_MAX, "watch another actor");
    this.#watches.add(watch);
    watch.target.watch(watch);
  }

  /** Starts a child. */
  spawn<C, S, A>(actor: Actor<C, S, A>, options: SpawnOptions<A>): Ref<C> {
    return this.cell.spawn(this, actor, options);
  }

  /** Ends the actor after the message in hand. */
  stop(reason = "stopped"): void {
    this.stopReason ??= reason;
    this.cell.wake();
  }

  /** Puts a notice into the actor's system lane, unless this life is over. */
  notify(notice: Notice): void {
    if (!this.retired) this.cell.notify(notice);
  }

  /** Remembers a reply that is owed. */
  owe(later: LaterReply<never> | LaterReply<unknown>): void {
    this.#laters ??= new Set();
    this.#limit(this.#laters.size, LATERS_MAX, "owe another reply");
    this.#laters.add(later);
  }

  /** Forgets a reply that was given. */
  paid(later: LaterReply<never> | LaterReply<unknown>): void {
    this.#laters?.delete(later);
  }

  /** The end of a watched actor is being handled: until then it takes a place, as a pipe does. */
  watchOpened(watch: Watch): void {
    this.#watches?.delete(watch);
  }

  /** The outcome of a piped promise is being handled. */
  pipeOpened(): void {
    this.#pipes--;
  }

  /** A spawned child is ready: nobody waits for that. */
  started(): void {}

  /** A spawned child ended; it is never started again. */
  halted(part: Part, exit: Exit): void {
    part.bury(exit);
  }

  /** Takes the place of a child among the living. */
  adopt(name: string, child: Cell): void {
    this.#children ??= new Map();
    this.#limit(this.#children.size, SPAWNED_CHILDREN_MAX, "spawn another child");
    if (this.#children.has(name)) {
      throw new InvariantError(`Cannot spawn "${name}": "${this.path}" has one already`);
    }
    this.#children.set(name, child);
  }

  /** Forgets a child that ended. */
  orphan(name: string): void {
    this.#children?.delete(name);
  }

  /** Spawned children alive, in start order. */
  get children(): readonly Cell[] {
    return this.#children === undefined ? [] : [...this.#children.values()];
  }

  /** Whether ending it takes no waiting: no children, no resources. */
  get bare(): boolean {
    return (this.#children === undefined || this.#children.size === 0) &&
      (this.#resources === undefined || this.#resources.length === 0);
  }

  /** Ends this life for the actor: no timer, pipe or watch of it arrives any more. */
  retire(): void {
    this.retired = true;
    for (let timer = this.#timers; timer !== undefined; timer = timer.nextTimer) {
      this.cell.core.timers.disarm(timer);
    }
    this.#timers = undefined;
    if (this.#watches !== undefined) {
      for (const watch of this.#watches) watch.target.unwatch(watch);
      this.#watches = undefined;
    }
  }

  /** Aborts the signal and fails every ask this life still owed a reply. */
  conclude(code: AskErrorCode, cause?: unknown): void {
    this.#abort();
    this.hand?.fail(code, cause);
    this.hand = undefined;
    if (this.#laters !== undefined) {
      for (const later of [...this.#laters]) later.fail(code, cause);
      this.#laters = undefined;
    }
  }

  /** The resource to release next, last in first out. */
  takeResource(): Disposable | AsyncDisposable | undefined {
    return this.#resources?.pop();
  }

  /** Releases everything without waiting, for a life that was killed. */
  releaseAll(): void {
    for (let next = this.takeResource(); next !== undefined; next = this.takeResource()) {
      this.#releaseUnattended(next);
    }
  }

  /**
   * What a listener of the signal throws is reported as an uncaught error, which would end the
   * process; it is thrown while `abort` runs, so whose it is is known here and nowhere else.
   */
  #abort(): void {
    if (this.#controller === undefined || this.#controller.signal.aborted) return;
    const caught = (event: ErrorEvent): void => {
      event.preventDefault();
      const error: unknown = event.error;
      this.cell.core.emit({ type: "release_failed", path: this.path, error });
    };
    globalThis.addEventListener("error", caught);
    this.#controller.abort();
    globalThis.removeEventListener("error", caught);
  }

  /** Crossing a limit of the runtime is a bug of the actor: its own limits should be lower. */
  #limit(count: number, max: number, action: string): void {
    if (count >= max) throw new InvariantError(`Cannot ${action}: "${this.path}" has ${max}`);
  }

  #releaseUnattended(resource: Disposable | AsyncDisposable): void {
    release(resource).catch((error: unknown) => {
      this.cell.core.emit({ type: "release_failed", path: this.path, error });
    });
  }

  #timer(type: string): MessageTimer | undefined {
    let timer = this.#timers;
    while (timer !== undefined && timer.type !== type) timer = timer.nextTimer;
    return timer;
  }
}

/** Releases one resource, synchronously up to its first await. */
export async function release(resource: Disposable | AsyncDisposable): Promise<void> {
  if (Symbol.asyncDispose in resource) await resource[Symbol.asyncDispose]();
  else resource[Symbol.dispose]();
}

/** Does not compile unless its argument is `true`. */
type Assert<T extends true> = T;

/** Checks at compile time that an incarnation is the context the handlers see. */
export type IncarnationIsContext = Assert<Incarnation extends Context<never> ? true : false>;
