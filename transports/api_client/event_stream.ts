/**
 * The events of a stream, as the HTML Living Standard (section 9.2.6) has them read.
 *
 * Invariants: a line ends with LF, CR or both, wherever the reads break; an event that the stream's end
 * cuts off is not given; neither a line nor an event's data is longer than allowed. The reconnection time
 * that a stream may name is left to whoever connects again.
 *
 * @module
 */

import { LineTooLongError } from "./lines.ts";

/** One event. */
export interface ServerSentEvent {
  /** Its name; `message` when it has none. */
  readonly type: string;
  /** Its data, lines separated by LF. */
  readonly data: string;
  /** The last id seen so far; empty when there was none. */
  readonly lastEventId: string;
}

/**
 * The events of a stream of UTF-8. The stream is cancelled when the caller stops early.
 *
 * @throws {LineTooLongError} when a line or an event's data has more than `charsMax` UTF-16 code units.
 */
export async function* serverSentEvents(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  charsMax: number,
): AsyncGenerator<ServerSentEvent, void, void> {
  const parser = new EventParser(charsMax);
  // The decoder takes a byte order mark away, as the standard asks.
  for await (const part of stream.pipeThrough(new TextDecoderStream())) yield* parser.take(part);
}

/** What was read of the event and the line that are not complete yet. */
class EventParser {
  readonly #charsMax: number;
  #line = "";
  #endedByCr = false;
  #type = "";
  #data = "";
  #id = "";

  constructor(charsMax: number) {
    this.#charsMax = charsMax;
  }

  /** The events that a part completes. */
  *take(part: string): Generator<ServerSentEvent, void, void> {
    if (part === "") return;
    // A CR has ended its line when it came; an LF that follows belongs to it.
    const pieces = (this.#endedByCr && part.startsWith("\n") ? part.slice(1) : part)
      .split(/\r\n|\n|\r/);
    this.#endedByCr = part.endsWith("\r");
    const rest = pieces.pop() ?? "";
    for (const piece of pieces) {
      const line = this.#within(this.#line + piece);
      this.#line = "";
      const event = line === "" ? this.#dispatch() : this.#field(line);
      if (event !== undefined) yield event;
    }
    this.#line = this.#within(this.#line + rest);
  }

  #field(line: string): undefined {
    const colon = line.indexOf(":");
    if (colon === 0) return; // A comment: a sign of life.
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#data = this.#within(`${this.#data}${value}\n`);
    else if (name === "event") this.#type = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
  }

  #dispatch(): ServerSentEvent | undefined {
    const [type, data] = [this.#type, this.#data];
    this.#type = this.#data = "";
    if (data === "") return undefined;
    return { type: type || "message", data: data.slice(0, -1), lastEventId: this.#id };
  }

  #within(text: string): string {
    if (text.length <= this.#charsMax) return text;
    throw new LineTooLongError(`An event has more than ${this.#charsMax} characters`);
  }
}
