/**
 * A connection to Redis as everything that stands on Redis uses it: commands and scripts with a
 * deadline each, a bound on how many are on their way, and errors with a code.
 *
 * Invariants: every call ends, within its timeout and a quarter of a second (plus what a blocking
 * read asked for); at most {@link PENDING_MAX} calls are held in memory; calls over one
 * connection take effect in the order they were made; a lost connection is made again by itself, and
 * one on which a call found no answer in time is given up and replaced, since a peer may vanish without
 * closing it; so is one whose other side has become a replica.
 *
 * What is sent within one turn shares one write: callers just make their calls at once.
 *
 * @example Count something
 * ```ts ignore
 * await using redis = await openRedis({ url: "redis://127.0.0.1:6379" });
 * const key = redis.key("{counts}", "visits");
 * const visits = integerReply(await redis.call(["INCR", key], { key, type: "string" }));
 * ```
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { parseRedisAddress, type RedisAddress } from "./address.ts";
import {
  asOpenError,
  asStoreError,
  quoted,
  replyWord,
  StoreError,
  StoreOpenError,
} from "./errors.ts";
import { damaged } from "./hashes.ts";
import {
  BLOCK_MAX_MS,
  CALL_TIMEOUT_MS,
  DEADLINE_CHECK_MS,
  PENDING_MAX,
  RECONNECT_DELAY_MAX_MS,
} from "./limits.ts";
import { type Link, type LinkOptions, makeLink, type Seed } from "./link.ts";
import { textReply } from "./replies.ts";
import type { KeyType, RedisScript } from "./script.ts";
import { checkServer } from "./server.ts";

export {
  StoreError,
  type StoreErrorCode,
  StoreOpenError,
  type StoreOpenErrorCode,
} from "./errors.ts";
export { type KeyType, RedisScript } from "./script.ts";

/** How Redis is opened. */
export interface RedisOptions {
  /**
   * `redis://[user[:password]@]host[:port][/database][?prefix=name][&cluster=true]`, or `rediss://`
   * with TLS.
   */
  readonly url: string;
  /** Certificates of authorities to trust with `rediss://`, PEM; the system's when absent. */
  readonly caCert?: string;
  /** The name under which Redis lists the connection; `heliograph` by default. No spaces. */
  readonly clientName?: string;
  /** How long one call may take, in milliseconds; {@link CALL_TIMEOUT_MS} by default. */
  readonly callTimeoutMs?: number;
}

/** A part of a command: text, whole number or bytes. */
export type Argument = string | number | Uint8Array;

/** What a command works on. */
export interface Target {
  /** Its key: decides the node in a cluster. */
  readonly key?: string;
  /** What the key must hold; when it holds something else, the error says so. */
  readonly type?: KeyType;
  /** How long the command itself may wait, as with `BLOCK`, at most {@link BLOCK_MAX_MS}; 0 by default. */
  readonly blockMs?: number;
}

/** A call on its way. */
interface Pending {
  readonly link: Link;
  readonly endsAt: number;
  readonly reject: (error: StoreError) => void;
}

/** A command with the keys it works on, for the text of an error. */
interface Sent {
  readonly action: string;
  readonly keys: readonly string[];
  readonly typeAt: (place: number) => KeyType | undefined;
}

const SERVER = "reach Redis";

/** An open connection; made by {@link openRedis}. */
export class Redis implements AsyncDisposable {
  readonly #address: RedisAddress;
  readonly #options: RedisOptions;
  readonly #blocking: boolean;
  readonly #timeoutMs: number;
  readonly #pending = new Set<Pending>();
  /** Digests of the scripts that were sent over this connection. */
  readonly #scripts = new Set<string>();
  readonly #deadlines: ReturnType<typeof setInterval>;
  #seeds: readonly Seed[] = [];
  #link: Link;
  #inFlight = 0;
  #idle: (() => void) | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #closed: Promise<void> | undefined;

