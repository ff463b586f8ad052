/**
 * Where blocks of messages are encrypted: on threads of their own, or inline.
 *
 * Invariants: each block is answered once, whatever threads die; at most `THREAD_BLOCKS_MAX` blocks are at a
 * thread and at most `PENDING_BLOCKS_MAX` are held at all. Blocks of a thread that died go first to the next
 * that is free, unless several died of the same one. Keys are kept here until the answer is, for that case: they are copied to the thread, and
 * the bodies, which are a hundred times as many bytes, are handed back without a copy.
 *
 * @module
 */

import { type Bytes, type CryptoName, type MessageCrypto, openCrypto } from "./crypto.ts";
import { type EncryptedBlock, MessageEncryptor } from "./encrypt.ts";
import type { EncryptionAnswer, EncryptionRequest } from "./encryption_thread.ts";
import {
  BLOCK_DEATHS_MAX,
  PENDING_BLOCKS_MAX,
  THREAD_BLOCKS_MAX,
  THREAD_RESTART_MAX_MS,
  THREAD_RESTART_MIN_MS,
  THREAD_RESTARTS_MAX,
  THREADS_DEFAULT_MAX,
} from "./limits.ts";

/** Encrypts blocks of messages. */
export interface Encryption extends AsyncDisposable {
  /** Which library does it. */
  readonly name: CryptoName;
  /**
   * Encrypts one plaintext for many recipients.
   *
   * @param plaintext At most 3,993 bytes.
   * @param keys 81 bytes for each recipient; not to be changed until the answer.
   * @returns `"busy"` when too many blocks are held already. Rejects when there will be no answer:
   * after disposal, or while no thread stays alive.
   */
  encrypt(plaintext: Bytes, keys: Bytes): Promise<EncryptedBlock | "busy">;
}

/** How encryption is started. */
export interface EncryptionOptions {
  /** How many threads; one less than the machine's cores, from 1 to 4, when absent. */
  readonly threads?: number | undefined;
  /** The module of a thread; the default is the one beside this. */
  readonly thread?: URL;
  /** Resolves after so many milliseconds; the default is real time. */
  delay?(ms: number): Promise<void>;
}

