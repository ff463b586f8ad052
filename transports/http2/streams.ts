/**
 * The open streams of a connection, found by their id.
 *
 * A hash table with linear probing: ids are handed out in steps of two and most streams live about
 * as long as their neighbours, so nearly every id is at home. Stream objects are used again, so a
 * request allocates nothing.
 *
 * Invariants: at most half of the places are taken; a stream in the table has a block, one outside
 * has none.
 *
 * @module
 */

import type { PendingBlock } from "./pending_block.ts";

/** One request on the wire. */
export class Stream {
  /** Its id; odd. */
  id = 0;
  /** The block it is a request of. */
  pending: PendingBlock | undefined;
  /** Its place there. */
  index = 0;
  /** When it was written, on the connection's clock. */
  writtenAt = 0;
  /** Bytes of its body sent, or -1 when the request is complete. */
  bodyAt = -1;
  /** The peer's window for it, less the window that streams begin with. */
  credit = 0;
  /** Its final status, 0 before it is known. */
  status = 0;
  /** The header fields of an answer whose body is kept. */
  headers: ReadonlyMap<string, string> | undefined;
  /** Bytes of these fields. */
  headerBytes = 0;
  /** What `content-length` announced, or -1 (RFC 9113 section 8.1.1). */
  contentBytes = -1;
  /** Bytes of content received. */
  receivedBytes = 0;
  /** Bytes of DATA frames received, padding included. */
  flowBytes = 0;
  /** The beginning of the body. */
  body: Uint8Array | undefined;
}

/** Streams by id. */
export class StreamTable {
  readonly #places: (Stream | undefined)[];
  readonly #mask: number;
  readonly #free: Stream[] = [];
  #size = 0;

  /** A table for so many streams at once. */
  constructor(streamsMax: number) {
    const places = 2 ** Math.ceil(Math.log2(Math.max(streamsMax, 1) * 2));
    this.#places = new Array(places).fill(undefined);
    this.#mask = places - 1;
  }

  /** Streams open now. */
  get size(): number {
    return this.#size;
  }

  /** Opens a stream for a request without a body that waits. */
  open(id: number, pending: PendingBlock, index: number, now: number): Stream {
    const stream = this.#free.pop() ?? new Stream();
    stream.id = id;
    stream.pending = pending;
    stream.index = index;
    stream.writtenAt = now;
    let place = this.#home(id);
    while (this.#places[place] !== undefined) place = place + 1 & this.#mask;
    this.#places[place] = stream;
    this.#size++;
    return stream;
  }

  /** The open stream of this id. */
  find(id: number): Stream | undefined {
    for (let place = this.#home(id);; place = place + 1 & this.#mask) {
      const stream = this.#places[place];
      if (stream === undefined || stream.id === id) return stream;
    }
  }

  /** Forgets a stream; its object is used again. */
  close(stream: Stream): void {
    let hole = this.#home(stream.id);
    while (this.#places[hole] !== stream) hole = hole + 1 & this.#mask;
    // Moves those behind it that are not at home forward, so that no search meets the hole.
    for (let place = hole + 1 & this.#mask;; place = place + 1 & this.#mask) {
      const other = this.#places[place];
      if (other === undefined) break;
      const distance = place - this.#home(other.id) & this.#mask;
      if (distance < (place - hole & this.#mask)) continue;
      this.#places[hole] = other;
      hole = place;
    }
    this.#places[hole] = undefined;
    this.#size--;
    this.#reset(stream);
    this.#free.push(stream);
  }

  #reset(stream: Stream): void {
    stream.pending = undefined;
    stream.bodyAt = -1;
    stream.credit = 0;
    stream.status = 0;
    stream.headers = undefined;
    stream.headerBytes = 0;
    stream.contentBytes = -1;
    stream.receivedBytes = 0;
    stream.flowBytes = 0;
    stream.body = undefined;
  }

  /** All open streams at this moment, in no order; closing them meanwhile is fine. */
  all(): readonly Stream[] {
    return this.#places.filter((stream) => stream !== undefined);
  }

  #home(id: number): number {
    return id >>> 1 & this.#mask;
  }
}
