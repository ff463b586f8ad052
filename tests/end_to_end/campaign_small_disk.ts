/**
 * A node whose disk gets full in the middle of a campaign, and later fails: a program of its own, because
 * it runs as root of a mount name space in which the folder of its first argument is a small file system.
 *
 * It ends with 0 when what could not be kept was refused with 503 and `Retry-After`, nothing was sent or
 * counted twice, and the node went on by itself each time.
 *
 * @module
 */

import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import { within } from "../support/arrivals.ts";
import { breakSyncs, fillDisk } from "../support/broken_disk.ts";
import { CampaignService, numbersOf, total } from "../support/campaign_service.ts";
import { report } from "../support/seeded.ts";

const RECIPIENTS = 4_000;
/** How long the node may take to notice, to come back, and to end a campaign. */
const NOTICE_MS = 20_000;
/** Submissions to a full disk until they all fail; the write-ahead log has some room of its own. */
const SUBMISSIONS_MAX = 2_000;
/** How long submissions are refused before the disk is mended: several tries to record results. */
const BROKEN_MS = 2_500;
const LATE = new Date(Date.now() + 3_600_000).toISOString();

const [disk = ""] = Deno.args;
await using world = await CampaignService.open({ dataDir: `${disk}/data` });
const { service, standIn } = world;
const token = (await Deno.readTextFile(`${service.dataDir}/api-token`)).trim();
await world.register("shop", numbersOf("apns", RECIPIENTS));
let accepted = 0;
let refused = 0;

await interrupted("a full disk", async () => {
  await fillDisk(`${disk}/ballast`);
  return { [Symbol.asyncDispose]: () => Deno.remove(`${disk}/ballast`) };
});
await interrupted("a failing disk", () => breakSyncs(service.pid));
const listed = await kept();
report(`${refused} submissions refused, ${accepted} accepted, ${listed} kept`);
assertEquals(listed, accepted + 2);
assert(!service.stderr.includes('"actor_crashed"'), service.stderr);

/** A campaign during which the disk breaks. */
async function interrupted(what: string, breakIt: () => Promise<AsyncDisposable>): Promise<void> {
  await standIn.forget();
  await standIn.behave({ latencyMs: 1_500 });
  const id = await world.send("shop");
  await world.until(id, ({ startedAt }) => startedAt !== null, { what, withinMs: NOTICE_MS });
  {
    await using _broken = await breakIt();
    await ready(503);
    let more = 0;
    const until = performance.now() + BROKEN_MS;
    while (await submitted() === 202) {
      assert(++more < SUBMISSIONS_MAX, `${what}: it can be written`);
    }
    while (performance.now() < until) {
      assertEquals(await submitted(), 503, what);
      await imported503();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  await standIn.behave({ latencyMs: 0 });
  await ready(200);
  const { counts } = await world.ended(id, NOTICE_MS);
  assertEquals([counts.total, counts.delivered, counts.retries], [RECIPIENTS, RECIPIENTS, 0], what);
  const seen = await standIn.seen();
  // What was sent waits for the disk with its result: it is not sent again.
  assertEquals(total(seen, ({ requests }) => requests), RECIPIENTS, what);
  assertEquals(await submitted(), 202, what);
}

/** Submits something for later; the status. */
async function submitted(): Promise<number> {
  const body = {
    app: "shop",
    content: { title: "x".repeat(900) },
    to: { all: true },
    sendAt: LATE,
  };
  const { status, text, headers } = await asked("POST", "/v1/notifications", JSON.stringify(body));
  if (status === 202) accepted++;
  else {
    assertEquals(status, 503, text);
    assertGreater(Number(headers.get("retry-after")), 0);
    refused++;
  }
  return status;
}

/** An import says in its last line that it could not be kept. */
async function imported503(): Promise<void> {
  const rows = await new Response(world.rows("shop", numbersOf("fcm", 10))).text();
  const { status, text } = await asked(
    "POST",
    "/v1/devices?app=shop",
    rows,
    "application/x-ndjson",
  );
  if (status !== 503) assertMatch(text.trimEnd().split("\n").at(-1) ?? "", /"done":false/);
}

/** How many notifications there are, over all pages. */
async function kept(): Promise<number> {
  let count = 0;
  for (let after = "";;) {
    const { text } = await asked("GET", `/v1/notifications?limit=1000${after}`);
    const { notifications, next } = JSON.parse(text);
    count += notifications.length;
    if (next === null) return count;
    after = `&after=${next}`;
  }
}

async function asked(method: string, path: string, body?: string, type = "application/json") {
  const response = await fetch(`http://127.0.0.1:${service.apiPort}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": type },
    body: body ?? null,
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Asks until the node says so, of the delivery store by name. */
async function ready(expected: 200 | 503): Promise<void> {
  const asking = async () => {
    for (;;) {
      const { status, text } = await asked("GET", "/readyz");
      if (status === expected) return text;
    }
  };
  const text = await within(asking(), NOTICE_MS, `readiness to be ${expected}`);
  if (expected === 200) assertMatch(text, /"name":"delivery_store","ok":true/);
}
