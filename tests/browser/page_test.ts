/**
 * The first page in Chromium: what it shows there, that it keeps to its own rules, and the list of
 * arrivals, which needs no subscription. Subscribing is tried with Firefox, the browser it is for.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { PageWorld } from "./page_world.ts";

const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0";

Deno.test("the page loads without errors, breaks no policy and finds the service", async () => {
  await using world = await PageWorld.open();
  await world.page.locator("#service[data-state=ready]").waitFor();
  assertEquals(await world.page.title(), "This browser – Heliograph");
  assertEquals(await world.page.locator("body").getAttribute("data-subscription"), "none");
  assertEquals(world.complaints, []);
});

Deno.test("the page tells Chromium's user to take Firefox, and opens the settings", async () => {
  await using world = await PageWorld.open();
  const { page } = world;
  assertEquals(await page.locator("#diagnosis").getAttribute("data-kind"), "wrong_browser");
  assertStringIncludes(await page.locator("#diagnosis").innerText(), "push service of Google");
  assertEquals(await page.locator("body").getAttribute("data-browser"), "wrong_browser");
  assertEquals(await page.locator("#subscribe").isDisabled(), true);
  assertEquals(await page.locator("#send").isDisabled(), true);
  assertMatch(
    await page.locator("#preferences").innerText(),
    /^dom\.push\.testing\.allowInsecureServerURL\s+true\s+Copy name\s+dom\.push\.serverURL\s+ws:\/\/127\.0\.0\.1:8081\/\s+Copy$/,
  );
  assertStringIncludes(await page.locator("#firefox-command").innerText(), world.url);
});

Deno.test("the page says where to change a permission that was denied", async () => {
  await using world = await PageWorld.open({ userAgent: FIREFOX });
  const { page } = world;
  await page.locator("#subscribe").click();
  await page.locator("#diagnosis[data-kind=permission_denied]").waitFor();
});

Deno.test("the page says what to check when the browser cannot register, and lets one try again", async () => {
  await using world = await PageWorld.open({ userAgent: FIREFOX, notifications: "granted" });
  const { page } = world;
  assertEquals(await page.locator("#diagnosis").isVisible(), false);
  for (let attempt = 0; attempt < 2; attempt++) {
    await page.locator("#subscribe").click();
    await page.locator("#diagnosis[data-kind=registration_failed]").waitFor();
    await page.locator("#subscribe:enabled").waitFor();
  }
  assertEquals(await page.locator("#setup").getAttribute("open"), "");
  assertEquals(await page.locator("body").getAttribute("data-subscription"), "none");
});

Deno.test("the page works by keyboard, in the order it is read", async () => {
  await using world = await PageWorld.open();
  const { page } = world;
  const visited: string[] = [];
  for (let step = 0; step < 13; step++) {
    await page.keyboard.press("Tab");
    const focused = page.locator(":focus");
    const name = await focused.getAttribute("id") ?? await focused.getAttribute("aria-label") ??
      await focused.innerText();
    visited.push(name.replace(/\s+/g, " "));
    const outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle");
    assertEquals(outline, "solid", `${name} shows that it has the focus`);
  }
  assertEquals(visited, [
    "Heliograph",
    "Monitor",
    "This browser",
    "1 Point Firefox here",
    "Copy name dom.push.testing.allowInsecureServerURL",
    "Copy ws://127.0.0.1:8081/",
    "Copy the commands that start a second Firefox",
    "firefox-command",
    "message",
    "ttl",
    "Metrics",
    "Readiness",
    "Health",
  ]);
  await page.locator("summary").focus();
  await page.keyboard.press("Enter");
  assertEquals(await page.locator("#setup").getAttribute("open"), null);
});

Deno.test("the page lists what arrives, newest first, as text whatever it contains", async () => {
  await using world = await PageWorld.open();
  const { page } = world;
  const hostile = "<img src=x onerror=\"document.title='broken in'\"><b>bold</b>\u202Edesrever";
  await world.push("first", hostile, "");
  await page.locator("#inbox > li").nth(2).waitFor();
  assertEquals(await page.locator("#inbox .text").allTextContents(), [
    "No content",
    hostile,
    "first",
  ]);
  assertEquals(await page.locator("#inbox :is(img, b)").count(), 0);
  assertEquals(await page.title(), "This browser – Heliograph");
  assertEquals(await page.locator("#inbox-empty").isVisible(), false);
  assertEquals(world.complaints, []);
});

Deno.test("the page shows once reopened what came while it was closed, each once", async () => {
  await using world = await PageWorld.open();
  const { page } = world;
  await world.push("before");
  await page.locator("#inbox > li").waitFor();
  await page.goto("about:blank");
  await world.push("meanwhile");
  await page.goto(world.url);
  await page.locator("#inbox > li").nth(1).waitFor();
  await world.push("after");
  await page.locator("#inbox > li").nth(2).waitFor();
  assertEquals(await page.locator("#inbox .text").allTextContents(), [
    "after",
    "meanwhile",
    "before",
  ]);
});

Deno.test("the page keeps the last 100 arrivals, and none after Clear", async () => {
  await using world = await PageWorld.open();
  const { page } = world;
  await world.push(...Array.from({ length: 103 }, (_, index) => `message ${index}`));
  const last = page.locator("#inbox > li", { hasText: "message 102" });
  await last.waitFor();
  const shown = await page.locator("#inbox .text").allTextContents();
  assertEquals([shown.length, shown[0], shown[99]], [100, "message 102", "message 3"]);
  await page.reload();
  await last.waitFor();
  assertEquals(await page.locator("#inbox .text").allTextContents(), shown);
  await page.locator("#clear").press("Enter");
  await page.locator("#inbox-empty").waitFor();
  await page.locator("#message:focus").waitFor();
  await page.reload();
  await page.locator("body:not([data-subscription=checking])").waitFor();
  assertEquals(await page.locator("#inbox > li").count(), 0);
});

Deno.test("the page opens with the service down, says so, and shows what it has", async () => {
  await using world = await PageWorld.open();
  const { page } = world;
  await world.push("kept");
  await page.locator("#inbox > li").waitFor();
  await world.stopService();
  await page.reload();
  await page.locator("#service[data-state=unreachable]").waitFor();
  await page.locator("#inbox > li").waitFor();
  assertEquals(await page.locator("#inbox .text").allTextContents(), ["kept"]);
  assertStringIncludes(await page.locator("#preferences").innerText(), "dom.push.serverURL");
});

Deno.test("the page's worker keeps to the page: the monitor is not shown for a message, nor anything kept of older pages", async () => {
  await using world = await PageWorld.open();
  const { page } = world;
  const [worker] = page.context().serviceWorkers();
  assert(worker !== undefined);
  const open = "openPages().then((pages) => pages.map(({ url }) => new URL(url).pathname))";
  const monitor = await page.context().newPage();
  await monitor.goto(new URL("/", world.url).href);
  assertEquals(await worker.evaluate(open), ["/browser"]);
  await page.goto(monitor.url());
  assertEquals(await worker.evaluate(open), []);
  await page.evaluate("caches.open('page-1').then((old) => old.put('/page.js', new Response('')))");
  await worker.evaluate("activate()");
  assertEquals(await page.evaluate("caches.keys()"), ["page-2"]);
});

for (const widthPx of [320, 390, 1_280]) {
  Deno.test(`the page fits a window of ${widthPx} pixels, whatever arrives`, async () => {
    await using world = await PageWorld.open({ widthPx });
    const { page } = world;
    await world.push("x".repeat(3_000), "line\n".repeat(100));
    await page.locator("#inbox > li").nth(1).waitFor();
    const width = await page.evaluate("document.documentElement.scrollWidth");
    assertEquals(width, widthPx);
  });
}
