/**
 * The lock of a data directory: one store at a time, however many processes are started on it.
 *
 * The operating system holds it for an open file and lets go when the process ends, in whatever
 * way, so a lock file left behind by `kill -9` blocks nobody. The number in the file only serves the
 * message. The file stays when the lock is released: removing it would let two processes hold locks
 * on two files of the same name.
 *
 * @module
 */

import { asOpenError, StoreOpenError } from "./errors.ts";
import { QUOTED_CHARS_MAX } from "./limits.ts";

/** A held lock; disposing it lets the next one in. */
export class DirectoryLock implements Disposable {
  readonly #file: Deno.FsFile;

  /**
   * Takes the lock whose file is at `path`.
   *
   * @throws {StoreOpenError} `"in_use"` when another store holds it, `"read_only"` or `"full"` when
   * the file cannot be written.
   */
  constructor(path: string) {
    try {
      this.#file = Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
    } catch (error) {
      throw asOpenError(path, error);
    }
    try {
      if (!this.#file.tryLockSync(true)) throw inUse(path, this.#file);
      this.#file.truncateSync();
      this.#file.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
    } catch (error) {
      this.#file.close();
      throw asOpenError(path, error);
    }
  }

  /** Lets go. */
  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Names the holder, which writes its number right after it has taken the lock. */
function inUse(path: string, file: Deno.FsFile): StoreOpenError {
  const buffer = new Uint8Array(QUOTED_CHARS_MAX);
  const length = file.readSync(buffer) ?? 0;
  const holder = /^\d+\n/.exec(new TextDecoder().decode(buffer.subarray(0, length)))?.[0].trim();
  return new StoreOpenError(
    "in_use",
    `Cannot open "${path}": in use by ${
      holder === undefined ? "another process" : `process ${holder}`
    }. Stop it or choose another data directory`,
  );
}
