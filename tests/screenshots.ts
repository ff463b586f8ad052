/**
 * Takes the pictures of the monitor that stand in README: a node with a stand-in for its providers, traffic for ten
 * minutes, as much as the bars show, and every view as Chromium draws it: wide and light, wide and dark, and
 * on a phone.
 *
 * What is sent to whom, and how the providers answer, is the same each time; times, ids and exact rates are not.
 *
 * ```sh
 * deno task screenshots [--minutes N] [--to FOLDER]
 * ```
 *
 * @module
 */

import type { Page } from "playwright-core";
import { recipientRow } from "../transports/provider_stand_in/mod.ts";
import { type MonitorLook, MonitorWorld } from "./browser/monitor_world.ts";
import { type CampaignService, valueOf } from "./support/campaign_service.ts";
import { flatPng } from "./support/png.ts";
import { report } from "./support/seeded.ts";
import { MADE } from "./support/stand_in.ts";

/** Bytes of a picture: a clone of the repository has all of them. */
const PICTURE_BYTES_MAX = 150_000;

/** The looks, by what their files' names end in. */
const LOOKS: readonly (readonly [suffix: string, look: MonitorLook])[] = [
  ["", { widthPx: 1_280, heightPx: 800 }],
  ["-dark", { widthPx: 1_280, heightPx: 800, colorScheme: "dark" }],
  ["-phone", { widthPx: 390, heightPx: 844 }],
];

/** Devices of the app that sends. */
const DEVICES = 12_000;

/** Time between two notifications, in milliseconds. */
const EVERY_MS = 500;

/** Time in which a view that is drawn live gets its first frames, in milliseconds. */
const SETTLE_MS = 2_500;

/** Tags that devices have, one each and as many of each. */
const TAGS = [
  ...["berlin", "paris", "madrid", "lisbon", "vienna", "warsaw", "oslo", "athens", "dublin"],
  ...["prague", "rome", "zagreb", "tallinn", "riga", "vilnius", "sofia", "bern", "brussels"],
  ...["budapest", "helsinki"],
];

/** What is sent, in turns. */
const TEXTS = [
  ["Your order is on its way", "It will be with you tomorrow between ten and twelve"],
  ["Goal!", "Two to one, in the 89th minute"],
  ["Rain in an hour", "Take an umbrella, it goes on until the evening"],
  ["Your table is ready", "We keep it for you for fifteen minutes"],
  ["Platform change", "Your train leaves from platform 7"],
] as const;

/** An app with its devices. */
async function prepare(campaign: CampaignService): Promise<void> {
  const { api, standIn } = campaign;
  await standIn.behave({ shares: { dead: 0.02, refused: 0.01, throttled: 0.02 } });
  const { origins } = standIn;
  valueOf(await api.putApp("shop", MADE.credentials(origins)));
  const lines = Array.from({ length: DEVICES }, (_, number) => {
    const row = recipientRow(number, "shop", { origins, keys: MADE.receiver });
    const tags = [TAGS[Math.floor(number * TAGS.length / DEVICES)]];
    return `${JSON.stringify({ ...row, user: `customer-${number >> 1}`, tags })}\n`;
  });
  const options = { app: "shop", format: "ndjson" } as const;
  valueOf(await api.importDevices(new Blob(lines).stream(), options, () => {}));
}

/** Another app, which is paused: Apple does not know its key. */
async function pauseOne(campaign: CampaignService): Promise<void> {
  const { api, standIn: { origins } } = campaign;
  const { apns } = MADE.credentials(origins);
  valueOf(await api.putApp("parcels", { apns: { ...apns, keyId: "OLDKEY1234" } }));
  const phone = { ...recipientRow(0, "parcels", { origins, keys: MADE.receiver }), id: "my-phone" };
  const row = new Blob([`${JSON.stringify(phone)}\n`]).stream();
  valueOf(await api.importDevices(row, { app: "parcels", format: "ndjson" }, () => {}));
  await campaign.send("parcels");
}

/** Apple's refusal comes when it comes. */
async function isPaused(page: Page): Promise<void> {
  await page.locator(".app[data-name=parcels] .lane[data-paused=true]").waitFor();
}

