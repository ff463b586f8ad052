/**
 * Versions of broadcasts over HTTP: a JSON document `{"broadcasts": {"id": "version", …}}`, as
 * autopush's Megaphone serves it.
 *
 * @module
 */

import { BROADCAST_FETCH_MS } from "../actors/push/limits.ts";
import type { BroadcastSource } from "../actors/push/ports.ts";

/** Largest document read: 1,000 ids of 200 characters with their versions, and some air. */
const DOCUMENT_BYTES_MAX = 512 * 1_024;

/** A source that reads this URL, or none. */
export function broadcastSource(url: string | undefined): BroadcastSource | undefined {
  return url === undefined ? undefined : { fetch: (signal) => read(url, signal) };
}

async function read(url: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const deadline = AbortSignal.timeout(BROADCAST_FETCH_MS);
  const response = await fetch(url, { signal: AbortSignal.any([signal, deadline]) });
  const bytes = await readAtMost(response, DOCUMENT_BYTES_MAX);
  if (!response.ok) throw new Error(`Cannot read broadcasts: status ${response.status}`);
  return versionsOf(JSON.parse(new TextDecoder().decode(bytes)));
}

async function readAtMost(response: Response, bytesMax: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(bytesMax);
  let length = 0;
  for await (const chunk of response.body ?? []) {
    if (length + chunk.length > bytesMax) {
      throw new Error(`Cannot read broadcasts: more than ${bytesMax} bytes`);
    }
    bytes.set(chunk, length);
    length += chunk.length;
  }
  return bytes.subarray(0, length);
}

/** The versions of a document; anything but strings in it is an error, not an empty answer. */
function versionsOf(document: unknown): ReadonlyMap<string, string> {
  const broadcasts = typeof document === "object" && document !== null &&
    "broadcasts" in document && document.broadcasts;
  if (typeof broadcasts !== "object" || broadcasts === null || Array.isArray(broadcasts)) {
    throw new Error(`Cannot read broadcasts: no object "broadcasts" in the document`);
  }
  const versions = new Map<string, string>();
  for (const [id, version] of Object.entries(broadcasts)) {
    if (typeof version !== "string") {
      throw new Error(`Cannot read broadcasts: the version of "${id.slice(0, 80)}" is no string`);
    }
    versions.set(id, version);
  }
  return versions;
}
