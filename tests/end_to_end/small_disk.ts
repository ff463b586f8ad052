/**
 * A running service whose disk gets full, and later fails: a program of its own, because it runs
 * as root of a mount name space in which the folder of its first argument is a small file system.
 *
 * It ends with 0 when nothing was accepted that was not stored, nothing accepted was lost, and the
 * service came back by itself each time.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { within } from "../support/arrivals.ts";
import { breakSyncs, fillDisk } from "../support/broken_disk.ts";
import { PushClient, type Registration } from "../support/push_client.ts";
import { opaqueBody, post } from "../support/sender.ts";
import { Service } from "../support/service.ts";

/** How long the service may take to notice, and to come back, in milliseconds. */
const NOTICE_MS = 20_000;
/** Writes to a full disk until they all fail; the write-ahead log has some room of its own. */
const POSTS_MAX = 500;

const [disk = ""] = Deno.args;
await using service = await Service.start({ dataDir: `${disk}/data` });
await using here = await PushClient.connect(service.deviceUrl);
const direct = await here.register();
const away = await PushClient.connect(service.deviceUrl);
const { uaid } = away;
const stored = await away.register();
await away.close();
let accepted = 0;

await postStored(201);
await fillDisk(`${disk}/ballast`);
await degrade();
await Deno.remove(`${disk}/ballast`);
await recover();

{
  await using _broken = await breakSyncs(service.pid);
  await degrade();
}
await recover();

await using back = await PushClient.connect(service.deviceUrl, { uaid });
await back.notifications.until(() => true, { what: "all that was accepted", count: accepted });
await back.ping();
assertEquals(back.notifications.size, accepted);
assert(!service.stderr.includes('"actor_crashed"'), service.stderr);
const metrics = await (await fetch(`http://127.0.0.1:${service.apiPort}/metrics`)).text();
assert(/^heliograph_store_errors_total [1-9]/m.test(metrics), "no failure was counted");

/** Posts a message to the device that is away; the answer must be this status, if one is given. */
async function postStored(expected?: 201): Promise<number> {
  const { status, headers, body } = await post(stored.endpoint, opaqueBody(4_000));
  if (status === 201) accepted++;
  else assertEquals([status, headers.has("retry-after")], [503, true], body);
  if (expected !== undefined) assertEquals(status, expected, body);
  return status;
}

/** What must hold once the store cannot write. */
async function degrade(): Promise<void> {
  let posts = 0;
  while (await postStored() === 201) assert(++posts < POSTS_MAX, "the disk is not full");
  await ready(503);
  assertEquals(await postStored(), 503);
  await nowOrNever(direct);
}

/** The service must come back by itself. */
async function recover(): Promise<void> {
  await ready(200);
  await postStored(201);
  await nowOrNever(direct);
}

/** What needs no store arrives at once. */
async function nowOrNever({ endpoint }: Registration): Promise<void> {
  const from = here.notifications.size;
  assertEquals((await post(endpoint, opaqueBody(100), { ttlSeconds: 0 })).status, 201);
  await here.notifications.next(() => true, { what: "a message for now or never", from });
}

/** Asks until the service says so. */
async function ready(expected: 200 | 503): Promise<void> {
  const asking = async () => {
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${service.apiPort}/readyz`);
      const text = await answer.text();
      if (answer.status === expected) return text;
    }
  };
  const text = await within(asking(), NOTICE_MS, `readiness to be ${expected}`);
  assert(text.includes(`"name":"store","ok":${expected === 200}`), text);
}
