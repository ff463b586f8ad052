/**
 * Looks now and then when the first certificate of an app ends: one that has ended stops its app, and
 * nobody looks at every app every day.
 *
 * A store that cannot be read leaves what was known; the next look may be luckier. Apps without a
 * certificate have nothing that ends by itself.
 *
 * @module
 */

import { type Clock, realClock } from "../actors/runtime/clock.ts";
import type { DeliveryStore } from "../actors/push/delivery/store.ts";
import { certificateExpiry } from "../transports/apns/mod.ts";

/** Time between two looks: a certificate that is replaced is seen within the time in which people look whether it helped. */
export const CERTIFICATE_LOOK_MS = 300_000;

/** Where to look, and whom to tell. */
export interface CertificateWatchOptions {
  /** Where the apps are. */
  readonly store: Pick<DeliveryStore, "apps">;
  /** Hears when the first certificate ends, in milliseconds since 1970; `undefined` when no app has one. */
  tell(endsAt: number | undefined): void;
  /** Timers; real ones when absent. */
  readonly clock?: Pick<Clock, "set" | "clear">;
}

/** Looks at once, and again until it is released; what is under way then is told to nobody. */
export function watchCertificates(
  { store, tell, clock = realClock }: CertificateWatchOptions,
): Disposable {
  let released = false;
  let looking = false;
  const look = async (): Promise<void> => {
    if (looking) return; // The store does not answer; one question is enough.
    looking = true;
    try {
      const endsAt = await firstCertificateEnd(store);
      if (!released) tell(endsAt);
    } catch {
      // Whoever needs the store to work says that it does not.
    } finally {
      looking = false;
    }
  };
  const due = () => {
    void look();
    timer = clock.set(CERTIFICATE_LOOK_MS, due);
  };
  void look();
  let timer = clock.set(CERTIFICATE_LOOK_MS, due);
  return {
    [Symbol.dispose]() {
      released = true;
      clock.clear(timer);
    },
  };
}

/** When the first certificate of any app ends, in milliseconds since 1970; rejects when the store does. */
async function firstCertificateEnd(
  store: Pick<DeliveryStore, "apps">,
): Promise<number | undefined> {
  const ends = (await store.apps()).flatMap(({ app: { credentials: { apns } } }) =>
    apns === undefined ? [] : certificateExpiry(apns) ?? []
  );
  return ends.length === 0 ? undefined : ends.reduce((first, end) => Math.min(first, end));
}
