/**
 * Files that only their owner may read, written whole or not at all.
 *
 * A new content is written to a twin that did not exist (`O_EXCL`), synced, and then takes the
 * name: by a hard link when the name must be new, which fails when another process was first, by a
 * rename when it replaces. The folder is synced after, so that a key which was used once survives
 * a power cut. A reader therefore sees the old content or the new one, never a part.
 *
 * @module
 */

import { dirname } from "node:path";
import { fileCause, readTextFile } from "./read_file.ts";

/** What became of writing; a problem is a sentence that begins with the path. */
export type PrivateWrite =
  | { readonly kind: "written" }
  | { readonly kind: "failed"; readonly problem: string };

/** The text of a private file, or why there is none, in a sentence. */
export type PrivateRead =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "missing" }
  | { readonly kind: "refused"; readonly problem: string };

/** Bits of a mode that give anything to the group or to others. */
const SHARED = 0o077;

/** Reads a private file of at most `bytesMax` bytes, refused when others may read or write it. */
export function readPrivateFile(path: string, bytesMax: number): PrivateRead {
  const read = readTextFile(path, bytesMax);
  if (read.kind === "missing") return { kind: "missing" };
  if (read.kind === "unreadable") return { kind: "refused", problem: `${path} ${read.cause}` };
  // Windows has no mode; there the folder's access list is the protection.
  const mode = Deno.statSync(path).mode ?? 0;
  if ((mode & SHARED) === 0) return read;
  const shown = (mode & 0o777).toString(8).padStart(4, "0");
  return {
    kind: "refused",
    problem: `${path} is open to other users (mode ${shown}). Run: chmod 600 ${path}`,
  };
}

/** Makes the folder with its parents, for its owner alone; an existing folder is left as it is. */
export function makePrivateFolder(path: string): PrivateWrite {
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
    return { kind: "written" };
  } catch (error) {
    return { kind: "failed", problem: `${path} ${fileCause(error, "made")}` };
  }
}

/** A file which did not exist, beside the one it is going to be; gone at the end unless renamed. */
class Twin implements Disposable {
  readonly path: string;
  readonly #file: Deno.FsFile;

  constructor(path: string) {
    this.path = path;
    this.#file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  }

  /** Writes all of `text` to the disk. */
  write(text: string): void {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += this.#file.writeSync(bytes.subarray(at));
    this.#file.syncSync();
  }

  [Symbol.dispose](): void {
    this.#file.close();
    try {
      Deno.removeSync(this.path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** Makes a change of the folder's names durable. */
function syncFolder(path: string): void {
  if (Deno.build.os === "windows") return; // A folder cannot be opened there.
  using folder = Deno.openSync(path, { read: true });
  folder.syncSync();
}

/** Writes a file that must not exist yet; `"exists"` when it does. */
export function createPrivateFile(
  path: string,
  text: string,
): PrivateWrite | { readonly kind: "exists" } {
  try {
    using twin = new Twin(`${path}.${crypto.randomUUID()}.new`);
    twin.write(text);
    Deno.linkSync(twin.path, path);
    syncFolder(dirname(path));
    return { kind: "written" };
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return { kind: "exists" };
    return { kind: "failed", problem: `${path} ${fileCause(error, "written")}` };
  }
}

/**
 * Replaces a file by what `change` makes of it. The twin is also the lock: a second process which
 * finds it does not wait, it fails with a sentence.
 *
 * @param change Reads the present content itself, under the lock; returns the new text, or a
 * sentence that says why there is none.
 */
export function replacePrivateFile(
  path: string,
  change: () => { readonly text: string } | { readonly problem: string },
): PrivateWrite {
  try {
    using twin = new Twin(`${path}.new`);
    const changed = change();
    if ("problem" in changed) return { kind: "failed", problem: changed.problem };
    twin.write(changed.text);
    Deno.renameSync(twin.path, path);
    syncFolder(dirname(path));
    return { kind: "written" };
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) {
      return { kind: "failed", problem: `${path} ${fileCause(error, "written")}` };
    }
    const problem = `${path} is being changed by another command. ` +
      `If none is running, one was killed: remove ${path}.new`;
    return { kind: "failed", problem };
  }
}
