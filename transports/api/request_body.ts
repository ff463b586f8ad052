/**
 * The body of a request: whole and bounded, or as a stream that may not stand still.
 *
 * Invariants: bodies held at once, over all requests, stay below a bound; a body that does not come in
 * time is given up. Why the deadlines are here: a stream of a million devices may take an hour, so the
 * door's own deadline for a request is that long, and everything else is bounded by who reads it.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import { type BodyOutcome, readBody } from "../http_door/body.ts";
import { BODIES_BYTES_MAX, BODY_MS, STREAM_IDLE_MS } from "./limits.ts";
import type { ApiClock } from "./readiness.ts";

/** How reading a whole body ended. */
export type WholeBody =
  | BodyOutcome
  /** It did not come in time. */
  | { readonly kind: "too_slow" }
  /** Other requests' bodies take all the room there is. */
  | { readonly kind: "no_room" };

/** A body that has not been read. */
export interface RequestBody {
  /** Reads it as a whole; call it once. The room it takes is free again when the answer is done. */
  read(bytesMax: number): Promise<WholeBody>;
  /** Reads it part by part; call it once. Throws a {@linkcode BodyError} when it stands still or breaks off. */
  chunks(): AsyncGenerator<Uint8Array, void, void>;
}

/** A streamed body that will not come to its end. */
export class BodyError extends Error {
  /** Says why, for a person. */
  constructor(message: string) {
    super(message);
    this.name = "BodyError";
  }
}

/** The room for bodies of all requests of one door. */
export class BodyRoom {
  #bytes = 0;

  /** Takes room; says whether there is so much. */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > BODIES_BYTES_MAX) return false;
    this.#bytes += bytes;
    return true;
  }

  /** Gives room back. */
  free(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** The body of a request of `node:http`. */
export class NodeRequestBody implements RequestBody {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #clock: ApiClock;
  readonly #room: BodyRoom;

  /** Reads nothing yet. */
  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    clock: ApiClock,
    room: BodyRoom,
  ) {
    this.#request = request;
    this.#response = response;
    this.#clock = clock;
    this.#room = room;
  }

  async read(bytesMax: number): Promise<WholeBody> {
    const declared = this.#request.headers["content-length"];
    const bytes = Math.min(declared === undefined ? bytesMax : Number(declared), bytesMax);
    if (!this.#room.take(bytes)) return { kind: "no_room" };
    this.#response.once("close", () => this.#room.free(bytes));
    const { promise: late, resolve } = Promise.withResolvers<WholeBody>();
    const cancel = this.#clock.after(BODY_MS, () => resolve({ kind: "too_slow" }));
    try {
      return await Promise.race([readBody(this.#request, this.#response, bytesMax), late]);
    } finally {
      cancel();
    }
  }

  async *chunks(): AsyncGenerator<Uint8Array, void, void> {
    const request = this.#request;
    if (request.headers.expect !== undefined) {
      this.#response.writeContinue();
      this.#response.shouldKeepAlive = true; // The client sends its body now, so the next request can be found.
    }
    using arrivals = new Arrivals(request, this.#response);
    while (true) {
      const part = arrivals.take();
      if (part !== undefined) yield part;
      else if (arrivals.ended) return;
      else await this.#more(arrivals);
    }
  }

  /** Waits for more, but not longer than a stream may stand still. */
  async #more(arrivals: Arrivals): Promise<void> {
    let late = false;
    const more = arrivals.more();
    const cancel = this.#clock.after(STREAM_IDLE_MS, () => {
      late = true;
      arrivals.wake();
    });
    await more;
    cancel();
    if (late) throw new BodyError(`the body stood still for ${STREAM_IDLE_MS / 1_000} s`);
  }
}

/** What has arrived of a body; it flows only while somebody waits for more. */
class Arrivals implements Disposable {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #parts: Uint8Array[] = [];
  #ended = false;
  #broken = false;
  #wake: (() => void) | undefined;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
    request.pause();
    request.on("data", this.#arrived).once("end", this.#end);
    response.once("close", this.#break);
  }

  /** Whether nothing more comes; throws when that is not the end of the body. */
  get ended(): boolean {
    if (this.#broken) throw new BodyError("the body broke off");
    return this.#ended;
  }

  /** The next part that is here. */
  take(): Uint8Array | undefined {
    return this.#parts.shift();
  }

  /** Resolves when there is more, or the end. */
  more(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    this.#request.resume();
    return promise;
  }

  /** Ends the wait for more. */
  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** Leaves the rest of the body where it is. */
  [Symbol.dispose](): void {
    this.#request.off("data", this.#arrived).off("end", this.#end);
    this.#response.off("close", this.#break);
  }

  readonly #arrived = (part: Uint8Array): void => {
    this.#parts.push(part);
    this.#request.pause();
    this.wake();
  };

  readonly #end = (): void => {
    this.#ended = true;
    this.wake();
  };

  readonly #break = (): void => {
    this.#broken = true;
    this.wake();
  };
}
