/**
 * An actor as its cell runs it: the same object, its types forgotten.
 *
 * Types end here on purpose: a ref promises that names and payloads fit the protocol, so what
 * carries them needs no types, and one class serves every actor.
 *
 * @module
 */

import type { Exit, MailboxOptions } from "./actor.ts";
import type { Incarnation } from "./incarnation.ts";

/** The handler of one message, its types forgotten. */
export type AnyHandler = (state: unknown, payload: unknown, ctx: Incarnation) => unknown;

/** The handlers of an actor by the names of their messages. */
export interface Handlers {
  readonly [type: string]: AnyHandler | undefined;
}

/**
 * Looks handlers up and remembers the last one: messages of one kind come in rows, and finding a
 * property by a name that varies costs as much as the rest of handling a message.
 */
export class HandlerLookup {
  #on: Handlers | undefined;
  #type = "";
  #handler: AnyHandler | undefined;

  /** The handler of this message, `undefined` when there is none. */
  find(on: Handlers, type: string): AnyHandler | undefined {
    if (this.#on !== on || this.#type !== type) {
      this.#handler = on[type];
      this.#on = on;
      this.#type = type;
    }
    return this.#handler;
  }
}

/** An actor with its types forgotten. */
export interface Behaviour {
  /** What kind of actor it is. */
  readonly name: string;
  /** The bound of its mailbox. */
  readonly mailbox: MailboxOptions;
  /** Makes a state. */
  init(args: unknown, ctx: Incarnation): unknown;
  /** The handlers. */
  readonly on: Handlers;
  /** Runs at orderly ends. */
  terminate?(state: unknown, exit: Exit, undelivered: number): unknown;
}

/** Arguments that are made at the first start, when every ref they may name exists. */
export class DeferredArgs {
  readonly #make: () => unknown;
  #made: { readonly args: unknown } | undefined;

  /** @param make Makes them; called once. */
  constructor(make: () => unknown) {
    this.#make = make;
  }

  /** The arguments, the same at every call. */
  get args(): unknown {
    this.#made ??= { args: this.#make() };
    return this.#made.args;
  }
}
