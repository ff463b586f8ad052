/**
 * A source of notifications as an actor: one entry after the other is stored, and only then
 * acknowledged and the next one asked for.
 *
 * Invariants: an entry is acknowledged after its notification, or the reason why there is none, is
 * stored: never before, and never twice by one opening. The source's name and the entry's id are the
 * notification's idempotency key, so an entry that comes again makes no second notification. Nothing
 * is taken from the source while an entry is in hand: a full store holds the source back.
 *
 * A source that ends, throws or cannot be told of an acknowledgement is opened again with a delay
 * that grows while it ends soon; a store that is not available has the same entry offered again. Both
 * are expected, and are no crashes. An entry on which this actor crashes stays unacknowledged: its source hands it
 * out again, and after {@linkcode ENTRY_DELIVERIES_MAX} times it is set aside.
 *
 * @module
 */

import type { Actor, Context } from "../../../runtime/actor.ts";
import { invariant } from "../../../runtime/errors.ts";
import { backoffMs } from "../../../runtime/window.ts";
import type { DeliveryObserver, Source, SourceEntry } from "../ports.ts";
import type { DeliveryStore } from "../store.ts";
import { entryBeginning, judgeEntry } from "./entry.ts";
import {
  DEAD_LETTER_ID_CHARS,
  DEAD_LETTER_REASON_CHARS,
  ENTRY_MS,
  SOURCE_BACKOFF,
  SOURCE_NAME_CHARS_MAX,
} from "./limits.ts";

/** What became of a notification that was submitted. */
export type SubmitResult =
  | { readonly kind: "accepted" }
  /** It had been accepted before. */
  | { readonly kind: "repeated" }
  /** It will never be accepted, for these reasons. */
  | { readonly kind: "invalid"; readonly problems: readonly string[] }
  /** Later. */
  | { readonly kind: "unavailable"; readonly reason: string };

/** What came out of the source. */
export type Arrival =
  | { readonly kind: "entry"; readonly entry: SourceEntry }
  | { readonly kind: "ended"; readonly reason: string };

/** What became of an entry. */
export type EntrySettled =
  | { readonly kind: "acknowledged" }
  /** It could not be stored: later. */
  | { readonly kind: "unavailable" }
  /** It is stored, and the source could not be told. */
  | { readonly kind: "unacknowledged"; readonly reason: string };

/** What a source's actor understands. */
export interface SourceProtocol {
  /** Time to open the source. */
  openDue(): void;
  /** An entry came, or none will. */
  arrived(arrival: Arrival): void;
  /** Time to offer the entry in hand again. */
  submitDue(): void;
  /** The entry in hand is settled. */
  settled(settled: EntrySettled): void;
  /** Settling it took too long. */
  overdue(): void;
}

/** What a source's actor works on. */
export interface SourceArgs {
  /** The source. */
  readonly source: Source;
  /**
   * Accepts a notification under an idempotency key of at most 193 characters, any; a rejection
   * is a fault of ours and crashes the actor.
   */
  readonly submit: (body: unknown, key: string) => Promise<SubmitResult>;
  /** Where entries are set aside. */
  readonly store: Pick<DeliveryStore, "bury">;
  /** Told of failures and of entries set aside. */
  readonly observer: DeliveryObserver;
}

/** Where a source is. */
export interface SourceState extends SourceArgs {
  /** The opened source, closed with the actor. */
  readonly opening: Opening;
  /** The entry in hand. */
  entry: SourceEntry | undefined;
  /** When the source was last opened. */
  openedAt: number;
  /** Openings in a row that ended soon. */
  failures: number;
  /** Offers in a row of the entry in hand. */
  offers: number;
}

/** An opened source: none or one at a time. */
export class Opening implements Disposable {
  readonly #source: Source;
  #abort: AbortController | undefined;
  #entries: AsyncIterator<SourceEntry> | undefined;

  /** Of this source; nothing is opened yet. */
  constructor(source: Source) {
    this.#source = source;
  }

  /** The next entry, of the open source or of a new opening. */
  async next(): Promise<Arrival> {
    try {
      this.#abort ??= new AbortController();
      this.#entries ??= this.#source.entries(this.#abort.signal)[Symbol.asyncIterator]();
      const result = await this.#entries.next();
      if (result.done !== true) return { kind: "entry", entry: result.value };
      return { kind: "ended", reason: "It ended" };
    } catch (error) {
      return { kind: "ended", reason: String(error) };
    }
  }

  /** Closes it, without waiting for what it does then: a source that hangs must not hold up another opening. */
  [Symbol.dispose](): void {
    const entries = this.#entries;
    this.#entries = undefined;
    this.#abort?.abort();
    this.#abort = undefined;
    if (entries !== undefined) void giveUp(entries);
  }
}

async function giveUp(entries: AsyncIterator<SourceEntry>): Promise<void> {
  try {
    await entries.return?.();
  } catch {
    // Whatever it says at its end: nothing more is taken from it.
  }
}

/**
 * The actor of a source; see the module.
 *
 * @param name What the live tree shows, snake_case: `redis_source`.
 */
