/**
 * One connection to a provider: opens it, carries requests over it, ends with it.
 *
 * It is never restarted: its gateway opens another one. What it was given and could not send comes
 * back as `unsent`. When the peer says that it goes away, what is in flight is still waited for.
 *
 * @module
 */

import type { Actor, Context, Later, Ref } from "../../runtime/actor.ts";
import { AskError } from "../../runtime/errors.ts";
import { CONNECT_MS, CONNECTION_MAILBOX } from "./limits.ts";
import type { Answers, Destination, Leg, ProviderConnection, Verdict } from "./ports.ts";

/** Whether a request was processed is unknown. */
export const LOST: Verdict = {
  kind: "retry",
  status: 0,
  reason: "connection lost",
  scope: "recipient",
};

/** A connection ended before it looked at a request. */
const UNSENT: Verdict = { kind: "unsent", reason: "the connection has ended" };

/** Requests for a connection: these recipients of a leg. */
export interface Carry<C extends ProviderConnection> {
  /** The leg. */
  readonly leg: Leg<C>;
  /** Which of its recipients, by their index in its places. */
  readonly indexes: readonly number[];
}

/** The answers, and how many requests the peer now takes at once. */
export interface Carried {
  /** By index. */
  readonly answers: Answers;
  /** The peer's limit. */
  readonly streamsMax: number;
  /** Whether the connection takes no more: known here before the news of it arrives. */
  readonly leaving: boolean;
}

/** Where a connection stands, told to the gateway that opened it. */
export type ConnectionNews =
  | { readonly kind: "open"; readonly id: number; readonly streamsMax: number }
  /** It takes no more requests. */
  | { readonly kind: "leaving"; readonly id: number; readonly reason: string }
  /** It is gone; told exactly once, in whatever way it ended. */
  | {
    readonly kind: "gone";
    readonly id: number;
    readonly reason: string;
    readonly opened: boolean;
  };

/** Who opened a connection. */
export interface ConnectionOwnerProtocol {
  /** News of one of its connections. */
  connectionNews(news: ConnectionNews): void;
}

/** What a connection is started with. */
export interface ConnectionArgs<C extends ProviderConnection> {
  /** Where to. */
  readonly destination: Destination<C>;
  /** Its number among the owner's connections. */
  readonly id: number;
  /** Told of its news. */
  readonly owner: Ref<ConnectionOwnerProtocol>;
}

/** What a connection understands. */
export interface ConnectionProtocol<C extends ProviderConnection> {
  /** Sends requests; it is open when it is asked. */
  carry(carry: Carry<C>): Carried;
  /** Nobody needs it any more: what it has sent ends, what it has not comes back as `unsent`. */
  retire(): void;
  /** The transport opened it, or could not. */
  opened(outcome: PromiseSettledResult<C>): void;
  /** The peer takes no more requests. */
  left(reason: string): void;
  /** Requests ended. */
  carried(end: CarryEnd): void;
  /** It should have been open by now. */
  openDue(): void;
}

/** How requests ended. */
export interface CarryEnd {
  /** Whoever waits for it. */
  readonly later: Later<Carried>;
  /** The answers. */
  readonly outcome: PromiseSettledResult<Answers>;
}

/** A connection's state. */
export interface ConnectionState<C extends ProviderConnection> extends ConnectionArgs<C> {
  /** The transport's connection, once open. */
  connection: C | undefined;
  /** Carries in flight. */
  carrying: number;
  /** Why it ends, once it does. */
  reason: string;
  /** Whether it takes no more. */
  leaving: boolean;
}

/** A connection of a gateway; see the module. */
export function connection<C extends ProviderConnection>(): Actor<
  ConnectionProtocol<C>,
  ConnectionState<C>,
  ConnectionArgs<C>
