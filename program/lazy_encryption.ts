/**
 * Encryption whose threads are started by the first message: a node that sends no Web Push has none.
 *
 * @module
 */

import {
  type Encryption,
  type EncryptionOptions,
  EncryptionThreads,
} from "../transports/webpush/mod.ts";
import { type CryptoName, openCrypto } from "../transports/webpush/crypto.ts";

/** Which library encrypts, with the permissions this process has. */
export function encryptionName(): CryptoName {
  using crypto = openCrypto();
  return crypto.name;
}

/** Encryption that begins when it is needed. */
export function lazyEncryption(options: EncryptionOptions): Encryption {
  let threads: Promise<EncryptionThreads> | undefined;
  const start = (): Promise<EncryptionThreads> => {
    threads ??= EncryptionThreads.start(options);
    // One that could not start is tried again by the next block.
    threads.catch(() => threads = undefined);
    return threads;
  };
  return {
    name: encryptionName(),
    encrypt: async (plaintext, keys) => await (await start()).encrypt(plaintext, keys),
    async [Symbol.asyncDispose]() {
      await (await threads)?.[Symbol.asyncDispose]();
    },
  };
}
