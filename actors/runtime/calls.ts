/**
 * Promises with a deadline: one for each `ask`, and for each `send` that found no room.
 *
 * Invariants: a call is settled exactly once; until then it is in exactly one list. Calls of the
 * same timeout become due in the order they were made, so each timeout has a plain linked list
 * whose head is due first, and one timer. Why not a timer each: an ask lives microseconds, and
 * neither arming nor sorting five seconds ahead should be part of its price.
 *
 * @module
 */

import type { AsyncLocalStorage } from "node:async_hooks";
import type { Clock } from "./clock.ts";
import { AskError, type AskErrorCode, invariant, InvariantError } from "./errors.ts";
import { CALL_LISTS_KEPT } from "./limits.ts";
import type { WaitingSender } from "./mailbox.ts";
import { CallbackTimer, type Timers } from "./timers.ts";

/** Who a call is made to, as far as the call needs to know. */
export interface Callee {
  /** Its path, for the error's text. */
  readonly path: string;
  /** Forgets a call that waited for room and timed out. */
  abandoned(call: Call): void;
}

/** One call: settled by a reply, a failure or its deadline. */
export class Call implements WaitingSender<Call> {
  /** The promise the caller awaits. */
  readonly promise: Promise<unknown>;
  /** Name of the message. */
  readonly type: string;
  /** Payload, held only while the call waits for room. */
  payload: unknown = undefined;
  /** Monotonic time of its deadline. */
  dueAt = 0;
  /** The list it is in until it is settled. */
  list: CallList | undefined;
  /** Neighbours in the list. */
  previous: Call | undefined;
  /** The later neighbour. */
  next: Call | undefined;
  readonly #callee: Callee;
  readonly #calls: Calls;
  readonly #context: unknown;
  readonly #kind: "send" | "ask";
  #resolve: (value: unknown) => void = ignore;
  #reject: (error: AskError) => void = ignore;

  /**
   * @param kind A `send` is done when its message is accepted, an `ask` when it is answered.
   * @param calls Where deadlines are kept.
   * @param callee Who is called.
   * @param type Name of the message.
   */
  constructor(kind: "send" | "ask", calls: Calls, callee: Callee, type: string) {
    this.#kind = kind;
    this.#calls = calls;
    this.#callee = callee;
    this.type = type;
    this.#context = calls.context.getStore();
    this.promise = new Promise<unknown>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Whether nobody waits for the answer any more. */
  get settled(): boolean {
    return this.list === undefined;
  }

  /** Itself when it asks: what is put beside its message. */
  get asker(): Call | undefined {
    return this.#kind === "ask" ? this : undefined;
  }

  /** Its message found room. */
  admitted(): void {
    this.payload = undefined;
    if (this.#kind === "send") this.resolve(undefined);
  }

  /** Answers; ignored once settled. */
  resolve(value: unknown): void {
    if (this.list === undefined) return;
    this.#calls.remove(this);
    this.#resolve(value);
  }

  /**
   * Fails the call; ignored once settled.
   *
   * The rejection happens in the context of the caller: if it did not handle it, it is the caller
   * which leaked it, not the actor whose turn it happens to be.
   *
   * @param code Why.
   * @param cause The crash, for `"crashed"`.
   */
  fail(code: AskErrorCode, cause?: unknown): void {
    if (this.list === undefined) return;
    this.#calls.remove(this);
    const error = callError(code, this.#kind, this.type, this.#callee.path, cause);
    this.#calls.context.run(this.#context, this.#reject, error);
  }

  /** Its deadline has passed. */
  expire(): void {
    this.#callee.abandoned(this);
    this.fail("timeout");
  }
}

/** Calls of one timeout, in the order they become due. */
export class CallList {
  /** The timeout in milliseconds. */
  readonly timeoutMs: number;
  /** The call due first. */
  head: Call | undefined;
  /** The call due last. */
  tail: Call | undefined;
  /** Armed for the head, or for one that was head before. */
  readonly timer: CallbackTimer;

  /**
   * @param timeoutMs The timeout in milliseconds.
   * @param expired Called when its timer fires.
   */
  constructor(timeoutMs: number, expired: (list: CallList) => void) {
    this.timeoutMs = timeoutMs;
    this.timer = new CallbackTimer(() => expired(this));
  }
}

/** The deadlines of all calls of a system. */
export class Calls {
  /** Which actor's turn it is, kept across its awaits. */
  readonly context: AsyncLocalStorage<unknown>;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #lists = new Map<number, CallList>();

  /**
   * @param clock The clock.
   * @param timers The system's timers.
   * @param context Which actor's turn it is.
   */
  constructor(clock: Clock, timers: Timers, context: AsyncLocalStorage<unknown>) {
    this.#clock = clock;
    this.#timers = timers;
    this.context = context;
  }

  /**
   * Starts the deadline of a call.
   *
   * @param call The call.
   * @param timeoutMs Milliseconds from now, at least 0.
   */
  add(call: Call, timeoutMs: number): void {
    if (!(timeoutMs >= 0)) throw new InvariantError(`Cannot wait ${timeoutMs} ms for a reply`);
    let list = this.#lists.get(timeoutMs);
    if (list === undefined) {
      list = new CallList(timeoutMs, (expired) => this.#expire(expired));
      this.#lists.set(timeoutMs, list);
    }
    call.dueAt = this.#clock.now() + timeoutMs;
    call.list = list;
    call.previous = list.tail;
    if (list.tail === undefined) list.head = call;
    else list.tail.next = call;
    list.tail = call;
    if (list.timer.index < 0) this.#timers.arm(list.timer, timeoutMs);
  }

  /** Ends the deadline of a call. The list and its timer stay, for the next call, unless they are many. */
  remove(call: Call): void {
    const list = call.list;
    invariant(list !== undefined, "A call was settled twice");
    if (call.previous === undefined) list.head = call.next;
    else call.previous.next = call.next;
    if (call.next === undefined) list.tail = call.previous;
    else call.next.previous = call.previous;
    call.list = call.previous = call.next = undefined;
    if (list.head === undefined && this.#lists.size > CALL_LISTS_KEPT) {
      this.#lists.delete(list.timeoutMs);
      this.#timers.disarm(list.timer);
    }
  }

  #expire(list: CallList): void {
    const now = this.#clock.now();
    while (list.head !== undefined && list.head.dueAt <= now) list.head.expire();
    if (list.head === undefined) this.#lists.delete(list.timeoutMs);
    else this.#timers.arm(list.timer, list.head.dueAt - now);
  }
}

/**
 * The error of a failed call.
 *
 * @param code Why it failed.
 * @param kind How it was made.
 * @param type Name of the message.
 * @param path The path of who was called.
 * @param cause The crash, for `"crashed"`.
 */
export function callError(
  code: AskErrorCode,
  kind: "send" | "ask",
  type: string,
  path: string,
  cause?: unknown,
): AskError {
  const text = `Cannot ${kind} "${type}" to "${path}": ${REASONS[code]}`;
  return new AskError(code, text, cause === undefined ? undefined : { cause });
}

const REASONS: { readonly [K in AskErrorCode]: string } = {
  timeout: "the deadline passed",
  stopped: "the actor has stopped",
  crashed: "the actor crashed",
  dropped: "its mailbox dropped the message",
};

function ignore(): void {}
