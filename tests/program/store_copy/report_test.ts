import { assertEquals } from "@std/assert";
import type { World } from "../../../program/commands/world.ts";
import { CopyReport } from "../../../program/store_copy/report.ts";

/** A terminal that is looked at and a clock that is moved. */
class Stage {
  text = "";
  nowMs = 0;
  readonly world: World;

  constructor(live: World["terminal"]["live"]) {
    this.world = {
      terminal: {
        print: () => {},
        report: (text) => void (this.text += text),
        stdout: new WritableStream(),
        stdin: new ReadableStream(),
        live,
        screen: undefined,
      },
      now: () => this.nowMs,
      wallNow: () => 0,
      sleep: () => Promise.resolve(),
      onInterrupt: () => ({ [Symbol.dispose]: () => {} }),
    };
  }

  /** What was written since the last time. */
  take(): string {
    const { text } = this;
    this.text = "";
    return text;
  }
}

/** Two tables of which so many devices are copied. */
function tables(copied: number) {
  const device = { name: "device", copied, total: 10_000 };
  return [[{ name: "app", copied: 1, total: 1 }, device], device] as const;
}

Deno.test("CopyReport writes a line when a table begins and ends, and one a second in between", () => {
  const stage = new Stage(undefined);
  const report = new CopyReport(stage.world);
  report.show(...tables(0));
  assertEquals(
    stage.take(),
    "device: 0 of 10,000 rows (0%); all: 1 of 10,001 rows (0%), 0 rows/s\n",
  );
  stage.nowMs = 999;
  report.show(...tables(4_000));
  assertEquals(stage.take(), "");
  stage.nowMs = 1_000;
  report.show(...tables(5_000));
  assertEquals(
    stage.take(),
    "device: 5,000 of 10,000 rows (50%); all: 5,001 of 10,001 rows (50%), 5,000 rows/s, 1s left\n",
  );
  stage.nowMs = 1_001;
  report.show(...tables(10_000));
  assertEquals(
    stage.take(),
    "device: 10,000 of 10,000 rows (100%); all: 10,001 of 10,001 rows (100%), 9,990 rows/s, 0s left\n",
  );
  report.end();
  assertEquals(stage.take(), "");
});

Deno.test("CopyReport draws two lines in place on a terminal, cut to its columns, and removes them", () => {
  const stage = new Stage({ columns: 30, colour: true });
  const report = new CopyReport(stage.world);
  report.show(...tables(0));
  const lines = "\x1b[Kdevice: 0 of 10,000 rows (0%)\n\x1b[Kall: 1 of 10,001 rows (0%), 0 \n\x1b[J";
  assertEquals(stage.take(), `\r${lines}`);
  stage.nowMs = 250;
  report.show(...tables(1));
  assertEquals(stage.take().startsWith("\r\x1b[2A\x1b[Kdevice: 1 of 10,000"), true);
  report.end();
  assertEquals(stage.take(), "\r\x1b[2A\x1b[J");
});
