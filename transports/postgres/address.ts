/**
 * Addresses of databases: `postgres://user:password@host:port/database?schema=name&sslmode=verify-full`.
 *
 * Nothing is taken from the environment or from a default that belongs to the machine, so that one
 * address means the same database everywhere. No error repeats more of an address than the name of
 * what is wrong in it: every part may hold the password when a separator is missing.
 *
 * @module
 */

import { StoreOpenError } from "./errors.ts";

/** Where a database is, and how it is spoken to. */
export interface Address {
  /** Name or IP address of the server. */
  readonly host: string;
  /** TCP port, 1 to 65535. */
  readonly port: number;
  /** The role to be. */
  readonly user: string;
  /** Its password, empty when there is none. */
  readonly password: string;
  /** The database. */
  readonly database: string;
  /** The schema (name space) inside of it that holds all tables. */
  readonly schema: string;
  /** Whether the connection is encrypted, and the server's certificate and name verified. */
  readonly tls: boolean;
  /** Address for messages: host, port and database, without user and password. */
  readonly place: string;
}

/** The schema when the address names none. */
const SCHEMA = "heliograph";

/** The port when the address names none: PostgreSQL's own. */
const PORT = 5432;

/** Names that need no quotes and are no longer than a name may be in PostgreSQL. */
const SCHEMA_PATTERN = /^[a-z_][a-z0-9_]{0,62}$/;

/** What may follow the question mark. */
const PARAMETERS: readonly string[] = ["schema", "sslmode"];

function bad(what: string): never {
  throw new StoreOpenError("bad_address", `Cannot read the address of the database: ${what}`);
}

function part(name: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return bad(`its ${name} is not percent-encoded as it should be`);
  }
}

function parse(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^postgres(ql)?:$/.test(url.protocol)) {
    bad(
      'expected "postgres://user:password@host:port/database"; write "%40" for "@" in a password',
    );
  }
  return url;
}

function parametersOf(url: URL): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const [name, value] of url.searchParams) {
    if (!PARAMETERS.includes(name)) {
      bad(`it has a parameter that is not known; allowed are ${PARAMETERS.join(", ")}`);
    }
    if (parameters.has(name)) bad(`it has the parameter "${name}" twice`);
    parameters.set(name, value);
  }
  return parameters;
}

function isEncrypted(mode: string | undefined): boolean {
  switch (mode) {
    case undefined:
    case "disable":
      return false;
    case "verify-full":
      return true;
    default:
      // The modes in between encrypt without knowing for whom.
      return bad('its "sslmode" is neither "disable" nor "verify-full"');
  }
}

/**
 * Takes an address apart.
 *
 * @throws {StoreOpenError} `"bad_address"`, naming the part that is wrong and what is allowed.
 */
export function parseAddress(text: string): Address {
  const url = parse(text);
  const parameters = parametersOf(url);
  const user = part("user", url.username);
  if (user === "") bad("it names no user");
  const host = part("host", url.hostname).replace(/^\[(.*)\]$/, "$1");
  if (host === "") bad("it names no host");
  const database = part("database", url.pathname.slice(1));
  if (database === "" || database.includes("/")) bad("it names no database after the host");
  const port = url.port === "" ? PORT : Number(url.port);
  if (port === 0) bad("its port is 0; allowed are 1 to 65535");
  const schema = parameters.get("schema") ?? SCHEMA;
  if (!SCHEMA_PATTERN.test(schema)) {
    bad(
      'its "schema" is not made of at most 63 letters a to z, digits and underscores, not beginning with a digit',
    );
  }
  return {
    host,
    port,
    user,
    password: part("password", url.password),
    database,
    schema,
    tls: isEncrypted(parameters.get("sslmode")),
    place: `${url.host}/${database}`,
  };
}