  private constructor(options: RedisOptions, blocking: boolean) {
    this.#address = parseRedisAddress(options.url);
    this.#options = options;
    this.#blocking = blocking;
    this.#timeoutMs = options.callTimeoutMs ?? CALL_TIMEOUT_MS;
    this.#link = this.#makeLink();
    const checkMs = Math.min(DEADLINE_CHECK_MS, this.#timeoutMs / 4);
    this.#deadlines = setInterval(() => this.#endOverdue(), checkMs);
  }

  /** For {@link openRedis}. */
  static async open(options: RedisOptions, blocking = false): Promise<Redis> {
    const redis = new Redis(options, blocking);
    const link = redis.#link;
    try {
      await link.connect();
      await checkServer(link, redis.#address);
      return redis;
    } catch (error) {
      await redis.close();
      const cause = error instanceof StoreOpenError ? error : link.firstError ?? error;
      throw asOpenError(redis.#address.place, cause);
    }
  }

  /** Host and port, for messages. */
  get place(): string {
    return this.#address.place;
  }

  /** A key: the prefix of the address and these parts, joined by colons. Give parts in braces as hash tag. */
  key(...parts: readonly string[]): string {
    return [this.#address.prefix, ...parts].join(":");
  }

  /**
   * Sends a command and resolves with its reply: blobs as bytes, numbers as numbers.
   *
   * @throws {StoreError} When it could not be served.
   */
  call(args: readonly Argument[], target: Target = {}): Promise<unknown> {
    const { key, type, blockMs = 0 } = target;
    const keys = key === undefined ? [] : [key];
    const action = `run ${String(args[0])}`;
    return this.#explained(this.#send(key, args, Math.min(blockMs, BLOCK_MAX_MS)), {
      action,
      keys,
      typeAt: () => type,
    });
  }

  /**
   * Runs a script on these keys, which share a hash tag. A script that finds something it cannot use
   * answers `redis.error_reply('DAMAGED 1 field')`: the place of the key in `KEYS`, and the field.
   *
   * @throws {StoreError} When it could not be served.
   */
  run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly Argument[],
  ): Promise<unknown> {
    return this.#explained(this.#runScript(script, keys, args), {
      action: script.action,
      keys,
      typeAt: (place) => script.typeAt(place),
    });
  }

  /** Sends a command to every master of a cluster, to the one Redis otherwise. */
  async callAll(args: readonly Argument[]): Promise<readonly unknown[]> {
    const action = `run ${String(args[0])}`;
    const replies = this.#track((link) => link.sendToAll(args.map(wire)));
    return await this.#explained(replies, { action, keys: [], typeAt: () => undefined });
  }

  /** Resolves when Redis answers; in a cluster, when every master does. */
  async ping(): Promise<void> {
    await this.callAll(["PING"]);
  }

  /** Another connection to the same Redis, for reads that wait: they would hold up everything else. */
  blocking(): Promise<Redis> {
    return Redis.open(this.#options, true);
  }

  /** Refuses further calls, waits for those on their way (not for reads that wait) and disconnects; again is fine. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** The same as {@link Redis.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    clearTimeout(this.#retry);
    if (this.#inFlight > 0 && !this.#blocking) {
      await new Promise<void>((resolve) => this.#idle = resolve);
    }
    clearInterval(this.#deadlines);
    destroy(this.#link);
  }

  #makeLink(): Link {
    const options: LinkOptions = {
      address: this.#address,
      caCert: this.#options.caCert,
      clientName: this.#options.clientName ?? "heliograph",
      seeds: this.#seeds,
      silenceMaxMs: this.#timeoutMs + (this.#blocking ? BLOCK_MAX_MS : 0),
      // A Redis that was restarted, or another one in its place, does not know the scripts.
      onReady: () => this.#scripts.clear(),
    };
    return makeLink(options);
  }

  async #runScript(
    script: RedisScript,
    keys: readonly string[],
    args: readonly Argument[],
  ): Promise<unknown> {
    const rest = [keys.length, ...keys, ...args];
    // The first call on a connection brings the source along, and the connection keeps the order: so
    // calls that follow may name it, and none is overtaken by one that was made after it.
    const known = this.#scripts.has(script.sha);
    this.#scripts.add(script.sha);
    const byName = known ? ["EVALSHA", script.sha] : ["EVAL", script.source];
    try {
      return await this.#send(keys[0], [...byName, ...rest]);
    } catch (error) {
      if (replyWord(error) !== "NOSCRIPT") throw error;
      return await this.#send(keys[0], ["EVAL", script.source, ...rest]);
    }
  }

  #send(key: string | undefined, args: readonly Argument[], blockMs = 0): Promise<unknown> {
    return this.#track((link) => link.send(key, args.map(wire)), blockMs);
  }

  /** Gives a call its place among those on their way, and its deadline. */
  #track<T>(send: (link: Link) => Promise<T>, blockMs = 0): Promise<T> {
    if (this.#closed !== undefined) {
      return Promise.reject(new StoreError("closed", `Cannot ${SERVER}: it is closed`));
    }
    if (this.#inFlight >= PENDING_MAX) {
      const words = `${PENDING_MAX} calls wait for it already`;
      return Promise.reject(new StoreError("busy", `Cannot ${SERVER}: ${words}`));
    }
    this.#inFlight++;
    return new Promise((resolve, reject) => {
      const endsAt = performance.now() + this.#timeoutMs + blockMs;
      const pending = { link: this.#link, endsAt, reject };
      this.#pending.add(pending);
      // A call holds its place until the connection lets go of it, not until its deadline.
      send(this.#link).then(resolve, reject).finally(() => {
        this.#pending.delete(pending);
        this.#inFlight--;
        if (this.#inFlight === 0) this.#idle?.();
      });
    });
  }

  /** Ends the calls whose deadline has passed, and gives up the connection they found no answer on. */
  #endOverdue(): void {
    const now = performance.now();
    const overdue = [...this.#pending].filter(({ endsAt }) => endsAt <= now);
    if (overdue.length === 0) return;
    const words = `${this.#address.place} did not answer within ${this.#timeoutMs / 1000} s`;
    for (const { reject } of overdue) {
      reject(new StoreError("unavailable", `Cannot ${SERVER}: ${words}`));
    }
    if (overdue.some(({ link }) => link === this.#link)) this.#replace();
    else for (const { link } of overdue) destroy(link);
  }

  /**
   * A primary that became a replica keeps its connections, and refuses every write from then on. A new
   * connection finds the primary where a name or a proxy stands for it. A cluster redirects by itself.
   */
  #leaveReplica(): void {
    if (this.#address.cluster || this.#retry !== undefined || this.#closed !== undefined) return;
    this.#retry = setTimeout(() => this.#replace(), RECONNECT_DELAY_MAX_MS);
  }

  /** Replaces the connection by a new one, which is tried until it is made. */
  #replace(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const seeds = this.#link.seeds();
    if (seeds.length > 0) this.#seeds = seeds;
    destroy(this.#link);
    if (this.#closed !== undefined) return;
    const link = this.#link = this.#makeLink();
    this.#scripts.clear();
    link.connect().catch(() => {
      // Closed meanwhile, or replaced: somebody else goes on.
      if (this.#closed !== undefined || this.#link !== link) return;
      this.#retry = setTimeout(() => this.#replace(), RECONNECT_DELAY_MAX_MS);
    });
  }

  /** Turns a failure into an error with a code and a text that tells what could not be done. */
  async #explained<T>(reply: Promise<T>, sent: Sent): Promise<T> {
    try {
      return await reply;
    } catch (error) {
      if (this.#closed !== undefined && !(error instanceof StoreError)) {
        throw new StoreError("closed", `Cannot ${sent.action}: it was closed`, { cause: error });
      }
      if (replyWord(error) === "READONLY") this.#leaveReplica();
      if (error instanceof Error && /\bWRONGTYPE\b/.test(error.message)) {
        throw await this.#wrongType(error, sent);
      }
      throw damagedKey(error, sent.keys) ?? asStoreError(sent.action, error);
    }
  }

  /** Redis does not say which key it was: each is asked for its type. */
  async #wrongType(cause: Error, sent: Sent): Promise<StoreError> {
    for (const [place, key] of sent.keys.entries()) {
      const expected = sent.typeAt(place);
      if (expected === undefined) continue;
      const type = await this.#send(key, ["TYPE", key]).then(textReply, () => "");
      if (type !== "" && type !== "none" && type !== expected) {
        const words = `key ${quoted(key)} is ${article(type)}, expected ${article(expected)}`;
        return new StoreError("wrong_type", `Cannot ${sent.action}: ${words}`, { cause });
      }
    }
    const words = `a key is of another type (${sent.keys.map(quoted).join(", ")})`;
    return new StoreError("wrong_type", `Cannot ${sent.action}: ${words}`, { cause });
  }
}

/**
 * Connects to Redis, once, and makes sure that it is one that can be worked with.
 *
 * @throws {StoreOpenError} When it is not; its `code` says why and its message what to do.
 */
export function openRedis(options: RedisOptions): Promise<Redis> {
  return Redis.open(options);
}

/** An argument as the library takes it. */
function wire(argument: Argument): string | Buffer {
  if (typeof argument === "string") return argument;
  if (typeof argument === "number") return String(argument);
  return Buffer.from(argument.buffer, argument.byteOffset, argument.byteLength);
}

/** What a script says of a key whose content it cannot use: `DAMAGED`, the key's place and the field. */
const DAMAGED = /^DAMAGED (\d{1,3}) (\S+)/;

/** The error for what a script could not use, named by key and field. */
function damagedKey(error: unknown, keys: readonly string[]): StoreError | undefined {
  const found = error instanceof Error ? DAMAGED.exec(error.message) : null;
  if (found === null) return undefined;
  return damaged(keys[Number(found[1]) - 1] ?? "", found[2] ?? "", "is missing or of another form");
}

/** Ends a link; one that never was open says so by throwing, which is no news. */
function destroy(link: Link): void {
  try {
    link.destroy();
  } catch {
    return;
  }
}

function article(type: string): string {
  return type === "zset" ? "a sorted set" : `a ${type}`;
}
