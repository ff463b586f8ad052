/**
 * Settles a batch: from what its gateway answered to what the store records. Pure.
 *
 * Every recipient of the batch ends here in exactly one place: an outcome, or a remainder that
 * becomes a batch of its own. What decides: the verdict; the requests already made; the time the
 * notification has left; the guard, which may hold back dead devices or slow retries.
 *
 * @module
 */

import type { Guidance, LaneReport } from "./guard.ts";
import {
  ATTEMPTS_MAX,
  OVER_BUDGET_MS,
  REASON_CHARS_MAX,
  RETRY_JITTER,
  RETRY_MAX_MS,
  RETRY_MIN_MS,
} from "./limits.ts";
import type { Answers, Verdict } from "./ports.ts";
import type { Notification, Outcome } from "./records.ts";
import type {
  BatchResult,
  ClaimedBatch,
  LoadedBatch,
  Recipients,
  Remainder,
  SettledDelivery,
} from "./store.ts";

/** What a batch is settled from. */
export interface Settling {
  /** The batch. */
  readonly batch: ClaimedBatch;
  /** Its notification. */
  readonly notification: Notification;
  /** Its recipients. */
  readonly loaded: LoadedBatch;
  /** What they were answered. */
  readonly answers: Answers;
  /** What the guard said. */
  readonly guidance: Guidance;
  /** Whether a sink wants rows of all deliveries. */
  readonly allRows: boolean;
  /** When the batch was loaded to be sent: a device registered later is not meant by its answers. */
  readonly sentAt: number;
  /** Now. */
  readonly now: number;
  /** Numbers in [0, 1), for jitter. */
  random(): number;
}

/** What is recorded, and how long the lane is to be left alone. */
export interface Settlement {
  /** For the store. */
  readonly result: BatchResult;
  /** Milliseconds for which nothing of the lane is claimed on this node; 0 for none. */
  readonly holdMs: number;
}

/**
 * What the guard needs to know of a batch's answers.
 *
 * @param batch The batch.
 * @param answers What its recipients were answered.
 * @param version The app's version, for its credentials.
 */
export function reportOf(batch: ClaimedBatch, answers: Answers, version: number): LaneReport {
  const counts = countsOf(answers);
  let unsent = 0;
  let doubtful = 0;
  let retries = 0;
  for (const [index, verdict] of answers.verdicts.entries()) {
    const count = counts[index] ?? 0;
    if (verdict.kind === "unsent") unsent += count;
    else if (verdict.kind === "retry") retries += count;
    else if (verdict.kind === "token_invalid" && verdict.doubtful) doubtful += count;
  }
  const answered = answers.of.length - unsent;
  const first = batch.attempt === 0 ? answered : 0;
  return {
    lane: { app: batch.app, platform: batch.platform },
    version,
    answered,
    doubtful,
    first,
    retries,
  };
}

/** How many recipients have each verdict. */
export function countsOf(answers: Answers): Uint32Array {
  const counts = new Uint32Array(answers.verdicts.length);
  for (const index of answers.of) counts[index] = (counts[index] ?? 0) + 1;
  return counts;
}

/**
 * Settles a batch whose recipients were answered.
 *
 * @param settling What it is settled from.
 */
export function settle(settling: Settling): Settlement {
  const { batch, loaded, answers } = settling;
  const ledger = new Ledger(settling);
  const courses = answers.verdicts.map((verdict) => courseOf(verdict, settling));
  const { numbers, addresses } = loaded.recipients;
  for (const [place, index] of answers.of.entries()) {
    const course = courses[index];
    const number = numbers[place] ?? 0;
    if (course === undefined) continue;
    if (course.kind === "again") ledger.again(number, course.notBefore, course.attempt);
    else if (course.outcome === "delivered" && !ledger.allRows) ledger.delivered++;
    else ledger.end({ ...course, number, address: addresses[place] ?? "" });
  }
  const failing = answers.verdicts.map(({ kind }) => kind !== "delivered" && kind !== "unsent");
  const suspects = suspectsOf(loaded.recipients, answers, failing);
  const attempts = batch.attempt + 1;
  const result = ledger.result({ suspects, pause: pauseOf(settling), attempts });
  return { result, holdMs: holdOf(batch, answers) };
}

