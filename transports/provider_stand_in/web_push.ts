/**
 * Answers like a push service (RFC 8030): the checks of TTL, urgency, topic, VAPID token (RFC 8292) and
 * of the form of an encrypted body (RFC 8188, RFC 8291), with errors in the shape of Mozilla's autopush.
 *
 * All subscriptions have the same receiver's key, since a stand-in has no receivers; when asked it
 * decrypts each message with it.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createECDH, createPublicKey, type ECDH } from "node:crypto";
import { decrypt } from "../../deps/ece.js";
import type { Fate } from "./fate.ts";
import { readJwt, Verdicts } from "./jwt.ts";
import { type Answer, jsonReply, type ProviderRequest, Reply, type Service } from "./service.ts";
import type { World } from "./world.ts";

/** The receiver of every subscription. */
export interface Receiver {
  /** Its private key, 32 bytes, base64url. */
  readonly privateKey: string;
  /** Its authentication secret, 16 bytes, base64url. */
  readonly auth: string;
}

/** What a push service is told. */
export interface WebPushAccount {
  /** Who receives. */
  readonly receiver: Receiver;
  /** The key the subscriptions are bound to, base64url. */
  readonly vapidPublicKey: string;
}

/** Paths of endpoints; the rest is the subscription's id. */
const PATH = "/wp/";
/** Bytes of a body that every push service takes (RFC 8030 section 7.2), and no more. */
const BODY_BYTES_MAX = 4_096;
/** Salt, record size, length of the key id and an uncompressed point (RFC 8188 section 2.1). */
const HEADER_BYTES = 86;
/** A delimiter and the tag of AES-GCM. */
const RECORD_BYTES_MIN = 17;
/** A VAPID token may not be good for longer (RFC 8292 section 2). */
const TOKEN_SECONDS_MAX = 86_400;

/** An error of autopush: status, number, sentence. */
type Refusal = readonly [status: number, errno: number, message: string];

/** What is thought of a token and key: good until then, or a reason against them. */
type TokenVerdict = { readonly expiresAtSeconds: number } | { readonly refusal: Refusal };

const FATEFUL: Readonly<Record<Exclude<Fate, "healthy">, Reply>> = {
  dead: refusalReply([410, 103, "Endpoint is gone"]),
  malformed: refusalReply([404, 102, "No such endpoint found"]),
  refused: refusalReply([400, 108, "Invalid request"]),
  throttled: refusalReply([429, 201, "Too many messages for this subscription"]),
  unavailable: refusalReply([503, 201, "Use exponential back-off for retries"]),
  failing: refusalReply([500, 999, "Unknown error"]),
};
const CREATED = new Reply(201);
const TOO_LARGE: Refusal = [413, 104, `Data payload must be at most ${BODY_BYTES_MAX} bytes`];

/** A push service, as far as a sender meets it. */
export class WebPush implements Service {
  /** Its subscriptions. */
  readonly world: World;
  readonly #account: WebPushAccount;
  readonly #origins: () => readonly string[];
  readonly #tokens: Verdicts<TokenVerdict>;
  readonly #refusals = new Map<string, Reply>();
  readonly #receiver: ECDH;
  #created = 0;

  /**
   * A push service.
   *
   * @param world Its subscriptions.
   * @param account Keys.
   * @param origins Where it is reached; a token has to be for one of them.
   */
  constructor(world: World, account: WebPushAccount, origins: () => readonly string[]) {
    this.world = world;
    this.#account = account;
    this.#origins = origins;
    this.#receiver = createECDH("prime256v1");
    this.#receiver.setPrivateKey(Buffer.from(account.receiver.privateKey, "base64url"));
    this.#tokens = new Verdicts((value) => this.#judge(value));
  }

  /** Answers a push message. */
  answer(request: ProviderRequest): Answer {
    const refusal = this.#check(request);
    if (refusal !== undefined) return this.#refuse(refusal);
    const fate = this.world.visit(request.path);
    if (fate === "healthy") {
      const value = `${this.#origins()[0] ?? ""}/m/${++this.#created}`;
      return { reply: CREATED, own: { name: "location", value } };
    }
    const reply = FATEFUL[fate];
    if (fate !== "throttled" && fate !== "unavailable") return { reply };
    const value = String(this.world.behaviour.retryAfterSeconds);
    return { reply, own: { name: "retry-after", value } };
  }

  /** The answer to a body that nobody reads to its end. */
  tooLarge(): Answer {
    return this.#refuse(TOO_LARGE);
  }

