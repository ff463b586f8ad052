/**
 * The report of `check`: what was tried, what came of it, and where each setting comes from.
 *
 * @module
 */

import type { SettingOrigin } from "./settings_reader.ts";
import { table } from "./table.ts";

/** One thing that was tried. */
export interface Finding {
  /** What was tried, in a few words: `certificate`. */
  readonly what: string;
  /** A warning is something that works now and may not be wanted. */
  readonly outcome: "ok" | "warning" | "failed";
  /** What was found, in one sentence without its full stop. */
  readonly detail: string;
  /** The setting to change, when there is one. */
  readonly setting?: string;
}

/** The exit status: 0 when nothing failed, 1 otherwise. */
export function checkStatus(findings: readonly Finding[]): 0 | 1 {
  return findings.some((finding) => finding.outcome === "failed") ? 1 : 0;
}

/** The report as one line of JSON, with its line feed. */
export function checkJson(
  findings: readonly Finding[],
  settings: readonly SettingOrigin[],
): string {
  return `${JSON.stringify({ ok: checkStatus(findings) === 0, findings, settings })}\n`;
}

/** The report for a person: settings that somebody set, findings, and a closing sentence. */
export function checkText(
  findings: readonly Finding[],
  settings: readonly SettingOrigin[],
): string {
  const set = settings.map((row) => [row.name, row.value, row.origin]);
  const rows = findings.map((finding) => [
    finding.outcome,
    finding.what,
    finding.setting === undefined ? finding.detail : `${finding.detail} (${finding.setting})`,
  ]);
  const count = (outcome: Finding["outcome"]) =>
    findings.filter((finding) => finding.outcome === outcome).length;
  const verdict = `${count("ok")} ok, ${count("warning")} to think about, ${
    count("failed")
  } failed.`;
  return `Settings and where they come from:\n${table(set)}\n\nChecks:\n${
    table(rows)
  }\n\n${verdict}\n`;
}
