/**
 * Push services with habits of their own, as a table: where they are, and what their requests need.
 *
 * Hosts match on label boundaries: `push.apple.com` is itself and what ends in `.push.apple.com`.
 *
 * @module
 */

/** Who runs a push service. */
export type VendorName = "mozilla" | "google" | "apple" | "microsoft" | "other";

/** What requests to a push service need. */
export interface Vendor {
  /** Who. */
  readonly name: VendorName;
  /** Where: these hosts and all below them. */
  readonly hosts: readonly string[];
  /** The lowest `TTL` it takes. */
  readonly ttlSecondsMin: 0 | 1;
  /**
   * Whether a topic is always sent as a digest. Apple decodes topics as base64url and refuses lengths
   * that decode to no whole bytes, as five or thirteen characters do.
   */
  readonly topicHashed: boolean;
  /** Whether it wants `X-WNS-Cache-Policy` beside `TTL`, and refuses a TTL of 0 without. */
  readonly cachePolicy: boolean;
}

const PLAIN = { ttlSecondsMin: 0, topicHashed: false, cachePolicy: false } as const;

/** The services of the browsers' makers. */
export const VENDORS: readonly Vendor[] = [
  { ...PLAIN, name: "google", hosts: ["fcm.googleapis.com"] },
  { ...PLAIN, name: "mozilla", hosts: ["push.services.mozilla.com"] },
  { ...PLAIN, name: "apple", hosts: ["push.apple.com"], ttlSecondsMin: 1, topicHashed: true },
  { ...PLAIN, name: "microsoft", hosts: ["notify.windows.com"], cachePolicy: true },
];

/** Any other service: RFC 8030 and nothing else. */
export const OTHER: Vendor = { ...PLAIN, name: "other", hosts: [] };

/** Who runs the service at this host, given in lower case. */
export function vendorOf(host: string): Vendor {
  return VENDORS.find(({ hosts }) =>
    hosts.some((known) => host === known || host.endsWith(`.${known}`))
  ) ?? OTHER;
}
