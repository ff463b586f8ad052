import { assertEquals } from "@std/assert";
import { hashAddress } from "../../../transports/provider_stand_in/fate.ts";
import { Ledger } from "../../../transports/provider_stand_in/ledger.ts";

Deno.test("Ledger.visit() tells the earlier visits, through every growth", () => {
  const ledger = new Ledger();
  const recipients = 100_000;
  for (let i = 0; i < recipients; i++) assertEquals(ledger.visit(hashAddress(`token${i}`)), 0);
  for (let i = 0; i < recipients; i += 3) assertEquals(ledger.visit(hashAddress(`token${i}`)), 1);
  assertEquals(ledger.recipients, recipients);
  assertEquals(ledger.look(hashAddress("token2")), { requests: 1, accepted: 0 });
  assertEquals(ledger.look(hashAddress("token3")), { requests: 2, accepted: 0 });
  assertEquals(ledger.look(hashAddress("nobody")), { requests: 0, accepted: 0 });
});

Deno.test("Ledger.accept() tells the earlier acceptances", () => {
  const ledger = new Ledger();
  const hash = hashAddress("token");
  ledger.visit(hash);
  assertEquals([ledger.accept(hash), ledger.accept(hash)], [0, 1]);
  assertEquals(ledger.look(hash), { requests: 1, accepted: 2 });
});

Deno.test("Ledger.visit() keeps recipients apart whose lower bits are the same", () => {
  const ledger = new Ledger();
  const hashes = [{ high: 1, low: 5 }, { high: 2, low: 5 }, { high: 1, low: 5 + 65_536 }];
  assertEquals(hashes.map((hash) => ledger.visit(hash)), [0, 0, 0]);
  assertEquals(hashes.map((hash) => ledger.visit(hash)), [1, 1, 1]);
});

Deno.test("Ledger.visit() stays at 65,535", () => {
  const ledger = new Ledger();
  const hash = hashAddress("token");
  for (let i = 0; i < 65_540; i++) ledger.visit(hash);
  assertEquals(ledger.look(hash).requests, 65_535);
});

Deno.test("Ledger.clear() forgets", () => {
  const ledger = new Ledger();
  ledger.visit(hashAddress("token"));
  ledger.clear();
  assertEquals(ledger.recipients, 0);
  assertEquals(ledger.visit(hashAddress("token")), 0);
});
