/**
 * Folds a block of answers into verdicts, whatever those are to the caller: few answers differ, so
 * each verdict is named once and a recipient refers to it by a number.
 *
 * @module
 */

import { type AnswerBlock, type AnswerDetail, ANSWERED, type End } from "../http2/exchange.ts";

/** Judges answers. */
export interface Judge<V> {
  /** The peer answered with this status; the detail is there unless the status is 2xx. */
  answered(status: number, detail: AnswerDetail | undefined): V;
  /** There was no answer: how the request ended, and why. */
  ended(end: Exclude<End, typeof ANSWERED>, reason: string): V;
}

/** Verdicts, each named once. */
export interface Folded<V> {
  /** The verdicts. */
  readonly verdicts: readonly V[];
  /** For each request, by place, the index of its verdict. */
  readonly of: Uint16Array;
}

/**
 * Judges each answer of a block. Answers without a detail and ends without an answer are judged once
 * each kind.
 *
 * @param block At most 65,536 answers.
 * @param judge What an answer means.
 */
export function foldAnswers<V>(block: AnswerBlock, judge: Judge<V>): Folded<V> {
  const { ends, statuses, details, reason } = block;
  const verdicts: V[] = [];
  const of = new Uint16Array(ends.length);
  const known = new Map<number, number>();
  for (let place = 0; place < ends.length; place++) {
    const end = ends[place] as End;
    const status = statuses[place] ?? 0;
    const detail = end === ANSWERED ? details.get(place) : undefined;
    // Statuses are from 100 to 999, ends below 10: one number names either.
    const key = end === ANSWERED ? status : end;
    const index = detail === undefined ? known.get(key) : undefined;
    if (index !== undefined) {
      of[place] = index;
      continue;
    }
    if (detail === undefined) known.set(key, verdicts.length);
    of[place] = verdicts.length;
    verdicts.push(end === ANSWERED ? judge.answered(status, detail) : judge.ended(end, reason));
  }
  return { verdicts, of };
}
