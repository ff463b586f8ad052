// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/**
 * What the reasons of failures mean, in plain words, and what one can do: those that Apple, Google and push
 * services document, and the service's own. Pure; a reason that is not known has no hint.
 *
 * The meanings follow "Handling notification responses from APNs" (Apple), "ErrorCode" of the FCM HTTP v1 API
 * (Google), RFC 8030, RFC 8291 and RFC 8292.
 *
 * @module
 */

/** @typedef {import("./format.js").Platform} Platform */

/** What a reason means and what to do. @typedef {readonly [means: string, todo: string]} Hint */

const NOTHING = "Nothing: the device is out of the audience until it registers again.";
const CONTENT = "Correct the content and send it again.";
const AGAIN = "Send again later; if it goes on, look at the provider's status page.";
const OPERATOR = "Tell whoever runs this service: the request was not well formed.";

/** @type {Readonly<Record<string, Hint>>} */
const APNS = {
  BadCollapseId: [
    "The collapse id is longer than Apple takes.",
    "Use a topic of at most 64 bytes.",
  ],
  BadDeviceToken: [
    "Apple knows no such token here. Often it is of a development build sent to production, or the other way round.",
    "Check that the app's origin fits its build; else nothing, the device registers again.",
  ],
  BadExpirationDate: ["Apple does not take the time of expiry.", "Send it with another TTL."],
  BadMessageId: ["Apple does not take the message's id.", OPERATOR],
  BadPriority: ["The priority is none of 1, 5 and 10.", CONTENT],
  BadTopic: ["Apple knows no such topic.", "Check the topic in the notification's APNs part."],
  DeviceTokenNotForTopic: [
    "The token belongs to another app than the topic says.",
    "Check the app's topic (its bundle id), and that its devices are registered under the right app.",
  ],
  DuplicateHeaders: ["A header came twice.", OPERATOR],
  InvalidPushType: ["The push type does not fit the content.", CONTENT],
  MissingDeviceToken: ["The request named no device.", OPERATOR],
  MissingTopic: [
    "The request named no topic.",
    "Check the topic of the app or of the notification.",
  ],
  PayloadEmpty: ["There was nothing in the notification.", CONTENT],
  TopicDisallowed: [
    "These credentials may not send to this topic.",
    "Check the topic in the notification's APNs part against the rights of the key.",
  ],
  UnrelatedKeyIdInToken: [
    "One connection was used with two keys.",
    "Nothing, it is tried on another connection; if it stays, check the app's key id.",
  ],
  BadPath: ["Apple knows no such address; the token may have strange characters.", OPERATOR],
  MethodNotAllowed: ["Apple takes only POST here.", OPERATOR],
  ExpiredToken: ["The token has ended.", NOTHING],
  Unregistered: ["The app was removed from this device, or push is off for it.", NOTHING],
  PayloadTooLarge: ["The payload is larger than Apple takes.", "Shorten title, body or data."],
  TooManyProviderTokenUpdates: [
    "Apple saw new provider tokens too often.",
    "Check that no other system makes tokens with the same key all the time.",
  ],
  TooManyRequests: [
    "This one device was sent too many notifications in a short time.",
    "Send less often to the same device.",
  ],
  InternalServerError: ["Apple had an error of its own.", AGAIN],
  ServiceUnavailable: ["Apple was not available.", AGAIN],
  Shutdown: ["Apple's server was being shut down.", AGAIN],
};

