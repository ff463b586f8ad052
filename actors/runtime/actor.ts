/**
 * The vocabulary of the actor runtime: protocols, actors, refs, contexts, supervisors and exits.
 *
 * A protocol is an interface whose methods are the messages. A method that returns `void` is a
 * tell; every other method is an ask whose result is the reply. An actor is a plain object that
 * satisfies the protocol: no base class, no registration. Types only: nothing here runs.
 *
 * @module
 */

/** The payload of a message: the parameter of its method, `void` when it has none. */
export type Payload<F> = F extends (...args: infer A) => unknown
  ? A extends readonly [] ? void : A extends readonly [(infer T)?] ? T : never
  : never;

/** The reply to a message: the settled result of its method. */
export type Reply<F> = F extends (...args: never) => infer R ? Awaited<R> : never;

/** The names of a protocol's tells: the methods which return `void`. */
export type Tells<P> =
  & {
    [K in keyof P]: P[K] extends (...args: never) => infer R ? [R] extends [void] ? K : never
      : never;
  }[keyof P]
  & string;

/** The names of a protocol's asks: the methods which return a reply. */
export type Asks<P> = Exclude<keyof P & string, Tells<P>>;

/** What follows a message's name at the call: nothing, or its payload. */
export type Rest<T> = [T] extends [void] ? [] : [payload: T];

/** What became of a message that was offered without waiting. */
export type Admission = "accepted" | "full" | "stopped";

/** How an actor ended, for good. A restart is not an exit. */
export type Exit =
  | { readonly kind: "normal"; readonly reason: string }
  | { readonly kind: "shutdown" }
  | { readonly kind: "crashed"; readonly error: unknown }
  | { readonly kind: "killed" };

/**
 * The typed address of an actor. It stays valid across restarts and after the end, where sending
 * answers `"stopped"`.
 *
 * @typeParam P The protocol. A `Ref<P>` narrows to a `Ref` of a part of `P`, and never widens back.
 */
export interface Ref<out P> {
  /** Path from the root, for people: `"root/messages/sessions/17"`. */
  readonly path: string;
  /** Offers a tell without waiting; the sender decides what `"full"` means. */
  trySend<K extends Tells<P>>(type: K, ...rest: Rest<Payload<P[K]>>): Admission;
  /** Sends a tell, waiting for room; rejects with an `AskError` when the deadline passes or the actor stops. */
  send<K extends Tells<P>>(type: K, ...rest: Rest<Payload<P[K]>>): Promise<void>;
  /** Sends an ask and waits for its reply; a failure is an `AskError`, never a hang. */
  ask<K extends Asks<P>>(type: K, ...rest: Rest<Payload<P[K]>>): Promise<Reply<P[K]>>;
  /** The same ref with another deadline for `send` and `ask`, in milliseconds. */
  within(ms: number): Ref<P>;
}

/** A reply promised for later: return it from an ask's handler and settle it when the answer is known. */
export interface Later<T> {
  /** Answers the asker; only the first settlement counts. */
  resolve(value: T): void;
  /** Fails the ask with the code `"crashed"` and this cause, without crashing the actor. */
  reject(error: unknown): void;
}

/** What an actor may do while it handles a message. */
export interface Context<P> {
  /** The actor's own ref; use `trySend` on it, never an awaited `send`. */
  readonly self: Ref<P>;
  /** Aborted when this incarnation ends, in whatever way. */
  readonly signal: AbortSignal;
  /** Number of this incarnation, from 1. */
  readonly incarnation: number;
  /** Monotonic time in milliseconds, from the injected clock. */
  now(): number;
  /** Wall-clock time in milliseconds since 1970, from the injected clock. */
  wallNow(): number;
  /** A number in [0, 1) from the injected, seeded source. */
  random(): number;
  /** Sends this tell to itself after `ms`; one timer per message name, arming it again replaces it. */
  after<K extends Tells<P>>(ms: number, type: K, ...rest: Rest<Payload<P[K]>>): void;
  /** Disarms the timer of this message name, if armed; an expiry not yet handled is withdrawn. */
  cancel<K extends Tells<P>>(type: K): void;
  /** Brings the outcome of a promise back as a message, through `map` and in the system lane. */
  pipe<T, K extends Tells<P>>(
    promise: Promise<T>,
    type: K,
    map: (outcome: PromiseSettledResult<T>) => Payload<P[K]>,
  ): void;
  /** A reply to settle after the handler has returned. */
  later<T>(): Later<T>;
  /** Ties a resource to this incarnation: released when it ends, crash included, last in first out. */
  use<R extends Disposable | AsyncDisposable>(resource: R): R;
  /** Delivers one `Exit` as this tell when the watched actor has ended, at once if it already has. */
  watch<K extends TellsOf<P, Exit>>(ref: Ref<unknown>, type: K): void;
  /** Starts a child of this actor; it is stopped before this actor is, and when this actor crashes. */
  spawn<C, S, A>(actor: Actor<C, S, A>, options: SpawnOptions<NoInfer<A>>): Ref<C>;
  /** Ends this actor after the message in hand, orderly, with this reason. */
  stop(reason?: string): void;
}

/** The tells of `P` whose payload is exactly `T`. */
export type TellsOf<P, T> =
  & {
    [K in keyof P]: P[K] extends (payload: T) => infer R ? [R] extends [void] ? K : never : never;
  }[keyof P]
  & string;

/** What a handler of an ask may return: the reply, a promise of it, or a later settlement. */
export type Answer<R> = [R] extends [void] ? void | Promise<void> : R | Promise<R> | Later<R>;

/** The handler of one message. */
export type Handler<P, S, F> = (
  state: S,
  payload: Payload<F>,
  ctx: Context<P>,
) => Answer<Reply<F>>;

/** How a mailbox is bounded and what it does when full. There is no default capacity. */
export interface MailboxOptions {
  /** Messages that may wait, at least 1. */
  readonly capacity: number;
  /** `"refuse"` shows fullness to the sender; the other two are for messages a newer one makes worthless. */
  readonly overflow: "refuse" | "drop_oldest" | "drop_newest";
}

/** An actor: a plain object that satisfies its protocol. */
export interface Actor<P, S, A = void> {
  /** The kind of actor, snake_case: the name shown in the live tree. */
  readonly name: string;
  /** The bound of its mailbox. */
  readonly mailbox: MailboxOptions;
  /** Makes the state of a new incarnation; runs again, with the same arguments, after a crash. */
  init(args: A, ctx: Context<P>): S | Promise<S>;
  /** One handler per message of the protocol. */
  readonly on: { readonly [K in keyof P]: Handler<P, S, P[K]> };
  /** Runs at orderly ends only, after a crash the state is not trusted; `undelivered` messages were not handled. */
  terminate?(state: S, exit: Exit, undelivered: number): void | Promise<void>;
}

/** When a child is started again after it ended by itself, as OTP defines it. */
export type RestartType = "permanent" | "transient" | "temporary";

/** Exponential delay before a restart; without one a restart is immediate. */
export interface Backoff {
  /** Delay before the first restart. */
  readonly minMs: number;
  /** Largest delay. */
  readonly maxMs: number;
}

/** Options for a child started by an actor itself. */
export interface SpawnOptions<A> {
  /** Its name beneath the parent, unique among the living. */
  readonly name: string;
  /** Its arguments. */
  readonly args: A;
  /** How long an orderly stop may take before it is killed; default 5,000 ms. */
  readonly shutdownMs?: number;
}