export function sourceActor(name: string): Actor<SourceProtocol, SourceState, SourceArgs> {
  return {
    name,
    mailbox: { capacity: 4, overflow: "refuse" },
    init(args, ctx) {
      const chars = args.source.name.length;
      invariant(
        /^[\w-]+$/.test(args.source.name) && chars <= SOURCE_NAME_CHARS_MAX,
        `Cannot name a source "${args.source.name.slice(0, 80)}": use 1 to ` +
          `${SOURCE_NAME_CHARS_MAX} letters, digits, "_" and "-"`,
      );
      ctx.after(0, "openDue");
      const opening = ctx.use(new Opening(args.source));
      return { ...args, opening, entry: undefined, openedAt: 0, failures: 0, offers: 0 };
    },
    on: {
      openDue(state, _, ctx) {
        state.openedAt = ctx.now();
        take(state, ctx);
      },
      arrived(state, arrival, ctx) {
        if (arrival.kind === "ended") return reopen(state, arrival.reason, ctx);
        state.offers = 0;
        state.entry = arrival.entry;
        offer(state, arrival.entry, ctx);
      },
      submitDue(state, _, ctx) {
        if (state.entry !== undefined) offer(state, state.entry, ctx);
      },
      settled(state, settled, ctx) {
        ctx.cancel("overdue");
        switch (settled.kind) {
          case "acknowledged":
            state.entry = undefined;
            return take(state, ctx);
          case "unavailable":
            return ctx.after(delayMs(state.offers++, ctx), "submitDue");
          case "unacknowledged":
            state.entry = undefined;
            return reopen(state, settled.reason, ctx);
        }
      },
      overdue() {
        throw new Error(`The entry was not stored and acknowledged within ${ENTRY_MS} ms`);
      },
    },
  };
}

function take(state: SourceState, ctx: Context<SourceProtocol>): void {
  ctx.pipe(state.opening.next(), "arrived", valueOf);
}

function reopen(state: SourceState, reason: string, ctx: Context<SourceProtocol>): void {
  state.opening[Symbol.dispose]();
  // It was open for longer than the longest delay: the trouble before is over.
  if (ctx.now() - state.openedAt >= SOURCE_BACKOFF.maxMs) state.failures = 0;
  state.observer.record({ kind: "source_failed", source: state.source.name, reason });
  ctx.after(delayMs(state.failures++, ctx), "openDue");
}

function delayMs(attempts: number, ctx: Context<SourceProtocol>): number {
  return backoffMs(SOURCE_BACKOFF, attempts, { next: () => ctx.random() });
}

function offer(state: SourceState, entry: SourceEntry, ctx: Context<SourceProtocol>): void {
  ctx.after(ENTRY_MS, "overdue");
  ctx.pipe(settle(state, entry, ctx.wallNow()), "settled", valueOf);
}

/** The value; a rejection crashes the actor. */
function valueOf<T>(outcome: PromiseSettledResult<T>): T {
  if (outcome.status === "rejected") throw outcome.reason;
  return outcome.value;
}

async function settle(args: SourceArgs, entry: SourceEntry, now: number): Promise<EntrySettled> {
  const verdict = judgeEntry(entry);
  if (verdict.kind === "bury") {
    return await setAside(args, entry, { reason: verdict.reason, told: verdict.reason, at: now });
  }
  const result = await args.submit(verdict.body, `${args.source.name}:${entry.id}`);
  switch (result.kind) {
    case "accepted":
    case "repeated":
      return await acknowledge(entry);
    case "unavailable":
      return unavailable(args, result.reason);
    case "invalid": {
      const { problems } = result;
      // What is wrong with a notification may quote addresses and content, which events never carry.
      const told = `no notification, ${problems.length} problems`;
      return await setAside(args, entry, { reason: problems.join("; "), told, at: now });
    }
  }
}

/** Why an entry is set aside, what is told of it, and when. */
interface Burial {
  readonly reason: string;
  readonly told: string;
  readonly at: number;
}

async function setAside(
  args: SourceArgs,
  entry: SourceEntry,
  { reason, told, at }: Burial,
): Promise<EntrySettled> {
  const { source: { name: source }, store, observer } = args;
  try {
    await store.bury({
      source,
      id: entry.id.slice(0, DEAD_LETTER_ID_CHARS),
      reason: reason.slice(0, DEAD_LETTER_REASON_CHARS),
      body: entryBeginning(entry.body),
      at,
    });
  } catch (error) {
    return unavailable(args, String(error));
  }
  observer.record({ kind: "dead_letter", source, reason: told });
  return await acknowledge(entry, reason);
}

/** Tells the source that an entry is stored, or set aside for this reason. */
async function acknowledge(entry: SourceEntry, reason?: string): Promise<EntrySettled> {
  try {
    if (reason === undefined || entry.bury === undefined) await entry.acknowledge();
    else await entry.bury(reason.slice(0, DEAD_LETTER_REASON_CHARS));
    return { kind: "acknowledged" };
  } catch (error) {
    return { kind: "unacknowledged", reason: `Cannot acknowledge an entry: ${String(error)}` };
  }
}

function unavailable({ source, observer }: SourceArgs, reason: string): EntrySettled {
  observer.record({ kind: "source_failed", source: source.name, reason });
  return { kind: "unavailable" };
}
