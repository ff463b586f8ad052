/**
 * Bytes into lines, with a bound.
 *
 * Invariant: never more than the longest line is kept. A longer one comes cut as soon as it
 * reaches the bound, and its rest is skipped up to the line feed, so whoever writes without
 * line feeds costs nothing but the reading.
 *
 * @module
 */

const LINE_FEED = 0x0a;

/** Splits one stream. */
export class LineSplitter {
  readonly #kept: Uint8Array;
  #length = 0;
  #skipping = false;

  /**
   * Nothing has come yet.
   *
   * @param bytesMax Largest line, in bytes, without its line feed.
   */
  constructor(bytesMax: number) {
    this.#kept = new Uint8Array(bytesMax);
  }

  /** The lines that end in this chunk, as text, invalid UTF-8 replaced; and one that got too long. */
  push(chunk: Uint8Array): readonly string[] {
    const lines: string[] = [];
    for (let at = 0; at < chunk.length;) {
      const feed = chunk.indexOf(LINE_FEED, at);
      const end = feed === -1 ? chunk.length : feed;
      if (!this.#skipping && this.#keep(chunk.subarray(at, end))) {
        this.#skipping = true;
        lines.push(this.#take());
      }
      if (feed !== -1) {
        if (!this.#skipping) lines.push(this.#take());
        this.#skipping = false;
      }
      at = end + 1;
    }
    return lines;
  }

  /** Keeps a part of a line; whether it was more than fits. */
  #keep(part: Uint8Array): boolean {
    const room = this.#kept.length - this.#length;
    this.#kept.set(part.subarray(0, room), this.#length);
    this.#length += Math.min(part.length, room);
    return part.length > room;
  }

  #take(): string {
    const text = new TextDecoder().decode(this.#kept.subarray(0, this.#length));
    this.#length = 0;
    return text;
  }
}
