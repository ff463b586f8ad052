/**
 * Each cryptography for messages that this machine has, for the tests that all of them must pass.
 *
 * @module
 */

import type { MessageCrypto } from "../../transports/webpush/crypto.ts";
import { openLibcrypto } from "../../transports/webpush/libcrypto.ts";
import { nodeCrypto } from "../../transports/webpush/node_crypto.ts";

/** How to open each; OpenSSL 3 is on every machine that runs the tests. */
export const MESSAGE_CRYPTOS: readonly (readonly [name: string, open: () => MessageCrypto])[] = [
  ["libcrypto", () => {
    const crypto = openLibcrypto();
    if (crypto === undefined) throw new Error("No libcrypto here, or no permission to use it");
    return crypto;
  }],
  ["node:crypto", () => nodeCrypto],
];
