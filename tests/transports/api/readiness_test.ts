import { assertEquals } from "@std/assert";
import { type ApiClock, Readiness, type ReadyCheck } from "../../../transports/api/readiness.ts";

/** A clock whose deadlines pass when the test says so. */
class HandClock implements ApiClock {
  readonly #armed = new Set<() => void>();

  get armed(): number {
    return this.#armed.size;
  }

  now(): number {
    return 0;
  }

  after(_ms: number, run: () => void): () => void {
    this.#armed.add(run);
    return () => this.#armed.delete(run);
  }

  pass(): void {
    for (const run of this.#armed) run();
    this.#armed.clear();
  }
}

const GOOD: readonly ReadyCheck[] = [{ name: "store", ok: true, detail: "answers" }];

Deno.test("Readiness.check() gives what the checks found and leaves no timer", async () => {
  const clock = new HandClock();
  assertEquals(await new Readiness(() => Promise.resolve(GOOD), clock).check(), GOOD);
  assertEquals(clock.armed, 0);
});

Deno.test("Readiness.check() runs the checks once for probes at the same time, and again later", async () => {
  let runs = 0;
  const first = Promise.withResolvers<readonly ReadyCheck[]>();
  const readiness = new Readiness(
    () => ++runs === 1 ? first.promise : Promise.resolve([]),
    new HandClock(),
  );
  const probes = [readiness.check(), readiness.check(), readiness.check()];
  first.resolve(GOOD);
  assertEquals(await Promise.all(probes), [GOOD, GOOD, GOOD]);
  assertEquals(runs, 1);
  assertEquals(await readiness.check(), []);
  assertEquals(runs, 2);
});

Deno.test("Readiness.check() answers not ready when the checks hang, without starting more of them", async () => {
  let runs = 0;
  const clock = new HandClock();
  const never = Promise.withResolvers<readonly ReadyCheck[]>();
  const readiness = new Readiness(() => (runs++, never.promise), clock);
  for (let probe = 0; probe < 2; probe++) {
    const answer = readiness.check();
    clock.pass();
    assertEquals(await answer, [
      { name: "readiness", ok: false, detail: "not answered within 2000 ms" },
    ]);
  }
  assertEquals(runs, 1);
  never.resolve(GOOD);
  assertEquals(await readiness.check(), GOOD, "the late result is the one under way");
});

for (
  const [how, ready] of [
    ["reject", () => Promise.reject(new Error("secret path"))],
    ["throw", () => {
      throw new Error("secret path");
    }],
  ] as const
) {
  Deno.test(`Readiness.check() answers not ready, without the cause, when the checks ${how}`, async () => {
    const clock = new HandClock();
    assertEquals(await new Readiness(ready, clock).check(), [
      { name: "readiness", ok: false, detail: "the checks could not be run" },
    ]);
    assertEquals(clock.armed, 0);
  });
}
