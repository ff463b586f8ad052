/**
 * Messages a second of what the live tree shows, as differences between two readings.
 *
 * Why beside the actors and not in them: most are never shown, and a hundred thousand of them should not
 * carry a field for it.
 *
 * @module
 */

/** What a part had handled when it was last read. */
interface Sample {
  readonly at: number;
  readonly handled: number;
  readonly perSecond: number;
}

const samples = new WeakMap<object, Sample>();

/**
 * Messages a second since a part was last read, 0 at the first reading; whoever reads at the same time gets
 * the same.
 *
 * @param part Whose messages they are.
 * @param handled How many it has handled.
 * @param at Monotonic time in milliseconds.
 */
export function perSecond(part: object, handled: number, at: number): number {
  const last = samples.get(part);
  if (at === last?.at) return last.perSecond;
  const rate = last === undefined ? 0 : (handled - last.handled) * 1_000 / (at - last.at);
  samples.set(part, { at, handled, perSecond: rate });
  return rate;
}
