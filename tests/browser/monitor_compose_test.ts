/**
 * Composing in Chromium, on a real node whose providers write down what they get: what was previewed is what
 * goes out, once, to whom was named.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import { makeApiToken } from "../../transports/command_line/api_tokens.ts";
import { makeCertificate } from "../../transports/provider_stand_in/mod.ts";
import { valueOf } from "../support/campaign_service.ts";
import { RecordingProviders, type Sent } from "../support/recording_providers.ts";
import { MADE } from "../support/stand_in.ts";
import { asked, NOTIFICATIONS, REASONS } from "./asked.ts";
import { MonitorWorld } from "./monitor_world.ts";

const HOSTILE = `<img src=x onerror="document.title='owned'">"'&\u202eevil`;
const PLATFORMS = ["apns", "fcm", "webpush"] as const;
type Platform = typeof PLATFORMS[number];

/** Types into a field as a person does who came there by the keyboard. */
async function type(page: Page, field: string, text: string): Promise<void> {
  await page.locator(`#compose-${field}`).fill(text);
}

/** Waits until what is typed is previewed, and reads what would be sent. */
async function preview(page: Page, platform: Platform) {
  await page.locator(".compose[data-previewed=yes]").waitFor();
  const card = page.locator(`.preview[data-platform=${platform}][data-state=shown]`);
  const names = await card.locator(".headers dt").allInnerTexts();
  const values = await card.locator(".headers dd").allInnerTexts();
  const payload: unknown = JSON.parse(await card.locator(".payload").innerText());
  return {
    headers: Object.fromEntries(names.map((name, place) => [name, values[place]])),
    payload,
    bytes: Number(await card.locator("[data-bytes]").getAttribute("data-bytes")),
    sketch: (await card.locator(".sketch p").allInnerTexts()).slice(1),
  };
}

/** What counts down until it is sent: lifetimes, each within some seconds of what was previewed. */
function withoutLifetimes(value: unknown): unknown {
  const drop = ["apns-expiration", "ttl"];
  return JSON.parse(JSON.stringify(value, (key, one) => drop.includes(key) ? undefined : one));
}

/** The notifications there are, newest first. */
async function sentSoFar(world: MonitorWorld): Promise<readonly string[]> {
  return (await asked(world, "/v1/notifications", NOTIFICATIONS)).notifications.map(({ id }) => id);
}

/** The id of the notification that the page went to. */
async function landed(page: Page): Promise<string> {
  await page.locator(".notification[data-id]").waitFor();
  return await page.locator(".notification").getAttribute("data-id") ?? "";
}

