/**
 * A sink that appends outcomes of deliveries to a file, one line of JSON for each.
 *
 * The lines are rows in the order of their positions, as `delivery_row.ts` describes them. Invariants:
 * when a page was recorded it has reached the disk, the name of a new file included; the file has only whole
 * lines whenever nothing is being written. A write that failed or was cut by a crash leaves part of a
 * page: before the next one the torn line is cut off, and the page is written again. So each row is in
 * the file at least once; one that is there twice has the same `position`.
 *
 * A file that was renamed or removed is left alone, and a new one is made under the name: to rotate,
 * rename it. A new file is for its owner alone (mode 0600); the mode of one that exists is kept.
 * One process writes to a file: two would cut off each other's lines.
 *
 * @module
 */

import { dirname } from "node:path";
import {
  DELIVERY_JSON_START,
  deliveryJson,
  type DeliveryRow,
} from "../delivery_row/delivery_row.ts";
import { FILE_MODE, LINE_BYTES_MAX } from "./limits.ts";

/** What a file of results is made of. */
export interface NdjsonFileOptions {
  /** Where it is; its folder exists. */
  readonly path: string;
  /** Which rows to append. */
  readonly rows: "failures" | "all";
  /** Its name, under which its position is remembered; default `file`. */
  readonly name?: string;
}

const LINE_FEED = 10;

/** A file of results as a sink; see the module. It is opened by the first page and closed with the sink. */
export class NdjsonFileSink implements AsyncDisposable {
  /** Its position is remembered under this name. */
  readonly name: string;
  /** Which rows it wants. */
  readonly rows: "failures" | "all";
  readonly #path: string;
  #file: Deno.FsFile | undefined;
  /** The last write, ended or not: there is one at a time. */
  #last: Promise<void> = Promise.resolve();

  /** Nothing is opened yet. */
  constructor({ path, rows, name = "file" }: NdjsonFileOptions) {
    this.#path = path;
    this.rows = rows;
    this.name = name;
  }

  /** Appends these rows; resolves when they are on the disk, rejects when they may not be there as a whole. */
  record(rows: readonly DeliveryRow[], signal: AbortSignal): Promise<void> {
    const turn = this.#last.then(async () => {
      signal.throwIfAborted();
      try {
        await this.#append(rows);
      } catch (error) {
        // Part of a line may be there: opening it again finds out.
        this.#close();
        throw error;
      }
    });
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Closes the file after the write in hand. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
    this.#close();
  }

  async #append(rows: readonly DeliveryRow[]): Promise<void> {
    if (this.#file !== undefined && !await isAt(this.#file, this.#path)) this.#close();
    this.#file ??= await openWhole(this.#path);
    const bytes = new TextEncoder().encode(rows.map((row) => `${deliveryJson(row)}\n`).join(""));
    for (let at = 0; at < bytes.length;) at += await this.#file.write(bytes.subarray(at));
    await this.#file.syncData();
  }

  #close(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}

/** Whether the open file is still the one of this name. */
async function isAt(file: Deno.FsFile, path: string): Promise<boolean> {
  try {
    const [open, named] = [await file.stat(), await Deno.stat(path)];
    return open.ino === named.ino && open.dev === named.dev;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Opens a file to append to, makes it if need be, and cuts off a last line that is not whole. */
async function openWhole(path: string): Promise<Deno.FsFile> {
  const file = await Deno.open(path, { read: true, append: true, create: true, mode: FILE_MODE });
  try {
    const { isFile, size } = await file.stat();
    if (!isFile) throw new Error(`Cannot append to "${path}": it is no file`);
    const wholeBytes = await endOfLastLine(file, { path, size });
    if (wholeBytes < size) await file.truncate(wholeBytes);
    await file.sync();
    await syncFolder(dirname(path));
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/**
 * Bytes of a file up to and with its last line feed. What follows must be the beginning of a line of
 * ours: another's file is not cut.
 */
async function endOfLastLine(
  file: Deno.FsFile,
  { path, size }: { readonly path: string; readonly size: number },
): Promise<number> {
  const start = Math.max(0, size - LINE_BYTES_MAX);
  await file.seek(start, Deno.SeekMode.Start);
  const tail = await readFully(file, size - start);
  const lineStart = tail.lastIndexOf(LINE_FEED) + 1;
  const torn = new TextDecoder().decode(tail.subarray(lineStart));
  const cut = torn.slice(0, DELIVERY_JSON_START.length);
  const ours = (lineStart > 0 || start === 0) && DELIVERY_JSON_START.startsWith(cut);
  if (!ours) throw new Error(`Cannot append to "${path}": its last line is not one of a delivery`);
  return start + lineStart;
}

async function readFully(file: Deno.FsFile, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const count = await file.read(bytes.subarray(at));
    if (count === null) break;
    at += count;
  }
  return bytes.subarray(0, at);
}

/** Makes the name of a new file durable. */
async function syncFolder(path: string): Promise<void> {
  if (Deno.build.os === "windows") return; // A folder cannot be opened there.
  using folder = await Deno.open(path, { read: true });
  await folder.sync();
}
