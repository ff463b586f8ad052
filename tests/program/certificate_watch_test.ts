/** When the first certificate ends: among real apps, over time that is moved, with a store that fails and hangs. */

import { assertEquals } from "@std/assert";
import { macrotask, ManualClock } from "../../actors/runtime/clock.ts";
import { CERTIFICATE_LOOK_MS, watchCertificates } from "../../program/certificate_watch.ts";
import { MemoryDeliveryStore } from "../../transports/memory/memory_delivery_store.ts";
import { runWell } from "../support/programs.ts";

const TOPIC = { topic: "com.example.app" } as const;

/** A certificate that ends after so many days, and when that is. */
async function certificateOf(folder: string, days: number): Promise<readonly [string, number]> {
  const file = `${folder}/${days}.pem`;
  await runWell("openssl", [
    ...["req", "-x509", "-nodes", "-days", `${days}`, "-subj", "/CN=test"],
    ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", `${file}.key`],
    ...["-out", file],
  ]);
  const said = await runWell("openssl", ["x509", "-noout", "-enddate", "-in", file]);
  return [await Deno.readTextFile(file), Date.parse(said.replace("notAfter=", ""))];
}

Deno.test("watchCertificates() tells the first end of all apps, at once and again, whatever the store does", async () => {
  const folder = await Deno.makeTempDir();
  const [[late, lateEnd], [soon, soonEnd]] = [
    await certificateOf(folder, 300),
    await certificateOf(folder, 30),
  ];
  await Deno.remove(folder, { recursive: true });
  const clock = new ManualClock();
  let state: "well" | "failing" | "hanging" = "well";
  let asked = 0;
  await using store = new MemoryDeliveryStore();
  const told: (number | undefined)[] = [];
  const watching = watchCertificates({
    store: {
      apps() {
        asked++;
        if (state === "failing") return Promise.reject(new Error("away"));
        return state === "hanging" ? new Promise(() => {}) : store.apps();
      },
    },
    tell: (endsAt) => void told.push(endsAt),
    clock,
  });
  const save = (name: string, certificate: string) =>
    store.saveApp(name, { apns: { certificate, certificateKey: "", ...TOPIC } }, 0);
  const next = async () => {
    clock.advance(CERTIFICATE_LOOK_MS);
    await macrotask();
  };
  await macrotask();
  assertEquals(told, [undefined]);
  await save("a", late);
  await save("b", soon);
  await save("c", "damaged");
  await store.saveApp("d", { apns: { key: "", keyId: "", teamId: "", ...TOPIC } }, 0);
  await next();
  assertEquals(told, [undefined, soonEnd]);
  await store.removeApp("b");
  state = "failing";
  await next();
  assertEquals(told.length, 2);
  state = "well";
  await next();
  assertEquals(told.slice(2), [lateEnd]);
  state = "hanging";
  const before = asked;
  await next();
  await next();
  assertEquals([asked - before, told.length], [1, 3]);
  watching[Symbol.dispose]();
  await next();
  assertEquals([asked - before, clock.armed], [1, 0]);
});
