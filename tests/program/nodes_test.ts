import { assertEquals } from "@std/assert";
import type { NodeRecord } from "../../actors/push/ports.ts";
import { listNodes } from "../../program/nodes.ts";
import { factsOf } from "../support/node_facts.ts";

const SELF = {
  ...{ id: "self", url: "http://127.0.0.1:8083", roles: ["api"], version: "1", keys: ["secret"] },
  startedAt: 2_000,
};
const STALE = factsOf({ at: 1 });

function list(alive: () => Promise<readonly NodeRecord[]>): ReturnType<typeof listNodes> {
  return listNodes({ identity: SELF, facts: factsOf({ at: 5_000 }), alive });
}

Deno.test("listNodes() has this node alone where no nodes share a store", async () => {
  assertEquals(await list(() => Promise.resolve([])), {
    now: 5_000,
    nodes: [{
      ...{ id: "self", self: true, url: "http://127.0.0.1:8083", roles: ["api"], version: "1" },
      ...{ startedAt: "1970-01-01T00:00:02.000Z", facts: factsOf({ at: 5_000 }) },
    }],
    problem: undefined,
  });
});

Deno.test("listNodes() has all nodes by their start, and this one as it is now", async () => {
  const old = { ...SELF, id: "old", url: undefined, startedAt: 1_000, facts: undefined };
  const young = { ...SELF, id: "young", startedAt: 3_000, facts: STALE };
  const { nodes } = await list(() => Promise.resolve([young, { ...SELF, facts: STALE }, old]));
  assertEquals(nodes.map(({ id, self, url, facts }) => [id, self, url, facts?.at ?? null]), [
    ["old", false, null, null],
    ["self", true, SELF.url, 5_000],
    ["young", false, SELF.url, 1],
  ]);
});

Deno.test("listNodes() has this node when nobody knows of the others, and says why", async () => {
  const { nodes, problem } = await list(() => Promise.reject(new Error("it does not answer")));
  assertEquals(nodes.map(({ id }) => id), ["self"]);
  assertEquals(problem, "other nodes are not known: it does not answer");
});

Deno.test("listNodes() cuts what others wrote, and shows it as it is", async () => {
  const image = "<img src=x onerror=alert(1)>";
  const long = "x".repeat(1_000_000);
  const cut = `${"x".repeat(299)}…`;
  const node = { ...SELF, id: image, facts: undefined };
  const { nodes } = await list(() =>
    Promise.resolve([
      node,
      { ...node, id: long, url: long, version: long, roles: Array(99).fill(long), startedAt: 1e15 },
      { ...node, id: "past", startedAt: -1e15 },
    ])
  );
  const [past, , shown, cuts] = nodes;
  assertEquals([past?.startedAt, shown?.id], ["1970-01-01T00:00:00.000Z", image]);
  assertEquals([cuts?.id, cuts?.url, cuts?.version, cuts?.roles], [
    cut,
    cut,
    cut,
    Array(8).fill(cut),
  ]);
  assertEquals(cuts?.startedAt, "9999-12-31T00:00:00.000Z");
});

Deno.test("listNodes() has a thousand nodes at most, this one among them", async () => {
  const others = Array.from({ length: 1_200 }, (_, index) => {
    return { ...SELF, id: `${index}`, startedAt: index, facts: undefined };
  });
  const { nodes } = await list(() => Promise.resolve(others));
  assertEquals([nodes.length, nodes.filter(({ self }) => self).length], [1_000, 1]);
});
