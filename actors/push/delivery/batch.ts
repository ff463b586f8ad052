/**
 * A batch at work: one claimed batch from its recipients to its recorded result.
 *
 * The work is one sequence: load, send, ask the guard, settle, record. It runs as a piped promise,
 * so that the actor stays free to renew its lease meanwhile; when the node stops, the sequence is
 * waited for, and what has not been sent yet is handed back. A crash loses nothing: the lease runs
 * out, and the batch is claimed again with the same delivery ids. A batch never waits for a retry:
 * what is left to do becomes a batch of its own, later.
 *
 * @module
 */

import type { Actor, Context, Ref } from "../../runtime/actor.ts";
import { invariant } from "../../runtime/errors.ts";
import type { Failure, Span, Subject, Tracer } from "../tracer.ts";
import type { GuardProtocol, Guidance, LaneReport } from "./guard.ts";
import {
  BATCH_DELIVERIES_MAX,
  COMMIT_MS,
  LEASE_MS,
  LEASE_RENEW_MS,
  STORE_RETRY_MS,
} from "./limits.ts";
import type { Answers, DeliveryObserver, Gateway, SendBlock } from "./ports.ts";
import type { App, Notification, Platform } from "./records.ts";
import { countsOf, reportOf, settle, settleAll, type Settlement } from "./settle.ts";
import type {
  BatchResult,
  ClaimedBatch,
  CommitOutcome,
  DeliveryStore,
  Lane,
  LoadedBatch,
  Queue,
  Recipients,
} from "./store.ts";
import type { RecorderProtocol } from "./sinks/recorder.ts";

/** What became of a batch, for the router. */
export interface BatchEnd {
  /** Its lane. */
  readonly lane: Lane;
  /** Milliseconds for which the lane is to be left alone. */
  readonly holdMs: number;
  /** Which incarnation of its owner started it. */
  readonly incarnation: number;
}

/** Who wants to know when batches end. */
export interface BatchOwnerProtocol {
  /** A batch ended, in whatever way; told exactly once for each. */
  batchEnded(end: BatchEnd): void;
}

/** What batches work with. */
export interface BatchServices {
  /** Leases. */
  readonly queue: Pick<Queue, "renew" | "release" | "done">;
  /** Recipients and campaigns. */
  readonly store: Pick<DeliveryStore, "campaign" | "load" | "bury">;
  /** What sends, by platform. */
  readonly gateways: Readonly<Record<Platform, Gateway>>;
  /** Retry budget and brake. */
  readonly guard: Ref<GuardProtocol>;
  /** Where results go. */
  readonly recorder: Ref<RecorderProtocol>;
  /** Told of answers and losses. */
  readonly observer: DeliveryObserver;
  /** Whether a sink wants rows of all deliveries. */
  readonly allRows: boolean;
  /** Records what takes how long, if anybody looks. */
  readonly tracer?: Tracer | undefined;
}

/** What one batch is started with. */
export interface BatchArgs {
  /** The claim. */
  readonly batch: ClaimedBatch;
  /** What it works with. */
  readonly services: BatchServices;
  /** Told of its end. */
  readonly owner: Ref<BatchOwnerProtocol>;
  /** Which incarnation of the owner starts it. */
  readonly incarnation: number;
}

/** What a batch understands, all of it from itself. */
export interface BatchProtocol {
  /** The work ended. */
  worked(problem: string | undefined): void;
  /** Time to renew the lease. */
  renewalDue(): void;
  /** The renewal was answered. */
  renewed(held: boolean | undefined): void;
  /** A pause is over. */
  resumed(): void;
}

/** A batch at work. */
export interface BatchState extends BatchArgs {
  /** The work, for whoever stops the batch. */
  work: Promise<unknown>;
  /** Milliseconds for which the lane is to be left alone. */
  holdMs: number;
  /** Ends the pause the work is in. */
  resume: () => void;
  /** Nothing more is begun. */
  stopping: boolean;
  /** The work has ended, or is in vain. */
  over: boolean;
  /** When the batch began. */
  readonly startedAt: number;
}

