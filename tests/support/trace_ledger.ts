/**
 * Traces as lines of text, in the order in which steps end: what a tracer was told, with what each step is
 * within.
 *
 * @module
 */

import type {
  Facts,
  MessageStep,
  NotificationStep,
  Span,
  Subject,
  Tracer,
} from "../../actors/push/tracer.ts";

/** Keeps what it is told. */
export class TraceLedger implements Tracer {
  /** A line for each step that has ended: `batch > record: failure unavailable`. */
  readonly lines: string[] = [];
  /** Steps that have begun and not ended, or ended more than once. */
  readonly odd: Set<string> = new Set();
  /** What traces are about, each once. */
  readonly subjects: Set<string> = new Set();
  #begun = 0;

  begin(subject: Subject, step: NotificationStep | MessageStep, facts?: Facts): Span {
    this.subjects.add(
      subject.kind === "notification" ? subject.id : `${subject.uaid} ${subject.sortKey}`,
    );
    return this.#span(step, facts);
  }

  #span(path: string, begun: Facts | undefined): Span {
    const name = `${++this.#begun} ${path}`;
    this.odd.add(name);
    return {
      child: (step, facts) => this.#span(`${path} > ${step}`, facts),
      end: (ended) => {
        if (!this.odd.delete(name)) this.odd.add(`${name} again`);
        this.lines.push([path, ...told({ ...begun, ...ended })].join(" "));
      },
    };
  }
}

function told(facts: Facts): readonly string[] {
  return Object.entries(facts).map(([name, fact]) => {
    if (fact instanceof Map) return `${name}=${[...fact].map((pair) => pair.join(":")).join()}`;
    if (typeof fact !== "object") return `${name}=${fact}`;
    const some = Object.entries(fact).filter(([, count]) => count !== 0);
    return `${name}=${some.map((pair) => pair.join(":")).join()}`;
  });
}
