/**
 * Judges one push request, in autopush's order; the first failure wins.
 *
 * Token, `Authorization`, key, signature and claims, version and key binding, subscription, size of the
 * body, `TTL`, encryption headers, sign of the TTL and `Topic`, then the service. The order is
 * visible to senders: a bad VAPID header fails even where none is needed, 413 outranks a missing TTL.
 *
 * @module
 */

import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { readBody } from "../http_door/body.ts";
import { type Credentials, readAuthorization } from "./authorization.ts";
import {
  AUTHORIZATION_REPEATED,
  NO_SUBSCRIPTION,
  NOT_FOUND,
  OVER_LIMIT,
  payloadTooLarge,
  type PushError,
  SAVE_FAILED,
  unauthorized,
  UNAVAILABLE,
} from "./errors.ts";
import { checkTopic, checkTtl, readContentHeaders, readTtl, single, urgencyOf } from "./headers.ts";
import type {
  Acceptance,
  EndpointEvent,
  PostedContent,
  PostedMessage,
  PushService,
  VapidFault,
} from "./ports.ts";
import type { EndpointVersion, OpenedEndpoint, TokenBox } from "./token_box.ts";
import type { VapidVerifier, Verified } from "./vapid.ts";

/** What became of a push request. */
export type Reception =
  | { readonly kind: "accepted"; readonly messageId: string; readonly ttlSeconds: number }
  | { readonly kind: "refused"; readonly error: PushError }
  /** The sender left; there is nobody to answer. */
  | { readonly kind: "aborted" };

/** What judging needs. */
export interface ReceiverOptions {
  /** Opens tokens. */
  readonly identifiers: TokenBox;
  /** Verifies VAPID tokens. */
  readonly verifier: VapidVerifier;
  /** Takes messages. */
  readonly service: PushService;
  /** Bytes of a body at most. */
  readonly payloadBytesMax: number;
  /** Seconds at most; more is capped. */
  readonly ttlSecondsMax: number;
  /** Hears what happens. */
  readonly onEvent: (event: EndpointEvent) => void;
}

/** A message without its addressee. */
type Content = Omit<PostedMessage, "uaid" | "channelId">;

/** Judges push requests. */
export class Receiver {
  readonly #options: ReceiverOptions;

  /** Makes a receiver. */
  constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  /** Judges one request and hands its message to the service. */
  async receive(
    request: IncomingMessage,
    response: ServerResponse,
    version: EndpointVersion,
    token: string,
  ): Promise<Reception> {
    const { identifiers, payloadBytesMax } = this.#options;
    const endpoint = identifiers.openEndpoint(token);
    if (endpoint === undefined) return refused(NOT_FOUND);
    const { authorization } = request.headers;
    const denied = authorization === undefined
      ? this.#checkUnsigned(endpoint, version)
      : await this.#checkSigned(request, authorization, endpoint, version);
    if (denied !== undefined) return refused(denied);
    const absent = await this.#checkSubscription(endpoint);
    if (absent !== undefined) return refused(absent);
    const body = await readBody(request, response, payloadBytesMax);
    switch (body.kind) {
      case "aborted":
        return body;
      case "too_large":
        return refused(payloadTooLarge(body.declaredBytes, payloadBytesMax));
      case "body":
        return await this.#accept(request, endpoint, body.bytes);
    }
  }

