/**
 * Which IP addresses may be connected to when a stranger names the host: those of the public internet.
 *
 * The tables are IANA's registries of special-purpose addresses for IPv4 and IPv6 (RFC 6890); what embeds an
 * IPv4 address in an IPv6 one (mapped, compatible, NAT64, 6to4, Teredo) is refused whatever it embeds,
 * since no push service is reached so.
 *
 * @module
 */

/** A range of addresses: those whose first bits are these. */
interface Range {
  readonly first: bigint;
  /** How many bits of an address do not matter. */
  readonly free: bigint;
}

/** IPv4 addresses that are not of the public internet. */
const SPECIAL_V4: readonly Range[] = [
  "0.0.0.0/8", // "This network": Linux takes 0.0.0.0 for itself.
  "10.0.0.0/8", // Private.
  "100.64.0.0/10", // Behind a carrier's NAT.
  "127.0.0.0/8", // Loopback.
  "169.254.0.0/16", // Link-local, and the metadata services of clouds.
  "172.16.0.0/12", // Private.
  "192.0.0.0/24", // Protocol assignments.
  "192.0.2.0/24", // Documentation.
  "192.31.196.0/24", // AS112.
  "192.52.193.0/24", // AMT.
  "192.88.99.0/24", // 6to4 relays.
  "192.168.0.0/16", // Private.
  "192.175.48.0/24", // AS112.
  "198.18.0.0/15", // Benchmarking.
  "198.51.100.0/24", // Documentation.
  "203.0.113.0/24", // Documentation.
  "224.0.0.0/4", // Multicast.
  "240.0.0.0/4", // Reserved, and broadcast.
].map((text) => range(text, 32));

/** The one range of IPv6 that is the public internet. */
const GLOBAL_V6 = range("2000::/3", 128);

/** What of it is not. */
const SPECIAL_V6: readonly Range[] = [
  "2001::/23", // Protocol assignments: Teredo, benchmarking, ORCHID.
  "2001:db8::/32", // Documentation.
  "2002::/16", // 6to4.
  "2620:4f:8000::/48", // AS112.
  "3fff::/20", // Documentation.
].map((text) => range(text, 128));

/** Whether this text is an IP address of the public internet; anything else is not, names included. */
export function isPublicAddress(text: string): boolean {
  const v4 = parseV4(text);
  if (v4 !== undefined) return !SPECIAL_V4.some((special) => holds(special, v4));
  const v6 = parseV6(text);
  return v6 !== undefined && holds(GLOBAL_V6, v6) &&
    !SPECIAL_V6.some((special) => holds(special, v6));
}

function range(text: string, width: number): Range {
  const [address = "", length] = text.split("/");
  const first = width === 32 ? parseV4(address) : parseV6(address);
  if (first === undefined) throw new TypeError(`"${text}" is not a range of addresses`);
  return { first, free: BigInt(width - Number(length)) };
}

function holds({ first, free }: Range, address: bigint): boolean {
  return address >> free === first >> free;
}

/** Four decimal numbers; other spellings of IPv4 never leave a URL parser or a resolver. */
function parseV4(text: string): bigint | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return undefined;
  return parts.reduce((sum, part) => sum << 8n | BigInt(part), 0n);
}

/** RFC 4291 section 2.2; a zone (`%eth0`) is link-local and makes it no address here. */
function parseV6(text: string): bigint | undefined {
  const v4 = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const tail = v4 === null ? undefined : parseV4(v4[2] ?? "");
  if (v4 !== null && tail === undefined) return undefined;
  const hex = tail === undefined
    ? text
    : `${v4?.[1]}${(tail >> 16n).toString(16)}:${(tail & 0xffffn).toString(16)}`;
  const [head = "", rest, ...more] = hex.split("::");
  if (more.length > 0) return undefined;
  const left = groups(head);
  const right = rest === undefined ? [] : groups(rest);
  const missing = 8 - left.length - right.length;
  if (rest === undefined ? missing !== 0 : missing < 1) return undefined;
  const all = [...left, ...new Array<string>(Math.max(0, missing)).fill("0"), ...right];
  if (!all.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return all.reduce((sum, group) => sum << 16n | BigInt(`0x${group}`), 0n);
}

function groups(text: string): readonly string[] {
  return text === "" ? [] : text.split(":");
}
