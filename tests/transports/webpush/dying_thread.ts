/**
 * A thread that encrypts and can be made to die: the plaintext `die` kills it always, and the plaintext `die once`
 * when the file named after it is not there yet, which it then makes.
 *
 * @module
 */

import { MessageEncryptor } from "../../../transports/webpush/encrypt.ts";
import type {
  EncryptionAnswer,
  EncryptionRequest,
} from "../../../transports/webpush/encryption_thread.ts";
import { nodeCrypto } from "../../../transports/webpush/node_crypto.ts";

/** What a dedicated worker finds in its global scope; the compiler is told of windows only. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<EncryptionRequest>) => void) | null;
  postMessage(answer: EncryptionAnswer): void;
}

const encryptor = new MessageEncryptor(nodeCrypto);
const scope: WorkerScope = Object(globalThis);
scope.onmessage = ({ data: { id, plaintext, keys } }) => {
  const [word, file = ""] = new TextDecoder().decode(plaintext).split(":");
  if (word === "die") throw new Error("died of a block");
  if (word === "die once" && !exists(file)) {
    Deno.writeTextFileSync(file, "");
    throw new Error("died once");
  }
  scope.postMessage({ kind: "encrypted", id, block: encryptor.encryptBlock(plaintext, keys) });
};
scope.postMessage({ kind: "ready", name: nodeCrypto.name });

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
