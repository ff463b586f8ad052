/**
 * Addresses of PostgreSQL and Redis: read, checked and shown without their password.
 *
 * @module
 */

import { HIDDEN, Secret } from "./secret.ts";
import { type Kind, kind, type Parsed, problem, type StoreAddress, value } from "./setting.ts";

/** The engines that a service of several nodes stands on. */
export type Engine = "postgres" | "redis";

/** Where an engine is. */
export interface EngineAddress {
  /** Which one. */
  readonly kind: Engine;
  /** The whole URL, with its password. */
  readonly url: Secret<string>;
  /** The URL for people, its password masked. */
  readonly shown: string;
}

const SCHEMES: Readonly<Record<string, Engine>> = {
  "postgres:": "postgres",
  "postgresql:": "postgres",
  "redis:": "redis",
  "rediss:": "redis",
};

/** What may stand behind `?`, with the form of its value, and in words. */
const PARAMETERS: Readonly<
  Record<Engine, Readonly<Record<string, readonly [form: RegExp, words: string]>>>
> = {
  postgres: {
    schema: [/^[a-z_][a-z0-9_]{0,62}$/, "at most 63 of a-z, 0-9 and _, no digit first"],
    sslmode: [/^(disable|require|verify-full)$/, "disable, require or verify-full"],
  },
  redis: {
    prefix: [/^[a-z0-9_-]{1,32}$/, "at most 32 of a-z, 0-9, _ and -"],
    cluster: [/^(true|false)$/, "true or false"],
  },
};

const ADVICE: Readonly<Record<Engine, string>> = {
  postgres: "postgres://USER@HOST/DATABASE, with ?schema=NAME or sslmode=verify-full",
  redis: "redis://HOST or rediss://HOST, with ?prefix=NAME or cluster=true",
};

/** A password among the arguments is seen by everybody on the machine. */
const PASSWORD = /^[^/]*:\/\/[^/@]*:[^/]*@/;

function parseAddress(text: string, engines: readonly Engine[]): Parsed<EngineAddress> {
  const url = URL.parse(text);
  if (url === null) return problem("not a URL");
  const engine = SCHEMES[url.protocol];
  if (engine === undefined || !engines.includes(engine)) return problem("wrong kind of URL");
  if (url.hostname === "") return problem("without a host");
  if (url.hash !== "") return problem("contains a fragment");
  if (engine === "postgres" && !/^\/[^/]+$/.test(url.pathname)) {
    return problem("without the name of a database");
  }
  if (engine === "redis" && !/^\/?\d*$/.test(url.pathname)) {
    return problem("has a path that is no number of a database");
  }
  for (const [name, given] of url.searchParams) {
    const known = PARAMETERS[engine];
    const parameter = Object.hasOwn(known, name) ? known[name] : undefined;
    if (parameter === undefined) return problem(`has the unknown parameter ${name.slice(0, 32)}`);
    const [form, words] = parameter;
    if (!form.test(given)) return problem(`has a wrong ${name} (${words})`);
  }
  const shown = new URL(url);
  if (shown.password !== "") shown.password = "x";
  return value({
    kind: engine,
    url: new Secret(url.href),
    shown: shown.href.replace(/:x@/, `:${HIDDEN}@`),
  });
}

/** The address of one of these engines. */
export function engineAddress(...engines: readonly Engine[]): Kind<EngineAddress> {
  return kind<EngineAddress>({
    placeholder: "URL",
    advice: `Use ${engines.map((engine) => ADVICE[engine]).join(", or ")}`,
    hidden: PASSWORD,
    parse: (text) => parseAddress(text, engines),
    show: ({ shown }) => shown,
  });
}

/** The address of a store. */
export const store: Kind<StoreAddress> = kind<StoreAddress>({
  placeholder: "STORE",
  advice: "Use sqlite:DIR for files in a folder, memory: to keep nothing, " +
    `${ADVICE.postgres}, or ${ADVICE.redis}`,
  hidden: PASSWORD,
  parse(text) {
    if (text === "memory:") return value({ kind: "memory" });
    const folder = /^sqlite:([^\0]+)$/.exec(text)?.[1];
    if (folder !== undefined) return value({ kind: "sqlite", folder });
    return /^(postgres(ql)?|rediss?):/.test(text)
      ? parseAddress(text, ["postgres", "redis"])
      : problem("not a store");
  },
  show(address) {
    switch (address.kind) {
      case "memory":
        return "memory:";
      case "sqlite":
        return `sqlite:${address.folder}`;
      case "postgres":
      case "redis":
        return address.shown;
    }
  },
});

/** Where batches wait: in the store itself, or in Redis. */
export const queue: Kind<EngineAddress | "store"> = kind<EngineAddress | "store">({
  placeholder: "QUEUE",
  advice: `Use store, or ${ADVICE.redis}`,
  hidden: PASSWORD,
  parse: (text) => text === "store" ? value("store") : parseAddress(text, ["redis"]),
  show: (address) => address === "store" ? address : address.shown,
});
