/**
 * A block of requests under way, and the answers as they come.
 *
 * Invariants: each request of a block is in one of three states, not begun (its place is `next` or
 * after), open (a stream knows it) or settled, and becomes settled exactly once; the promise
 * resolves when the last is. `left` counts those that are not settled.
 *
 * @module
 */

import {
  type AnswerBlock,
  type AnswerDetail,
  ANSWERED,
  type End,
  type RequestBlock,
  UNSENT,
} from "./exchange.ts";
import { LatencyCounter } from "./latencies.ts";

/** A block between `exchange` and its answers. */
export class PendingBlock {
  /** What was asked. */
  readonly block: RequestBlock;
  /** When requests are not begun any more. */
  readonly beginBy: number;
  /** When what has not ended is given up. */
  readonly dueAt: number;
  /** The answers, once all are there. */
  readonly answers: Promise<AnswerBlock>;
  /** The place of the first request that was not begun. */
  next = 0;
  /** Requests that have not ended. */
  left: number;
  /** Bytes of the details kept. */
  detailBytes = 0;
  readonly #ends: Uint8Array;
  readonly #statuses: Uint16Array;
  readonly #details = new Map<number, AnswerDetail>();
  readonly #latencies = new LatencyCounter();
  readonly #resolve: (answers: AnswerBlock) => void;
  #reason = "";

  /** Nothing of the block is begun; times are the connection's clock. */
  constructor(block: RequestBlock, beginBy: number, dueAt: number) {
    const count = block.paths.length;
    this.block = block;
    this.beginBy = beginBy;
    this.dueAt = dueAt;
    this.left = count;
    this.#ends = new Uint8Array(count).fill(UNSENT);
    this.#statuses = new Uint16Array(count);
    const { promise, resolve } = Promise.withResolvers<AnswerBlock>();
    this.answers = promise;
    this.#resolve = resolve;
    if (count === 0) this.#finish();
  }

  /** Whether requests of it wait to be begun. */
  get waits(): boolean {
    return this.next < this.block.paths.length;
  }

  /** The body of one request. */
  body(index: number): Uint8Array {
    const { bodies } = this.block;
    if (bodies instanceof Uint8Array) return bodies;
    const body = bodies[index];
    if (body === undefined) throw new Error(`Request ${index} of a block has no body`);
    return body;
  }

  /** Keeps what is worth reading of an answer, before it is settled. */
  detail(index: number, detail: AnswerDetail, bytes: number): void {
    this.#details.set(index, detail);
    this.detailBytes += bytes;
  }

  /** Settles a request that was answered, so long after it was written. */
  answer(index: number, status: number, latencyMs: number): void {
    this.#ends[index] = ANSWERED;
    this.#statuses[index] = status;
    this.#latencies.add(latencyMs);
    if (--this.left === 0) this.#finish();
  }

  /** Settles a request that was begun and not answered. */
  fail(index: number, end: Exclude<End, typeof ANSWERED>, reason: string): void {
    this.#because(reason);
    this.#ends[index] = end;
    if (--this.left === 0) this.#finish();
  }

  /** Settles, as unsent, all that were not begun; returns how many. */
  dropWaiting(reason: string): number {
    const count = this.block.paths.length - this.next;
    if (count === 0) return 0;
    this.#because(reason);
    this.next = this.block.paths.length;
    this.left -= count;
    if (this.left === 0) this.#finish();
    return count;
  }

  /** Why requests are not answered; the first reason stands. */
  #because(reason: string): void {
    this.#reason ||= reason;
  }

  #finish(): void {
    this.#resolve({
      ends: this.#ends,
      statuses: this.#statuses,
      details: this.#details,
      reason: this.#reason,
      latencies: this.#latencies,
    });
  }
}