/** Encrypts where it is called, for blocks of few messages: it stops the caller's thread while it works. */
export function inlineEncryption(crypto: MessageCrypto = openCrypto()): Encryption {
  const encryptor = new MessageEncryptor(crypto);
  return {
    name: crypto.name,
    encrypt: (plaintext, keys) => Promise.resolve(encryptor.encryptBlock(plaintext, keys)),
    [Symbol.asyncDispose]() {
      crypto[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}

/** A block that waits for its answer. */
interface Pending extends EncryptionRequest {
  /** How many threads died with it. */
  deaths: number;
  readonly resolve: (block: EncryptedBlock) => void;
  readonly reject: (error: Error) => void;
}

/** A thread, and the blocks at it, oldest first. */
interface Thread {
  readonly worker: Worker;
  readonly blocks: Pending[];
}

/** Threads that encrypt. */
export class EncryptionThreads implements Encryption {
  readonly #options: EncryptionOptions;
  readonly #threads = new Set<Thread>();
  readonly #named = Promise.withResolvers<CryptoName>();
  #name: CryptoName = "node:crypto";
  #waiting: Pending[] = [];
  #held = 0;
  #nextId = 0;
  #deaths = 0;
  #everReady = false;
  #ended: string | undefined;

  private constructor(options: EncryptionOptions) {
    this.#options = options;
  }

  /**
   * Starts the threads; resolves when the first is ready.
   *
   * @throws {Error} By rejection, when none comes to life.
   */
  static async start(options: EncryptionOptions = {}): Promise<EncryptionThreads> {
    const encryption = new EncryptionThreads(options);
    const cores = navigator.hardwareConcurrency;
    const count = options.threads ?? Math.min(THREADS_DEFAULT_MAX, Math.max(1, cores - 1));
    for (let thread = 0; thread < count; thread++) encryption.#start();
    encryption.#name = await encryption.#named.promise;
    return encryption;
  }

  /** Which library the threads use. */
  get name(): CryptoName {
    return this.#name;
  }

  /** See {@link Encryption.encrypt}. */
  encrypt(plaintext: Bytes, keys: Bytes): Promise<EncryptedBlock | "busy"> {
    if (this.#ended !== undefined) return Promise.reject(this.#error(this.#ended));
    if (this.#held >= PENDING_BLOCKS_MAX) return Promise.resolve("busy");
    this.#held++;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ id: this.#nextId++, plaintext, keys, deaths: 0, resolve, reject });
      this.#hand();
    });
  }

  /** Ends the threads; blocks without an answer are rejected. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#end("it is closed");
    return Promise.resolve();
  }

  #start(): void {
    const url = this.#options.thread ?? new URL("./encryption_thread.ts", import.meta.url);
    const worker = new Worker(url, { type: "module", name: "webpush_encryption" });
    const thread: Thread = { worker, blocks: [] };
    this.#threads.add(thread);
    worker.onmessage = ({ data }: MessageEvent<EncryptionAnswer>) => this.#answered(thread, data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#died(thread, event.message);
    };
    this.#hand();
  }

  /** Hands waiting blocks to the threads that have the fewest. */
  #hand(): void {
    while (this.#waiting.length > 0) {
      let least: Thread | undefined;
      for (const thread of this.#threads) {
        if (thread.blocks.length < (least?.blocks.length ?? THREAD_BLOCKS_MAX)) least = thread;
      }
      const pending = least === undefined ? undefined : this.#waiting.shift();
      if (least === undefined || pending === undefined) return;
      least.blocks.push(pending);
      const { id, plaintext, keys } = pending;
      post(least.worker, { id, plaintext, keys });
    }
  }

  #answered(thread: Thread, answer: EncryptionAnswer): void {
    switch (answer.kind) {
      case "ready":
        this.#everReady = true;
        return this.#named.resolve(answer.name);
      case "encrypted": {
        const pending = thread.blocks.shift();
        if (pending?.id !== answer.id) throw new Error("An answer to another block");
        this.#held--;
        this.#deaths = 0;
        this.#hand();
        return pending.resolve(answer.block);
      }
    }
  }

  #died(thread: Thread, reason: string): void {
    thread.worker.terminate();
    this.#threads.delete(thread);
    if (this.#ended !== undefined) return;
    this.#takeBack(thread.blocks, reason);
    if (this.#deaths >= THREAD_RESTARTS_MAX) {
      const why = `its threads died ${this.#deaths + 1} times: ${reason}`;
      if (!this.#everReady) return this.#end(why);
      this.#rejectWaiting(why);
    }
    const delayMs = Math.min(THREAD_RESTART_MAX_MS, THREAD_RESTART_MIN_MS * 2 ** this.#deaths);
    this.#deaths++;
    this.#hand();
    const delay = this.#options.delay ?? wait;
    delay(delayMs).then(() => {
      if (this.#ended === undefined) this.#start();
    });
  }

  /** Puts blocks of a dead thread first in the queue again, but for one that may be what it died of. */
  #takeBack(blocks: readonly Pending[], reason: string): void {
    const [oldest] = blocks;
    if (oldest !== undefined) oldest.deaths++;
    const poisonous = oldest !== undefined && oldest.deaths >= BLOCK_DEATHS_MAX;
    this.#waiting.unshift(...(poisonous ? blocks.slice(1) : blocks));
    if (!poisonous) return;
    this.#held--;
    oldest.reject(this.#error(`${BLOCK_DEATHS_MAX} threads died of a block: ${reason}`));
  }

  /** What waits is given up; what comes later may find a thread that lives. */
  #rejectWaiting(reason: string): void {
    const error = this.#error(reason);
    for (const pending of this.#waiting.splice(0)) {
      this.#held--;
      pending.reject(error);
    }
  }

  #end(reason: string): void {
    this.#ended ??= reason;
    const blocks = [...this.#threads].flatMap((thread) => thread.blocks).concat(this.#waiting);
    for (const { worker } of this.#threads) worker.terminate();
    this.#threads.clear();
    this.#waiting = [];
    const error = this.#error(reason);
    this.#named.reject(error);
    for (const pending of blocks) pending.reject(error);
  }

  #error(reason: string): Error {
    return new Error(`Cannot encrypt: ${reason}`);
  }
}

/** Sends a block to a thread; its buffers are copied. */
function post(worker: Worker, request: EncryptionRequest): void {
  worker.postMessage(request);
}

/** Resolves after so many milliseconds of real time; does not keep the process alive. */
function wait(ms: number): Promise<void> {
  return new Promise((resolve) => Deno.unrefTimer(setTimeout(resolve, ms)));
}
