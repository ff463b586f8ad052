/**
 * Days in UTC, by which the rows are parted, and the names of their tables.
 *
 * @module
 */

import { invariant } from "../postgres/errors.ts";

/** Milliseconds of a day: UTC has no days of another length here, as in RFC 3339 without leap seconds. */
export const DAY_MS = 86_400_000;

/** The first millisecond of the year 10000, which dates of four digits end before. */
export const DAYS_END_MS = 253_402_300_800_000;

const NAME = /^delivery_row_(\d{4})_(\d{2})_(\d{2})$/;

/** The day of a time, in days since 1970. */
export function dayOf(at: number): number {
  invariant(
    Number.isSafeInteger(at) && at >= 0 && at < DAYS_END_MS,
    `no row was recorded at ${at}`,
  );
  return Math.floor(at / DAY_MS);
}

/** A day as `2026-11-22`. */
export function dateOf(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/** The table of a day, as `delivery_row_2026_11_22`. */
export function tableOf(day: number): string {
  return `delivery_row_${dateOf(day).replaceAll("-", "_")}`;
}

/** The day of a table; `undefined` when its name is not one of ours. */
export function dayOfTable(name: string): number | undefined {
  const [, year, month, date] = NAME.exec(name) ?? [];
  const at = Date.parse(`${year}-${month}-${date}`);
  return Number.isNaN(at) ? undefined : at / DAY_MS;
}
