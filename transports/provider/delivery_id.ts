/**
 * The id of a delivery: a UUID made of the notification's id and the recipient's number, so that it
 * is the same after a crash and a provider can tell a repetition.
 *
 * Layout (RFC 9562 section 5.8, version 8): 74 bits of the notification's id, then 48 bits of the
 * number. Why not a digest of both: one for each of a million recipients costs more than sending.
 *
 * @module
 */

/** Numbers are below this: they have twelve hexadecimal digits. */
export const NUMBER_MAX = 2 ** 48;

/**
 * What all delivery ids of a notification begin with; twelve hexadecimal digits of a number follow.
 *
 * @param notification The notification's id, a UUID.
 */
export function deliveryIdPrefix(notification: string): string {
  const digits = notification.replaceAll("-", "").toLowerCase();
  if (!/^[0-9a-f]{32}$/.test(digits)) {
    throw new TypeError(`Cannot name a delivery: "${notification}" is not a UUID`);
  }
  // The variant's digit keeps two bits of the id: 8, 9, a or b.
  const variant = (8 + (parseInt(digits.charAt(16), 16) & 3)).toString(16);
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-8${digits.slice(13, 16)}-${variant}${
    digits.slice(17, 20)
  }-`;
}

/**
 * The id of the delivery to one recipient, in canonical lower-case form.
 *
 * @param prefix From {@link deliveryIdPrefix}.
 * @param number The recipient's number in the notification, an integer below 2^48.
 */
export function deliveryId(prefix: string, number: number): string {
  return prefix + number.toString(16).padStart(12, "0");
}
