/**
 * Reads a trace of system calls and checks that no answer left the process before the write-ahead
 * log that it rests on was synced.
 *
 * The trace is that of `strace -f -y -e trace=pwrite64,fsync,fdatasync,write`: a line begins with the
 * thread's number, `-y` shows the file's path, and a call that another thread interrupts is split
 * into an unfinished and a resumed line.
 *
 * @module
 */

/** What a trace shows. */
export interface TraceVerdict {
  /** Answers seen, in the words of the child. */
  readonly answers: number;
  /** Answers that were written before what they rest on was synced, as their lines in the trace. */
  readonly early: readonly string[];
}

/** Checks a trace in which each answer is a line like this, by default `stored N` on standard output. */
export function checkTrace(
  trace: string,
  answer = / write\(1<[^>]*>, "stored \d/,
): TraceVerdict {
  const syncing = new Set<string>();
  const early: string[] = [];
  let answers = 0;
  let dirty = false;
  let syncs = 0;
  for (const line of trace.split("\n")) {
    const thread = line.split(" ", 1)[0] ?? "";
    if (/ pwrite64\(\d+<[^>]*-wal>/.test(line)) {
      dirty = true;
    } else if (/ f(data)?sync\(\d+<[^>]*-wal>/.test(line) && line.includes("unfinished")) {
      syncing.add(thread);
    } else if (/ f(data)?sync\(\d+<[^>]*-wal>\) += 0/.test(line)) {
      dirty = false;
      syncs++;
    } else if (/<\.\.\. f(data)?sync resumed>.* = 0/.test(line) && syncing.delete(thread)) {
      dirty = false;
      syncs++;
    } else if (answer.test(line)) {
      answers++;
      if (dirty || syncs === 0) early.push(line);
      syncs = 0;
    }
  }
  return { answers, early };
}