  #checkUnsigned(endpoint: OpenedEndpoint, version: EndpointVersion): PushError | undefined {
    if (endpoint.version !== version) return NOT_FOUND;
    if (endpoint.keyHash === undefined) return undefined;
    return this.#unauthorized(
      unauthorized("Missing VAPID public key: this subscription accepts only its own VAPID key"),
      "missing_key",
    );
  }

  async #checkSigned(
    request: IncomingMessage,
    authorization: string,
    endpoint: OpenedEndpoint,
    version: EndpointVersion,
  ): Promise<PushError | undefined> {
    if (isRepeated(request, "authorization")) {
      return this.#unauthorized(AUTHORIZATION_REPEATED, "authorization_repeated");
    }
    const claimed = readAuthorization(authorization, single(request.headers["crypto-key"]));
    if (!claimed.ok) return this.#unauthorized(claimed.error, claimed.fault);
    const verdict = await this.#options.verifier.verify(claimed.credentials);
    if (!verdict.ok) return this.#unauthorized(verdict.error, verdict.fault);
    if (endpoint.version !== version) return NOT_FOUND;
    return this.#checkKey(endpoint, verdict, claimed.credentials);
  }

  #checkKey(
    endpoint: OpenedEndpoint,
    verified: Verified,
    credentials: Credentials,
  ): PushError | undefined {
    const { keyHash } = endpoint;
    if (keyHash !== undefined && !timingSafeEqual(keyHash, verified.keyHash)) {
      return this.#unauthorized(unauthorized("VAPID public key mismatch"), "key_mismatch");
    }
    const { remembered, subject } = verified;
    this.#options.onEvent({
      kind: "vapid_verified",
      draft: credentials.draft,
      remembered,
      subject,
    });
    return undefined;
  }

  async #checkSubscription(endpoint: OpenedEndpoint): Promise<PushError | undefined> {
    const { service, onEvent } = this.#options;
    try {
      const state = await service.subscription(endpoint.uaid, endpoint.channelId);
      return state === "subscribed" ? undefined : NO_SUBSCRIPTION;
    } catch (error) {
      onEvent({ kind: "failed", error });
      return UNAVAILABLE;
    }
  }

  async #accept(
    request: IncomingMessage,
    endpoint: OpenedEndpoint,
    body: Uint8Array,
  ): Promise<Reception> {
    const content = this.#readContent(request, body);
    if ("status" in content) return refused(content);
    const { uaid, channelId } = endpoint;
    const acceptance = await this.#offer({ uaid, channelId, ...content });
    switch (acceptance.kind) {
      case "accepted":
        this.#options.onEvent({
          kind: "accepted",
          payloadBytes: body.length,
          ttlSeconds: content.ttlSeconds,
          topic: content.topic !== undefined,
          urgency: urgencyOf(single(request.headers["urgency"])),
          encoding: content.content?.headers.encoding ?? "none",
        });
        return { ...acceptance, ttlSeconds: content.ttlSeconds };
      case "no_subscription":
        return refused(NO_SUBSCRIPTION);
      case "over_limit":
        return refused(OVER_LIMIT);
      case "unavailable":
        return refused(SAVE_FAILED);
    }
  }

  #readContent(request: IncomingMessage, body: Uint8Array): Content | PushError {
    const { headers } = request;
    const ttl = readTtl(single(headers["ttl"]), this.#options.ttlSecondsMax);
    if (!ttl.ok) return ttl.error;
    let content: PostedContent | undefined;
    if (body.length > 0) {
      const read = readContentHeaders(headers);
      if (!read.ok) return read.error;
      content = { body, headers: read.value };
    }
    const topic = single(headers["topic"]);
    const error = checkTtl(ttl.value) ?? checkTopic(topic);
    return error ?? { ttlSeconds: ttl.value, topic, content };
  }

  async #offer(message: PostedMessage): Promise<Acceptance> {
    try {
      return await this.#options.service.accept(message);
    } catch (error) {
      this.#options.onEvent({ kind: "failed", error });
      return { kind: "unavailable" };
    }
  }

  #unauthorized(error: PushError, fault: VapidFault): PushError {
    this.#options.onEvent({ kind: "vapid_refused", fault });
    return error;
  }
}

function refused(error: PushError): Reception {
  return { kind: "refused", error };
}

/** Whether a header came more than once; the parsed headers keep only the first. */
function isRepeated(request: IncomingMessage, name: string): boolean {
  const raw = request.rawHeaders;
  let count = 0;
  for (let index = 0; index < raw.length; index += 2) {
    const found = raw[index];
    if (found?.length === name.length && found.toLowerCase() === name) count++;
  }
  return count > 1;
}
