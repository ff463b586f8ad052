/** Rows for files. */

import type { DeliveryRow } from "../../../transports/delivery_row/delivery_row.ts";

/** A row at this position. */
export function row(position: number): DeliveryRow {
  return {
    position,
    notification: "11111111-1111-4111-8111-111111111111",
    app: "shop",
    number: position,
    device: `device-${position}`,
    platform: "apns",
    address: "00ff",
    outcome: "token_invalid",
    status: 410,
    reason: "Unregistered — ü",
    attempts: 1,
    at: 1_700_000_000_000,
  };
}

/** Rows from one position to another, both included. */
export function rows(first: number, last: number): readonly DeliveryRow[] {
  return Array.from({ length: last - first + 1 }, (_, index) => row(first + index));
}

/** The positions in a file, all of whose lines must be whole rows. */
export async function positionsIn(path: string): Promise<readonly number[]> {
  const text = await Deno.readTextFile(path);
  if (text !== "" && !text.endsWith("\n")) throw new Error(`Torn: ${text.slice(-80)}`);
  return text.split("\n").slice(0, -1).map((line) => {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null && "position" in value && "at" in value) {
      return Number(value.position);
    }
    throw new Error(`No row: ${line}`);
  });
}
