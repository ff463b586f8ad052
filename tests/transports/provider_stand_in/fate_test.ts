import { assert, assertEquals } from "@std/assert";
import {
  expectedAnswer,
  type Fate,
  FATES,
  hashAddress,
  type Shares,
} from "../../../transports/provider_stand_in/fate.ts";
import { recipientAddress } from "../../../transports/provider_stand_in/recipients.ts";
import { NOWHERE } from "../../support/stand_in.ts";

const EACH: Shares = {
  dead: 0.02,
  malformed: 0.01,
  refused: 0.03,
  throttled: 0.01,
  unavailable: 0.02,
  failing: 0.01,
};

for (const platform of ["apns", "fcm", "webpush"] as const) {
  Deno.test(`expectedAnswer() deals out the shares it is given to ${platform}`, () => {
    const dealt = new Map<Fate, number>();
    for (let number = 0; number < 50_000; number++) {
      const fate = expectedAnswer(recipientAddress(platform, number, NOWHERE), 7, EACH);
      dealt.set(fate, (dealt.get(fate) ?? 0) + 1);
    }
    for (const fate of FATES) {
      const expected = 50_000 * (EACH[fate] ?? 0);
      // Five standard deviations: the addresses are the same in every run.
      const room = 5 * Math.sqrt(expected);
      assert(Math.abs((dealt.get(fate) ?? 0) - expected) < room, `${fate}: ${dealt.get(fate)}`);
    }
  });
}

Deno.test("expectedAnswer() depends on the seed", () => {
  const dead = (seed: number) =>
    Array.from({ length: 1_000 }, (_, i) => i)
      .filter((i) => expectedAnswer(`token${i}`, seed, { dead: 0.5 }) === "dead");
  assert(dead(1).join() !== dead(2).join());
  assertEquals(dead(1), dead(1));
});

Deno.test("expectedAnswer() is the same wherever the stand-in listens", () => {
  const at = (port: number) => `https://localhost:${port}/wp/abc`;
  assertEquals(hashAddress(at(1)), hashAddress(at(2)));
  assertEquals(hashAddress(at(1)), hashAddress("/wp/abc"));
});

Deno.test("expectedAnswer() is healthy without shares, and never with a share of one", () => {
  assertEquals(expectedAnswer("token", 1, {}), "healthy");
  for (const fate of FATES) assertEquals(expectedAnswer("token", 1, { [fate]: 1 }), fate);
});
