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
    // Up to the first line drawn (ECMA-48 CUU), each line emptied (EL) and written, what is below away
    // (ED). Emptied before: behind a line as wide as the terminal EL would take its last character.
    const up = this.#drawn === 0 ? "" : `\x1b[${this.#drawn}A`;
    this.#write(`\r${up}${lines.map((line) => `\x1b[K${line}\n`).join("")}\x1b[J`);
    this.#drawn = lines.length;
  }

  /** Begins anew at the top of an empty screen: after a change of its width nobody knows where lines are. */
  clear(): void {
    this.#write("\x1b[H\x1b[J");
    this.#drawn = 0;
  }
}
