/**
 * Encryption on threads: answers to their own blocks, threads that die, bounds.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  type Encryption,
  EncryptionThreads,
  inlineEncryption,
} from "../../../transports/webpush/encryption.ts";
import type { EncryptedBlock } from "../../../transports/webpush/encrypt.ts";
import {
  BLOCK_DEATHS_MAX,
  PENDING_BLOCKS_MAX,
  THREAD_RESTARTS_MAX,
} from "../../../transports/webpush/limits.ts";
import { PushReceiver } from "../../support/push_receiver.ts";

const DYING_THREAD = new URL("./dying_thread.ts", import.meta.url);
const encoded = (text: string) => new TextEncoder().encode(text);
const receiver = new PushReceiver();

/** The texts the receiver reads in a block. */
function texts(block: EncryptedBlock | "busy"): readonly string[] {
  assert(block !== "busy");
  const { bodies, bodyBytes } = block;
  return Array.from(
    { length: bodies.length / bodyBytes },
    (_, place) => receiver.readText(bodies.subarray(place * bodyBytes, (place + 1) * bodyBytes)),
  );
}

async function encrypt(encryption: Encryption, text: string): Promise<readonly string[]> {
  return texts(await encryption.encrypt(encoded(text), receiver.keys));
}

/** Threads that can die, and the delays before they are started again. */
async function dyingThreads(threads: number) {
  const delays: number[] = [];
  const delay = (ms: number) => {
    delays.push(ms);
    return Promise.resolve();
  };
  const encryption = await EncryptionThreads.start({ threads, thread: DYING_THREAD, delay });
  return { encryption, delays };
}

Deno.test("EncryptionThreads answers each block with its own bodies", async () => {
  await using encryption = await EncryptionThreads.start({ threads: 2 });
  const given = Array.from({ length: 12 }, (_, index) => `message ${index}`);
  const found = await Promise.all(given.map((text) => encrypt(encryption, text)));
  assertEquals(found, given.map((text) => [text]));
});

Deno.test("EncryptionThreads leaves the caller's buffers in place", async () => {
  await using encryption = await EncryptionThreads.start({ threads: 1 });
  const keys = new Uint8Array(Buffer.concat([receiver.keys, receiver.keys]));
  const plaintext = encoded("kept");
  assertEquals(texts(await encryption.encrypt(plaintext, keys)), ["kept", "kept"]);
  assertEquals(new TextDecoder().decode(plaintext), "kept");
  assertEquals(keys.length, 162);
});

Deno.test("EncryptionThreads.name is that of the same library inline", async () => {
  await using encryption = await EncryptionThreads.start({ threads: 1 });
  await using inline = inlineEncryption();
  assertEquals(encryption.name, inline.name);
  assertEquals(await encrypt(inline, "here"), ["here"]);
});

Deno.test("EncryptionThreads sends the blocks of a dead thread to another", async () => {
  const file = await Deno.makeTempFile();
  await Deno.remove(file);
  const { encryption, delays } = await dyingThreads(1);
  await using _ = encryption;
  const given = [`die once:${file}`, "second", "third"];
  const found = await Promise.all(given.map((text) => encrypt(encryption, text)));
  assertEquals(found, given.map((text) => [text]));
  assertEquals(delays, [50]);
  await Deno.remove(file);
});

Deno.test("EncryptionThreads gives up a block that threads die of, and only that", async () => {
  const { encryption, delays } = await dyingThreads(1);
  await using _ = encryption;
  const dying = assertRejects(() => encrypt(encryption, "die"), Error, "threads died of a block");
  assertEquals(await encrypt(encryption, "next"), ["next"]);
  await dying;
  assertEquals(delays, [50, 100, 200]);
  assertEquals(delays.length, BLOCK_DEATHS_MAX);
  await assertRejects(() => encrypt(encryption, "die"));
  assertEquals(delays.slice(3), [50, 100, 200]);
});

Deno.test("EncryptionThreads works again after threads died of one block after the other", async () => {
  const { encryption, delays } = await dyingThreads(1);
  await using _ = encryption;
  const given = ["die", "die", "behind them"];
  const found = await Promise.allSettled(given.map((text) => encrypt(encryption, text)));
  assertEquals(found.map(({ status }) => status), ["rejected", "rejected", "rejected"]);
  assertEquals(delays.length, THREAD_RESTARTS_MAX + 1);
  assertEquals(await encrypt(encryption, "later"), ["later"]);
});

Deno.test("EncryptionThreads.start() rejects when no thread comes to life", async () => {
  let delays = 0;
  const thread = new URL("data:text/javascript,throw new Error('stillborn')");
  const delay = () => {
    delays++;
    return Promise.resolve();
  };
  await assertRejects(
    () => EncryptionThreads.start({ threads: 1, thread, delay }),
    Error,
    "stillborn",
  );
  assertEquals(delays, THREAD_RESTARTS_MAX);
});

Deno.test("EncryptionThreads.encrypt() is busy beyond what it may hold", async () => {
  await using encryption = await EncryptionThreads.start({ threads: 1 });
  const plaintext = encoded("many");
  const given = Array.from(
    { length: PENDING_BLOCKS_MAX + 1 },
    () => encryption.encrypt(plaintext, receiver.keys),
  );
  const found = await Promise.all(given);
  assertEquals(found.map((block) => block === "busy").lastIndexOf(false), PENDING_BLOCKS_MAX - 1);
  assertEquals(found.filter((block) => block === "busy").length, 1);
  assertEquals(await encrypt(encryption, "room again"), ["room again"]);
});

Deno.test("EncryptionThreads rejects what has no answer at its end, and what comes after", async () => {
  const encryption = await EncryptionThreads.start({ threads: 1 });
  const left = assertRejects(() => encrypt(encryption, "left"), Error, "it is closed");
  await encryption[Symbol.asyncDispose]();
  await left;
  await assertRejects(() => encrypt(encryption, "late"), Error, "it is closed");
});