> {
  return {
    name: "connection",
    mailbox: { capacity: CONNECTION_MAILBOX, overflow: "refuse" },
    init: open,
    on: {
      carry(state, { leg, indexes }, ctx) {
        const later = ctx.later<Carried>();
        if (state.connection === undefined) {
          later.reject(new Error("The connection is not open"));
          return later;
        }
        state.carrying++;
        ctx.pipe(
          // What one leg throws at once must not end the connection of the others.
          Promise.try(leg.send.bind(leg), state.connection, indexes),
          "carried",
          (outcome) => ({ later, outcome }),
        );
        return later;
      },
      retire(state, _, ctx) {
        leave(state, "retired", ctx);
        // What it has not sent comes back at once; a failure shows in what it carries.
        state.connection?.close().catch(() => {});
      },
      opened(state, outcome, ctx) {
        ctx.cancel("openDue");
        if (outcome.status === "rejected") {
          state.reason = messageOf(outcome.reason);
          return ctx.stop(state.reason);
        }
        const { value } = outcome;
        state.connection = value;
        const { streamsMax } = value;
        tell(state, { kind: "open", id: state.id, streamsMax });
        ctx.pipe(
          value.ended,
          "left",
          (ended) => ended.status === "fulfilled" ? ended.value : messageOf(ended.reason),
        );
      },
      left: (state, reason, ctx) => leave(state, reason, ctx),
      carried(state, { later, outcome }, ctx) {
        state.carrying--;
        const { connection, leaving } = state;
        const streamsMax = connection?.streamsMax ?? 0;
        if (outcome.status === "rejected") later.reject(outcome.reason);
        else later.resolve({ answers: outcome.value, streamsMax, leaving });
        if (state.leaving && state.carrying === 0) ctx.stop(state.reason);
      },
      openDue(state, _, ctx) {
        state.reason = `not open within ${CONNECT_MS} ms`;
        ctx.stop(state.reason);
      },
    },
  };
}

function open<C extends ProviderConnection>(
  args: ConnectionArgs<C>,
  ctx: Context<ConnectionProtocol<C>>,
): ConnectionState<C> {
  const state: ConnectionState<C> = {
    ...args,
    connection: undefined,
    carrying: 0,
    reason: "crashed",
    leaving: false,
  };
  const opening = Promise.try(() => args.destination.connect());
  // Also one that opens after this actor has ended is closed.
  ctx.use({
    async [Symbol.asyncDispose]() {
      const [outcome] = await Promise.allSettled([opening]);
      if (outcome.status === "fulfilled") await outcome.value.close();
    },
  });
  // Told first, since closing may take a while, and for ever while it is not even open.
  ctx.use({
    [Symbol.dispose]() {
      const { id, reason } = state;
      const opened = state.connection !== undefined;
      tell(state, { kind: "gone", id, reason, opened });
    },
  });
  ctx.pipe(opening, "opened", (outcome) => outcome);
  ctx.after(CONNECT_MS, "openDue");
  return state;
}

/**
 * What it means for its requests that a `carry` failed: an actor that had ended never had them in hand,
 * one that failed had.
 *
 * @param error What the `carry` was rejected with.
 */
export function verdictOf(error: unknown): Verdict {
  const never = error instanceof AskError && (error.code === "stopped" || error.code === "dropped");
  return never ? UNSENT : LOST;
}

/** Takes no more; ends when nothing is in flight. */
function leave<C extends ProviderConnection>(
  state: ConnectionState<C>,
  reason: string,
  ctx: Context<ConnectionProtocol<C>>,
): void {
  if (state.leaving) return;
  state.leaving = true;
  state.reason = reason;
  tell(state, { kind: "leaving", id: state.id, reason });
  if (state.carrying === 0) ctx.stop(reason);
}

/** A gateway that missed its news would wait for it: it is told when there is room, in order. */
function tell({ owner }: Pick<ConnectionArgs<never>, "owner">, news: ConnectionNews): void {
  if (owner.trySend("connectionNews", news) !== "full") return;
  owner.send("connectionNews", news).catch(() => {});
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
