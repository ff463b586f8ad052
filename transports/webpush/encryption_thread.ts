/**
 * A thread that encrypts: a block of a thousand messages takes 50 ms with the fast library and half a
 * second with the other, and would stop every socket of the main thread for that long.
 *
 * It answers each block with one message, in order. What it cannot foresee, it does not catch: it dies, its
 * owner is told by an `error` event and starts another.
 *
 * @module
 */

import { type Bytes, type CryptoName, openCrypto } from "./crypto.ts";
import { type EncryptedBlock, MessageEncryptor } from "./encrypt.ts";

/** A block to encrypt. */
export interface EncryptionRequest {
  /** Its number, for the answer. */
  readonly id: number;
  /** See {@link MessageEncryptor.encryptBlock}. */
  readonly plaintext: Bytes;
  /** See {@link MessageEncryptor.encryptBlock}. */
  readonly keys: Bytes;
}

/** What the thread says: which library it uses, once; then each block. */
export type EncryptionAnswer =
  | { readonly kind: "ready"; readonly name: CryptoName }
  | { readonly kind: "encrypted"; readonly id: number; readonly block: EncryptedBlock };

/** What a dedicated worker finds in its global scope; the compiler is told of windows only. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<EncryptionRequest>) => void) | null;
  postMessage(answer: EncryptionAnswer, transfer?: readonly Transferable[]): void;
}

const messageCrypto = openCrypto();
const encryptor = new MessageEncryptor(messageCrypto);
const scope: WorkerScope = Object(globalThis);
scope.onmessage = ({ data: { id, plaintext, keys } }) => {
  const block = encryptor.encryptBlock(plaintext, keys);
  // Handed over, not copied: a block of full messages is 4 MB.
  scope.postMessage({ kind: "encrypted", id, block }, [block.bodies.buffer]);
};
scope.postMessage({ kind: "ready", name: messageCrypto.name });
