/**
 * Small text files, read whole within a bound; a failure is a few words that follow the path in a
 * sentence, never an exception.
 *
 * Pipes and mounted secrets work as well as files: nothing is asked of the path but its bytes.
 *
 * @module
 */

/** The text of a file, or why there is none: words such as `is a folder`. */
export type FileRead =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "missing"; readonly cause: string }
  | { readonly kind: "unreadable"; readonly cause: string };

/** Reads the file at `path` when it holds at most `bytesMax` bytes of UTF-8. */
export type ReadFile = (path: string, bytesMax: number) => FileRead;

/** What an error of the file system means, in words that follow a path. */
export function fileCause(error: unknown, verb: "read" | "written" | "made" = "read"): string {
  if (error instanceof Deno.errors.NotFound) return "does not exist";
  if (error instanceof Deno.errors.PermissionDenied) {
    return `cannot be ${verb}: permission denied`;
  }
  if (error instanceof Deno.errors.IsADirectory) return "is a folder";
  if (error instanceof Deno.errors.NotADirectory) return "lies beneath what is no folder";
  if (error instanceof Deno.errors.NotCapable) {
    return "is outside of what Deno was allowed to use (--allow-read, --allow-write)";
  }
  if (error instanceof Error) return `cannot be ${verb}: ${error.message.split("\n", 1)[0]}`;
  throw error;
}

/** Reads at most `bytesMax + 1` bytes. */
function readBytes(path: string, bytesMax: number): Uint8Array {
  using file = Deno.openSync(path, { read: true });
  const bytes = new Uint8Array(bytesMax + 1);
  let length = 0;
  while (length < bytes.length) {
    const count = file.readSync(bytes.subarray(length));
    if (count === null) break;
    length += count;
  }
  return bytes.subarray(0, length);
}

/** The file system's {@linkcode ReadFile}; a byte order mark is not part of the text. */
export function readTextFile(path: string, bytesMax: number): FileRead {
  let bytes: Uint8Array;
  try {
    bytes = readBytes(path, bytesMax);
  } catch (error) {
    const kind = error instanceof Deno.errors.NotFound ? "missing" : "unreadable";
    return { kind, cause: fileCause(error) };
  }
  if (bytes.length > bytesMax) {
    return { kind: "unreadable", cause: `is larger than ${bytesMax} bytes` };
  }
  try {
    return { kind: "text", text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    return { kind: "unreadable", cause: "is not UTF-8 text" };
  }
}
