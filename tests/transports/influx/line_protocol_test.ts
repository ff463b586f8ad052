import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { NAME_CHARS_MAX } from "../../../transports/influx/limits.ts";
import { float, integer, type Point, pointLine } from "../../../transports/influx/mod.ts";
import { readLine } from "./line_reader.ts";

const POINT: Point = {
  measurement: "m",
  tags: { app: "shop" },
  fields: { f: integer(1) },
  timeNs: "1700000000000000007",
};

const ROWS: readonly (readonly [title: string, change: Partial<Point>, line: string])[] = [
  ["a point", {}, "m,app=shop f=1i 1700000000000000007"],
  ["no tag", { tags: {} }, "m f=1i 1700000000000000007"],
  [
    "tags in the order of their keys",
    { tags: { b: "2", a: "1" } },
    "m,a=1,b=2 f=1i 1700000000000000007",
  ],
  ["no empty tag", { tags: { a: "", b: "2" } }, "m,b=2 f=1i 1700000000000000007"],
  [
    "fields of both types",
    { fields: { i: integer(0), g: float(0), h: float(1.5), big: integer(2 ** 53 - 1) } },
    "m,app=shop i=0i,g=0,h=1.5,big=9007199254740991i 1700000000000000007",
  ],
  [
    "commas, spaces and equals signs escaped",
    { measurement: "m, =", tags: { "a,= ": "x,= y" }, fields: { "f,= ": integer(1) } },
    String.raw`m\,\ =,a\,\=\ =x\,\=\ y f\,\=\ =1i 1700000000000000007`,
  ],
  ["no comment", { measurement: "#m" }, "_m,app=shop f=1i 1700000000000000007"],
  ["quotes as they are", { tags: { a: '"x"' } }, 'm,a="x" f=1i 1700000000000000007'],
  ["line breaks as underscores", { tags: { a: "x\r\ny\0" } }, "m,a=x__y_ f=1i 1700000000000000007"],
  [
    "no backslash that could escape what follows",
    { tags: { a: "x\\", b: "\\,y" } },
    String.raw`m,a=x_,b=_\,y f=1i 1700000000000000007`,
  ],
];

for (const [title, change, line] of ROWS) {
  Deno.test(`pointLine() writes ${title}`, () => {
    assertEquals(pointLine({ ...POINT, ...change }), line);
  });
}

Deno.test("pointLine() cuts names that are too long", () => {
  const { tags } = readLine(pointLine({ ...POINT, tags: { a: "x".repeat(NAME_CHARS_MAX + 1) } }));
  assertEquals(tags, [["a", "x".repeat(NAME_CHARS_MAX)]]);
});

Deno.test("pointLine() is one line that reads as the same point, whatever names are", () => {
  const name = fc.string({ unit: "binary", minLength: 1, maxLength: 20 })
    .filter((text) => text.isWellFormed());
  const nasty = fc.string({ unit: fc.constantFrom(..."\\,= \n\r\0\"'#x"), minLength: 1 });
  const names = fc.oneof(name, nasty);
  // deno-lint-ignore no-control-regex -- what cannot be carried
  const carried = (text: string) => text.replaceAll(/[\\\u0000-\u001f\u007f]/g, "_");
  fc.assert(
    fc.property(names, names, names, names, (measurement, key, value, field) => {
      const line = pointLine({
        ...POINT,
        measurement,
        tags: { [key]: value },
        fields: { [field]: integer(-5) },
      });
      assert(!/[\n\r\0]/.test(line));
      assertEquals(readLine(line), {
        measurement: carried(measurement).replace(/^#/, "_"),
        tags: [[carried(key), carried(value)]],
        fields: { [carried(field)]: "-5i" },
        timeNs: 1_700_000_000_000_000_007n,
      });
    }),
    { numRuns: 500, seed: 5 },
  );
});

const REFUSED: readonly (readonly [change: Partial<Point>, message: string])[] = [
  [{ fields: {} }, 'A point of "m" has no field'],
  [{ fields: { f: integer(1.5) } }, 'Field "f" is 1.5, no integer'],
  [{ fields: { f: integer(2 ** 53) } }, 'Field "f" is 9007199254740992, no integer'],
  [{ fields: { f: float(NaN) } }, 'Field "f" is NaN, no number'],
  [{ fields: { f: float(-Infinity) } }, 'Field "f" is -Infinity, no number'],
  [{ timeNs: "1.7e18" }, '"1.7e18" is no time in nanoseconds'],
  [{ timeNs: "" }, '"" is no time in nanoseconds'],
];

for (const [change, message] of REFUSED) {
  Deno.test(`pointLine() refuses: ${message}`, () => {
    assertThrows(() => pointLine({ ...POINT, ...change }), RangeError, message);
  });
}
