/**
 * WebSocket frames as bytes: reading a header, unmasking a payload, writing frames (RFC 6455
 * section 5), and which close codes may appear on the wire (section 7.4).
 *
 * Pure functions over bytes: no buffering, no state, so that the fuzz tests reach every branch.
 * A header is judged as early as its bytes allow, before the payload or even the masking key is
 * there: what is refused is never buffered.
 *
 * @module
 */

import { CONTROL_PAYLOAD_BYTES_MAX } from "./limits.ts";

/** The six opcodes that exist (RFC 6455 section 5.2). */
export type Opcode = "continuation" | "text" | "binary" | "close" | "ping" | "pong";

/** What the first bytes of a frame say. */
export type HeaderReading =
  | { readonly kind: "incomplete" }
  | { readonly kind: "malformed"; readonly reason: string }
  | {
    readonly kind: "header";
    /** Whether this is the last frame of its message. */
    readonly fin: boolean;
    readonly opcode: Opcode;
    /** Bytes of the header, masking key included: the key is its last four. */
    readonly headerBytes: number;
    /** Declared length; above 2^53 it is rounded, which no limit notices. */
    readonly payloadBytes: number;
  };

const OPCODES: readonly (Opcode | undefined)[] = [
  "continuation",
  "text",
  "binary",
  undefined,
  undefined,
  undefined,
  undefined,
  undefined,
  "close",
  "ping",
  "pong",
];

const OPCODE_NUMBERS: { readonly [K in Opcode]: number } = {
  continuation: 0x0,
  text: 0x1,
  binary: 0x2,
  close: 0x8,
  ping: 0x9,
  pong: 0xa,
};

const INCOMPLETE: HeaderReading = { kind: "incomplete" };
const MASK_BYTES = 4;

/**
 * Reads the header of a frame sent by a client, in `bytes` from `start` to `end`.
 *
 * @returns `"malformed"`, with a reason fit for a Close frame, for what RFC 6455 section 5 forbids:
 * reserved bits and opcodes, an unmasked frame, a fragmented or long control frame, a length not
 * in its shortest form or with its top bit set.
 */
export function readFrameHeader(bytes: Uint8Array, start: number, end: number): HeaderReading {
  const first = bytes[start];
  const second = bytes[start + 1];
  if (end - start < 2 || first === undefined || second === undefined) return INCOMPLETE;
  if ((first & 0x70) !== 0) return malformed("reserved bits must be 0");
  const opcode = OPCODES[first & 0x0f];
  if (opcode === undefined) return malformed(`reserved opcode ${first & 0x0f}`);
  if ((second & 0x80) === 0) return malformed("client frames must be masked");
  const fin = (first & 0x80) !== 0;
  const short = second & 0x7f;
  if ((first & 0x08) !== 0) {
    if (!fin) return malformed("control frames must not be fragmented");
    if (short > CONTROL_PAYLOAD_BYTES_MAX) {
      return malformed(`control frames carry at most ${CONTROL_PAYLOAD_BYTES_MAX} bytes`);
    }
  }
  const lengthBytes = short < 126 ? 0 : short === 126 ? 2 : 8;
  if (end - start < 2 + lengthBytes) return INCOMPLETE;
  let payloadBytes = lengthBytes === 0 ? short : 0;
  for (let i = 0; i < lengthBytes; i++) {
    payloadBytes = payloadBytes * 256 + (bytes[start + 2 + i] ?? 0);
  }
  if (payloadBytes >= 2 ** 63) return malformed("length with its top bit set");
  if (lengthBytes > 0 && payloadBytes < (lengthBytes === 2 ? 126 : 65_536)) {
    return malformed("length not in its shortest form");
  }
  const headerBytes = 2 + lengthBytes + MASK_BYTES;
  return { kind: "header", fin, opcode, headerBytes, payloadBytes };
}

function malformed(reason: string): HeaderReading {
  return { kind: "malformed", reason };
}

/**
 * Unmasks `bytes` from `start` to `end` in place, with the key in the four bytes before `start`
 * (RFC 6455 section 5.3).
 */
export function unmask(bytes: Uint8Array, start: number, end: number): void {
  const key = start - MASK_BYTES;
  const k0 = bytes[key] ?? 0;
  const k1 = bytes[key + 1] ?? 0;
  const k2 = bytes[key + 2] ?? 0;
  const k3 = bytes[key + 3] ?? 0;
  let i = start;
  // An index beyond the end reads undefined; here every index is inside, and `??` costs nothing.
  for (; i + 3 < end; i += 4) {
    bytes[i] = (bytes[i] ?? 0) ^ k0;
    bytes[i + 1] = (bytes[i + 1] ?? 0) ^ k1;
    bytes[i + 2] = (bytes[i + 2] ?? 0) ^ k2;
    bytes[i + 3] = (bytes[i + 3] ?? 0) ^ k3;
  }
  for (; i < end; i++) bytes[i] = (bytes[i] ?? 0) ^ (bytes[key + ((i - start) & 3)] ?? 0);
}

/** Makes a whole, unmasked frame, as servers send it (RFC 6455 section 5.1). */
export function writeFrame(opcode: Opcode, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const length = payload.length;
  const headerBytes = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = new Uint8Array(headerBytes + length);
  frame[0] = 0x80 | OPCODE_NUMBERS[opcode];
  if (headerBytes === 2) {
    frame[1] = length;
  } else if (headerBytes === 4) {
    frame[1] = 126;
    frame[2] = length >>> 8;
    frame[3] = length & 0xff;
  } else {
    frame[1] = 127;
    new DataView(frame.buffer).setBigUint64(2, BigInt(length));
  }
  frame.set(payload, headerBytes);
  return frame;
}

const encoder = new TextEncoder();

/** Makes a text frame; lone surrogates become U+FFFD, so what is sent is always valid UTF-8. */
export function writeTextFrame(text: string): Uint8Array<ArrayBuffer> {
  return writeFrame("text", encoder.encode(text));
}

/**
 * Makes a Close frame; a reason over 123 bytes is cut at a character (RFC 6455 section 5.5.1).
 *
 * @throws {RangeError} For a code which must not be sent: the caller's mistake.
 */
export function writeCloseFrame(code: number, reason: string): Uint8Array<ArrayBuffer> {
  if (!isCloseCode(code)) throw new RangeError(`Cannot send close code ${code}: not for the wire`);
  const payload = new Uint8Array(CONTROL_PAYLOAD_BYTES_MAX);
  payload[0] = code >>> 8;
  payload[1] = code & 0xff;
  const { written } = encoder.encodeInto(reason, payload.subarray(2));
  return writeFrame("close", payload.subarray(0, 2 + written));
}

/**
 * Whether a code may stand in a Close frame: 1000–1003, 1007–1014 (the registered ones), and
 * 3000–4999 for libraries and applications. 1004, 1005, 1006 and 1015 never do (RFC 6455 7.4).
 */
export function isCloseCode(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
    (code >= 3000 && code <= 4999);
}
