/**
 * The rules of the source tree that no linter knows: who may import whom, what no module calls,
 * how long files and functions are. Every rule names the file and line it found wanting.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { settingsMarkdown } from "../transports/command_line/help.ts";

const ROOT = new URL("../", import.meta.url);

/** A source file, with its path from the root. */
interface Source {
  readonly path: string;
  readonly lines: readonly string[];
}

async function* walk(folder: string): AsyncGenerator<Source> {
  for await (const entry of Deno.readDir(new URL(folder, ROOT))) {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory) yield* walk(`${path}/`);
    else if (/\.(ts|js)$/.test(entry.name)) yield await read(path);
  }
}

async function read(path: string): Promise<Source> {
  return { path, lines: (await Deno.readTextFile(new URL(path, ROOT))).split("\n") };
}

/** A file without its comments and the examples in them; lines keep their numbers. */
function code({ path, lines }: Source): Source {
  return { path, lines: lines.map((line) => /^\s*(\/?\*|\/\/)/.test(line) ? "" : line) };
}

async function sources(...folders: readonly string[]): Promise<readonly Source[]> {
  const found: Source[] = [];
  for (const folder of folders) found.push(...await Array.fromAsync(walk(folder)));
  return found;
}

const production = await sources("actors/", "transports/", "program/");
const everything = [
  ...production,
  ...await sources("tests/", "bench/"),
  await read("mod.ts"),
];

/** Lines that match, as `path:line: text`. */
function matches(files: readonly Source[], pattern: RegExp): readonly string[] {
  return files.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) => pattern.test(line) ? [`${path}:${index + 1}: ${line}`] : [])
  );
}

/** What a file imports: bare names as they stand, files as paths from the root. */
function imports(source: Source): readonly string[] {
  const { path, lines } = code(source);
  const specifiers = lines.join("\n").matchAll(/(?:from|import)\s+"([^"]+)"/g);
  return [...specifiers].map(([, specifier = ""]) =>
    specifier.startsWith(".")
      ? new URL(specifier, new URL(path, ROOT)).pathname.slice(ROOT.pathname.length)
      : specifier
  );
}

/** The first folders of a path: `transports/sqlite/`. */
function room(path: string, depth: number): string {
  return `${path.split("/").slice(0, depth).join("/")}/`;
}

/** Transports other transports may stand on. */
const FOUNDATIONS: readonly string[] = [
  "transports/delivery_row/",
  "transports/delivery_store/",
  "transports/message_store/",
  "transports/postgres/",
  "transports/redis/",
  "transports/http_door/",
  "transports/http_post/",
  "transports/http2/",
  "transports/p256/",
  "transports/provider/",
];

Deno.test("actors and transports do not import each other", () => {
  const wrong = production.flatMap((file) => {
    if (file.path.startsWith("program/")) return [];
    const forbidden = file.path.startsWith("actors/") ? "transports/" : "actors/";
    return imports(file).filter((path) => path.startsWith(forbidden)).map((path) =>
      `${file.path} imports ${path}`
    );
  });
  assertEquals(wrong, []);
});

Deno.test("the runtime and its test kit import nothing but themselves and the platform", () => {
  const wrong = production.flatMap((file) => {
    if (!/^actors\/(runtime|testing)\//.test(file.path)) return [];
    return imports(file).filter((path) => !/^(actors\/(runtime|testing)\/|node:)/.test(path)).map(
      (path) => `${file.path} imports ${path}`,
    );
  });
  assertEquals(wrong, []);
});

Deno.test("transports stand alone, but for the foundations", () => {
  const wrong = production.flatMap((file) => {
    if (!file.path.startsWith("transports/")) return [];
    const own = [room(file.path, 2), ...FOUNDATIONS];
    return imports(file)
      .filter((path) => path.startsWith("transports/") && !own.includes(room(path, 2)))
      .map((path) => `${file.path} imports ${path}`);
  });
  assertEquals(wrong, []);
});

Deno.test("only the clock knows real time and chance in actors", () => {
  const actors = production.filter(({ path }) =>
    path.startsWith("actors/") && path !== "actors/runtime/clock.ts"
  );
  const banned =
    /\b(Date\.now|performance\.now|new Date\(\)|setTimeout|setInterval|AbortSignal\.timeout|Math\.random)\b/;
  assertEquals(matches(actors.map(code), banned), []);
});

Deno.test("types are never silenced", () => {
  const typed = everything.filter(({ path }) => path !== "tests/tidy_test.ts");
  assertEquals(matches(typed.map(code), /\bas (any|never)\b|: any\b|as unknown as/), []);
  assertEquals(matches(typed, /@ts-ignore|@ts-nocheck/), []);
  const expected = typed.filter(({ path }) => !path.endsWith("types_test.ts"));
  assertEquals(matches(expected, /@ts-expect-error/), []);
});

Deno.test("nothing is left for later, switched off or written to the console", () => {
  const own = everything.filter(({ path }) => path !== "tests/tidy_test.ts");
  assertEquals(matches(own, /\b(TODO|FIXME|XXX|HACK)\b/), []);
  assertEquals(
    matches(own, /\.only\(|only: true|ignore: true|sanitize(Ops|Resources|Exit): false/),
    [],
  );
  assertEquals(
    matches(production.map(code), /\bconsole\.\w|^export default\b|^(export )?(const )?enum\b/),
    [],
  );
});

Deno.test("every module of the product says what it is", () => {
  const silent = production.filter(({ path, lines }) => {
    if (!path.endsWith(".ts")) return false;
    const header = lines.slice(0, lines.indexOf(" */") + 1).join("\n");
    return !header.startsWith("/**") || !header.includes("@module");
  });
  assertEquals(silent.map(({ path }) => path), []);
});

Deno.test("files stay below 500 lines", () => {
  const long = everything.filter(({ lines }) => lines.length > 501);
  assertEquals(long.map(({ path, lines }) => `${path}: ${lines.length}`), []);
});

Deno.test("functions stay below 70 lines", () => {
  const long = production.concat(everything.filter(({ path }) => path === "mod.ts"))
    .flatMap(longFunctions);
  assertEquals(long, []);
});

/** Functions and methods of more than 70 lines; the formatter fixes where each begins and ends. */
function longFunctions({ path, lines }: Source): readonly string[] {
  const found: string[] = [];
  for (const [start, line] of lines.entries()) {
    const opening = /^( {2})?(export |async |static |private )*(function\*? |[#\w[][\w.#\]]*[(<])/;
    const indent = opening.exec(line)?.[1] ?? "";
    if (!opening.test(line) || line.endsWith("}") || line.endsWith(";")) continue;
    const length = lines.slice(start + 1).findIndex((end) => end.startsWith(`${indent}}`)) + 2;
    if (length > 70) found.push(`${path}:${start + 1}: ${length} lines`);
  }
  return found;
}

Deno.test("the continuous integration runs the README's test command", async () => {
  const readme = await Deno.readTextFile(new URL("README.md", ROOT));
  const script = await Deno.readTextFile(new URL(".ci/run", ROOT));
  const command = script.trimEnd().split("\n").at(-1) ?? "";
  assertStringIncludes(readme, command);
});

Deno.test("the README's table of settings is the program's", async () => {
  const readme = await Deno.readTextFile(new URL("README.md", ROOT));
  assertStringIncludes(readme, settingsMarkdown().trim());
});

Deno.test("the documentation of every export is looked at before a merge", async () => {
  const { exports, tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const [, list = ""] = /deno doc --lint ([^&]+) &&/.exec(tasks.ok.command) ?? [];
  assertEquals(list.split(" ").map((path) => `./${path}`), Object.values(exports));
});
