/**
 * A connection to an origin that speaks HTTP/1.1 only: a few sockets, each with one request at a time.
 *
 * Invariants: each request of a block ends exactly once, at the latest when the block's time is over; a
 * request that was not written ends unsent, one that was written and has no answer is lost; a request is
 * never written twice here.
 *
 * @module
 */

import { type Http2Clock, SYSTEM_CLOCK } from "../http2/clock.ts";
import {
  type AnswerBlock,
  type AnswerDetail,
  ANSWERED,
  BAD_ANSWER,
  type End,
  type HttpConnection,
  LOST,
  type RequestBlock,
  TIMED_OUT,
  UNSENT,
} from "../http2/exchange.ts";
import { LatencyCounter } from "../http2/latencies.ts";
import { checkBlock } from "../http2/request_check.ts";
import { BadAnswerError, type ByteStream, type Http1Answer, Http1Socket } from "./http1_socket.ts";
import {
  BLOCK_DETAIL_BYTES_MAX,
  HTTP1_REQUEST_MS,
  HTTP1_REQUESTS_MAX,
  HTTP1_SOCKETS_MAX,
} from "./limits.ts";

/** What a connection is made of. */
export interface Http1ConnectionOptions {
  /** Opens a socket to the origin, always at the same checked address. */
  dial(): Promise<ByteStream>;
  /** Sockets at once; 8 when absent. */
  readonly socketsMax?: number;
  /** From `exchange` until every request of its block has ended; 20 seconds when absent. */
  readonly requestMs?: number;
  /** Time; the machine's by default. */
  readonly clock?: Http2Clock;
}

/** One request of a block. */
interface Job {
  readonly exchange: Exchange;
  readonly place: number;
}

/** An HTTP/1.1 connection; see the module. */
export class Http1Connection implements HttpConnection {
  /** Requests that are written at once: one for each socket. */
  readonly streamsMax: number;
  readonly #options: Http1ConnectionOptions;
  readonly #clock: Http2Clock;
  readonly #ended = Promise.withResolvers<string>();
  readonly #idle = new Set<Http1Socket>();
  readonly #busy = new Map<Http1Socket, Job>();
  readonly #exchanges = new Set<Exchange>();
  readonly #queue: Job[] = [];
  /** How many work at the queue, each with a socket or opening one. */
  #workers = 0;
  #inFlight = 0;
  #over = false;

  private constructor(options: Http1ConnectionOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.streamsMax = options.socketsMax ?? HTTP1_SOCKETS_MAX;
  }

  /** Opens a connection and its first socket. Rejects as `dial` does. */
  static async open(options: Http1ConnectionOptions): Promise<Http1Connection> {
    const connection = new Http1Connection(options);
    connection.#rest(new Http1Socket(await options.dial()));
    return connection;
  }

  /** Requests sent or waiting that have not ended. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Resolves, with a reason for people, when the connection takes no more requests. */
  get ended(): Promise<string> {
    return this.#ended.promise;
  }

