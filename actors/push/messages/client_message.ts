/**
 * The messages of a device, parsed: text in, a typed message or `undefined` out.
 *
 * Wire names stay inside this module. Every optional field may also be `null`, unknown fields are
 * ignored, and a field of the wrong type makes the whole message malformed, as autopush has it.
 * Fields are read as own properties only, so that `__proto__` on the wire is just another unknown
 * field.
 *
 * @module
 */

/** One acknowledged message: only `version` matches, the code says how it went. */
export interface Acknowledgement {
  /** The message's public id. */
  readonly version: string;
  /** 100 delivered, 101 could not be decrypted, 102 not delivered; anything else counts as 100. */
  readonly code: 100 | 101 | 102;
}

/** A device's message, in our names. */
export type ClientMessage =
  | {
    readonly kind: "hello";
    /** The identity it claims, canonical; `undefined` when absent or not a UUID. */
    readonly uaid: string | undefined;
    readonly broadcasts: ReadonlyMap<string, string>;
  }
  | { readonly kind: "register"; readonly channelId: string; readonly key: string | undefined }
  | { readonly kind: "unregister"; readonly channelId: string; readonly code: number }
  | { readonly kind: "ack"; readonly updates: readonly Acknowledgement[] }
  | { readonly kind: "nack"; readonly code: 0 | 301 | 302 | 303 }
  | { readonly kind: "broadcast_subscribe"; readonly broadcasts: ReadonlyMap<string, string> }
  | { readonly kind: "ping" };

type Fields = Readonly<Record<string, unknown>>;

const NO_BROADCASTS: ReadonlyMap<string, string> = new Map();
const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

/** A UUID in any spelling as 32 lower-case hexadecimal digits; `undefined` when it is none. */
export function canonicalUaid(text: string): string | undefined {
  if (text.length !== 32 && text.length !== 36) return undefined;
  return UUID.test(text) ? text.replaceAll("-", "").toLowerCase() : undefined;
}

/** A UUID in any spelling as a lower-case, dashed one; `undefined` when it is none. */
export function canonicalChannelId(text: string): string | undefined {
  const hex = canonicalUaid(text);
  if (hex === undefined) return undefined;
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${
    hex.slice(20)
  }`;
}

/**
 * The bytes of an application server's key: URL-safe base64 with or without padding; `undefined` when it
 * is not. Only decodability is checked, as autopush does.
 */
export function decodeKey(text: string): Uint8Array | undefined {
  const bare = text.replace(/=+$/, "");
  try {
    const key = Uint8Array.fromBase64(bare, { alphabet: "base64url" });
    // The decoder overlooks blanks and stray bits; only an equal re-encoding proves the spelling.
    return key.toBase64({ alphabet: "base64url", omitPadding: true }) === bare ? key : undefined;
  } catch {
    return undefined;
  }
}

/** Parses a device's message; `undefined` means malformed, and the session closes with `Json`. */
export function parseClientMessage(text: string): ClientMessage | undefined {
  if (text === "{}") return { kind: "ping" };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isFields(value)) return undefined;
  const type = field(value, "messageType");
  if (type === undefined && Object.keys(value).length === 0) return { kind: "ping" };
  switch (type) {
    case "hello":
      return parseHello(value);
    case "register":
      return parseRegister(value);
    case "unregister":
      return parseUnregister(value);
    case "ack":
      return parseAck(value);
    case "nack":
      return parseNack(value);
    case "broadcast_subscribe": {
      const broadcasts = stringMap(field(value, "broadcasts"));
      return broadcasts && { kind: "broadcast_subscribe", broadcasts };
    }
    case "ping":
      return { kind: "ping" };
    default:
      return undefined;
  }
}

function parseHello(fields: Fields): ClientMessage | undefined {
  const uaid = field(fields, "uaid") ?? "";
  const channelIds = field(fields, "channelIDs") ?? [];
  const given = field(fields, "broadcasts");
  const broadcasts = given === undefined ? NO_BROADCASTS : stringMap(given);
  if (typeof uaid !== "string" || broadcasts === undefined) return undefined;
  if (!Array.isArray(channelIds)) return undefined;
  // Firefox sends none and nothing reads them, but a list of anything else is a broken client.
  if (!channelIds.every((id) => typeof id === "string" && canonicalUaid(id))) return undefined;
  return { kind: "hello", uaid: canonicalUaid(uaid), broadcasts };
}

function parseRegister(fields: Fields): ClientMessage | undefined {
  const channelId = field(fields, "channelID");
  const key = field(fields, "key");
  if (typeof channelId !== "string") return undefined;
  if (key !== undefined && typeof key !== "string") return undefined;
  return { kind: "register", channelId, key };
}

function parseUnregister(fields: Fields): ClientMessage | undefined {
  const given = field(fields, "channelID");
  const code = field(fields, "code") ?? 200;
  const channelId = typeof given === "string" ? canonicalChannelId(given) : undefined;
  if (channelId === undefined || !isInteger(code, 0, 0xffff_ffff)) return undefined;
  return { kind: "unregister", channelId, code };
}

function parseAck(fields: Fields): ClientMessage | undefined {
  const given = field(fields, "updates");
  if (!Array.isArray(given)) return undefined;
  const updates: Acknowledgement[] = [];
  for (const update of given) {
    if (!isFields(update)) return undefined;
    const channelId = field(update, "channelID");
    const version = field(update, "version");
    const code = field(update, "code") ?? 100;
    if (typeof channelId !== "string" || canonicalUaid(channelId) === undefined) return undefined;
    if (typeof version !== "string" || !isInteger(code, 0, 0xffff)) return undefined;
    updates.push({ version, code: code === 101 || code === 102 ? code : 100 });
  }
  return { kind: "ack", updates };
}

function parseNack(fields: Fields): ClientMessage | undefined {
  const code = field(fields, "code") ?? 0;
  if (typeof field(fields, "version") !== "string") return undefined;
  if (!isInteger(code, -0x8000_0000, 0x7fff_ffff)) return undefined;
  return { kind: "nack", code: code === 301 || code === 302 || code === 303 ? code : 0 };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An own property; `null` equals absent. */
function field(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] ?? undefined : undefined;
}

function stringMap(value: unknown): ReadonlyMap<string, string> | undefined {
  if (!isFields(value)) return undefined;
  const map = new Map<string, string>();
  for (const [key, item] of Object.entries(value)) {
    if (typeof item !== "string") return undefined;
    map.set(key, item);
  }
  return map;
}

function isInteger(value: unknown, min: number, max: number): value is number {
  return Number.isInteger(value) && Number(value) >= min && Number(value) <= max;
}
