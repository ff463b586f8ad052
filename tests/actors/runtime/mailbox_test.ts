import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { MailboxOptions } from "../../../actors/mod.ts";
import { InvariantError } from "../../../actors/mod.ts";
import { WAITING_SENDERS_MAX } from "../../../actors/runtime/limits.ts";
import { type Letter, Mailbox, type WaitingSender } from "../../../actors/runtime/mailbox.ts";

type Asker = { readonly name: string };

function letter(): Letter<Asker> {
  return { type: "", payload: undefined, asker: undefined };
}

function sender(payload: number, admitted: () => void = () => {}): WaitingSender<Asker> {
  return { type: "waited", payload, asker: undefined, admitted };
}

function drain(mailbox: Mailbox<Asker>): readonly unknown[] {
  const payloads: unknown[] = [];
  const into = letter();
  while (mailbox.shift(into)) payloads.push(into.payload);
  return payloads;
}

Deno.test('Mailbox.push() answers "full" at capacity when it refuses', () => {
  const mailbox = new Mailbox<Asker>({ capacity: 2, overflow: "refuse" });
  assertEquals(mailbox.push("m", 1, undefined), "accepted");
  assertEquals(mailbox.push("m", 2, undefined), "accepted");
  assertEquals(mailbox.push("m", 3, undefined), "full");
  assertEquals(drain(mailbox), [1, 2]);
});

Deno.test("Mailbox.push() displaces the oldest letter with its asker under drop_oldest", () => {
  const mailbox = new Mailbox<Asker>({ capacity: 1, overflow: "drop_oldest" });
  const asker = { name: "a" };
  mailbox.push("old", 1, asker);
  assertEquals(mailbox.push("new", 2, undefined), {
    displaced: { type: "old", payload: 1, asker },
  });
  assertEquals(drain(mailbox), [2]);
});

Deno.test("Mailbox.push() displaces the new letter under drop_newest", () => {
  const mailbox = new Mailbox<Asker>({ capacity: 1, overflow: "drop_newest" });
  mailbox.push("old", 1, undefined);
  assertEquals(mailbox.push("new", 2, undefined), {
    displaced: { type: "new", payload: 2, asker: undefined },
  });
  assertEquals(drain(mailbox), [1]);
});

Deno.test("Mailbox.shift() lets waiting senders in, in order, when the ring is half empty", () => {
  const mailbox = new Mailbox<Asker>({ capacity: 4, overflow: "refuse" });
  for (let n = 1; n <= 4; n++) mailbox.push("m", n, undefined);
  const admitted: number[] = [];
  for (const n of [5, 6, 7]) mailbox.wait(sender(n, () => admitted.push(n)));
  const into = letter();
  mailbox.shift(into);
  assertEquals(admitted, [], "three of four wait: not half empty yet");
  mailbox.shift(into);
  assertEquals(admitted, [5, 6], "two of four wait: there is room for two");
  assertEquals(mailbox.waiting, 1);
  assertEquals(drain(mailbox), [3, 4, 5, 6, 7]);
});

Deno.test("Mailbox.push() lets nothing overtake a waiting sender", () => {
  const mailbox = new Mailbox<Asker>({ capacity: 4, overflow: "refuse" });
  for (let n = 1; n <= 4; n++) mailbox.push("m", n, undefined);
  mailbox.wait(sender(5));
  mailbox.shift(letter());
  assertEquals(mailbox.length, 3);
  assertEquals(mailbox.push("m", 6, undefined), "full");
});

Deno.test("Mailbox.leave() forgets a waiting sender", () => {
  const mailbox = new Mailbox<Asker>({ capacity: 1, overflow: "refuse" });
  mailbox.push("m", 1, undefined);
  const waiting = sender(2);
  mailbox.wait(waiting);
  mailbox.leave(waiting);
  assertEquals(mailbox.waiting, 0);
  assertEquals(drain(mailbox), [1]);
});

Deno.test("Mailbox.wait() refuses more senders than its limit", () => {
  const mailbox = new Mailbox<Asker>({ capacity: 1, overflow: "refuse" });
  mailbox.push("m", 0, undefined);
  for (let n = 0; n < WAITING_SENDERS_MAX; n++) mailbox.wait(sender(n));
  assertEquals(mailbox.wait(sender(-1)), false);
  assertEquals(mailbox.waiting, WAITING_SENDERS_MAX);
});

Deno.test("Mailbox refuses a capacity out of range", () => {
  for (const capacity of [0, -1, 1.5, NaN, Infinity, 2 ** 20 + 1]) {
    assertThrows(() => new Mailbox({ capacity, overflow: "refuse" }), InvariantError, "capacity");
  }
});

/** The mailbox as two plain lists: the model it is compared with. */
class Model {
  readonly options: MailboxOptions;
  letters: number[] = [];
  waiting: number[] = [];
  constructor(options: MailboxOptions) {
    this.options = options;
  }
  push(n: number): unknown {
    const { capacity, overflow } = this.options;
    if (this.letters.length < capacity && this.waiting.length === 0) {
      this.letters.push(n);
      return "accepted";
    }
    if (overflow === "refuse") return "full";
    const displaced = overflow === "drop_newest" ? n : this.letters.shift();
    if (overflow === "drop_oldest") this.letters.push(n);
    return { displaced: { type: "m", payload: displaced, asker: undefined } };
  }
  shift(): number | undefined {
    const first = this.letters.shift();
    const { capacity } = this.options;
    if (first !== undefined && this.letters.length <= Math.floor(capacity / 2)) {
      this.letters.push(...this.waiting.splice(0, capacity - this.letters.length));
    }
    return first;
  }
}

Deno.test("Mailbox behaves as two plain lists do, whatever the operations", () => {
  const operations = fc.array(
    fc.constantFrom("push", "push", "push", "shift", "shift", "wait", "leave"),
    { maxLength: 200, size: "max" },
  );
  const options = fc.record({
    capacity: fc.integer({ min: 1, max: 70 }),
    overflow: fc.constantFrom<MailboxOptions["overflow"]>("refuse", "drop_oldest", "drop_newest"),
  });
  fc.assert(fc.property(options, operations, (given, steps) => {
    const mailbox = new Mailbox<Asker>(given);
    const model = new Model(given);
    const senders = new Map<number, WaitingSender<Asker>>();
    const into = letter();
    for (const [n, step] of steps.entries()) {
      if (step === "push") assertEquals(mailbox.push("m", n, undefined), model.push(n));
      else if (step === "shift") {
        assertEquals(mailbox.shift(into) ? into.payload : undefined, model.shift());
      } else if (step === "leave") {
        const left = model.waiting.pop();
        const waiting = left === undefined ? undefined : senders.get(left);
        if (waiting !== undefined) mailbox.leave(waiting);
      } else if (model.letters.length === given.capacity && given.overflow === "refuse") {
        const waiting = { ...sender(n), type: "m" };
        senders.set(n, waiting);
        mailbox.wait(waiting);
        model.waiting.push(n);
      }
      assertEquals(mailbox.length, model.letters.length);
      assertEquals(mailbox.waiting, model.waiting.length);
    }
  }));
});
