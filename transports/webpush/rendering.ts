/**
 * Renders what a notification says into the plaintext of a push message.
 *
 * Unless the notification brings a payload of its own, a service worker gets `{title, body, data}` as JSON; with
 * a URL to open, the payload is a declarative message, which Safari shows without a service worker and others
 * can read as JSON (Push API, "Declarative push message").
 *
 * @module
 */

import { quoted } from "../http_door/refusal.ts";
import type { Content } from "../provider/provider.ts";
import type { Bytes } from "./crypto.ts";
import { PLAINTEXT_BYTES_MAX } from "./limits.ts";

/** The number that says what kind of JSON it is: that of the RFC. */
const DECLARATIVE = 8030;

/** A plaintext, or why there is none. */
export type RenderedWebPush =
  | { readonly kind: "rendered"; readonly plaintext: Bytes }
  | Refused;

/** A plaintext of any size, before it became bytes. */
export interface ComposedWebPush {
  /** Tells it from a refusal. */
  readonly kind: "composed";
  /** The plaintext. */
  readonly text: string;
}

/** Why there is no plaintext. */
export interface Refused {
  /** Tells it from a plaintext. */
  readonly kind: "refused";
  /** Why, in some words. */
  readonly reason: string;
}

/** Renders the plaintext of a notification. */
export function renderWebPush(content: Content): RenderedWebPush {
  const composed = composeWebPush(content);
  if (composed.kind === "refused") return composed;
  const plaintext = new TextEncoder().encode(composed.text);
  return plaintext.length > PLAINTEXT_BYTES_MAX
    ? refused(`payload of ${plaintext.length} bytes exceeds ${PLAINTEXT_BYTES_MAX}`)
    : { kind: "rendered", plaintext };
}

/** What {@linkcode renderWebPush} renders, even if it is too large for a push service. */
export function composeWebPush(content: Content): ComposedWebPush | Refused {
  const payload = content.webpush?.payload;
  const navigate = content.webpush?.navigate;
  if (payload === undefined && navigate !== undefined) {
    if (content.title === undefined) return refused("navigate needs a title");
    if (!URL.canParse(navigate)) {
      return refused(`navigate must be a URL, found ${quoted(navigate)}`);
    }
  }
  const text = typeof payload === "string" ? payload : JSON.stringify(payload ?? message(content));
  return { kind: "composed", text };
}

function message({ title, body, data, webpush }: Content): unknown {
  const navigate = webpush?.navigate;
  return navigate === undefined
    ? { title, body, data }
    : { web_push: DECLARATIVE, notification: { title, navigate, body, data } };
}

function refused(reason: string): Refused {
  return { kind: "refused", reason };
}