/**
 * Settles a whole batch in one way, without a request: its notification expired, or it is given up.
 *
 * @param settling As for {@link settle}, without answers.
 * @param outcome How each recipient ends.
 * @param reason Why.
 */
export function settleAll(
  settling: Omit<Settling, "answers" | "guidance" | "random">,
  outcome: Outcome,
  reason: string,
): Settlement {
  const ledger = new Ledger(settling);
  const { numbers, addresses } = settling.loaded.recipients;
  for (const [place, number] of numbers.entries()) {
    ledger.end({ ...end(outcome, 0, reason), number, address: addresses[place] ?? "" });
  }
  const suspects = { marked: [], cleared: [] };
  const { attempt } = settling.batch;
  return { result: ledger.result({ suspects, pause: undefined, attempts: attempt }), holdMs: 0 };
}

/** What happens to recipients with one verdict. */
type Course =
  | {
    readonly kind: "end";
    readonly outcome: Outcome;
    readonly status: number;
    readonly reason: string;
    readonly registeredBefore: number | undefined;
  }
  | { readonly kind: "again"; readonly notBefore: number; readonly attempt: number };

function courseOf(verdict: Verdict, settling: Settling): Course {
  const { batch, guidance, sentAt, now } = settling;
  switch (verdict.kind) {
    case "delivered":
      return end("delivered", 0, "");
    case "rejected":
      return end("rejected", verdict.status, verdict.reason);
    case "token_invalid": {
      if (verdict.doubtful && guidance.brake) return again(settling, 0, batch.attempt + 1);
      const registeredBefore = Math.min(sentAt, verdict.invalidSince ?? sentAt);
      return { ...end("token_invalid", verdict.status, verdict.reason), registeredBefore };
    }
    case "pause":
      // Without a status nothing was asked: the credentials could not be used.
      return again(settling, 0, batch.attempt + (verdict.status === 0 ? 0 : 1));
    case "unsent":
      return again(settling, verdict.afterMs ?? RETRY_MIN_MS, batch.attempt);
    case "retry": {
      const attempt = batch.attempt + 1;
      const { status, reason } = verdict;
      if (attempt >= ATTEMPTS_MAX) {
        return end("failed", status, `gave up after ${attempt} requests: ${reason}`);
      }
      const delay = Math.max(verdict.afterMs ?? 0, retryMs(attempt, settling));
      if (now + delay < settling.notification.expiresAt) return again(settling, delay, attempt);
      return end("expired", status, `no time left to try again: ${reason}`);
    }
  }
}

function end(outcome: Outcome, status: number, reason: string): Course & { kind: "end" } {
  const text = reason.slice(0, REASON_CHARS_MAX);
  return { kind: "end", outcome, status, reason: text, registeredBefore: undefined };
}

function again({ now }: Settling, delayMs: number, attempt: number): Course {
  return { kind: "again", notBefore: Math.ceil(now + delayMs), attempt };
}

/** Exponential backoff with jitter; longer when the lane has retried too much. */
function retryMs(attempt: number, { guidance, random }: Settling): number {
  const full = Math.min(RETRY_MIN_MS * 2 ** (attempt - 1), RETRY_MAX_MS);
  const base = guidance.overBudget ? Math.max(full, OVER_BUDGET_MS) : full;
  return base * (1 - RETRY_JITTER * random());
}

/** Devices whose last answer was a failure are kept off clean connections, until one is delivered to. */
function suspectsOf(
  { numbers, suspects }: Recipients,
  answers: Answers,
  failing: readonly boolean[],
): BatchResult["suspects"] {
  const known = new Set(suspects);
  const marked: number[] = [];
  const cleared: number[] = [];
  for (const [place, index] of answers.of.entries()) {
    const verdict = answers.verdicts[index];
    if (failing[index] === true) {
      const own = verdict?.kind === "token_invalid";
      if (own && !known.has(place)) marked.push(numbers[place] ?? 0);
    } else if (verdict?.kind === "delivered" && known.has(place)) {
      cleared.push(numbers[place] ?? 0);
    }
  }
  return { marked, cleared };
}

