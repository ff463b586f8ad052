/**
 * Addresses of Redis, as settings write them:
 * `redis://[user[:password]@]host[:port][/database][?prefix=name][&cluster=true]`, `rediss://` with TLS.
 *
 * @module
 */

import { StoreOpenError } from "./errors.ts";

/** An address, taken apart. */
export interface RedisAddress {
  /** Host name or address, without the brackets of IPv6. */
  readonly host: string;
  /** Port; 6379 when the address has none. */
  readonly port: number;
  /** Whether to speak TLS. */
  readonly tls: boolean;
  /** User of the access list, when one is named. */
  readonly username: string | undefined;
  /** Password, when there is one. */
  readonly password: string | undefined;
  /** Number of the database; 0 by default, and always in a cluster. */
  readonly database: number;
  /** What every key begins with; `heliograph` by default. */
  readonly prefix: string;
  /** Whether the address names a node of a Redis cluster. */
  readonly cluster: boolean;
  /** Host and port, the only part that messages show. */
  readonly place: string;
}

const PORT = 6379;
const PREFIX = "heliograph";
const PREFIX_PATTERN = /^[a-z0-9_-]{1,32}$/;

function refuse(problem: string): never {
  throw new StoreOpenError("bad_address", `Cannot use this address of Redis: ${problem}`);
}

/**
 * Takes an address apart.
 *
 * @throws {StoreOpenError} When it is none; the message names the part that is wrong, and never shows
 * user or password.
 */
export function parseRedisAddress(text: string): RedisAddress {
  const url = URL.parse(text);
  if (url === null || !/^rediss?:$/.test(url.protocol)) {
    refuse("it is not of the form redis://user:password@host:port or rediss://…");
  }
  if (url.hostname === "") refuse("the host is missing");
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = url.port === "" ? PORT : Number(url.port);
  if (port === 0) refuse("port 0 is no port");
  const cluster = clusterOf(url);
  const database = databaseOf(url);
  if (cluster && database !== 0) refuse(`a cluster has no database ${database}, only 0`);
  if (url.hash !== "") refuse('it has a "#"; write %23 where it belongs to the password');
  return {
    host,
    port,
    tls: url.protocol === "rediss:",
    username: decoded(url.username, "user"),
    password: decoded(url.password, "password"),
    database,
    prefix: prefixOf(url),
    cluster,
    place: `${url.hostname}:${port}`,
  };
}

function decoded(part: string, what: string): string | undefined {
  if (part === "") return undefined;
  try {
    return decodeURIComponent(part);
  } catch {
    return refuse(`the ${what} has a "%" that is no escape; write %25`);
  }
}

function databaseOf(url: URL): number {
  if (url.pathname === "" || url.pathname === "/") return 0;
  if (!/^\/\d{1,5}$/.test(url.pathname)) {
    refuse(`"${url.pathname.slice(0, 40)}" is no number of a database, as in redis://host/1`);
  }
  return Number(url.pathname.slice(1));
}

function clusterOf(url: URL): boolean {
  for (const name of new Set(url.searchParams.keys())) {
    if (name !== "prefix" && name !== "cluster") {
      refuse(`"${name.slice(0, 40)}" is not known; "prefix" and "cluster" are`);
    }
    if (url.searchParams.getAll(name).length > 1) refuse(`"${name}" is given twice`);
  }
  const value = url.searchParams.get("cluster");
  if (value !== null && value !== "true" && value !== "false") {
    refuse(`"cluster" is "${value.slice(0, 40)}"; it is true or false`);
  }
  return value === "true";
}

function prefixOf(url: URL): string {
  const prefix = url.searchParams.get("prefix") ?? PREFIX;
  if (!PREFIX_PATTERN.test(prefix)) {
    refuse(
      `"prefix" is "${prefix.slice(0, 40)}"; it has 1 to 32 of the characters a-z, 0-9, _ and -`,
    );
  }
  return prefix;
}
