/**
 * Probes: actors that write down what they are told and answer as the test says.
 *
 * A probe is a real actor with a real mailbox; it stands in a tree, is supervised and watched
 * like any other. Every message of its protocol is named, so a protocol that grows makes the
 * test that must know of it fail to compile.
 *
 * @module
 */

import type { Actor, MailboxOptions, Payload, Reply, Tells } from "../runtime/actor.ts";
import { invariant } from "../runtime/errors.ts";

/** What a probe does with each message: `"record"` for a tell, the answer for an ask. */
export type ProbeAnswers<P> = {
  readonly [K in keyof P]: K extends Tells<P> ? "record"
    : (payload: Payload<P[K]>) => Reply<P[K]> | Promise<Reply<P[K]>>;
};

/** A message as the probe got it. */
export type Received<P> = {
  [K in keyof P & string]: { readonly type: K; readonly payload: Payload<P[K]> };
}[keyof P & string];

/** A probe for a protocol. */
export class Probe<P> {
  /** The actor to put into a tree or to spawn. */
  readonly actor: Actor<P, undefined>;
  #received: Received<P>[] = [];

  /**
   * Makes a probe.
   *
   * @param answers What it does with each message.
   * @param mailbox Its mailbox; default 1,024 messages, refused when full.
   */
  constructor(
    answers: ProbeAnswers<P>,
    mailbox: MailboxOptions = { capacity: 1_024, overflow: "refuse" },
  ) {
    const handlers: Record<string, (state: undefined, payload: unknown) => unknown> = {};
    for (const [type, answer] of Object.entries(answers)) {
      handlers[type] = (_state, payload) => {
        this.#received.push({ type, payload } as Received<P>);
        return typeof answer === "function" ? answer(payload) : undefined;
      };
    }
    this.actor = {
      name: "probe",
      mailbox,
      init: () => undefined,
      // One handler for each name of `answers`, whose names are those of the protocol.
      on: handlers as Actor<P, undefined>["on"],
    };
  }

  /** What it got so far, in order. */
  get received(): readonly Received<P>[] {
    return this.#received;
  }

  /**
   * Takes the oldest message out.
   *
   * @returns The message.
   * @throws {InvariantError} When there is none.
   */
  take(): Received<P> {
    const message = this.#received.shift();
    invariant(message !== undefined, "The probe got no message");
    return message;
  }

  /** Takes everything out. */
  takeAll(): readonly Received<P>[] {
    const all = this.#received;
    this.#received = [];
    return all;
  }
}
