/**
 * Lines that are drawn again and again in the same place of a terminal.
 *
 * @module
 */

/** Draws a block of lines over the one it drew before. */
export class LiveLines {
  readonly #write: (text: string) => void;
  #drawn = 0;

  /** A block that begins where the cursor is; the cursor stays below it. */
  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  /** Draws these lines; none of them may be wider than the terminal. */
  draw(lines: readonly string[]): void {
    // Up to the first line drawn (ECMA-48 CUU), each line to its end (EL), what is below away (ED).
    const up = this.#drawn === 0 ? "" : `\x1b[${this.#drawn}A`;
    this.#write(`\r${up}${lines.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
    this.#drawn = lines.length;
  }
}