/** @type {Readonly<Record<string, Hint>>} */
const FCM = {
  UNSPECIFIED_ERROR: ["Google does not say why.", AGAIN],
  INVALID_ARGUMENT: [
    "Something in the message or the token is not as Google wants it.",
    "Read what stands after the colon; check data keys, and the FCM part of the content.",
  ],
  UNREGISTERED: ["The app was removed from this device, or its token has ended.", NOTHING],
  SENDER_ID_MISMATCH: [
    "The token belongs to another Firebase project.",
    "Check that the app's service account is of the project the app was built with.",
  ],
  QUOTA_EXCEEDED: ["Too many messages for the project or the device.", "Send with a rate."],
  RESOURCE_EXHAUSTED: ["Too many messages for the project or the device.", "Send with a rate."],
  DeviceMessageRateExceeded: [
    "This one device was sent too many messages in a short time.",
    "Send less often to the same device.",
  ],
  UNAVAILABLE: ["Google was not available.", AGAIN],
  INTERNAL: ["Google had an error of its own.", AGAIN],
  DEADLINE_EXCEEDED: ["Google took too long.", AGAIN],
  THIRD_PARTY_AUTH_ERROR: [
    "Google's own credentials for Apple or for browsers are missing or wrong.",
    "Set the APNs key or the Web Push key in the Firebase console.",
  ],
  APNS_AUTH_ERROR: [
    "Google could not sign in at Apple for this project.",
    "Set the APNs key in the Firebase console.",
  ],
  InvalidApnsCredential: [
    "The APNs key that Google has for this project is wrong.",
    "Set the APNs key in the Firebase console.",
  ],
};

/** @type {Readonly<Record<string, Hint>>} */
const WEBPUSH = {
  "redirect refused": [
    "The push service sent us elsewhere, which is not followed.",
    "Nothing: endpoints of browsers do not redirect.",
  ],
  BadAuthorizationHeader: ["Apple could not read the VAPID header.", OPERATOR],
  BadTtl: ["Apple does not take this TTL.", "Send it with another TTL."],
  BadUrgency: ["Apple does not take this urgency.", "Send it with another urgency."],
  BadWebPushRequest: ["Apple could not read the request.", OPERATOR],
  BadWebPushTopic: [
    "Apple does not take this topic.",
    "Use a topic of at most 32 letters and digits.",
  ],
  VapidPkHashMismatch: [
    "The browser subscribed with another VAPID key.",
    "Check that the page subscribes with the app's public key; old subscriptions must be renewed.",
  ],
  "subscription without VAPID": [
    "The subscription is older than VAPID keys.",
    "Have the page unsubscribe and subscribe again.",
  ],
  "bad request": ["The push service could not read the request.", CONTENT],
  "subscribed with another VAPID key": [
    "The browser subscribed with another VAPID key.",
    "Check that the page subscribes with the app's public key; old subscriptions must be renewed.",
  ],
  BadPath: ["Apple knows no such subscription.", NOTHING],
  "no such subscription": ["The push service knows no such subscription.", NOTHING],
  MethodNotAllowed: ["The push service takes only POST here.", OPERATOR],
  throttled: ["The push service asked for fewer messages.", "Send with a rate."],
  "request timeout": ["The push service waited too long for the request.", AGAIN],
  ExpiredToken: ["The subscription has ended.", NOTHING],
  Unregistered: ["The person unsubscribed, or removed the site's data.", NOTHING],
  "subscription gone": ["The person unsubscribed, or removed the site's data.", NOTHING],
  "removed by the browser": ["The browser took the subscription back.", NOTHING],
  "payload too large": [
    "The message is larger than the push service takes.",
    "Shorten title, body or data.",
  ],
  misdirected: ["The request came to the wrong server.", AGAIN],
  "too early": ["The push service was not ready for the request.", AGAIN],
  TooManyRequests: ["Too many messages for this subscription.", "Send less often."],
  "too many requests": ["Too many messages for this subscription.", "Send less often."],
  refused: ["The push service refused, and did not say why.", CONTENT],
  InternalServerError: ["Apple had an error of its own.", AGAIN],
  ServiceUnavailable: ["Apple was not available.", AGAIN],
  Shutdown: ["Apple's server was being shut down.", AGAIN],
  "server error": ["The push service had an error of its own.", AGAIN],
  "p256dh is not a point on P-256": [
    "The subscription's key is no key.",
    "Register the device again with the keys the browser gave.",
  ],
};

