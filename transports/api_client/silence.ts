/**
 * Ends a stream that has been silent for too long: a network that is gone says nothing.
 *
 * @module
 */

/** Aborts its signal when nothing is heard for a time; see the module. */
export class Silence implements Disposable {
  readonly #abort = new AbortController();
  #ms: number;
  #timer: ReturnType<typeof setTimeout>;

  /** Silent from now on for at most so many milliseconds. */
  constructor(ms: number) {
    this.#ms = ms;
    this.#timer = this.#arm();
  }

  /** Aborted when it was silent for too long. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Something was heard; from now on so many milliseconds count. */
  endsAfter(ms: number): void {
    this.#ms = ms;
    clearTimeout(this.#timer);
    this.#timer = this.#arm();
  }

  /** Hears what passes. */
  hearing(): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
    return new TransformStream({
      transform: (part, controller) => {
        this.endsAfter(this.#ms);
        controller.enqueue(part);
      },
    });
  }

  /** Counts no more. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #arm(): ReturnType<typeof setTimeout> {
    const reason = new DOMException("Silent for too long", "TimeoutError");
    return setTimeout(() => this.#abort.abort(reason), this.#ms);
  }
}
