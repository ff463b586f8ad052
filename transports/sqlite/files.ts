/**
 * The data directory and the files in it, made for this user only.
 *
 * @module
 */

import { asOpenError } from "./errors.ts";
import { DirectoryLock } from "./lock.ts";

/** The smallest page of a SQLite file, and so the smallest file that is not empty. */
const PAGE_BYTES_MIN = 512;

/** Makes the data directory; one that exists keeps its mode. */
function makeDirectory(directory: string): void {
  try {
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw asOpenError(directory, error);
  }
}

/**
 * Makes the file; SQLite gives its other files the mode of this one. A file of less than a page is
 * refused here, for SQLite takes it for an empty one and writes over it.
 */
function makeFile(path: string): void {
  using file = Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
  const { size } = file.statSync();
  if (size > 0 && size < PAGE_BYTES_MIN) throw new Error("file is not a database");
}

/**
 * Takes the lock beside the file `NAME.sqlite` in the directory, makes both when they are missing,
 * and opens what is kept there. Lets go of the lock when that fails.
 *
 * @throws {StoreOpenError} When the directory or the file cannot be used; its `code` says why and its
 * message what to do.
 */
export async function openLocked<T>(
  directory: string,
  name: string,
  open: (path: string, lock: DirectoryLock) => Promise<T>,
): Promise<T> {
  const path = `${directory}/${name}.sqlite`;
  makeDirectory(directory);
  const lock = new DirectoryLock(`${directory}/${name}.lock`);
  try {
    makeFile(path);
    return await open(path, lock);
  } catch (error) {
    lock[Symbol.dispose]();
    throw asOpenError(path, error);
  }
}
