/**
 * Every view of the monitor in a real Firefox, while a campaign runs: its numbers are the API's, the browser
 * complains of nothing, and it can be used with the keyboard alone.
 */

import { assert, assertEquals } from "@std/assert";
import { CampaignService } from "../support/campaign_service.ts";
import { Firefox } from "../support/firefox.ts";

const APP = "news";
const RECIPIENTS = 12_000;
/** So slow that the campaign lasts while all views are looked at. */
const PER_SECOND = 800;

/** Keys as WebDriver names them. */
const ENTER = "\uE007";
const TAB = "\uE004";

/** Signs in as a person does, by keyboard. */
async function signIn(firefox: Firefox, token: string): Promise<void> {
  await firefox.waitFor(`document.activeElement?.id === "token"`, "the form, with the focus in it");
  await firefox.type(token + ENTER);
  await firefox.waitFor(`document.body.dataset.signedIn === "yes"`, "that we are signed in");
}

/** Goes on with the keyboard to a link of the navigation, and opens it. */
async function openByKeyboard(firefox: Firefox, view: string): Promise<void> {
  await firefox.evaluate(`document.querySelector(".brand").focus()`);
  for (let step = 0; step < 12; step++) {
    const here = await firefox.evaluate(`document.activeElement?.getAttribute("data-view")`);
    if (here === view) break;
    await firefox.type(TAB);
  }
  await firefox.type(ENTER);
  await stands(firefox, view);
}

async function stands(firefox: Firefox, view: string): Promise<void> {
  const there = `document.body.dataset.view === "${view}"`;
  const ready = `document.querySelector("#view").getAttribute("aria-busy") === "false"`;
  await firefox.waitFor(`${there} && ${ready}`, `the view ${view}`);
}

/** The number of elements like this. */
async function count(firefox: Firefox, selector: string): Promise<number> {
  const found = `document.querySelectorAll(${JSON.stringify(selector)}).length`;
  return Number(await firefox.evaluate(found));
}

Deno.test("every view works in Firefox while a campaign runs", async (t) => {
  await using campaign = await CampaignService.open();
  const { service } = campaign;
  const token = Deno.readTextFileSync(`${service.dataDir}/api-token`).trim();
  await campaign.standIn.behave({ shares: { dead: 0.02 } });
  await campaign.register(APP, Array.from({ length: RECIPIENTS }, (_, number) => number));
  await using firefox = await Firefox.start({ pushUrl: service.deviceUrl });
  await firefox.listen();
  await firefox.navigate(`http://localhost:${service.apiPort}/`);
  await signIn(firefox, token);
  const id = await campaign.send(APP, { ratePerSecond: PER_SECOND });

  await t.step("deliveries are drawn as they end", async () => {
    await stands(firefox, "deliveries");
    const ended = `Number(document.querySelector(".deliveries")?.dataset.ended)`;
    await firefox.waitFor(`${ended} > 0`, "deliveries");
    await firefox.waitFor(`document.querySelector("#service").dataset.state === "live"`, "live");
  });
  await t.step("the tour shows the parts of this node", async () => {
    await openByKeyboard(firefox, "tour");
    await firefox.waitFor(`document.querySelector(".tour")?.dataset.at > 0`, "a look at the tree");
    for (const path of ["delivery/router", "delivery/feeder", "sinks/recorder", "bars/monitor"]) {
      assertEquals(await count(firefox, `.tour [data-path$="/${path}"]`) > 0, true, path);
    }
  });
  await t.step("the notification is listed, and followed", async () => {
    await openByKeyboard(firefox, "notifications");
    await firefox.waitFor(`document.querySelector('tr[data-id="${id}"]') !== null`, "its row");
    await firefox.click(`tr[data-id="${id}"] a`);
    await stands(firefox, "notifications");
    await firefox.waitFor(
      `document.querySelector('.notification[data-id="${id}"]')?.dataset.status === "sending"`,
      "that it is being sent",
    );
  });
  await t.step("one is composed, with a preview", async () => {
    await firefox.evaluate(`location.hash = "#/compose?app=${APP}"`);
    await stands(firefox, "compose");
    await firefox.click("#compose-title");
    await firefox.type("From Firefox");
    await firefox.waitFor(
      `document.querySelector(".compose").innerText.includes('"From Firefox"')`,
      "what would be sent",
    );
  });
  await t.step("devices, apps and nodes are as the API says", async () => {
    await openByKeyboard(firefox, "devices");
    assertEquals(await count(firefox, ".devices tbody tr"), 50);
    await openByKeyboard(firefox, "apps");
    await firefox.waitFor(
      `document.querySelectorAll(".lane[data-paused=false]").length === 3`,
      "three lanes",
    );
    await openByKeyboard(firefox, "nodes");
    await firefox.waitFor(`document.querySelector(".node[data-self=true]") !== null`, "the node");
    assertEquals(await count(firefox, ".check[data-ok=true]"), 3);
  });
  await t.step("at the end everybody is counted", async () => {
    const { counts } = await campaign.ended(id, 90_000);
    await openByKeyboard(firefox, "deliveries");
    await firefox.waitFor(
      `document.querySelector(".deliveries")?.dataset.ended === "${counts.total}"`,
      `${counts.total} deliveries`,
    );
    assertEquals(
      await firefox.evaluate(
        `Number(document.querySelector("[data-figure=delivered]").dataset.value)`,
      ),
      counts.delivered,
    );
  });
  await t.step("the token is in no address, and gone after signing out", async () => {
    const urls = String(await firefox.evaluate(`[location.href, document.referrer]`));
    assert(!urls.includes(token));
    await firefox.click("#sign-out");
    await firefox.waitFor(`document.activeElement?.id === "token"`, "the form");
    const kept = `JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie])`;
    assert(!String(await firefox.evaluate(kept)).includes(token));
  });
  assertEquals(await firefox.complaints(), []);
});