/** One batch; see the module. */
export const batch: Actor<BatchProtocol, BatchState, BatchArgs> = {
  name: "batch",
  mailbox: { capacity: 1, overflow: "refuse" },
  init(args, ctx) {
    const state: BatchState = {
      ...args,
      work: Promise.resolve(),
      holdMs: 0,
      resume: () => {},
      stopping: false,
      over: false,
      startedAt: ctx.now(),
    };
    // Released in whatever way the batch ends, a crash included.
    ctx.use({ [Symbol.dispose]: () => tellEnd(state) });
    const work = new Work(state, ctx).run();
    state.work = work;
    ctx.pipe(work, "worked", problemOf);
    ctx.after(LEASE_RENEW_MS, "renewalDue");
    return state;
  },
  on: {
    worked(state, problem, ctx) {
      const { services } = state;
      state.over = true;
      if (problem !== undefined) services.observer.record({ kind: "batch_lost", reason: problem });
      ctx.stop(problem ?? "done");
    },
    renewalDue({ services, batch }, _, ctx) {
      const until = ctx.wallNow() + LEASE_MS;
      ctx.pipe(services.queue.renew([batch.lease], until), "renewed", (outcome) => {
        return outcome.status === "fulfilled" ? outcome.value[0] === true : undefined;
      });
    },
    renewed(state, held, ctx) {
      // Whoever has the batch now does all of it again: nothing this one does would be recorded.
      if (held === false) {
        state.over = true;
        state.services.observer.record({ kind: "batch_lost", reason: "its lease ran out" });
        ctx.stop("lease lost");
      } else ctx.after(held === undefined ? STORE_RETRY_MS : LEASE_RENEW_MS, "renewalDue");
    },
    resumed: (state) => state.resume(),
  },
  async terminate(state) {
    const { services, batch } = state;
    state.stopping = true;
    state.resume();
    if (!state.over) services.gateways[batch.platform].handBack?.();
    await Promise.allSettled([state.work]);
  },
};

/** An owner without room is told when it has some: it counts the ends. */
function tellEnd({ owner, batch: { app, platform }, holdMs, incarnation }: BatchState): void {
  const end = { lane: { app, platform }, holdMs, incarnation };
  if (owner.trySend("batchEnded", end) !== "full") return;
  owner.send("batchEnded", end).catch(() => {});
}

function problemOf(outcome: PromiseSettledResult<void>): string | undefined {
  if (outcome.status === "fulfilled") return undefined;
  const { reason } = outcome;
  return reason instanceof Error ? reason.message : String(reason);
}

/** A gateway, which may be anybody's, must have a verdict for each: the store would refuse the result for ever. */
function assertAnswered({ verdicts, of }: Answers, count: number): void {
  const named = of.length === count && of.every((index) => index < verdicts.length);
  invariant(named, `A gateway gave ${of.length} verdicts of ${verdicts.length} kinds to ${count}`);
}

/** The trace a batch belongs to. */
function subjectOf({ notification: id }: ClaimedBatch): Subject {
  return { kind: "notification", id };
}

/** The sequence of one batch. */
class Work {
  readonly #state: BatchState;
  readonly #ctx: Context<BatchProtocol>;
  readonly #span: Span | undefined;
  #sent = false;
  /** When its notification was accepted; now, until it is known. */
  #acceptedAt: number;

