import { assertEquals } from "@std/assert";
import { dashboardFiles } from "../../../transports/dashboard/files.ts";

const FOLDER = new URL("../../../transports/dashboard/", import.meta.url);
const paths = dashboardFiles.map(({ path }) => path).toSorted();
const bodies = dashboardFiles.map(({ body }) => body).join("\n");

function body(path: string): string {
  return dashboardFiles.find((file) => file.path === path)?.body ?? "";
}

Deno.test("dashboardFiles has every file of the folder, as it is there", async () => {
  const inFolder: string[] = [];
  for await (const { name } of Deno.readDir(FOLDER)) {
    if (name.endsWith(".ts")) continue;
    inFolder.push(name === "index.html" ? "/" : `/${name}`);
    const text = await Deno.readTextFile(new URL(name, FOLDER));
    assertEquals(body(inFolder.at(-1) ?? ""), text, name);
  }
  assertEquals(paths, inFolder.toSorted());
});

Deno.test("dashboardFiles has everything the document and the modules name", () => {
  const named = bodies.matchAll(/(?:src|href|from) ?=?"\.?(\/[a-z]+\.(?:js|css|svg))"/g);
  const missing = [...named].map(([, path = ""]) => path).filter((path) => !paths.includes(path));
  assertEquals(missing, []);
});

Deno.test("the service worker keeps every file of the page but itself, and what the page reads", () => {
  const list = /const FILES = \[(.*?)\n\];/s.exec(body("/worker.js"))?.[1] ?? "";
  const kept = [...list.matchAll(/"([^"]+)"/g)].map(([, path = ""]) => path).toSorted();
  assertEquals(kept, [...paths.filter((path) => path !== "/worker.js"), "/page.json"].toSorted());
});

Deno.test("nothing of the page comes from elsewhere, runs inline or becomes markup", () => {
  const html = body("/");
  assertEquals(/\son[a-z]+=|\sstyle=|<style|<script(?![^>]*\ssrc="\/)/i.exec(html), null);
  assertEquals(/(?:src|href|url)[=(]"?(?:https?:)?\/\//.exec(bodies), null);
  assertEquals(
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/.exec(bodies),
    null,
  );
});

Deno.test("every element that a module asks for is in the document", () => {
  const ids = new Set([...body("/").matchAll(/\sid="([^"]+)"/g)].map(([, id = ""]) => id));
  const asked = bodies.matchAll(/(?:element|setText)\(\s*"([a-z-]+)"/g);
  assertEquals([...asked].map(([, id = ""]) => id).filter((id) => !ids.has(id)), []);
  const referred = body("/").matchAll(
    /(?:for|data-copy|aria-(?:labelledby|describedby))="([a-z-]+)"/g,
  );
  assertEquals([...referred].map(([, id = ""]) => id).filter((id) => !ids.has(id)), []);
});
