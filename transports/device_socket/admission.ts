/**
 * How many connections each remote address has.
 *
 * Invariants: an entry exists only while its count is above zero, so the map is bounded by the
 * connections there are; every admission is returned once.
 *
 * @module
 */

/** Counts connections by address, up to a limit for each. */
export class Admission {
  readonly #perAddressMax: number;
  readonly #unlimited: ReadonlySet<string>;
  readonly #counts = new Map<string, number>();

  /** Starts with no connections; one address may have `perAddressMax`, unless it is unlimited. */
  constructor(perAddressMax: number, unlimited: readonly string[]) {
    this.#unlimited = new Set(unlimited.map(countedAddress));
    this.#perAddressMax = perAddressMax;
  }

  /** Counts a connection in, or answers `false` when its address has as many as it may. */
  enter(address: string): boolean {
    const count = this.#counts.get(address) ?? 0;
    if (count >= this.#perAddressMax && !this.#unlimited.has(address)) return false;
    this.#counts.set(address, count + 1);
    return true;
  }

  /** Counts a connection out. */
  leave(address: string): void {
    const count = this.#counts.get(address) ?? 0;
    if (count > 1) this.#counts.set(address, count - 1);
    else this.#counts.delete(address);
  }
}

/**
 * The name an address is counted under: an IPv4 address is itself, also when it is mapped into
 * IPv6; an IPv6 address is its /64, for whoever has one address of it has all; all loopback
 * addresses are one.
 */
export function countedAddress(hostname: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(hostname);
  const address = mapped?.[1] ?? hostname;
  if (address.startsWith("127.") || address === "::1") return "loopback";
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const tailGroups = tail === undefined || tail === "" ? [] : tail.split(":");
  if (tail !== undefined) { while (groups.length + tailGroups.length < 8) groups.push("0"); }
  return [...groups, ...tailGroups].slice(0, 4).join(":");
}
