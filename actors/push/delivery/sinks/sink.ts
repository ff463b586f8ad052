/**
 * One sink of outcomes, as an actor that follows a log of the store in the order of its positions:
 * the rows of all deliveries, or the tallies of batches.
 *
 * Invariants: a position is remembered only after the sink has recorded all entries up to it, so each
 * entry reaches the sink at least once; the sink is called for one page at a time; nothing waits in
 * memory, since the log is in the store. A rejection of the sink, or a page that takes
 * longer than {@linkcode SINK_STEP_MS}, crashes this actor and no other: its supervisor starts it
 * again with a delay, and it goes on from the position it remembered. Its supervisor needs
 * {@linkcode SINK_BACKOFF} and {@linkcode SINK_INTENSITY}. A store that is away crashes nobody: it is
 * asked again from the position that it remembers.
 *
 * Why the entries are read again and not sent as messages: a receiver that was away for an hour gets
 * what it missed, and a slow one holds up no batch. A poke only spares the wait for the next look,
 * so pokes are dropped while one waits.
 *
 * Why a lease: nodes that share a store follow the same log, and each of them would offer every entry
 * to the same receiver. The one that has the lease on the sink's name does; it begins no page that
 * could outlast the lease, and the others ask for it now and then. A sink that fails here is started
 * again so late that another node may have taken it over by then.
 *
 * @module
 */

import type { Actor, Context } from "../../../runtime/actor.ts";
import { invariant } from "../../../runtime/errors.ts";
import type { DeliveryObserver, Sink } from "../ports.ts";
import type { DeliveryStore } from "../store.ts";
import {
  SINK_ASK_MS,
  SINK_BACKOFF,
  SINK_LEASE_MS,
  SINK_LOOK_MS,
  SINK_PAGE_ROWS,
  SINK_PAGE_TALLIES,
  SINK_STEP_MS,
} from "./limits.ts";
import { ofStore, StoreAwayError } from "./store_away.ts";

/** This node's right to feed the sink, and how far the sink has come. */
export interface SinkLease {
  /** The monotonic time at which it ends. */
  readonly endsAt: number;
  /** All entries up to this one are recorded. */
  readonly position: number;
}

/** What a look at the log came to. */
export interface Looked {
  /** The lease after it; `undefined` while another node has it, or the store is away. */
  readonly lease: SinkLease | undefined;
  /** Whether the store could not be asked. */
  readonly away?: true;
  /** Whether the page was full, so that there may be more. */
  readonly more: boolean;
}

/** What a sink's actor understands. */
export interface SinkProtocol {
  /** There are new entries. */
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
  /** Where the logs and the sink's position are. */
  readonly store: Pick<
    DeliveryStore,
    "rowsAfter" | "talliesAfter" | "claimSink" | "saveSinkPosition"
  >;
  /** This node's name, in leases. */
  readonly node: string;
  /** Told of failures. */
  readonly observer: DeliveryObserver;
}

/** Where a sink is. */
export interface SinkState extends SinkArgs {
  /** Wall-clock time, by which the store measures leases. */
  readonly wallNow: () => number;
  /** The lease as it was after the last look. */
  lease: SinkLease | undefined;
  /** Whether another node had the lease at the last look, or nobody knew. */
  elsewhere: boolean;
  /** Time after which a store that is away is asked again; it grows as the delays of a sink's starts do. */
  awayMs: number;
  /** The look that is going on. */
  looking: Promise<Looked> | undefined;
  /** Whether there were new entries since it began. */
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
      return {
        ...args,
        wallNow: () => ctx.wallNow(),
        lease: undefined,
        elsewhere: false,
        awayMs: SINK_BACKOFF.minMs,
        looking: undefined,
        poked: false,
      };
    },
    on: {
      committed(state, _, ctx) {
        // Who has the lease looks for itself; asking for it with every batch would only cost.
        if (!state.elsewhere) look(state, ctx);
      },
      lookDue: (state, _, ctx) => look(state, ctx),
      looked(state, { lease, more, away = false }, ctx) {
        ctx.cancel("overdue");
        state.lease = lease;
        state.elsewhere = lease === undefined;
        state.looking = undefined;
        const { awayMs } = state;
        state.awayMs = away ? Math.min(SINK_BACKOFF.maxMs, 2 * awayMs) : SINK_BACKOFF.minMs;
        if (lease === undefined) ctx.after(away ? awayMs : SINK_ASK_MS, "lookDue");
        else if (more || state.poked) look(state, ctx);
        else ctx.after(SINK_LOOK_MS, "lookDue");
      },
      overdue(state) {
        throw failed(state, new Error(`No page was recorded within ${SINK_STEP_MS} ms`));
      },
    },
    // What was given to the sink is remembered, unless that takes longer than a stop may take.
    async terminate(state) {
      // A page that fails now is offered again by whoever comes next.
      const { lease } = await state.looking?.catch(() => state) ?? state;
      if (lease === undefined) return;
      // With the store away the lease ends by itself.
      await claim(state, 0).catch(() => {});
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
  state.looking = recordPage(state, ctx.now(), ctx.signal);
  ctx.pipe(state.looking, "looked", (outcome) => {
    if (outcome.status === "fulfilled") return outcome.value;
    const error = failed(state, outcome.reason);
    if (error instanceof StoreAwayError) return { lease: undefined, more: false, away: true };
    throw error;
  });
}