function pauseOf({ answers, guidance }: Settling): string | undefined {
  const pause = answers.verdicts.find((verdict) => verdict.kind === "pause");
  if (pause?.kind === "pause") return described(pause);
  if (!guidance.brake) return undefined;
  const doubt = answers.verdicts.find((verdict) =>
    verdict.kind === "token_invalid" && verdict.doubtful
  );
  if (doubt?.kind !== "token_invalid") return undefined;
  return `too many devices would be dead: ${described(doubt)}. Check the credentials, then resume`;
}

function described({ status, reason }: { status: number; reason: string }): string {
  return (status === 0 ? reason : `${status} ${reason}`).slice(0, REASON_CHARS_MAX);
}

/**
 * A provider that wants less of the whole app is obeyed; one that cannot be sent to is not asked. The
 * push services of browsers are many: one that is down, with a batch of its own left, holds up none of the others.
 */
function holdOf({ platform }: ClaimedBatch, answers: Answers): number {
  let hold = 0;
  let unsent = platform !== "webpush" && answers.verdicts.length > 0;
  for (const verdict of answers.verdicts) {
    if (verdict.kind === "retry" && verdict.scope === "lane") {
      hold = Math.max(hold, verdict.afterMs ?? RETRY_MIN_MS);
    }
    if (verdict.kind !== "unsent") unsent = false;
  }
  if (!unsent) return hold;
  for (const verdict of answers.verdicts) {
    if (verdict.kind === "unsent") hold = Math.max(hold, verdict.afterMs ?? RETRY_MIN_MS);
  }
  return hold;
}

/** Where the recipients of one batch are written down. */
class Ledger {
  delivered = 0;
  readonly allRows: boolean;
  readonly #settling: Pick<Settling, "batch" | "now">;
  readonly #outcomes: Record<Outcome, number> = {
    delivered: 0,
    token_invalid: 0,
    rejected: 0,
    expired: 0,
    failed: 0,
    cancelled: 0,
  };
  readonly #rows: SettledDelivery[] = [];
  /** By attempt and delay, the latter rounded, so that a batch leaves few batches behind. */
  readonly #remainders = new Map<string, { numbers: number[] } & Remainder>();

  /** Begins with those who were gone before anything was sent. */
  constructor(
    settling: Pick<
      Settling,
      "batch" | "notification" | "loaded" | "allRows" | "sentAt" | "now"
    >,
  ) {
    this.#settling = settling;
    this.allRows = settling.allRows || settling.notification.rows === "all";
    for (const { number, address, why } of settling.loaded.gone) {
      // One that was registered again since it was loaded is alive.
      const ended = why === "invalid"
        ? { ...end("token_invalid", 0, "device is invalid"), registeredBefore: settling.sentAt }
        : end("rejected", 0, "device was removed");
      this.end({ ...ended, number, address });
    }
  }

  end({ number, address, outcome, status, reason, registeredBefore }: SettledDelivery): void {
    this.#outcomes[outcome]++;
    this.#rows.push({ number, address, outcome, status, reason, registeredBefore });
  }

  again(number: number, notBefore: number, attempt: number): void {
    const seconds = Math.max(notBefore - this.#settling.now, 0) / 1_000;
    const key = `${attempt} ${Math.ceil(Math.log2(1 + seconds))}`;
    const known = this.#remainders.get(key);
    if (known === undefined) this.#remainders.set(key, { numbers: [number], attempt, notBefore });
    else {
      known.numbers.push(number);
      if (notBefore > known.notBefore) this.#remainders.set(key, { ...known, notBefore });
    }
  }

  result(rest: Pick<BatchResult, "suspects" | "pause" | "attempts">): BatchResult {
    const { batch, now } = this.#settling;
    return {
      lease: batch.lease,
      notification: batch.notification,
      lane: { app: batch.app, platform: batch.platform },
      outcomes: { ...this.#outcomes, delivered: this.#outcomes.delivered + this.delivered },
      rows: this.#rows,
      remainders: [...this.#remainders.values()],
      at: now,
      ...rest,
    };
  }
}