/** Sends until it is told to end: up and down like a day, and now and then to everybody at once. */
async function traffic(campaign: CampaignService, signal: AbortSignal): Promise<void> {
  for (let turn = 0; !signal.aborted; turn++) {
    const [title, body] = TEXTS[turn % TEXTS.length] ?? [];
    const some = 4 + Math.round(2.5 * Math.sin(turn / 90) + 0.8 * Math.sin(turn / 11));
    const to = turn % 150 === 70 ? { all: true } : { tags: TAGS.slice(0, some) };
    await campaign.send("shop", { content: { title, body }, to });
    await rest(EVERY_MS, signal);
  }
}

/** A view: its address, its file's name, what has to be before it is opened, and what to do there. */
interface View {
  readonly name: string;
  readonly address: string;
  readonly before?: (campaign: CampaignService) => Promise<void>;
  readonly there?: (page: Page) => Promise<void>;
}

function views(notification: string): readonly View[] {
  return [
    { name: "deliveries", address: "deliveries" },
    { name: "tour", address: "tour" },
    { name: "notifications", address: "notifications" },
    { name: "notification", address: `notifications/${notification}` },
    { name: "compose", address: "compose", there: compose },
    { name: "devices", address: "devices?app=shop" },
    { name: "apps", address: "apps", before: pauseOne, there: isPaused },
    { name: "nodes", address: "nodes" },
  ];
}

async function compose(page: Page): Promise<void> {
  const [[title, body]] = TEXTS;
  await page.getByLabel("App", { exact: true }).selectOption("shop");
  await page.getByLabel("Tag", { exact: true }).fill("berlin");
  await page.getByLabel("Title", { exact: true }).fill(title);
  await page.getByLabel("Body", { exact: true }).fill(body);
}

/** Takes all pictures into a folder. */
async function takeAll(world: MonitorWorld, notification: string, folder: string): Promise<void> {
  const { campaign, page } = world;
  for (const { name, address, before, there } of views(notification)) {
    await before?.(campaign);
    await world.look({ ...LOOKS[0]?.[1], reducedMotion: true });
    await world.show(address);
    await there?.(page);
    for (const [suffix, look] of LOOKS) {
      await world.look({ ...look, reducedMotion: true });
      await page.evaluate("document.activeElement?.blur(); scrollTo(0, 0)");
      await rest(SETTLE_MS);
      const path = `${folder}/${name}${suffix}.png`;
      const picture = flatPng(await page.screenshot());
      const { length } = picture;
      report(`${path}: ${length} bytes`);
      if (length > PICTURE_BYTES_MAX) {
        throw new RangeError(`"${path}" has ${length} bytes, more than ${PICTURE_BYTES_MAX}`);
      }
      await Deno.writeFile(path, picture);
    }
  }
}

/** Runs a node for so many minutes and takes the pictures. */
export async function takeScreenshots(
  { minutes, folder }: { readonly minutes: number; readonly folder: string },
): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  await using world = await MonitorWorld.open();
  const { campaign } = world;
  await prepare(campaign);
  const ends = new AbortController();
  const sending = traffic(campaign, ends.signal);
  try {
    await Promise.race([rest(minutes * 60_000), sending]);
    // One that has been going on for some seconds when its picture is taken, and will for a while.
    const [title, body] = TEXTS[0];
    const notification = await campaign.send("shop", {
      content: { title, body },
      ratePerSecond: DEVICES / 60,
    });
    await takeAll(world, notification, folder);
    const { complaints } = world;
    if (complaints.length > 0) throw new Error(`The page complained: ${complaints.join("\n")}`);
  } finally {
    ends.abort();
    await sending;
  }
}

function rest(ms: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal?.addEventListener("abort", () => {
    clearTimeout(timer);
    resolve();
  }, { once: true });
  return promise;
}

if (import.meta.main) {
  const value = (name: string) => {
    const at = Deno.args.indexOf(name);
    return at < 0 ? undefined : Deno.args[at + 1];
  };
  await takeScreenshots({
    minutes: Number(value("--minutes") ?? 10),
    folder: value("--to") ?? new URL("../docs/screenshots", import.meta.url).pathname,
  });
}
