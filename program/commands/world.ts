/**
 * What a command has of the world around it: where it writes, what time it is, who interrupts it.
 *
 * @module
 */

/** The terminal, or what stands for it. */
export interface Terminal {
  /** Writes to standard output: results, for people or programs. */
  print(text: string): void;
  /** Writes to standard error: progress and problems. */
  report(text: string): void;
  /** Standard output, for results that are streams of bytes. */
  readonly stdout: WritableStream<Uint8Array<ArrayBuffer>>;
  /** Standard input. */
  readonly stdin: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** How standard error shows progress: drawn in place when it is a terminal. */
  readonly live: { readonly columns: number; readonly colour: boolean } | undefined;
  /** How standard output shows pictures, as large as it is now; `undefined` when it is no terminal. */
  readonly screen: Screen | undefined;
}

/** A terminal's size and colours. */
export interface Screen {
  /** Its columns. */
  readonly columns: number;
  /** Its rows; `undefined` when it does not say. */
  readonly rows: number | undefined;
  /** Whether it shows colours. */
  readonly colour: boolean;
}

/** What a command has around it. */
export interface World {
  /** Where it reads and writes. */
  readonly terminal: Terminal;
  /** Monotonic time, in milliseconds. */
  now(): number;
  /** Wall-clock time, in milliseconds since 1970. */
  wallNow(): number;
  /** Waits so long, or until the signal is aborted; never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Calls back when a person interrupts, until it is disposed; without one the process just ends. */
  onInterrupt(callback: () => void): Disposable;
}

/** The status of a process that was interrupted, as shells count SIGINT. */
export const INTERRUPTED = 130;

/** The process's own world. */
export const PROCESS: World = {
  terminal: {
    print: (text) => writeAll(Deno.stdout, text),
    report: (text) => writeAll(Deno.stderr, text),
    get stdout() {
      return Deno.stdout.writable;
    },
    get stdin() {
      return Deno.stdin.readable;
    },
    get live() {
      if (!Deno.stderr.isTerminal()) return undefined;
      return { columns: terminalSize().columns, colour: !Deno.noColor };
    },
    get screen() {
      if (!Deno.stdout.isTerminal()) return undefined;
      return { ...terminalSize(), colour: !Deno.noColor };
    },
  },
  now: () => performance.now(),
  wallNow: () => Date.now(),
  sleep(ms, signal) {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener("abort", end);
    });
  },
  onInterrupt(callback) {
    Deno.addSignalListener("SIGINT", callback);
    return { [Symbol.dispose]: () => Deno.removeSignalListener("SIGINT", callback) };
  },
};

/** The terminal's size; 80 columns when it does not say. */
function terminalSize(): Omit<Screen, "colour"> {
  try {
    const { columns, rows } = Deno.consoleSize();
    return { columns: columns || 80, rows: rows || undefined };
  } catch {
    // Some terminals have no size, such as those of pipes that play one.
    return { columns: 80, rows: undefined };
  }
}

function writeAll(file: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}
