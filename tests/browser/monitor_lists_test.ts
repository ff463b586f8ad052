import { assert, assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { valueOf } from "../support/campaign_service.ts";
import { MADE } from "../support/stand_in.ts";
import { startEngine } from "../support/shared_engine.ts";
import { MonitorWorld } from "./monitor_world.ts";

const APP = "news";
const DEVICES = 10_000;

/** What could do harm if it became more than text. */
const HOSTILE_ID = `"><img/src=x/onerror=document.title='owned'>`;
const HOSTILE_TEXT = `</td><script>document.title="owned"</script> \u202Egnp.exe`;

/** What the node answers. */
async function ask(
  { origin, token }: MonitorWorld,
  path: string,
  init: { readonly method?: string; readonly body?: string } = {},
): Promise<Record<string, unknown>> {
  const response = await fetch(`${origin}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
  });
  const text = await response.text();
  assert(response.ok, `${path}: ${text}`);
  return JSON.parse(text);
}

/** Fills in the search and waits for what it finds. */
async function search(page: Page, by: string, wanted: string, state = ""): Promise<string[]> {
  await page.locator("#device-by").selectOption(by);
  await page.locator("#device-for").fill(wanted);
  await page.locator("#device-state").selectOption(state);
  await page.locator("#device-for").press("Enter");
  const address = new URLSearchParams({ for: wanted }).toString();
  await page.waitForURL((url) => url.hash.includes(address) || wanted === "");
  await page.locator("#view[aria-busy=false] .devices > *").first().waitFor();
  return await page.locator(".devices tbody a[data-id]").evaluateAll((links) =>
    links.map((link) => link.getAttribute("data-id") ?? "")
  );
}

Deno.test("devices are found, shown, sent to and removed among ten thousand", async (t) => {
  await using world = await MonitorWorld.open({ view: "devices" });
  const { page, campaign } = world;
  await t.step("without an app the page says what to do", async () => {
    await page.getByText("there is none yet").waitFor();
  });
  await campaign.standIn.behave({ shares: { dead: 0.02 } });
  await campaign.register(APP, Array.from({ length: DEVICES }, (_, number) => number));
  const hostile = { app: APP, platform: "fcm", token: "t".repeat(64) };
  await ask(world, `/v1/devices/${encodeURIComponent(HOSTILE_ID)}`, {
    method: "PUT",
    body: JSON.stringify({ ...hostile, user: HOSTILE_TEXT, tags: [HOSTILE_TEXT, "beta"] }),
  });
  const notification = await campaign.send(APP);
  await campaign.ended(notification, 60_000);

  await t.step("by the beginning of an id, page by page", async () => {
    await world.show(`devices?app=${APP}`);
    const first = await search(page, "idPrefix", `${APP}-77`);
    const { devices } = await ask(world, `/v1/devices?app=${APP}&idPrefix=${APP}-77&limit=1000`);
    assert(Array.isArray(devices));
    const ids = devices.map(({ id }) => id);
    assertEquals(ids.length, 111);
    assertEquals(first, ids.slice(0, 50));
    await page.locator("#more").click();
    await page.locator(".devices tbody tr").nth(99).waitFor();
    const focused = await page.evaluate("document.activeElement?.getAttribute('data-id')");
    assertEquals(focused, ids[50], "the keyboard goes on at the first of the new ones");
    await page.locator("#more").click();
    await page.locator(".devices tbody tr").nth(110).waitFor();
    assertEquals(await page.locator("#more").count(), 0);
  });

  await t.step("by state, with the outcome that the API has", async () => {
    const [dead = ""] = await search(page, "idPrefix", "", "invalid");
    const device = await ask(world, `/v1/devices/${dead}`);
    const last = device["lastOutcome"];
    assert(last !== null && typeof last === "object" && "reason" in last);
    await page.locator(`a[data-id="${dead}"]`).click();
    const text = await page.locator(".device[data-state=invalid]").innerText();
    assert(text.includes(`Token invalid, ${String(last.reason)}`), text);
    const link = page.locator(`.device a[href="#/notifications/${notification}"]`);
    assertEquals(await link.count(), 1);
  });

  await t.step("by user and tag; names of strangers are text", async () => {
    await world.show(`devices?app=${APP}`);
    assertEquals(await search(page, "tag", "beta"), [HOSTILE_ID]);
    assertEquals(await search(page, "user", HOSTILE_TEXT), [HOSTILE_ID]);
    await page.locator(".devices tbody a[data-id]").click();
    await page.locator(".device").waitFor();
    assert((await page.locator(".device").innerText()).includes("<script>"));
    assertEquals(await page.title(), `${HOSTILE_ID} – Devices – Heliograph`);
    assertEquals(await world.axe(), []);
  });

  await t.step("removed after a question, by keyboard alone", async () => {
    await page.locator("#remove").focus();
    await page.keyboard.press("Enter");
    await page.locator("dialog.ask").waitFor();
    assertEquals(await world.axe("dialog.ask"), []);
    await page.keyboard.press("Escape");
    assertEquals(await page.evaluate("document.activeElement?.id"), "remove");
    await page.keyboard.press("Enter");
    await page.locator("dialog.ask .no:focus").waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.locator(".devices tbody tr").first().waitFor();
    await page.locator("#device-by").waitFor();
    assertEquals(await search(page, "tag", "beta"), []);
    await page.getByText("No device is like that.").waitFor();
  });

  await t.step("on a phone and a tablet nothing is cut off", async () => {
    for (const widthPx of [320, 390, 768]) {
      await world.look({ widthPx, heightPx: 844 });
      await world.show(`devices?app=${APP}`);
      const tooWide = `[...document.querySelectorAll("html, .top, #views, .table")]
        .filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.className || one.tagName)`;
      assertEquals(await page.evaluate(tooWide), [], `${widthPx} px`);
      const views = page.locator("#views a");
      for (const view of await views.all()) {
        const { x = -1, width = 0 } = await view.boundingBox() ?? {};
        assert(x >= 0 && x + width <= widthPx, `${await view.innerText()} at ${widthPx} px`);
      }
    }
    assertEquals(await world.axe(), []);
  });
  assertEquals(world.complaints, []);
});

Deno.test("apps show what is paused and why, and are resumed from the page", async () => {
  await using world = await MonitorWorld.open({ view: "apps" });
  const { page, campaign } = world;
  await page.getByText("No app yet").waitFor();
  await campaign.register(APP, Array.from({ length: 600 }, (_, number) => number));
  const good = MADE.credentials(campaign.standIn.origins);
  const wrong = { ...good, apns: { ...good.apns, keyId: "WRONGKEY01" } };
  valueOf(await campaign.api.putApp(APP, wrong));
  const notification = await campaign.send(APP);
  const lane = page.locator(`.app[data-name=${APP}] .lane[data-platform=apns]`);
  await page.locator(`.lane[data-platform=apns][data-paused=true]`).waitFor();
  const [app] = (await ask(world, "/v1/apps"))["apps"] as readonly {
    readonly pauses: readonly { readonly reason: string }[];
    readonly health: Readonly<
      Record<string, { readonly failure: { readonly reason: string } | null }>
    >;
  }[];
  const reason = app?.pauses[0]?.reason ?? "";
  assert(reason !== "");
  await lane.getByText(reason).first().waitFor();
  const failure = app?.health["apns"]?.failure?.reason ?? "";
  assert((await lane.locator(".facts").last().innerText()).includes(failure));
  const status = await ask(world, "/v1/status");
  const [load] = status["lanes"] as readonly { readonly waiting: number }[];
  await page.locator(`.lane[data-platform=apns][data-waiting="${load?.waiting}"]`).waitFor();
  assertEquals(await world.axe(), []);

  valueOf(await campaign.api.putApp(APP, wrong));
  await page.locator(`.lane[data-platform=apns][data-paused=true]`).waitFor();
  await lane.locator(".resume").focus();
  await page.keyboard.press("Enter");
  const dialog = page.locator("dialog.ask");
  await dialog.waitFor();
  assert((await dialog.innerText()).includes(reason));
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assertEquals(
    await lane.getAttribute("data-paused"),
    "true",
    "a question taken back does nothing",
  );
  await page.route(
    "**/resume?*",
    (route) => route.fulfill({ status: 503, json: { detail: "away" } }),
  );
  await lane.locator(".resume").click();
  await dialog.locator(".yes").click();
  await page.getByText("was not resumed").waitFor();
  await page.waitForResponse("**/v1/dead-letters*");
  await page.waitForResponse("**/v1/dead-letters*");
  await page.getByText("was not resumed").waitFor();
  await page.unroute("**/resume?*");
  world.takeComplaints();
  await lane.locator(".resume").click();
  await dialog.locator(".yes").click();
  // The cause stands: the provider refuses again, and the page shows that pause, too.
  await page.getByText("is resumed").waitFor({ state: "attached" });
  valueOf(await campaign.api.putApp(APP, good));
  await campaign.ended(notification, 30_000);
  await page.locator(`.lane[data-platform=apns][data-paused=false]`).waitFor();
  assertEquals(world.complaints, []);
});

Deno.test("nodes show how they do, and one that died leaves the page", async (t) => {
  await using engine = await startEngine("redis");
  const store = await engine.freshStore();
  const flags = ["--store", store, "--node-port", "0"];
  await using world = await MonitorWorld.open({
    view: "nodes",
    service: { nodes: 2, flags },
    widthPx: 2_560,
  });
  const { page, campaign } = world;
  type Nodes = readonly { readonly id: string; readonly self: boolean; readonly roles: string[] }[];
  const listed = async () => (await ask(world, "/v1/nodes"))["nodes"] as Nodes;
  await page.locator(".node").nth(1).waitFor();
  const nodes = await listed();
  assertEquals(nodes.length, 2);
  await t.step("what the API lists is what the page shows", async () => {
    for (const { id, self, roles } of nodes) {
      const card = page.locator(`.node[data-id="${id}"]`);
      assertEquals(await card.getAttribute("data-self"), String(self));
      assertEquals(await card.locator(".roles").innerText(), roles.join(", "));
      await card.locator(`[data-fact=devices][data-value="0"]`).waitFor();
      assert(Number(await card.locator("[data-fact=rssBytes]").getAttribute("data-value")) > 2e7);
    }
    const checks = (await ask(world, "/v1/nodes"))["checks"] as readonly {
      readonly name: string;
    }[];
    assertEquals(
      await page.locator(".check[data-ok=true]").evaluateAll((all) =>
        all.map((one) => one.getAttribute("data-name"))
      ),
      checks.map(({ name }) => name),
    );
    assertEquals(await world.axe(), []);
  });
  await t.step("a node killed with -9 is gone when its lease has ended", async () => {
    const other = nodes.find(({ self }) => !self)?.id;
    const kept = nodes.find(({ self }) => self)?.id;
    await campaign.nodes[1]?.kill9();
    await page.locator(`.node[data-id="${other}"]`).waitFor({ state: "detached" });
    assertEquals(await page.locator(`.node[data-id="${kept}"]`).count(), 1);
  });
  await t.step("a store that is away is named, and what stood there stays", async () => {
    await engine.stop();
    await page.locator(`.check[data-name=store][data-ok=false]`).waitFor();
    assertEquals(await page.locator(".node").count(), 1);
    await engine.start();
    await page.locator(`.check[data-name=store][data-ok=true]`).waitFor();
  });
  assertEquals(world.complaints, []);
});
