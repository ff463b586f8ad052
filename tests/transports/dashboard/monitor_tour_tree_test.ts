import { assertEquals } from "@std/assert";
import {
  addressOf,
  countersOf,
  depthsText,
  drawnFor,
  GAP_MS,
  heights,
  nameOf,
  partsOf,
  RATE_MS,
  Rates,
  Slots,
  totalsOf,
} from "../../../transports/dashboard/monitor/tour_tree.js";
import { actorPart, poolPart, supervisorPart, systemPart } from "./tour_parts.ts";

function counted(value: number): Map<string, number> {
  return new Map([["a", value]]);
}

/** The rate of `a` after these frames of time and value. */
function rateAfter(...frames: readonly (readonly [at: number, value: number])[]) {
  const rates = new Rates();
  for (const [at, value] of frames) rates.take(at, counted(value));
  return rates.of("a");
}

Deno.test("Rates gives what a counter grows in a second", () => {
  const table = [
    { frames: [[0, 7]], rate: undefined, why: "one frame tells of no time" },
    { frames: [[0, 7], [1_000, 17]], rate: 10, why: "a second" },
    { frames: [[0, 7], [2_000, 17]], rate: 5, why: "two seconds" },
    { frames: [[0, 7], [1_000, 7]], rate: 0, why: "nothing" },
    { frames: [[0, 0], [1_000, 30], [2_000, 30], [3_000, 30]], rate: 10, why: "mean of three" },
    { frames: [[0, 0], [1_000, 30], [4_000, 30]], rate: 0, why: `older than ${RATE_MS} ms` },
    { frames: [[0, 900], [1_000, 5], [2_000, 9]], rate: 4, why: "started again" },
    { frames: [[0, 900], [1_000, 5]], rate: undefined, why: "just started again" },
    { frames: [[5_000, 9], [1_000, 10]], rate: undefined, why: "the clock was set back" },
    { frames: [[0, 9], [GAP_MS + 1, 10]], rate: undefined, why: "the page slept" },
  ] as const;
  for (const { frames, rate, why } of table) assertEquals(rateAfter(...frames), rate, why);
});

Deno.test("Rates knows nothing of a counter that is not there any more", () => {
  const rates = new Rates();
  rates.take(0, counted(1));
  rates.take(1_000, new Map());
  assertEquals(rates.of("a"), undefined);
  assertEquals(rates.of("never"), undefined);
});

Deno.test("Slots leaves everybody where they are, whoever comes and goes", () => {
  const slots = new Slots(3);
  assertEquals(slots.place(["a", "b", "c"]), ["a", "b", "c"]);
  assertEquals(slots.place(["c", "a"]), ["a", undefined, "c"]);
  assertEquals(slots.place(["d", "c", "a", "e"]), ["a", "d", "c"], "no room for e");
  assertEquals(slots.place(["e"]), ["e", undefined, undefined]);
  assertEquals(slots.place([]), [undefined, undefined, undefined]);
});

const TREE = systemPart([
  poolPart("root/p", { size: 30, started: 90, handled: 500 }),
  supervisorPart("root/s", [
    actorPart("root/s/one", { handled: 3 }),
    actorPart("root/s/two", { handled: 4 }),
  ]),
]);

Deno.test("partsOf lists a tree from top to bottom, countersOf what grows in it", () => {
  const parts = partsOf(TREE);
  assertEquals([...parts.keys()], ["root", "root/p", "root/s", "root/s/one", "root/s/two"]);
  assertEquals(Object.fromEntries(countersOf(parts.values())), {
    "root/p": 500,
    "root/p#started": 90,
    "root/s/one": 3,
    "root/s/two": 4,
  });
});

Deno.test("drawnFor finds the box of a part that a pool folds", () => {
  const parts = partsOf(TREE);
  const table = [
    ["root/s/one", "root/s/one"],
    ["root/p/815", "root/p"],
    ["root/p/815/of it", "root/p"],
    ["root/gone/7", "root"],
    ["elsewhere/7", undefined],
    ["", undefined],
  ] as const;
  for (const [path, drawn] of table) assertEquals(drawnFor(path, parts), drawn, path);
});

Deno.test("totalsOf names totals by their place, with the sum of each group", () => {
  const totals = totalsOf({ posts: 3, answers: { apns: 1, fcm: 2 }, odd: "text", none: null });
  assertEquals(Object.fromEntries(totals), {
    posts: 3,
    "answers.apns": 1,
    "answers.fcm": 2,
    answers: 3,
  });
  assertEquals(totalsOf(undefined).size, 0);
});

Deno.test("addressOf makes of any path an address whose parts are its names", () => {
  assertEquals(addressOf("root/s/one"), "#/tour/root/s/one");
  const hostile = `a"><img src=x>/#?b`;
  assertEquals(
    addressOf(hostile).slice("#/tour/".length).split("/").map(decodeURIComponent).join("/"),
    hostile,
  );
  assertEquals(nameOf("root/s/one"), "one");
});

Deno.test("heights keep a few to be seen beside thousands", () => {
  const [many = 0, few = 0, none] = heights([20_000, 3, 0]);
  assertEquals([many, few > 0.1, none], [1, true, 0]);
  assertEquals(heights([0, 0]), [0, 0]);
});

Deno.test("depthsText says how many have how many waiting", () => {
  assertEquals(depthsText([19_800, 0, 200]), "19,800 with 0, 200 with 2–3");
  assertEquals(depthsText([0, 0, 0, 0, 0, 0, 0, 0, 1]), "1 with 128 +");
  assertEquals(depthsText([0, 0]), "none");
});
