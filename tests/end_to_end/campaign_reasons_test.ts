/**
 * After a campaign: the reasons for failures add up to the notification's own counts, devices have
 * their last outcome, and the app's credentials are known to work.
 */

import { assert, assertEquals, assertGreater } from "@std/assert";
import type { PipelineOptions } from "../../program/pipeline.ts";
import { MemoryDeliveryStore } from "../../transports/memory/memory_delivery_store.ts";
import { openSqliteDeliveryStore } from "../../transports/sqlite/sqlite_delivery_store.ts";
import { APP, Campaign } from "../support/campaign.ts";

const RECIPIENTS = 3_000;
const SHARES = { dead: 0.05, refused: 0.03 };
const CAMEL = { token_invalid: "tokenInvalid", rejected: "rejected", failed: "failed" } as const;

/** Runs one to its end and looks at everything that can be asked afterwards. */
async function judge(store: PipelineOptions["store"]): Promise<void> {
  const started = Date.now();
  const change = { shares: SHARES };
  await using campaign = await Campaign.open({ store, recipients: RECIPIENTS, seed: 7, change });
  const { service } = campaign.pipeline;
  const id = await campaign.send();
  await service.reasons(id);
  const { counts, platforms } = await campaign.ended(id);
  const reply = await service.reasons(id);
  assert(reply.kind === "ok" && reply.value.complete);
  const { reasons, counted } = reply.value;
  assertEquals(counted, counts.tokenInvalid + counts.rejected);
  assertGreater(counted, 0);
  for (const platform of ["apns", "fcm", "webpush"] as const) {
    for (const [outcome, name] of Object.entries(CAMEL)) {
      const sum = reasons.filter((one) => one.platform === platform && one.outcome === outcome)
        .reduce((sum, { count }) => sum + count, 0);
      assertEquals(sum, platforms[platform]?.[name], `${platform} ${outcome}`);
    }
  }
  assert(reasons.every(({ reason }) => reason !== ""));

  const failures = await campaign.failures(id);
  await campaign.feedback(counts.tokenInvalid);
  const dead = await service.devices({ app: APP, state: "invalid", limit: "1000" });
  assert(dead.kind === "ok");
  assertEquals(dead.value.devices.length, failures.get("token_invalid"));
  for (const { lastOutcome, reason } of dead.value.devices) {
    assertEquals([lastOutcome?.notification, lastOutcome?.outcome], [id, "token_invalid"]);
    assertEquals(lastOutcome?.reason, reason);
  }

  const app = await service.app(APP);
  assert(app.kind === "ok");
  for (const [platform, health] of Object.entries(app.value.health)) {
    const { token, failure, certificateExpiresAt } = health;
    assertEquals([failure, certificateExpiresAt], [null, null], platform);
    assert(token !== null && Date.parse(token.refreshedAt) >= started, platform);
    assert(token.expiresAt !== null && Date.parse(token.expiresAt) > Date.now(), platform);
  }
  assertEquals(Object.keys(app.value.health), ["apns", "fcm", "webpush"]);
}

Deno.test("reasons, last outcomes and health after a campaign over the store in memory", async () => {
  await judge(new MemoryDeliveryStore());
});

Deno.test("reasons, last outcomes and health after a campaign over SQLite", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await using store = await openSqliteDeliveryStore({ directory });
    await judge(store);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
