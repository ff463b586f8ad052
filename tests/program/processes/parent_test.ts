/**
 * The parent over real processes, in this one: what it does when children crash, hang, cannot start
 * or do not end. Its deadlines are a manual clock's; what processes do is waited for.
 */

import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { ManualClock, type TimerHandle } from "../../../actors/mod.ts";
import type { ProcessEvent } from "../../../program/processes/events.ts";
import {
  DRAIN_MS,
  HEARTBEAT_MS,
  HEARTBEATS_MISSED_MAX,
  START_MS,
} from "../../../program/processes/limits.ts";
import { runParent } from "../../../program/processes/parent.ts";
import { StartError } from "../../../program/start_error.ts";
import { Arrivals } from "../../support/arrivals.ts";

const CHILD = new URL("child.ts", import.meta.url).pathname;
const PORTS = { endpointPort: 1_001, devicePort: 1_002, apiPort: 1_003 };

/** A folder for what children remember. */
function folder(): Disposable & { readonly path: string } {
  const path = Deno.makeTempDirSync({ prefix: "heliograph-processes-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/** A clock that stands still and tells which timers are armed. */
class WatchedClock extends ManualClock {
  readonly timers = new Arrivals<number>();

  override set(ms: number, callback: () => void): TimerHandle {
    const handle = super.set(ms, callback);
    this.timers.add(ms);
    return handle;
  }

  /** Lets time pass up to the next timer, once there is one of at most this many milliseconds. */
  async pass(maxMs: number): Promise<void> {
    for (;;) {
      this.advance(0);
      const { nextMs } = this;
      if (nextMs !== undefined && nextMs <= maxMs) return this.advance(nextMs);
      await this.timers.until((ms) => ms <= maxMs, { what: "a timer", from: this.timers.size });
    }
  }
}

/** A parent that runs in this process. */
class Subject implements AsyncDisposable {
  readonly events = new Arrivals<ProcessEvent>();
  readonly clock = new WatchedClock();
  readonly status: Promise<number>;
  readonly #stop = new AbortController();
  readonly #kill = new AbortController();

  constructor(processes: number, ...ways: readonly string[]) {
    const flags = ["--no-lock", "--v8-flags=--max-old-space-size=64", "-A"];
    this.status = runParent({
      processes,
      command: { program: Deno.execPath(), args: ["run", ...flags, CHILD, "serve", ...ways] },
      stop: this.#stop.signal,
      kill: this.#kill.signal,
      onEvent: (event) => this.events.add(event),
      clock: this.clock,
    });
    // A test that expects a failure awaits it; one that does not fails by what it waits for instead.
    this.status.catch(() => {});
  }

  stop(): Promise<number> {
    this.#stop.abort();
    return this.status;
  }

  kill(): Promise<number> {
    this.#kill.abort();
    return this.status;
  }

  /** The next event of this kind after those seen, of this child. */
  async event<K extends ProcessEvent["kind"]>(
    kind: K,
    index?: number,
    count = 1,
  ): Promise<Extract<ProcessEvent, { readonly kind: K }>> {
    const found = await this.events.until(
      (event) => event.kind === kind && (index === undefined || isOf(event, index)),
      { what: `${count} ${kind} of ${index ?? "any"}`, count },
    );
    const last = found[count - 1];
    if (last === undefined || !isKind(last, kind)) throw new Error("not what was waited for");
    return last;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill().catch(() => {});
  }
}

function isOf(event: ProcessEvent, index: number): boolean {
  return "index" in event && event.index === index;
}

function isKind<K extends ProcessEvent["kind"]>(
  event: ProcessEvent,
  kind: K,
): event is Extract<ProcessEvent, { readonly kind: K }> {
  return event.kind === kind;
}

/** The longest delay before a restart. */
const BACKOFF_MS = 5_000;

/** The longest delay before the first one: shorter than the time of a heartbeat. */
const FIRST_BACKOFF_MS = 100;

Deno.test("runParent() starts children one after the other on the ports of the first, and ends 0 when all drain", async () => {
  await using subject = new Subject(3);
  const { ports, processes } = await subject.event("ready");
  assertEquals([ports, processes], [PORTS, 3]);
  const kinds = subject.events.all.map((event) =>
    "index" in event ? `${event.kind} ${event.index}` : event.kind
  );
  assertEquals(kinds, [
    ...["child_started 1", "child_ready 1", "child_started 2", "child_ready 2"],
    ...["child_started 3", "child_ready 3", "ready"],
  ]);
  assertEquals(await subject.stop(), 0);
  const ends = await subject.events.until(({ kind }) => kind === "child_exited", {
    what: "all ends",
    count: 3,
  });
  assertEquals(ends.map((end) => end.kind === "child_exited" && end.orderly), [true, true, true]);
});

/** Ends of a process that serves: how it behaves, what is told, and what brings it about. */
const ENDS: readonly (readonly [
  way: string,
  reason: RegExp,
  cause: (subject: Subject, pid: number) => void | Promise<void>,
])[] = [
  ["heap", /^SIG(TRAP|ILL|ABRT): a fatal error of V8, such as an exhausted heap$/, () => {}],
  ["end", /^exit status 0$/, () => {}],
  ["kill", /^SIGKILL: by somebody/, (_, pid) => Deno.kill(pid, "SIGKILL")],
  ["busy", /^killed: no heartbeat for 5 s$/, async ({ clock }) => {
    for (let missed = 0; missed <= HEARTBEATS_MISSED_MAX; missed++) await clock.pass(HEARTBEAT_MS);
  }],
];

for (const [way, reason, cause] of ENDS) {
  Deno.test(`runParent() restarts a child on the same ports after: ${way}`, async () => {
    using files = folder();
    await using subject = new Subject(1, `${way}:1:${files.path}/${way}`);
    const { pid } = await subject.event("child_ready", 1);
    await cause(subject, pid);
    const end = await subject.event("child_exited", 1);
    assertMatch(end.reason, reason);
    assertEquals([end.pid, end.orderly], [pid, false]);
    await subject.clock.pass(BACKOFF_MS);
    const again = await subject.event("child_ready", 1, 2);
    assertEquals(again.ports, PORTS);
    assertNotEquals(again.pid, pid);
    assertEquals(await subject.stop(), 0);
  });
}

/** Starts that fail: where and how the child behaves, and what comes of it. */
const FAILURES: readonly (readonly [way: string, expected: number | RegExp])[] = [
  ["exit2:1", 2],
  ["exit1:1", 1],
  ["exit2:2", 2],
  ["exit7:1", /^processes: process 1 has ended: exit status 7$/],
  ["exit0:2", /^processes: process 2 has ended: exit status 0$/],
  ["trap:2", /^processes: process 2 has ended: SIGTRAP: a fatal error of V8/],
];

for (const [way, expected] of FAILURES) {
  Deno.test(`runParent() ends, restarting nothing, when a child cannot start: ${way}`, async () => {
    await using subject = new Subject(2, way);
    if (typeof expected === "number") assertEquals(await subject.status, expected);
    else assertMatch((await assertRejects(() => subject.status, StartError)).message, expected);
    const kinds = subject.events.all.map(({ kind }) => kind);
    const started = kinds.filter((kind) => kind === "child_started").length;
    const ended = kinds.filter((kind) => kind === "child_exited").length;
    assertEquals([started, ended], [Number(way.at(-1)), started]);
    assertEquals(kinds.includes("ready"), false);
  });
}

Deno.test("runParent() kills a child that is not ready in time", async () => {
  await using subject = new Subject(1, "silent");
  await subject.event("child_started");
  await subject.clock.pass(START_MS);
  const error = await assertRejects(() => subject.status, StartError);
  assertMatch(error.message, /process 1 has ended: killed: it was not ready within 60 s$/);
});

Deno.test("runParent() says that there is no such program", async () => {
  const status = runParent({
    processes: 1,
    command: { program: "/nowhere/deno", args: [] },
    stop: new AbortController().signal,
    kill: new AbortController().signal,
    onEvent: () => {},
  });
  const error = await assertRejects(() => status, StartError);
  assertMatch(error.message, /^processes: .*\/nowhere\/deno/);
});

Deno.test("runParent() gives up after more than five crashes in ten seconds, and ends 1", async () => {
  using files = folder();
  // The first process finds the file and serves; no later one does.
  const file = `${files.path}/found`;
  Deno.writeTextFileSync(file, "");
  await using subject = new Subject(1, `exit3:1:${file}`);
  Deno.kill((await subject.event("child_ready", 1)).pid, "SIGKILL");
  for (let crash = 1; crash <= 5; crash++) {
    await subject.event("child_exited", 1, crash);
    Deno.removeSync(file);
    await subject.clock.pass(BACKOFF_MS);
    await subject.event("child_started", 1, crash + 1);
  }
  assertEquals(await subject.status, 1);
  const { restarts, withinMs } = await subject.event("gave_up");
  assertEquals([restarts, withinMs], [5, 10_000]);
});

Deno.test("runParent() ends 0 when it is stopped while a child starts", async () => {
  await using subject = new Subject(2, "silent:2");
  await subject.event("child_started", 2);
  assertEquals(await subject.stop(), 0);
  const ends = subject.events.all.filter(({ kind }) => kind === "child_exited");
  assertEquals(ends.length, 2);
});

Deno.test("runParent() restarts a child that ends while another one starts", async () => {
  using files = folder();
  const file = `${files.path}/late`;
  await using subject = new Subject(2, `late:2:${file}`);
  await subject.event("child_started", 2);
  Deno.kill((await subject.event("child_ready", 1)).pid, "SIGKILL");
  await subject.event("child_exited", 1);
  Deno.writeTextFileSync(file, "");
  await subject.event("ready");
  await subject.clock.pass(FIRST_BACKOFF_MS);
  await subject.event("child_ready", 1, 2);
  assertEquals(await subject.stop(), 0);
});

Deno.test("runParent() starts nothing when it was stopped before", async () => {
  const onEvent = (event: ProcessEvent) => {
    throw new Error(event.kind);
  };
  const stop = AbortSignal.abort();
  const kill = new AbortController().signal;
  const command = { program: "/nowhere/deno", args: [] };
  assertEquals(await runParent({ processes: 1, command, stop, kill, onEvent }), 0);
});

Deno.test("runParent() stopped between an end and the restart starts nothing more", async () => {
  await using subject = new Subject(2);
  await subject.event("ready");
  const { pid } = await subject.event("child_ready", 1);
  Deno.kill(pid, "SIGKILL");
  await subject.event("child_exited", 1);
  assertEquals(await subject.stop(), 0);
  const started = subject.events.all.filter(({ kind }) => kind === "child_started");
  assertEquals(started.length, 2);
});

Deno.test("runParent() ends 1 when a child's drain was cut", async () => {
  await using subject = new Subject(2, "cut:2");
  await subject.event("ready");
  assertEquals(await subject.stop(), 1);
});

Deno.test("runParent() kills a child that does not end in time, and ends 1", async () => {
  await using subject = new Subject(2, "deaf:1");
  await subject.event("ready");
  const status = subject.stop();
  // All are told at once: the one that can ends while the other is waited for.
  await subject.event("child_stray", 1);
  assertEquals((await subject.event("child_exited", 2)).orderly, true);
  subject.clock.advance(DRAIN_MS);
  const { reason, orderly } = await subject.event("child_exited", 1);
  assertEquals([reason, orderly], ["killed: it did not end within 30 s of SIGTERM", false]);
  assertEquals(await status, 1);
});

Deno.test("runParent() told to end at once kills what drains, and ends 130", async () => {
  await using subject = new Subject(2, "deaf");
  await subject.event("ready");
  const status = subject.stop();
  await subject.event("child_stray", 1);
  assertEquals([await subject.kill(), await status], [130, 130]);
});

Deno.test("runParent() tells of what is no message on the channel, cut, and goes on", async () => {
  await using subject = new Subject(1, "garbage");
  await subject.event("ready");
  const strays = subject.events.all.filter((event) => isKind(event, "child_stray"));
  assertEquals(strays.reduce((sum, { lines }) => sum + lines, 0), 4);
  assertEquals(strays[0]?.text, "hello");
  assert(strays.every(({ text }) => text.length <= 120));
  assertEquals(await subject.stop(), 0);
});
