/**
 * Versions of broadcasts over HTTP: a JSON document `{"broadcasts": {"id": "version", …}}`, as
 * autopush's Megaphone serves it.
 *
 * @module
 */

import { BROADCAST_FETCH_MS } from "../actors/push/limits.ts";
import type { BroadcastSource } from "../actors/push/ports.ts";
import { errorText } from "../transports/command_line/log.ts";
import { StartError } from "./start_error.ts";

/** Largest document read: 1,000 ids of 200 characters with their versions, and some air. */
const DOCUMENT_BYTES_MAX = 512 * 1_024;

/** A source that reads this URL, or none; what goes wrong is told with the setting's name. */
export function broadcastSource(url: string | undefined): BroadcastSource | undefined {
  if (url === undefined) return undefined;
  return {
    async fetch(signal) {
      try {
        return await read(url, signal);
      } catch (error) {
        throw new StartError(`broadcast-url: ${errorText(error)}`, 1, { cause: error });
      }
    },
  };
}

async function read(url: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const deadline = AbortSignal.timeout(BROADCAST_FETCH_MS);
  const response = await fetch(url, { signal: AbortSignal.any([signal, deadline]) });
  const bytes = await readAtMost(response, DOCUMENT_BYTES_MAX);
  if (!response.ok) throw new Error(`Answered with status ${response.status}`);
  return versionsOf(JSON.parse(new TextDecoder().decode(bytes)));
}

async function readAtMost(response: Response, bytesMax: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(bytesMax);
  let length = 0;
  for await (const chunk of response.body ?? []) {
    if (length + chunk.length > bytesMax) {
      throw new Error(`Document of more than ${bytesMax} bytes`);
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
    throw new Error(`No object "broadcasts" in the document`);
  }
  const versions = new Map<string, string>();
  for (const [id, version] of Object.entries(broadcasts)) {
    if (typeof version !== "string") {
      throw new Error(`The version of "${id.slice(0, 80)}" is no string`);
    }
    versions.set(id, version);
  }
  return versions;
}