/** @type {Readonly<Record<Platform, Readonly<Record<string, Hint>>>>} */
const BY_PLATFORM = { apns: APNS, fcm: FCM, webpush: WEBPUSH };

/** The service's own reasons, on every platform. @type {readonly (readonly [RegExp, ...Hint])[]} */
const OWN = [
  [
    /^device is invalid$/,
    "Between the start and its turn another notification found the address dead.",
    NOTHING,
  ],
  [/^device was removed$/, "It was removed between the start and its turn.", "Nothing."],
  [
    /^its time was over$/,
    "Its lifetime was over before it could be sent.",
    "Give it a longer TTL; look whether the app was paused or the rate too low.",
  ],
  [
    /^gave up after \d+ deliveries$/,
    "A node took it up again and again and could not finish.",
    "Look at the nodes: one may crash or lose its store.",
  ],
  [
    /^payload .*(>|exceeds)/,
    "It is larger than the provider takes.",
    "Shorten title, body or data.",
  ],
  [/^connection /, "The connection broke before there was an answer.", AGAIN],
  [/ took no more requests$/, "The connection took no more requests.", AGAIN],
  [/^no answer from /, "The provider did not answer in time.", AGAIN],
  [
    /^bad answer from /,
    "What answered did not speak as the provider does.",
    "Check the app's origin, and whether a proxy stands in between.",
  ],
  [/^endpoint /, "The subscription's address may not be sent to.", "Register the device again."],
  [
    /^bad token$/,
    "The token is no token.",
    "Register the device again with the token it was given.",
  ],
  [
    /^apns collapse id /,
    "Apple does not take the collapse id.",
    "Use a topic of at most 64 bytes.",
  ],
  [/^data key /, "Google keeps this key of the data for itself.", "Use another key."],
  [
    /^(fcm\.|apns |push type |navigate )/,
    "A part of the content cannot be sent as it is.",
    CONTENT,
  ],
  [
    /^other reasons$/,
    "Reasons of which there are too many to tell apart.",
    "See the deliveries beneath.",
  ],
];

/** Google's word for a wrong message is that for a wrong token, too; the outcome tells them apart. @type {Hint} */
const WRONG_FCM_TOKEN = [
  "The token is none that Google gave out, or none of this project.",
  "Check that the app sends the token it was given; else nothing, the device registers again.",
];

/**
 * What a recorded reason means; absent when it is not known.
 *
 * @param {Platform} platform
 * @param {string} reason As recorded, with what the service put before the provider's words.
 * @param {import("./format.js").Outcome} outcome
 * @returns {{ readonly means: string, readonly todo: string } | undefined}
 */
export function hintOf(platform, reason, outcome) {
  const [, tries] = /^gave up after (\d+) requests: /.exec(reason) ?? [];
  const said = reason.replace(/^(gave up after \d+ requests|no time left to try again): /, "");
  const wrongToken = platform === "fcm" && outcome === "token_invalid" &&
    said === "INVALID_ARGUMENT";
  const found = wrongToken ? WRONG_FCM_TOKEN : known(platform, said);
  if (found === undefined) return undefined;
  const [means, todo] = found;
  if (tries !== undefined) return { means: `${means} It was tried ${tries} times.`, todo };
  if (said !== reason) {
    return { means: `${means} Its lifetime was over before it could be tried again.`, todo };
  }
  return { means, todo };
}

/**
 * @param {Platform} platform
 * @param {string} said
 * @returns {Hint | undefined}
 */
function known(platform, said) {
  const table = BY_PLATFORM[platform];
  // Google's code may have a sentence behind it, Mozilla's words a number.
  for (const name of [said, said.replace(/: .*$/s, ""), said.replace(/ \(errno \d+\)$/, "")]) {
    const hint = Object.hasOwn(table, name) ? table[name] : undefined;
    if (hint !== undefined) return hint;
  }
  const own = OWN.find(([pattern]) => pattern.test(said));
  return own === undefined ? undefined : [own[1], own[2]];
}
