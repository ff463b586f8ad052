/**
 * One sink of outcomes, as an actor that follows the rows of all deliveries in the order of their
 * positions.
 *
 * Invariants: a position is remembered only after the sink has recorded all rows up to it, so each
 * row reaches the sink at least once; the sink is called for one page at a time; nothing waits in
 * memory, since the rows are in the store. A rejection of the sink or the store, or a page that takes
 * longer than {@linkcode SINK_STEP_MS}, crashes this actor and no other: its supervisor starts it
 * again with a delay, and it goes on from the position it remembered. Its supervisor needs
 * {@linkcode SINK_BACKOFF} and {@linkcode SINK_INTENSITY}.
 *
 * Why the rows are read again and not sent as messages: a receiver that was away for an hour gets
 * what it missed, and a slow one holds up no batch. A poke only spares the wait for the next look,
 * so pokes are dropped while one waits.
 *
 * @module
 */

import type { Actor, Context } from "../../../runtime/actor.ts";
import { invariant } from "../../../runtime/errors.ts";
import type { DeliveryObserver, Sink } from "../ports.ts";
import type { DeliveryStore } from "../store.ts";
import { SINK_LOOK_MS, SINK_PAGE_ROWS, SINK_STEP_MS } from "./limits.ts";

/** What a look at the rows came to. */
export interface Looked {
  /** All rows up to this one are recorded. */
  readonly position: number;
  /** Whether the page was full, so that there may be more. */
  readonly more: boolean;
}

/** What a sink's actor understands. */
export interface SinkProtocol {
  /** There are new rows. */
  committed(): void;
  /** Time to look whether there are. */
  lookDue(): void;
  /** A page was recorded. */
  looked(looked: Looked): void;
  /** A page took too long. */
  overdue(): void;
}

/** What a sink's actor works on. */
export interface SinkArgs {
  /** The sink. */
  readonly sink: Sink;
  /** Where the rows and the sink's position are. */
  readonly store: Pick<DeliveryStore, "rowsAfter" | "sinkPosition" | "saveSinkPosition">;
  /** Told of failures. */
  readonly observer: DeliveryObserver;
}

/** Where a sink is. */
export interface SinkState extends SinkArgs {
  /** All rows up to this one are recorded; unknown at first. */
  position: number | undefined;
  /** The look that is going on. */
  looking: Promise<Looked> | undefined;
  /** Whether there were new rows since it began. */
  poked: boolean;
}

/**
 * The actor of a sink; see the module.
 *
 * @param name What the live tree shows, snake_case: `webhook_sink`.
 */
export function sinkActor(name: string): Actor<SinkProtocol, SinkState, SinkArgs> {
  return {
    name,
    mailbox: { capacity: 1, overflow: "drop_newest" },
    init(args, ctx) {
      ctx.after(0, "lookDue");
      return { ...args, position: undefined, looking: undefined, poked: false };
    },
    on: {
      committed: (state, _, ctx) => look(state, ctx),
      lookDue: (state, _, ctx) => look(state, ctx),
      looked(state, { position, more }, ctx) {
        ctx.cancel("overdue");
        state.position = position;
        state.looking = undefined;
        if (more || state.poked) look(state, ctx);
        else ctx.after(SINK_LOOK_MS, "lookDue");
      },
      overdue(state) {
        throw failed(state, new Error(`No page was recorded within ${SINK_STEP_MS} ms`));
      },
    },
    // What was given to the sink is remembered, unless that takes longer than a stop may take.
    async terminate({ looking }) {
      await looking;
    },
  };
}

function look(state: SinkState, ctx: Context<SinkProtocol>): void {
  if (state.looking !== undefined) {
    state.poked = true;
    return;
  }
  state.poked = false;
  ctx.cancel("lookDue");
  ctx.after(SINK_STEP_MS, "overdue");
  state.looking = recordPage(state, ctx.signal);
  ctx.pipe(state.looking, "looked", (outcome) => {
    if (outcome.status === "rejected") throw failed(state, outcome.reason);
    return outcome.value;
  });
}

/** Offers the next page to the sink, and remembers it. */
async function recordPage(
  { sink, store, position: known }: SinkState,
  signal: AbortSignal,
): Promise<Looked> {
  const position = known ?? await firstPosition(sink, store);
  const rows = await store.rowsAfter(position, SINK_PAGE_ROWS);
  const last = rows.at(-1);
  if (last === undefined) return { position, more: false };
  invariant(last.position > position, `Row ${last.position} follows ${position}`);
  const wanted = sink.rows === "all" ? rows : rows.filter(({ outcome }) => outcome !== "delivered");
  const more = rows.length >= SINK_PAGE_ROWS;
  if (wanted.length > 0) await sink.record(wanted, signal);
  // It came too late: the actor has been started again, and its position must not be set back.
  signal.throwIfAborted();
  // A short page without a row for this sink costs less to be read again than to be remembered.
  if (wanted.length > 0 || more) await store.saveSinkPosition(sink.name, last.position);
  return { position: last.position, more };
}

/** A new sink begins at the newest row; it is remembered at once, or a crash would begin it anew. */
async function firstPosition(sink: Sink, store: SinkArgs["store"]): Promise<number> {
  const position = await store.sinkPosition(sink.name);
  await store.saveSinkPosition(sink.name, position);
  return position;
}

/** Tells that the sink failed; returns the error to crash with. */
function failed({ sink, observer }: SinkState, error: unknown): unknown {
  observer.record({ kind: "sink_failed", sink: sink.name, reason: String(error) });
  return error;
}
