/**
 * What a notification would look like on a platform, before it is sent.
 *
 * Previews are made by the code that renders for sending, so that they cannot say anything else; what
 * it would refuse becomes a sentence for the person who writes the notification.
 *
 * @module
 */

import type { HeaderField } from "../http2/exchange.ts";

/** What would be sent, as far as it can be made, and what is wrong with it. */
export interface Previewed<T> {
  /** What would be sent; `undefined` when there is no rendering it. It may be too large. */
  readonly preview: T | undefined;
  /** What is wrong or surprising, a sentence each, without capital and full stop. */
  readonly problems: readonly string[];
}

/** How large a payload is. */
export interface PayloadSize {
  /** Bytes, as the platform counts them. */
  readonly bytes: number;
  /** Bytes the platform takes at most. */
  readonly bytesMax: number;
}

/** What is wrong with a payload's size. */
export function sizeProblems({ bytes, bytesMax }: PayloadSize): readonly string[] {
  return bytes <= bytesMax
    ? []
    : [`the payload has ${bytes} bytes, and at most ${bytesMax} are taken`];
}

/** Header fields by their names. */
export function namedFields(fields: readonly HeaderField[]): Readonly<Record<string, string>> {
  return Object.fromEntries(fields.map(({ name, value }) => [name, value]));
}