  constructor(state: BatchState, ctx: Context<BatchProtocol>) {
    const { services: { tracer }, batch } = state;
    this.#state = state;
    this.#ctx = ctx;
    this.#acceptedAt = ctx.wallNow();
    this.#span = tracer?.begin(subjectOf(batch), "batch", {
      app: batch.app,
      platform: batch.platform,
      batch: batch.lease.batch,
      attempt: batch.attempt,
      count: batch.count,
    });
  }

  /** Does it. What fails before anything was sent is handed back; after that the lease is left to run out. */
  async run(): Promise<void> {
    try {
      await this.#steps();
    } catch (error) {
      this.#span?.end({ failure: "batch_lost" });
      this.#state.holdMs = Math.max(this.#state.holdMs, STORE_RETRY_MS);
      if (!this.#sent) await this.#release();
      throw error;
    }
  }

  async #steps(): Promise<void> {
    const { batch, services } = this.#state;
    const sentAt = this.#ctx.wallNow();
    const [campaign, loaded] = await Promise.all([
      services.store.campaign(batch.notification),
      services.store.load(batch.lease),
    ]);
    if (loaded === "stale") {
      await this.#done();
      throw new Error("another node has its lease");
    }
    if (loaded === "unreadable") return await this.#bury("its recipients cannot be read");
    if (loaded.recipients.numbers.length + loaded.gone.length !== batch.count) {
      return await this.#bury("it has lost recipients");
    }
    if (campaign === undefined) return await this.#bury("its notification or app is gone");
    const settlement = await this.#settle(campaign, loaded, sentAt);
    if (settlement === undefined) {
      await this.#release();
      return this.#span?.end({ failure: "batch_lost" });
    }
    this.#state.holdMs = settlement.holdMs;
    await this.#record(settlement);
  }

  async #settle(
    { notification, app }: { readonly notification: Notification; readonly app: App },
    loaded: LoadedBatch,
    sentAt: number,
  ): Promise<Settlement | undefined> {
    const { batch, services } = this.#state;
    const facts = { batch, notification, loaded, allRows: services.allRows, sentAt };
    this.#acceptedAt = notification.createdAt;
    if (sentAt >= notification.expiresAt) {
      this.#observeClaim(notification, sentAt);
      return settleAll({ ...facts, now: sentAt }, "expired", "its time was over");
    }
    if (batch.deliveries > BATCH_DELIVERIES_MAX) {
      const reason = `gave up after ${BATCH_DELIVERIES_MAX} deliveries`;
      await this.#deadLetter(reason);
      return settleAll({ ...facts, now: sentAt }, "failed", reason);
    }
    // The node is stopping and nothing was sent: somebody else does it.
    if (this.#state.stopping) return undefined;
    this.#sent = true;
    const { recipients } = loaded;
    const answers = recipients.numbers.length === 0
      ? { verdicts: [], of: new Uint16Array() }
      : await services.gateways[batch.platform].send(this.#block(notification, app, recipients));
    assertAnswered(answers, recipients.numbers.length);
    this.#observe(answers);
    if (answers.verdicts.some(({ kind }) => kind !== "unsent")) {
      this.#observeClaim(notification, sentAt);
    }
    const guidance = await this.#guidance(reportOf(batch, answers, app.version));
    const random = () => this.#ctx.random();
    const settled = settle({ ...facts, answers, guidance, now: this.#ctx.wallNow(), random });
    const { result } = settled;
    if (result.pause === undefined || await this.#stillUses(app)) return settled;
    return { ...settled, result: { ...result, pause: undefined } };
  }

  /** Asked once more when the guard crashed meanwhile: what was sent must not be sent again for that. */
  async #guidance(report: LaneReport): Promise<Guidance> {
    const { guard } = this.#state.services;
    try {
      return await guard.ask("guidance", report);
    } catch {
      return await guard.ask("guidance", report);
    }
  }

  /** Whether the app has these credentials still: what was said of older ones must not pause the new. */
  async #stillUses({ version }: App): Promise<boolean> {
    const { batch, services } = this.#state;
    try {
      const campaign = await services.store.campaign(batch.notification);
      return campaign === undefined || campaign.app.version === version;
    } catch {
      return true;
    }
  }

  /** Offers the result until it is recorded or the lease is lost: it must not be sent again for a store that is away. */
  async #record(settlement: Settlement): Promise<void> {
    const { services, startedAt } = this.#state;
    const { result } = settlement;
    for (;;) {
      const durationMs = this.#ctx.now() - startedAt;
      const span = this.#span?.child("record");
      try {
        const committed = await services.recorder.within(COMMIT_MS).ask("record", {
          result,
          durationMs,
        });
        if (span !== undefined) this.#recorded(span, result, committed);
        return await this.#done();
      } catch (error) {
        span?.end({ failure: "unavailable" });
        if (this.#state.stopping) throw error;
        await this.#pause(STORE_RETRY_MS);
      }
    }
  }

  /** Ends the traces of what was recorded: the batch's, and the notification's with its last one. */
  #recorded(span: Span, result: BatchResult, committed: CommitOutcome): void {
    const { services: { tracer }, batch } = this.#state;
    const { outcomes, remainders } = result;
    if (committed.kind === "stale") {
      const failure: Failure = "lease_lost";
      span.end({ failure });
      return this.#span?.end({ failure });
    }
    span.end();
    const retries = remainders.reduce((sum, { numbers }) => sum + numbers.length, 0);
    this.#span?.end({ outcomes, retries });
    if (!committed.notificationDone) return;
    tracer?.begin(subjectOf(batch), "done", { app: batch.app }, this.#acceptedAt)?.end();
  }

  /** What its gateway is given. */
  #block(notification: Notification, app: App, recipients: Recipients): SendBlock {
    const block = { notification, app, recipients };
    return this.#span === undefined ? block : { ...block, span: this.#span };
  }

  /** A queue that cannot be told finds out by itself. */
  async #done(): Promise<void> {
    const { batch, services } = this.#state;
    await services.queue.done?.(batch.lease).catch(() => {});
  }

  async #release(): Promise<void> {
    const { batch, services } = this.#state;
    await services.queue.release(batch.lease, this.#ctx.wallNow());
  }

  /** What cannot be sent at all is set aside, and its recipients have failed. */
  async #bury(reason: string): Promise<void> {
    const { batch } = this.#state;
    await this.#deadLetter(reason);
    const { lease, notification, app, platform, attempt, count } = batch;
    const outcomes = {
      delivered: 0,
      token_invalid: 0,
      rejected: 0,
      expired: 0,
      failed: count,
      cancelled: 0,
    };
    await this.#record({
      result: {
        lease,
        notification,
        lane: { app, platform },
        outcomes,
        rows: [],
        remainders: [],
        attempts: attempt,
        suspects: { marked: [], cleared: [] },
        pause: undefined,
        at: this.#ctx.wallNow(),
      },
      holdMs: 0,
    });
  }

  async #deadLetter(reason: string): Promise<void> {
    const { batch, services } = this.#state;
    const { lease, ...rest } = batch;
    const body = JSON.stringify(rest);
    services.observer.record({ kind: "dead_letter", source: "queue", reason });
    const at = this.#ctx.wallNow();
    await services.store.bury({ source: "queue", id: `${lease.batch}`, reason, body, at });
  }

  /**
   * Tells how long recipients waited for the claim with which they were sent. Those that are tried again wait
   * because they must; those handed back unsent, as to a provider that does not work, wait on.
   */
  #observeClaim({ createdAt, sendAt }: Notification, claimedAt: number): void {
    const { batch: { attempt, deliveries, platform }, services: { observer } } = this.#state;
    if (attempt > 0 || deliveries > 1) return;
    const delayMs = Math.max(0, claimedAt - Math.max(createdAt, sendAt));
    observer.record({ kind: "claimed", platform, delayMs });
  }

  #observe(answers: Answers): void {
    const { batch: { platform }, services: { observer } } = this.#state;
    const counts = countsOf(answers);
    for (const [index, verdict] of answers.verdicts.entries()) {
      const status = "status" in verdict ? verdict.status : 0;
      const reason = "reason" in verdict ? verdict.reason : "";
      const count = counts[index] ?? 0;
      observer.record({ kind: "answered", platform, status, reason, count });
    }
  }

  #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#state.resume = resolve;
    this.#ctx.after(ms, "resumed");
    return promise;
  }
}
