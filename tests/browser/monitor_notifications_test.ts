/**
 * The views of notifications in Chromium, on a real node: numbers are the API's during a campaign and after it,
 * what is found is what was asked for, and cancelling ends one.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import type * as v from "valibot";
import { asked, NOTIFICATION, NOTIFICATIONS, REASONS } from "./asked.ts";
import { MonitorWorld } from "./monitor_world.ts";

const RECIPIENTS = 1_000;
/** Recipients a second of campaigns that are watched while they go on. */
const RATE = 50;
const HOSTILE = `</a><script>document.title="owned"</script>"'& \u202Egnp.exe${"w".repeat(200)}`;
const KEYS = [
  "total",
  "delivered",
  "tokenInvalid",
  "rejected",
  "expired",
  "failed",
  "cancelled",
  "pending",
  "retries",
] as const;

/** The exact numbers in a row. */
async function numbers(page: Page, row: string): Promise<Readonly<Record<string, number>>> {
  const cells = await page.locator(`${row} [data-of][data-value]`).evaluateAll((found) =>
    found.map((cell) => [cell.getAttribute("data-of"), Number(cell.getAttribute("data-value"))])
  );
  return Object.fromEntries(cells);
}

/** A notification as the API has it. */
function notification(
  world: MonitorWorld,
  id: string,
): Promise<v.InferOutput<typeof NOTIFICATION>> {
  return asked(world, `/v1/notifications/${id}`, NOTIFICATION);
}

/** The ids that the list shows. */
async function listed(page: Page): Promise<readonly (string | null)[]> {
  return await page.locator(".found tbody tr").evaluateAll((rows) =>
    rows.map((row) => row.getAttribute("data-id"))
  );
}

/** Fills in the search and waits until it was done. */
async function search(page: Page, text: string, status = ""): Promise<void> {
  await page.locator("#notification-search").fill(text);
  await page.locator("#notification-status").selectOption(status);
  await page.evaluate("document.querySelector('.found').dataset.before = 'yes'");
  await page.locator("#notification-search").press("Enter");
  await page.locator(".found:not([data-before])").waitFor();
  await page.locator(".found .empty:not([hidden]):not(:text('Looking')), .found tbody tr").first()
    .waitFor();
}

