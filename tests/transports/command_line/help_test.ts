import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { COMMAND_NAMES, COMMANDS } from "../../../transports/command_line/commands.ts";
import {
  commandHelp,
  programHelp,
  settingsMarkdown,
} from "../../../transports/command_line/help.ts";
import { environmentName, SETTINGS } from "../../../transports/command_line/settings.ts";
import type { Setting } from "../../../transports/command_line/setting.ts";

const ROWS: readonly Setting<unknown>[] = Object.values<Setting<unknown>>(SETTINGS);

Deno.test("commandHelp() and programHelp() fit 80 columns and end in a line feed", () => {
  for (const text of [programHelp(), ...COMMAND_NAMES.map((name) => commandHelp(name))]) {
    const long = text.split("\n").filter((line) => line.length > 80 || /\s$/.test(line));
    assertEquals(long, []);
    assert(text.endsWith("\n") && !text.endsWith("\n\n"));
  }
});

Deno.test("commandHelp() lists every setting of serve and secrets only by their files", () => {
  const text = commandHelp("serve");
  for (const setting of ROWS) {
    const flag = setting.secret ? `--${setting.name}-file FILE` : `--${setting.name} `;
    assertStringIncludes(text, flag);
    assert(!setting.secret || !text.includes(`--${setting.name} `));
  }
});

Deno.test("programHelp() lists every command", () => {
  for (const name of COMMAND_NAMES) {
    assertStringIncludes(programHelp(), `  ${COMMANDS[name].words.join(" ")} `);
  }
});

Deno.test("settingsMarkdown() has one row per setting with its three spellings", () => {
  const lines = settingsMarkdown().trimEnd().split("\n");
  assertEquals(lines.length, ROWS.length + 2);
  for (const [index, setting] of ROWS.entries()) {
    const line = lines[index + 2] ?? "";
    assertEquals(line.split("|").length, 7, line);
    assertStringIncludes(line, `\`${environmentName(setting.name)}\``);
    assertStringIncludes(line, `\`${setting.name}\``);
    const inFile = setting.secret || setting.hidden !== undefined;
    assertEquals(line.includes(`${environmentName(setting.name)}_FILE`), inFile);
  }
});

Deno.test("SETTINGS: every initial value is one the setting itself would read", () => {
  for (const setting of ROWS) {
    if (setting.initial === undefined || setting.initialText === "none") continue;
    const parsed = setting.parse(setting.initialText);
    assert(parsed.kind === "value", setting.name);
    assertEquals(parsed.value, setting.initial);
    assertEquals(setting.show(parsed.value), setting.initialText);
  }
});
