/**
 * The Huffman code of HPACK (RFC 7541 section 5.2 and appendix B).
 *
 * The code is canonical: shorter codes come first, and those of one length are consecutive in the
 * order of their symbols. So the lengths are the whole table; codes and the decoder's states follow
 * from them at start. The decoder goes four bits at a time: its states are the inner nodes of the
 * tree, and since no code is shorter than five bits a step gives at most one symbol.
 *
 * @module
 */

import type { ByteBuffer } from "./byte_buffer.ts";
import { ERROR_CODE, Http2Error } from "./errors.ts";

/** Bits of the code of each symbol, one digit in base 36 each, 32 symbols a row; the end of string is last. */
const CODE_BITS = [
  "dnsssssssoussussssssssusssssssss",
  "6aacd68baa8b8666555666666678f6ca",
  "d67777777777777777777777878djde6",
  "f56565666577666567655677777fbeds",
  "kmkkmmmnmnnnnnonoomnonnnnlmnmnno",
  "mlkmmnnlnmmolmnnllmlnmnnkmmmnmmn",
  "qqkjmnmpqqqrrqopjlqrrqrollqqsrrr",
  "koklmllnmmppooqnqrqqrrrrrsrrrrrq",
  "u",
].join("");

const END_OF_STRING = 256;
const SYMBOLS = 257;

const lengths = Uint8Array.from(CODE_BITS, (digit) => parseInt(digit, 36));
const codes = canonicalCodes();

function canonicalCodes(): Uint32Array {
  const found = new Uint32Array(SYMBOLS);
  let code = 0;
  for (let bits = 1; bits <= 30; bits++) {
    code *= 2;
    for (let symbol = 0; symbol < SYMBOLS; symbol++) {
      if (lengths[symbol] === bits) found[symbol] = code++;
    }
  }
  return found;
}

// A step of the decoder, by state and four bits: `next state << 16 | symbol << 8 | what happens`.
const EMITS = 1;
const FAILS = 2;
/** The string may end here: what was read of the next code is all ones and no whole byte. */
const MAY_END = 4;

const steps = decoderSteps();

/** Children of the inner nodes: another node as a positive number, a symbol as `-1 - symbol`. */
function tree(): readonly (readonly [Int32Array, number, boolean])[] {
  const nodes: [children: Int32Array, depth: number, allOnes: boolean][] = [
    [new Int32Array(2), 0, true],
  ];
  for (let symbol = 0; symbol < SYMBOLS; symbol++) {
    const bits = lengths[symbol] ?? 0;
    let at = 0;
    for (let depth = 1; depth <= bits; depth++) {
      const bit = (codes[symbol] ?? 0) >>> bits - depth & 1;
      const [children, , allOnes] = nodes[at] ?? [new Int32Array(2), 0, false];
      if (depth === bits) {
        children[bit] = -1 - symbol;
      } else {
        if (children[bit] === 0) {
          children[bit] = nodes.push([new Int32Array(2), depth, allOnes && bit === 1]) - 1;
        }
        at = children[bit] ?? 0;
      }
    }
  }
  return nodes;
}

function decoderSteps(): Uint32Array {
  const nodes = tree();
  const found = new Uint32Array(nodes.length * 16);
  for (const state of nodes.keys()) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let at = state;
      let step = 0;
      for (let bit = 3; bit >= 0; bit--) {
        const child = nodes[at]?.[0][nibble >>> bit & 1] ?? 0;
        const symbol = -1 - child;
        if (symbol === END_OF_STRING) step |= FAILS;
        else if (child < 0) step |= EMITS | symbol << 8;
        at = Math.max(child, 0);
      }
      const [, depth, allOnes] = nodes[at] ?? [undefined, 8, false];
      if (depth < 8 && allOnes) step |= MAY_END;
      found[state * 16 + nibble] = at << 16 | step;
    }
  }
  return found;
}

/** Bytes that a string of Latin-1 characters takes in this code. */
export function huffmanBytes(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += lengths[text.charCodeAt(i)] ?? 0;
  return bits + 7 >>> 3;
}

/** Appends a string of Latin-1 characters in this code, padded with ones (section 5.2). */
export function writeHuffman(out: ByteBuffer, text: string): void {
  let held = 0;
  let heldBits = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i);
    const code = codes[symbol] ?? 0;
    // A code has up to 30 bits and up to seven wait: two halves keep within 32.
    for (let left = lengths[symbol] ?? 0; left > 0;) {
      const bits = Math.min(left, 16);
      left -= bits;
      held = held << bits | code >>> left & (1 << bits) - 1;
      heldBits += bits;
      while (heldBits >= 8) {
        heldBits -= 8;
        out.appendByte(held >>> heldBits);
      }
      held &= (1 << heldBits) - 1;
    }
  }
  if (heldBits > 0) out.appendByte(held << 8 - heldBits | 0xff >>> heldBits);
}

/**
 * Decodes bytes in this code into `target` and returns how many it gave; `target` has room for
 * eight bytes for every five.
 *
 * @throws {Http2Error} COMPRESSION_ERROR for the end-of-string symbol and for padding that is
 * longer than seven bits or not of ones (section 5.2).
 */
export function readHuffman(
  bytes: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
): number {
  let state = 0;
  let count = 0;
  let last = MAY_END;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] ?? 0;
    const high = steps[state << 4 | byte >>> 4] ?? FAILS;
    if ((high & EMITS) !== 0) target[count++] = high >>> 8;
    last = steps[high >>> 16 << 4 | byte & 15] ?? FAILS;
    if ((last & EMITS) !== 0) target[count++] = last >>> 8;
    state = last >>> 16;
    if (((high | last) & FAILS) !== 0) {
      throw new Http2Error(ERROR_CODE.compressionError, "A Huffman string has its end inside");
    }
  }
  if ((last & MAY_END) === 0) {
    throw new Http2Error(ERROR_CODE.compressionError, "A Huffman string has wrong padding");
  }
  return count;
}