  #check({ method, path, fields, body }: ProviderRequest): Refusal | undefined {
    if (!path.startsWith(PATH) || path.length === PATH.length) {
      return [404, 102, "No such endpoint"];
    }
    if (method !== "POST") return [405, 108, "Method not allowed"];
    let authorization = "";
    let encoding = "";
    let ttl = "";
    for (const { name, value } of fields) {
      if (name === "authorization") authorization = value;
      else if (name === "content-encoding") encoding = value;
      else if (name === "ttl") ttl = value;
      else if (name === "topic" && !/^[A-Za-z0-9_-]{1,32}$/.test(value)) {
        return [400, 113, "Topic must be at most 32 characters of the base64url alphabet"];
      } else if (name === "urgency" && !/^(?:very-low|low|normal|high)$/.test(value)) {
        return [400, 108, "Invalid urgency"];
      }
    }
    if (!/^\d{1,10}$/.test(ttl)) return [400, 111, "TTL must be a number of seconds"];
    return this.#authenticate(authorization) ?? this.#checkBody(encoding, body);
  }

  #authenticate(authorization: string): Refusal | undefined {
    const verdict = this.#tokens.on(authorization);
    if ("refusal" in verdict) return verdict.refusal;
    const leftSeconds = verdict.expiresAtSeconds - Date.now() / 1_000;
    if (leftSeconds <= 0) return [401, 109, "VAPID token has expired"];
    if (leftSeconds > TOKEN_SECONDS_MAX) return [401, 109, "VAPID token lives for too long"];
    return undefined;
  }

  #judge(authorization: string): TokenVerdict {
    const bad = (message: string): TokenVerdict => ({ refusal: [401, 109, message] });
    const scheme = /^vapid (.+)$/i.exec(authorization)?.[1];
    if (scheme === undefined) return bad("VAPID token missing");
    const parameters = new Map(
      scheme.split(",").map((part) => {
        const [name = "", value = ""] = part.trim().split("=");
        return [name, value];
      }),
    );
    const key = parameters.get("k") ?? "";
    const point = Buffer.from(key, "base64url");
    if (point.length !== 65 || point[0] !== 4) return bad("VAPID key is no point of P-256");
    if (key !== this.#account.vapidPublicKey) return bad("VAPID public key mismatch");
    const x = point.toString("base64url", 1, 33);
    const y = point.toString("base64url", 33);
    const jwk = { kty: "EC", crv: "P-256", x, y };
    const jwt = readJwt(
      parameters.get("t") ?? "",
      "ES256",
      createPublicKey({ key: jwk, format: "jwk" }),
    );
    if (jwt?.signed !== true) return bad("VAPID token is not signed by its key");
    if (!this.#origins().includes(String(jwt.claims.get("aud")))) {
      return bad("VAPID aud is another");
    }
    if (!/^(?:mailto:|https:)/.test(String(jwt.claims.get("sub")))) {
      return bad("VAPID sub is no contact");
    }
    const expiresAtSeconds = jwt.claims.get("exp");
    return Number.isSafeInteger(expiresAtSeconds)
      ? { expiresAtSeconds: Number(expiresAtSeconds) }
      : bad("VAPID exp is no number");
  }

  #checkBody(encoding: string, body: Uint8Array): Refusal | undefined {
    if (body.length === 0) return undefined;
    if (body.length > BODY_BYTES_MAX) return TOO_LARGE;
    if (encoding !== "aes128gcm") return [400, 110, "Content-Encoding must be aes128gcm"];
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    const recordBytes = body.length - HEADER_BYTES;
    const whole = recordBytes >= RECORD_BYTES_MIN && view.getUint32(16) >= recordBytes &&
      view.getUint32(16) > RECORD_BYTES_MIN && view.getUint8(20) === 65 && view.getUint8(21) === 4;
    if (!whole) return [400, 110, "Invalid aes128gcm body"];
    if (this.world.behaviour.decrypted && !this.#opens(body)) return [400, 110, "Cannot decrypt"];
    return undefined;
  }

  #opens(body: Uint8Array): boolean {
    const authSecret = Buffer.from(this.#account.receiver.auth, "base64url");
    try {
      decrypt(Buffer.from(body), { version: "aes128gcm", privateKey: this.#receiver, authSecret });
      return true;
    } catch {
      // Whatever the library finds wrong: the receiver could not read it.
      return false;
    }
  }

  #refuse(refusal: Refusal): Answer {
    const [status, , message] = refusal;
    this.world.refuse(`${status} ${message}`);
    const reply = this.#refusals.get(message) ?? refusalReply(refusal);
    this.#refusals.set(message, reply);
    return { reply };
  }
}

function refusalReply([code, errno, message]: Refusal): Reply {
  return jsonReply(code, { code, errno, error: "", message });
}
