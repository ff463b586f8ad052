/**
 * What the FCM provider needs of time.
 *
 * @module
 */

/** Tells the time and lets it pass. */
export interface FcmClock {
  /** Milliseconds since 1970. */
  wallNow(): number;
  /** Resolves after so many milliseconds. */
  sleep(ms: number): Promise<void>;
}

/** The system's clock. */
export const SYSTEM_CLOCK: FcmClock = {
  wallNow: () => Date.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};
