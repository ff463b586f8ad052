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

/** An actor with its types forgotten. */
export interface Behaviour {
  /** What kind of actor it is. */
  readonly name: string;
  /** The bound of its mailbox. */
  readonly mailbox: MailboxOptions;
  /** Makes a state. */
  init(args: unknown, ctx: Incarnation): unknown;
  /** The handlers. */
  readonly on: {
    readonly [type: string]:
      | ((state: unknown, payload: unknown, ctx: Incarnation) => unknown)
      | undefined;
  };
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