  /**
   * Sends a block; see {@link HttpConnection}.
   *
   * @throws {TypeError} By rejection, for a request that cannot be written.
   */
  async exchange(block: RequestBlock): Promise<AnswerBlock> {
    checkBlock(block);
    const count = block.paths.length;
    const exchange = new Exchange(block);
    if (this.#over || this.#inFlight + count > HTTP1_REQUESTS_MAX) {
      exchange.endAll(UNSENT, "the connection takes no more requests");
      return exchange.answers;
    }
    this.#inFlight += count;
    this.#exchanges.add(exchange);
    for (let place = 0; place < count; place++) this.#queue.push({ exchange, place });
    const requestMs = this.#options.requestMs ?? HTTP1_REQUEST_MS;
    const timer = this.#clock.set(requestMs, () => this.#timeOut(exchange));
    const wanted = Math.min(this.streamsMax - this.#workers, this.#queue.length);
    for (let worker = 0; worker < wanted; worker++) this.#work();
    await exchange.done;
    this.#clock.clear(timer);
    this.#exchanges.delete(exchange);
    this.#inFlight -= count;
    return exchange.answers;
  }

  /**
   * Takes no more requests, ends those that have not begun as {@link UNSENT}, waits for the others until
   * their deadline, and closes.
   */
  async close(): Promise<void> {
    this.#end("closed");
    for (const { exchange, place } of this.#queue.splice(0)) exchange.end(place, UNSENT, "closed");
    await Promise.all([...this.#exchanges].map(({ done }) => done));
  }

  /** Closes at once; requests in flight are lost. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#end("closed");
    for (const [socket, { exchange, place }] of this.#busy) {
      exchange.end(place, LOST, "closed");
      socket.close();
    }
    for (const exchange of this.#exchanges) exchange.endAll(UNSENT, "closed");
    return Promise.resolve();
  }

  async #work(): Promise<void> {
    this.#workers++;
    for (let job = this.#queue.shift(); job !== undefined; job = this.#queue.shift()) {
      if (job.exchange.isOver(job.place)) continue;
      try {
        await this.#serve(await this.#socket(), job);
      } catch (error) {
        // No socket: the address of this connection is of no more use.
        const reason = textOf(error);
        job.exchange.end(job.place, UNSENT, reason);
        for (const { exchange, place } of this.#queue.splice(0)) {
          exchange.end(place, UNSENT, reason);
        }
        this.#end(reason);
      }
    }
    this.#workers--;
  }

  async #socket(): Promise<Http1Socket> {
    for (const socket of this.#idle) {
      this.#idle.delete(socket);
      if (socket.reusable) return socket;
      socket.close();
    }
    return new Http1Socket(await this.#options.dial());
  }

  /** Has one request answered. Never rejects for what a server does. */
  async #serve(socket: Http1Socket, job: Job): Promise<void> {
    const { exchange, place } = job;
    // It may have timed out while the socket was opened.
    if (exchange.isOver(place)) return this.#rest(socket);
    this.#busy.set(socket, job);
    try {
      const writtenAt = this.#clock.now();
      const answer = await socket.exchange(exchange.request(place));
      exchange.answered(place, answer, this.#clock.now() - writtenAt);
    } catch (error) {
      const end = error instanceof BadAnswerError ? BAD_ANSWER : LOST;
      exchange.end(place, end, textOf(error));
    }
    this.#busy.delete(socket);
    this.#rest(socket);
  }

  /** Keeps a socket for the next request, if it can have one. */
  #rest(socket: Http1Socket): void {
    const needed = !this.#over || this.#queue.length > 0;
    if (!needed || !socket.reusable) return socket.close();
    this.#idle.add(socket);
    socket.watch(() => {
      socket.close();
      if (!this.#idle.delete(socket)) return;
      // With its last socket gone, whoever connects anew looks the name up anew.
      if (this.#idle.size === 0 && this.#workers === 0) this.#end("closed by the server");
    });
  }

  #timeOut(exchange: Exchange): void {
    for (const [socket, job] of this.#busy) {
      if (job.exchange !== exchange) continue;
      exchange.end(job.place, TIMED_OUT, "no answer in time");
      socket.close();
    }
    exchange.endAll(UNSENT, "no time left to send it");
  }

  #end(reason: string): void {
    this.#over = true;
    this.#ended.resolve(reason);
    for (const socket of this.#idle) socket.close();
    this.#idle.clear();
  }
}

/** What none of the ends is. */
const OPEN = 255;

/** A block and its answers as they come. */
class Exchange {
  readonly #block: RequestBlock;
  readonly #ends: Uint8Array;
  readonly #statuses: Uint16Array;
  readonly #details = new Map<number, AnswerDetail>();
  readonly #latencies = new LatencyCounter();
  readonly #done = Promise.withResolvers<void>();
  #left: number;
  #detailBytes = 0;
  #reason = "";

  constructor(block: RequestBlock) {
    this.#block = block;
    this.#left = block.paths.length;
    this.#ends = new Uint8Array(this.#left).fill(OPEN);
    this.#statuses = new Uint16Array(this.#left);
    if (this.#left === 0) this.#done.resolve();
  }

  /** Resolves when every request has ended. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /** The answers; all of them when it is done. */
  get answers(): AnswerBlock {
    return {
      ends: this.#ends,
      statuses: this.#statuses,
      details: this.#details,
      reason: this.#reason,
      latencies: this.#latencies,
    };
  }

  isOver(place: number): boolean {
    return this.#ends[place] !== OPEN;
  }

  /** One request as bytes (RFC 9112 section 2.1). */
  request(place: number): Uint8Array {
    const { head, paths, fields, bodies } = this.#block;
    const body = bodies instanceof Uint8Array ? bodies : bodies[place] ?? new Uint8Array(0);
    const lines = [
      `${head.method} ${paths[place] ?? "/"} HTTP/1.1`,
      `host: ${head.authority}`,
      ...head.fields.map(({ name, value }) => `${name}: ${value}`),
    ];
    for (const { name, values } of fields) {
      const value = values[place];
      if (value !== undefined) lines.push(`${name}: ${value}`);
    }
    if (!head.fields.some(({ name }) => name === "content-length")) {
      lines.push(`content-length: ${body.length}`);
    }
    const text = new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
    const request = new Uint8Array(text.length + body.length);
    request.set(text);
    request.set(body, text.length);
    return request;
  }

  answered(place: number, { status, headers, body }: Http1Answer, latencyMs: number): void {
    if (this.isOver(place)) return;
    if (status < 200 || status > 299) {
      this.#detailBytes += body.length;
      for (const [name, value] of headers) this.#detailBytes += name.length + value.length;
      if (this.#detailBytes > BLOCK_DETAIL_BYTES_MAX) {
        return this.end(place, BAD_ANSWER, "answers to one block too long");
      }
      this.#details.set(place, { headers, body });
    }
    this.#statuses[place] = status;
    this.#latencies.add(latencyMs);
    this.end(place, ANSWERED, "");
  }

  /** Ends a request, unless it has ended. */
  end(place: number, end: End, reason: string): void {
    if (this.isOver(place)) return;
    this.#ends[place] = end;
    if (this.#reason === "") this.#reason = reason;
    this.#left--;
    if (this.#left === 0) this.#done.resolve();
  }

  /** Ends all requests that have not ended. */
  endAll(end: End, reason: string): void {
    for (let place = 0; place < this.#ends.length; place++) this.end(place, end, reason);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
