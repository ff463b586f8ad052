/**
 * A connection before its upgrade: reads one request, answers it, or hands over to a WebSocket.
 *
 * Invariants: the request is complete within the head timeout or answered 408; after any answer
 * TCP ends within the close timeout; what arrives after an answer is read and thrown away, so
 * that the kernel sends the answer instead of a reset.
 *
 * @module
 */

import type { BufferPool } from "./buffers.ts";
import type { Ending } from "./connection.ts";
import type { DeadlineQueue } from "./deadlines.ts";
import type { EarlyBytes } from "./frame_reader.ts";
import { HeadScanner, type HttpProblem, parseHead, type RequestHead } from "./http_head.ts";
import { BURST_BUFFER_BYTES, type DeviceLimits } from "./limits.ts";
import { problemResponse } from "./upgrade.ts";

/** What handshakes share. */
export interface HandshakeHub {
  /** The listener's limits. */
  readonly limits: DeviceLimits;
  /** Where read buffers come from. */
  readonly buffers: BufferPool;
  /** Requests which have not arrived. */
  readonly headDeadlines: DeadlineQueue<Handshake>;
  /** Connections which are ending. */
  readonly closeDeadlines: DeadlineQueue<Ending>;
  /** Decides what a request gets; `"taken"` when the connection is a WebSocket from now on. */
  serve(handshake: Handshake, head: RequestHead, early: EarlyBytes): HandshakeAnswer;
  /** A request was refused. */
  refused(problem: HttpProblem): void;
  /** It is over; TCP has ended unless the connection was taken. */
  handshakeEnded(handshake: Handshake, taken: boolean): void;
}

/** What a request gets. */
export type HandshakeAnswer =
  | { readonly kind: "taken" }
  | { readonly kind: "response"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "problem"; readonly problem: HttpProblem; readonly withBody: boolean };

/** One connection whose request is being read. */
export class Handshake implements Ending {
  readonly #hub: HandshakeHub;
  /** The TCP or TLS connection. */
  readonly conn: Deno.Conn;
  /** Whatever the listener counts this connection under. */
  readonly address: string;
  #buffer: Uint8Array;
  #phase: "reading" | "answered" | "ended" = "reading";

  /** Takes over `conn`; nothing is read before `run`. */
  constructor(hub: HandshakeHub, conn: Deno.Conn, address: string) {
    this.#hub = hub;
    this.#buffer = hub.buffers.takeBurst();
    this.conn = conn;
    this.address = address;
  }

  /** Runs until TCP has ended or the connection is taken; never rejects. */
  async run(): Promise<void> {
    this.#hub.headDeadlines.arm(this);
    let taken = false;
    try {
      taken = await this.#read();
    } catch {
      // TCP failed, TLS was refused, or `end` cancelled the read: all of them end here.
    }
    // When taken, the buffer went to the reader of frames with the bytes that are in it.
    if (!taken) this.#hub.buffers.give(this.#buffer);
    this.#finish(taken);
  }

  /** Answers 408: the head timeout has passed. */
  headOverdue(): void {
    if (this.#phase !== "reading") return;
    const problem: HttpProblem = {
      status: 408,
      message: `request not complete after ${this.#hub.limits.headTimeoutMs} ms`,
    };
    void this.#answer({ kind: "problem", problem, withBody: true });
  }

  /** Ends TCP now. */
  end(): void {
    this.#finish(false);
  }

  #finish(taken: boolean): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#hub.headDeadlines.disarm(this);
    this.#hub.closeDeadlines.disarm(this);
    if (!taken) this.conn.close();
    this.#hub.handshakeEnded(this, taken);
  }

  /** Reads the request and answers it; `true` when the connection was taken. */
  async #read(): Promise<boolean> {
    const scanner = new HeadScanner(this.#hub.limits);
    for (let end = 0; this.#phase === "reading";) {
      if (end === this.#buffer.length) this.#enlarge();
      const count = await this.conn.read(this.#buffer.subarray(end));
      if (count === null) return false;
      end += count;
      const scan = scanner.scan(this.#buffer, end);
      if (scan.kind === "incomplete" || this.#phase !== "reading") continue;
      const answer: HandshakeAnswer = scan.kind === "refused"
        ? { kind: "problem", problem: scan.problem, withBody: true }
        : this.#judge(scan.headBytes, end);
      if (answer.kind === "taken") return true;
      await this.#answer(answer);
    }
    while (this.#phase !== "ended" && await this.conn.read(this.#buffer) !== null);
    return false;
  }

  /** Only a head over 4 KiB comes here, and once: past the limit the scanner refuses. */
  #enlarge(): void {
    const larger = new Uint8Array(this.#hub.limits.headBytesMax + BURST_BUFFER_BYTES);
    larger.set(this.#buffer);
    this.#hub.buffers.give(this.#buffer);
    this.#buffer = larger;
  }

  #judge(headBytes: number, end: number): HandshakeAnswer {
    const head = parseHead(this.#buffer.subarray(0, headBytes));
    if ("status" in head) return { kind: "problem", problem: head, withBody: true };
    return this.#hub.serve(this, head, { buffer: this.#buffer, start: headBytes, end });
  }

  /** Sends a plain answer, then ends our half of TCP. */
  async #answer(answer: Exclude<HandshakeAnswer, { kind: "taken" }>): Promise<void> {
    this.#phase = "answered";
    this.#hub.headDeadlines.disarm(this);
    this.#hub.closeDeadlines.arm(this);
    if (answer.kind === "problem") this.#hub.refused(answer.problem);
    const bytes = answer.kind === "response"
      ? answer.bytes
      : problemResponse(answer.problem, answer.withBody);
    try {
      for (let at = 0; at < bytes.length;) at += await this.conn.write(bytes.subarray(at));
      await this.conn.closeWrite();
    } catch {
      // The client is gone; the read under way notices the same and ends this.
    }
  }
}
