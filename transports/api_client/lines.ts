/**
 * Lines of a stream of bytes, each within a bound.
 *
 * @module
 */

/** A line that is longer than it may be. */
export class LineTooLongError extends RangeError {
  /** Name of the class. */
  override readonly name = "LineTooLongError";
}

/**
 * The lines of a stream of UTF-8, without their ends and without empty ones; a last line may lack
 * its end. The stream is cancelled when the caller stops early.
 *
 * @throws {LineTooLongError} when a line has more than `charsMax` UTF-16 code units.
 */
export async function* lines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  charsMax: number,
): AsyncGenerator<string> {
  let rest = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream())) {
    const found = (rest + part).split("\n");
    rest = found.pop() ?? "";
    for (const line of [...found, rest]) {
      if (line.length > charsMax) {
        throw new LineTooLongError(`A line has more than ${charsMax} characters`);
      }
    }
    yield* found.filter((line) => line.trim() !== "");
  }
  if (rest.trim() !== "") yield rest;
}