Deno.test("notifications are listed, found, followed and cancelled", async (t) => {
  const shares = { dead: 0.05, refused: 0.03, throttled: 0.03 };
  const change = { shares, retryAfterSeconds: 0 };
  await using world = await MonitorWorld.open({ view: "notifications", service: { change } });
  const { campaign, page } = world;

  await t.step("says what to do when nothing was sent", async () => {
    await page.getByRole("link", { name: "Compose the first one" }).waitFor();
    assertEquals(await world.axe(), []);
  });

  await campaign.register("news", Array.from({ length: RECIPIENTS }, (_, number) => number));
  const content = { title: HOSTILE, body: HOSTILE, data: { [HOSTILE.slice(0, 40)]: HOSTILE } };
  const slow = await campaign.send("news", { content, topic: "slow", ratePerSecond: RATE });
  const row = `.found tr[data-id="${slow}"]`;

  await t.step("has the API's numbers while they grow, in rows that stay", async () => {
    await page.locator(row).waitFor(); // Nobody has loaded the page anew: it looks by itself.
    const link = page.locator(`${row} a[data-id]`);
    await link.focus();
    await page.evaluate("globalThis.focused = document.activeElement");
    const before = await notification(world, slow);
    await page.locator(`${row}[data-status=sending]`).waitFor();
    // The answer that comes next may have been under way: the one after it is newer than ours.
    for (let look = 0; look < 2; look++) {
      const { delivered = 0 } = await numbers(page, row);
      await page.locator(`${row} td[data-of=delivered]:not([data-value="${delivered}"])`).waitFor();
    }
    const shown = await numbers(page, row);
    const after = await notification(world, slow);
    assert(before.counts.delivered <= (shown["delivered"] ?? -1));
    assert((shown["delivered"] ?? Infinity) <= after.counts.delivered);
    assert(await page.evaluate("document.activeElement === globalThis.focused"));
    assertEquals(await link.innerText(), HOSTILE);
  });

  await t.step("follows one: counts by platform between two answers of the API", async () => {
    await page.keyboard.press("Enter");
    await page.locator(`.notification[data-id="${slow}"]`).waitFor();
    const before = await notification(world, slow);
    const { delivered } = before.counts;
    const all = page.locator(".how-far tr[data-platform=all] td[data-of=delivered]");
    await all.and(page.locator(`:not([data-value="${delivered}"])`)).waitFor();
    await page.locator(".figures", { hasText: /\d a second/ }).waitFor();
    const shown = await numbers(page, ".how-far tr[data-platform=all]");
    const after = await notification(world, slow);
    assert((shown["delivered"] ?? Infinity) <= after.counts.delivered);
    assertEquals(shown["total"], RECIPIENTS);
    assertEquals(await page.locator(".said").allInnerTexts(), [HOSTILE, HOSTILE]);
    assertEquals(await world.axe(), []);
  });

  await t.step("is cancelled by keyboard, after a question", async () => {
    await page.locator("#cancel").focus();
    await page.keyboard.press("Enter");
    await page.locator("dialog.ask .no:focus").waitFor();
    await page.keyboard.press("Tab");
    assertEquals(await world.axe("dialog.ask"), []);
    await page.keyboard.press("Escape");
    await page.locator("#cancel:focus").waitFor();
    assertEquals((await notification(world, slow)).status, "sending");
    await page.keyboard.press("Enter");
    await page.locator("dialog.ask .no:focus").waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.locator(".notification[data-status=cancelled][data-over=yes]").waitFor();
    const { counts, platforms, status } = await notification(world, slow);
    assertEquals(status, "cancelled");
    assert(counts.cancelled > 0 && counts.delivered > 0);
    for (const [platform, expected] of Object.entries({ ...platforms, all: counts })) {
      const shown = await numbers(page, `.how-far tr[data-platform=${platform}]`);
      assertEquals(shown, only(expected), platform);
    }
    assertEquals(await page.locator("#cancel").isVisible(), false);
    await page.locator("#again:focus").waitFor();
  });

  const { id: done } = await campaign.ended(await campaign.send("news"), 30_000);

  await t.step("has the API's counts, reasons and deliveries when it is over", async () => {
    await world.show(`notifications/${done}`);
    await page.locator(".notification[data-over=yes] .reasons[data-complete=yes]").waitFor();
    const { counts, platforms } = await notification(world, done);
    for (const [platform, expected] of Object.entries({ ...platforms, all: counts })) {
      assertEquals(
        await numbers(page, `.how-far tr[data-platform=${platform}]`),
        only(expected),
        platform,
      );
    }
    const answer = await asked(world, `/v1/notifications/${done}/reasons`, REASONS);
    const shown = await page.locator(".reasons tbody tr").evaluateAll((rows) =>
      rows.map((row) => ({
        platform: row.getAttribute("data-platform"),
        reason: row.getAttribute("data-reason"),
        count: Number(row.querySelector("[data-of=count]")?.getAttribute("data-value")),
      }))
    );
    assertEquals(shown, answer.reasons);
    const missed = counts.total - counts.delivered;
    assertEquals([answer.counted, answer.complete], [missed, true]);
    const hints = await page.locator(".reasons .hint").allInnerTexts();
    assertEquals(hints.filter((hint) => hint.length < 20), [], "each reason has its hint");
    const deliveries = page.locator(".deliveries-of tbody tr");
    await deliveries.nth(19).waitFor();
    assertEquals(await deliveries.count(), 20);
    await page.locator("#more-deliveries").press("Enter");
    await deliveries.nth(39).waitFor();
    await deliveries.nth(20).locator("a:focus").waitFor();
    await page.locator("#delivery-outcome").selectOption("expired");
    await page.locator(".deliveries-of .empty", { hasText: "None recorded." }).waitFor();
    await page.locator("#delivery-outcome").selectOption("rejected");
    await deliveries.first().waitFor();
    while (await page.locator("#more-deliveries").isVisible()) {
      const before = await deliveries.count();
      await page.locator("#more-deliveries").click();
      // A page that was full to the last row may have been the last one.
      const next = `.deliveries-of tbody tr:nth-child(${before + 1}), #more-deliveries[hidden]`;
      await page.locator(next).first().waitFor({ state: "attached" });
    }
    assertEquals(await deliveries.count(), counts.rejected);
    assertEquals(await world.axe(), []);
  });

  await t.step("finds by text and status, and the address keeps the search", async () => {
    await world.show("notifications");
    await search(page, "GNP.EXE");
    assertEquals(await listed(page), [slow]);
    await search(page, done);
    assertEquals(await listed(page), [done]);
    await search(page, "", "cancelled");
    assertEquals(await listed(page), [slow]);
    await search(page, "no such text", "cancelled");
    await page.getByText("No notification is like that.").waitFor();
    assertMatch(page.url(), /#\/notifications\?search=no\+such\+text&status=cancelled$/);
    await page.goBack();
    await page.locator(row).waitFor();
    assertEquals(await page.locator("#notification-status").inputValue(), "cancelled");
  });

  await t.step("shows more, and goes on at the first of the new ones", async () => {
    const sendAt = new Date(Date.now() + 3_600_000).toISOString();
    for (let number = 0; number < 60; number++) {
      await campaign.send("news", { content: { title: `Later ${number}` }, sendAt });
    }
    await world.show("notifications");
    await page.locator(".found tbody tr").nth(49).waitFor();
    const newest = await campaign.send("news", { content: { title: "Later 60" }, sendAt });
    await page.locator(`.found tbody tr[data-id="${newest}"]`).waitFor();
    assertEquals((await listed(page)).length, 50, "a new one takes the place of the oldest");
    await page.locator("#more").press("Enter");
    await page.locator(row).waitFor();
    const { notifications } = await asked(world, "/v1/notifications", NOTIFICATIONS);
    assertEquals(await listed(page), notifications.map(({ id }) => id));
    const focused = await page.evaluate("document.activeElement.dataset.id");
    assertEquals(focused, notifications[50]?.id);
    assertEquals(await page.locator("#more").isVisible(), false);
    assertEquals(await world.axe(), []);
  });

  await t.step("on a phone nothing is cut off", async () => {
    await world.look({ widthPx: 390, heightPx: 844, colorScheme: "dark" });
    for (const view of [`notifications/${slow}`, "notifications?status=cancelled"]) {
      await world.show(view);
      await page.locator(`[data-id="${slow}"]`).first().waitFor();
      assertEquals(await page.evaluate("document.documentElement.scrollWidth"), 390, view);
      assertEquals(await world.axe(), []);
    }
    assert(!(await page.title()).includes("owned"));
    await world.look({});
  });

  await t.step("keeps its numbers, marked old, while the node is away", async () => {
    assertEquals(world.complaints, []);
    await world.show("notifications?status=cancelled");
    await page.locator(row).waitFor();
    const before = await numbers(page, row);
    await campaign.service.kill9();
    await page.locator(".found.is-old", { hasText: "Not up to date" }).waitFor();
    assertEquals(await numbers(page, row), before);
    await campaign.service.startAgain();
    await page.locator(".found:not(.is-old)").waitFor();
    for (const complaint of world.takeComplaints()) assertMatch(complaint, /net::ERR_/);
  });
});

/** The counts that the page has. */
function only(counts: Readonly<Record<typeof KEYS[number], number>>) {
  return Object.fromEntries(KEYS.map((key) => [key, counts[key]]));
}