/** Offers the next page to the sink, and remembers it. */
async function recordPage(state: SinkState, now: number, signal: AbortSignal): Promise<Looked> {
  const { sink, store } = state;
  const lease = await heldLease(state, now);
  if (lease === undefined) return { lease, more: false };
  const page = await readPage(state, lease.position);
  if (page.last === undefined) return { lease, more: false };
  invariant(page.last > lease.position, `Entry ${page.last} follows ${lease.position}`);
  await page.record?.(signal);
  // It came too late: the actor has been started again, and its position must not be set back.
  signal.throwIfAborted();
  // A short page without a row for this sink costs less to be read again than to be remembered.
  if (page.record !== undefined || page.full) {
    await ofStore(store.saveSinkPosition(sink.name, page.last));
  }
  return { lease: { ...lease, position: page.last }, more: page.full };
}

/** The lease, prolonged when a page could outlast it. */
async function heldLease(state: SinkState, now: number): Promise<SinkLease | undefined> {
  const { lease } = state;
  if (lease !== undefined && lease.endsAt >= now + SINK_STEP_MS) return lease;
  const position = await ofStore(claim(state, SINK_LEASE_MS));
  if (position === undefined) return undefined;
  // What was passed by without being remembered need not be read again.
  return { endsAt: now + SINK_LEASE_MS, position: Math.max(position, lease?.position ?? 0) };
}

function claim(state: SinkState, leaseMs: number): Promise<number | undefined> {
  const { sink, store, node, wallNow } = state;
  const log = sink.rows === "tallies" ? "tallies" : "rows";
  return store.claimSink({ name: sink.name, log, node, now: wallNow(), leaseMs });
}

/** Entries of a log to offer to a sink. */
interface Page {
  /** The position of the last one; `undefined` when there are none. */
  readonly last: number | undefined;
  /** Whether there may be more. */
  readonly full: boolean;
  /** Offers them; `undefined` when the sink wants none of them. */
  readonly record: ((signal: AbortSignal) => Promise<void>) | undefined;
}

async function readPage({ sink, store }: SinkState, position: number): Promise<Page> {
  if (sink.rows === "tallies") {
    const tallies = await ofStore(store.talliesAfter(position, SINK_PAGE_TALLIES));
    return {
      last: tallies.at(-1)?.position,
      full: tallies.length >= SINK_PAGE_TALLIES,
      record: (signal) => sink.record(tallies, signal),
    };
  }
  const rows = await ofStore(store.rowsAfter(position, SINK_PAGE_ROWS));
  const wanted = sink.rows === "all" ? rows : rows.filter(({ outcome }) => outcome !== "delivered");
  return {
    last: rows.at(-1)?.position,
    full: rows.length >= SINK_PAGE_ROWS,
    record: wanted.length > 0 ? (signal) => sink.record(wanted, signal) : undefined,
  };
}

/** Tells that the sink, or what it stands on, failed; returns the error. */
function failed({ sink, observer }: SinkState, error: unknown): unknown {
  observer.record({ kind: "sink_failed", sink: sink.name, reason: reasonOf(error) });
  return error;
}

function reasonOf(error: unknown): string {
  return String(error instanceof StoreAwayError ? error.cause : error);
}
