/**
 * The colours of bars: whoever sees fewer colours than others tells the parts of a bar apart all the same.
 *
 * Colours are seen through the matrices of Machado, Oliveira and Fernandes ("A Physiologically-based Model for
 * Simulation of Color Vision Deficiency", 2009), complete deficiencies, and compared in CIE 1976 L*a*b*.
 */

import { assert } from "@std/assert";
import { OUTCOMES, PLATFORMS } from "../../../transports/dashboard/monitor/format.js";

type Triple = readonly [number, number, number];

/** A difference that is seen at once, side by side; 2.3 is the least that is seen at all. */
const DIFFERENCE_MIN = 15;
/** WCAG 2.2, success criterion 1.4.11, is 3; yellow has none on white, and stands beside others with an edge. */
const CONTRAST_MIN = 2.2;

const EYES: Readonly<Record<string, readonly [Triple, Triple, Triple]>> = {
  all: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

const THEMES = [{ name: "light", card: "#ffffff" }, { name: "dark", card: "#1a2028" }] as const;

/** The colours of a theme: the second `:root` of the style sheet is the dark one's. */
async function coloursOf(theme: "light" | "dark"): Promise<ReadonlyMap<string, string>> {
  const path = new URL("../../../transports/dashboard/monitor/monitor.css", import.meta.url);
  const blocks = (await Deno.readTextFile(path)).match(/:root \{[^}]*\}/g) ?? [];
  const block = blocks[theme === "light" ? 0 : 1] ?? "";
  const found = block.matchAll(/--([a-z-]+): (#[0-9a-f]{6});/g);
  return new Map([...found].map(([, name = "", value = ""]) => [name.replaceAll("-", "_"), value]));
}

function linear(colour: string): Triple {
  const part = (from: number): number => {
    const value = Number.parseInt(colour.slice(from, from + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return [part(1), part(3), part(5)];
}

function dot(a: Triple, b: Triple): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function lab(colour: string, [red, green, blue]: readonly [Triple, Triple, Triple]): Triple {
  const seen = linear(colour);
  const rgb: Triple = [
    clamped(dot(red, seen)),
    clamped(dot(green, seen)),
    clamped(dot(blue, seen)),
  ];
  const root = (t: number): number => t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116;
  const x = root(dot([0.4124, 0.3576, 0.1805], rgb) / 0.9505);
  const y = root(dot([0.2126, 0.7152, 0.0722], rgb));
  const z = root(dot([0.0193, 0.1192, 0.9505], rgb) / 1.089);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

function clamped(value: number): number {
  return Math.min(1, Math.max(0, value));
}

function contrast(a: string, b: string): number {
  const [x, y] = [a, b].map((one) => dot([0.2126, 0.7152, 0.0722], linear(one)) + 0.05);
  return Math.max(x ?? 0, y ?? 0) / Math.min(x ?? 0, y ?? 0);
}

for (const { name, card } of THEMES) {
  Deno.test(`the colours of the ${name} theme stay apart for every eye`, async () => {
    const colours = await coloursOf(name);
    for (const parts of [PLATFORMS, OUTCOMES]) {
      const shown = parts.map((part) => [part, colours.get(part) ?? ""] as const);
      for (const [place, [part, colour]] of shown.entries()) {
        assert(contrast(colour, card) >= CONTRAST_MIN, `${part}: ${contrast(colour, card)}`);
        for (const [other, another] of shown.slice(place + 1)) {
          for (const [eye, matrix] of Object.entries(EYES)) {
            const [a, b] = [lab(colour, matrix), lab(another, matrix)];
            const apart = Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
            assert(apart >= DIFFERENCE_MIN, `${part} and ${other}, ${eye}: ${apart.toFixed(1)}`);
          }
        }
      }
    }
  });
}
