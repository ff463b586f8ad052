import { assertEquals } from "@std/assert";
import { Flow, type FlowTotals } from "../../../program/monitor/flow.ts";

const at = { platform: "fcm", origin: "https://push.example" } as const;
const outcomes = {
  delivered: 900,
  token_invalid: 20,
  rejected: 5,
  expired: 4,
  failed: 3,
  cancelled: 2,
};

for (
  const [title, events, change] of [
    ["a notification", [(flow: Flow) => flow.delivered({ kind: "submitted", app: "shop" })], {
      notifications: 1,
    }],
    ["recipients", [(flow: Flow) => flow.delivered({ kind: "expanded", recipients: 7 })], {
      recipients: 7,
    }],
    [
      "batches",
      [1, 2].map(() => (flow: Flow) =>
        flow.delivered({
          ...{ kind: "settled", platform: "apns", outcomes },
          ...{ retries: 74, at: 1, durationMs: 250 },
        })
      ),
      {
        batches: 2,
        retries: 148,
        outcomes: {
          ...{ delivered: 1_800, token_invalid: 40, rejected: 10 },
          ...{ expired: 8, failed: 6, cancelled: 4 },
        },
      },
    ],
    ["answers", [
      (flow: Flow) =>
        flow.delivered({ kind: "answered", platform: "apns", status: 200, reason: "", count: 9 }),
    ], {
      answers: { apns: 9, fcm: 0, webpush: 0 },
    }],
    ["connections", [
      (flow: Flow) => flow.delivered({ kind: "connected", ...at }),
      (flow: Flow) => flow.delivered({ kind: "connected", ...at }),
      (flow: Flow) => flow.delivered({ kind: "disconnected", ...at, reason: "idle" }),
    ], { providerConnections: { apns: 0, fcm: 1, webpush: 0 } }],
    ["a problem", [
      (flow: Flow) => flow.delivered({ kind: "batch_lost", reason: "late" }),
      (flow: Flow) => flow.pushed({ kind: "user_reset" }),
    ], {}],
    ["a message's way", [
      (flow: Flow) => flow.posted(),
      (flow: Flow) => flow.pushed({ kind: "accepted", route: "direct" }),
      (flow: Flow) => flow.pushed({ kind: "sent", source: "direct", delayMs: 1 }),
      (flow: Flow) => flow.pushed({ kind: "acknowledged", code: 100, delayMs: 1 }),
    ], { posts: 1, direct: 1, handed: 1, acknowledged: 1 }],
    ["the other ways", [
      (flow: Flow) => flow.pushed({ kind: "accepted", route: "forwarded" }),
      (flow: Flow) => flow.pushed({ kind: "accepted", route: "stored" }),
      (flow: Flow) => flow.pushed({ kind: "accepted", route: "dropped" }),
    ], { forwarded: 1, stored: 1, dropped: 1 }],
    [
      "devices",
      [(flow: Flow) => flow.opened(), (flow: Flow) => flow.opened(), (flow: Flow) => flow.left()],
      { devices: 1 },
    ],
  ] as readonly (readonly [string, readonly ((flow: Flow) => void)[], Partial<FlowTotals>])[]
) {
  Deno.test(`Flow counts ${title} => ${JSON.stringify(change)}`, () => {
    const flow = new Flow();
    const before = structuredClone(flow.totals);
    for (const event of events) event(flow);
    assertEquals(flow.totals, { ...before, ...change });
  });
}
