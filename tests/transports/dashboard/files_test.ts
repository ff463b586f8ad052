import { assertEquals } from "@std/assert";
import { dashboardFiles } from "../../../transports/dashboard/files.ts";

const FOLDER = new URL("../../../transports/dashboard/", import.meta.url);
const paths = dashboardFiles.map(({ path }) => path).toSorted();
/** Chart library of others, as it was published. */
const foreign = ["/monitor/uplot.js", "/monitor/uplot.css"];
const own = dashboardFiles.filter(({ path }) => !foreign.includes(path));
const bodies = own.map(({ body }) => body).join("\n");
const documents = ["/", "/browser"];

function body(path: string): string {
  return dashboardFiles.find((file) => file.path === path)?.body ?? "";
}

Deno.test("dashboardFiles has every file of the folder, as it is there", async () => {
  const served = new Map([["/index.html", "/"], ["/browser.html", "/browser"]]);
  const inFolder: string[] = [];
  for (const folder of ["/", "/monitor/"]) {
    for await (const { name, isFile } of Deno.readDir(new URL(`.${folder}`, FOLDER))) {
      if (!isFile || name.endsWith(".ts")) continue;
      const path = folder + name;
      inFolder.push(served.get(path) ?? path);
      const text = await Deno.readTextFile(new URL(`.${path}`, FOLDER));
      assertEquals(body(inFolder.at(-1) ?? ""), text, name);
    }
  }
  assertEquals(paths, [...inFolder, ...foreign].toSorted());
});

Deno.test("dashboardFiles has everything the document and the modules name", () => {
  const named = bodies.matchAll(/(?:src|href|from) ?=?"\.?(\/[a-z_/]+\.(?:js|css|svg))"/g);
  const missing = [...named].map(([, path = ""]) => path)
    .filter((path) => !paths.includes(path) && !paths.includes(`/monitor${path}`));
  assertEquals(missing, []);
});

Deno.test("the service worker keeps every file of its page but itself, and what the page reads", () => {
  const list = /const FILES = \[(.*?)\n\];/s.exec(body("/worker.js"))?.[1] ?? "";
  const kept = [...list.matchAll(/"([^"]+)"/g)].map(([, path = ""]) => path).toSorted();
  assertEquals(kept, [...paths.filter(isOfBrowserPage), "/page.json"].toSorted());
});

function isOfBrowserPage(path: string): boolean {
  return path !== "/" && path !== "/worker.js" && !path.startsWith("/monitor/");
}

Deno.test("nothing of the pages comes from elsewhere, runs inline or becomes markup", () => {
  for (const document of documents) {
    const inline = /\son[a-z]+=|\sstyle=|<style|<script(?![^>]*\ssrc="\/)/i;
    assertEquals(inline.exec(body(document)), null, document);
  }
  assertEquals(/(?:src|href|url)[=(]"?(?:https?:)?\/\//.exec(bodies), null);
  assertEquals(
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/.exec(bodies),
    null,
  );
});

Deno.test("every element that a module of the browser page asks for is in its document", () => {
  const ids = new Set([...body("/browser").matchAll(/\sid="([^"]+)"/g)].map(([, id = ""]) => id));
  const asked = bodies.matchAll(/(?:element|setText)\(\s*"([a-z-]+)"/g);
  assertEquals([...asked].map(([, id = ""]) => id).filter((id) => !ids.has(id)), []);
  const referred = body("/browser").matchAll(
    /(?:for|data-copy|aria-(?:labelledby|describedby))="([a-z-]+)"/g,
  );
  assertEquals([...referred].map(([, id = ""]) => id).filter((id) => !ids.has(id)), []);
});