Deno.test("a notification is written, previewed and sent once", async (t) => {
  const certificate = makeCertificate();
  await using providers = new RecordingProviders(certificate.tls);
  const { origins, receiver } = providers;
  const flags = ["--allowed-push-origin", origins.webpush];
  await using world = await MonitorWorld.open({ view: "compose", service: { certificate, flags } });
  const { campaign: { api, service }, page } = world;

  await t.step("without an app the page says what to do", async () => {
    await page.getByText("there is none yet").waitFor();
    assertEquals(await world.axe(), []);
  });

  const request = { data: service.dataDir, name: "looker", scopes: ["read"] } as const;
  const clock = { now: () => performance.now(), wallNow: () => Date.now() };
  const looker = makeApiToken({ ...request, lifetimeSeconds: undefined }, clock);
  assert(looker.kind === "made");
  valueOf(await api.putApp("shop", MADE.credentials(origins)));
  const subscription = {
    endpoint: `${origins.webpush}/wp/browser`,
    keys: receiver.subscriptionKeys,
  };
  const devices = [
    { id: "phone", platform: "apns", token: "ab".repeat(32), tags: ["beta"] },
    { id: "tablet", platform: "fcm", token: "tablet-token", tags: ["beta"] },
    { id: "desk", platform: "webpush", subscription, tags: ["beta"] },
    { id: "refusing", platform: "fcm", token: "refused-token", tags: ["hostile"] },
  ];
  const rows = devices.map((device) => `${JSON.stringify({ app: "shop", ...device })}\n`);
  const imported = await api.importDevices(
    new Blob(rows).stream(),
    { app: "shop", format: "ndjson" },
    () => {},
  );
  assertEquals(valueOf(imported).imported, devices.length);

  await t.step("to a tag, as it was previewed, and only once for two clicks", async () => {
    await world.show("compose?app=shop&tag=beta");
    await page.getByText("It reaches 3 active devices now.").waitFor();
    await type(page, "title", "Winter sale");
    await type(page, "body", "Coats,\nhats.");
    await type(page, "data", '{"offer": 7, "deep": {"a": [1, "ü"]}}');
    await page.locator("summary", { hasText: "Options" }).click();
    await type(page, "ttl", "3600");
    await page.locator("#compose-urgency").selectOption("high");
    await type(page, "topic", "sale");
    const previews = new Map<Platform, Awaited<ReturnType<typeof preview>>>();
    for (const platform of PLATFORMS) previews.set(platform, await preview(page, platform));
    assertEquals(previews.get("apns")?.sketch, ["Winter sale", "", "Coats,\nhats.", ""]);
    assertEquals(await world.axe(), []);
    await page.locator("#send").dblclick();
    const id = await landed(page);
    assertEquals(await sentSoFar(world), [id]);
    const got = await providers.sent.until(() => true, { what: "all three", count: 3 });
    for (const platform of PLATFORMS) {
      const sent = got.find((one) => one.platform === platform);
      const shown = previews.get(platform);
      assert(sent !== undefined && shown !== undefined);
      assertEquals(withoutLifetimes(JSON.parse(sent.body)), withoutLifetimes(shown.payload));
      assertEquals(picked(sent, Object.keys(shown.headers)), withoutLifetimes(shown.headers));
      if (platform !== "fcm") assertEquals(new TextEncoder().encode(sent.body).length, shown.bytes);
    }
    await page.locator(".notification[data-status=done]").waitFor();
  });

  await t.step("to a device that another page named, hostile as its text may be", async () => {
    await world.show("devices/tablet");
    await page.getByRole("link", { name: "Send to it…" }).click();
    await page.getByText("An active device.").waitFor();
    await type(page, "title", HOSTILE);
    await type(page, "body", HOSTILE);
    const shown = await preview(page, "fcm");
    assertEquals(shown.sketch[0], HOSTILE);
    const from = providers.sent.size;
    await page.locator("#compose-title").press("Enter");
    await landed(page);
    const sent = await providers.sent.next(() => true, { what: "the message", from });
    assertEquals([sent.platform, sent.to], ["fcm", "tablet-token"]);
    assertEquals(withoutLifetimes(JSON.parse(sent.body)), withoutLifetimes(shown.payload));
    assertEquals(await page.locator('.said[data-of="title"]').innerText(), HOSTILE);
    await page.locator(".notification[data-status=done]").waitFor();
    assertEquals(await page.locator("img:not(.brand img)").count(), 0);
  });

  await t.step("what a provider says of it is text", async () => {
    providers.refusal = HOSTILE;
    await world.show("compose?app=shop&tag=hostile");
    await type(page, "title", "Hi");
    await preview(page, "fcm");
    await page.locator("#send").click();
    const id = await landed(page);
    await page.locator('.reasons[data-complete="yes"] tbody tr').waitFor();
    const { reasons } = await asked(world, `/v1/notifications/${id}/reasons`, REASONS);
    const [reason = ""] = reasons.map((one) => one.reason);
    assert(reason.includes("<img src=x"), reason);
    assertEquals(await page.locator(".reasons tbody bdi").first().innerText(), reason);
    assertEquals(await page.locator(".deliveries-of td bdi").first().innerText(), reason);
    assertMatch(await page.locator(".reasons .hint").innerText(), /as Google wants/);
    assert(!(await page.title()).includes("owned"));
  });

  await t.step("sent again it says the same", async () => {
    const [, , first = ""] = await sentSoFar(world);
    await world.show(`notifications/${first}`);
    await page.locator("#again").click();
    await page.locator("#compose-title").waitFor();
    assertEquals(await page.locator("#compose-title").inputValue(), "Winter sale");
    assertEquals(await page.locator("#compose-ttl").inputValue(), "3600");
    assertEquals(await page.locator("#compose-target").inputValue(), "");
    await page.locator("#send").click();
    assertEquals(await page.locator("#compose-target-problem").innerText(), "Say which tag.");
    assertEquals(await page.evaluate("document.activeElement?.id"), "compose-target");
  });

  await t.step("what is wrong stands beneath its field while one types", async () => {
    await type(page, "data", '{"offer": ');
    await page.locator("#compose-data[aria-invalid=true]").waitFor();
    assertMatch(await page.locator("#compose-data-problem").innerText(), /^Not JSON yet/);
    await type(page, "data", "");
    await type(page, "ttl", "a day");
    await page.locator("#compose-ttl[aria-invalid=true]").waitFor();
    assertMatch(
      await page.locator("#compose-ttl-problem").innerText(),
      /whole number of seconds from 0/,
    );
    assertEquals(await world.axe(), []);
    for (const complaint of world.takeComplaints()) assertMatch(complaint, /status of 422/);
    await type(page, "ttl", "60");
    await page.locator("#compose-ttl:not([aria-invalid])").waitFor();
    await type(page, "body", "x".repeat(5_000));
    const problem = page.locator(".preview[data-platform=apns] .preview-problems li");
    await problem.waitFor();
    assertMatch(await problem.innerText(), /payload has 50\d\d bytes, and at most 4096/);
    await type(page, "body", "short");
    await problem.waitFor({ state: "detached" });
  });

  await t.step("an answer that was lost sends nothing twice", async () => {
    const before = await sentSoFar(world);
    await type(page, "target", "beta");
    await page.route("**/v1/notifications", async (route) => {
      await route.fetch();
      await route.abort();
    });
    await page.locator("#send").click();
    await page.getByText("It is not known whether it was accepted").waitFor();
    await page.unroute("**/v1/notifications");
    await page.locator("#send").click();
    const id = await landed(page);
    assertEquals(await sentSoFar(world), [id, ...before]);
    for (const complaint of world.takeComplaints()) assertMatch(complaint, /ERR_FAILED/);
  });

  await t.step("to everyone only after a question that says how many", async () => {
    const before = await sentSoFar(world);
    await world.show("compose?app=shop&all=");
    await type(page, "title", "Hello");
    await page.locator("#compose-title").press("Enter");
    const question = page.locator("dialog.ask");
    await question.waitFor();
    assertMatch(await question.innerText(), /4 active devices of the app shop/);
    assertEquals(await world.axe("dialog.ask"), []);
    await page.keyboard.press("Escape");
    await question.waitFor({ state: "detached" });
    assertEquals(await sentSoFar(world), before);
    await page.locator("#send:enabled").press("Enter");
    await page.locator("dialog.ask .no:focus").waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    const id = await landed(page);
    assertEquals(await sentSoFar(world), [id, ...before]);
  });

  await t.step("on a phone nothing is cut off", async () => {
    await world.look({ widthPx: 390, heightPx: 844, colorScheme: "dark" });
    await world.show("compose?app=shop&tag=beta");
    await type(page, "title", "longword".repeat(30));
    await preview(page, "webpush");
    assertEquals(await page.evaluate("document.documentElement.scrollWidth"), 390);
    assertEquals(await world.axe(), []);
    await world.look({});
  });

  await t.step("a token that may only look says so", async () => {
    assertEquals(world.complaints, []);
    await page.locator("#sign-out").click();
    await page.locator("#token").fill(looker.token.reveal());
    await page.locator("#token").press("Enter");
    await page.locator("#compose-title").fill("Hi");
    await page.locator(".previews-head", { hasText: "it has no scope “send”" }).waitFor();
    await page.locator("#send").click();
    await page.locator(".notice", { hasText: "it has no scope “send”" }).waitFor();
    for (const complaint of world.takeComplaints()) assertMatch(complaint, /status of 403/);
  });
});

/** These headers of a request, but for lifetimes. */
function picked({ headers }: Sent, names: readonly string[]): unknown {
  return withoutLifetimes(Object.fromEntries(names.map((name) => [name, headers[name]])));
}
