/**
 * Reads lines of InfluxDB's line protocol, and takes nothing that some version of InfluxDB might read
 * otherwise.
 */

/** A point as it was read. */
export interface ReadPoint {
  /** What was measured. */
  readonly measurement: string;
  /** Tags in the order of the line. */
  readonly tags: readonly (readonly [string, string])[];
  /** Fields as they stand in the line. */
  readonly fields: Readonly<Record<string, string>>;
  /** Nanoseconds since 1970. */
  readonly timeNs: bigint;
}

/** An integer, or a number. */
const NUMBER = String.raw`(-?\d+i|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)`;

/** Reads one line that is no comment. */
export function readLine(line: string): ReadPoint {
  if (line.startsWith("#")) throw new Error(`A comment: ${JSON.stringify(line)}`);
  const name = String.raw`((?:[^\\,= \n\r]|\\[,= ])+)`;
  const measurement = take(line, String.raw`((?:[^\\, \n\r]|\\[, ])+)`);
  let rest = line.slice(measurement.length);
  const tags: [string, string][] = [];
  while (rest.startsWith(",")) {
    const [whole, key = "", value = ""] = match(rest, `,${name}=${name}`);
    tags.push([plain(key), plain(value)]);
    rest = rest.slice(whole.length);
  }
  const fields: [string, string][] = [];
  for (let before = " "; rest.startsWith(before); before = ",") {
    const [whole, key = "", value = ""] = match(rest, `${before}${name}=${NUMBER}(?=[, ])`);
    fields.push([plain(key), value]);
    rest = rest.slice(whole.length);
    if (rest.startsWith(" ")) break;
  }
  const [, time = ""] = match(rest, String.raw` (\d{1,19})$`);
  return {
    measurement: plain(measurement),
    tags,
    fields: Object.fromEntries(fields),
    timeNs: BigInt(time),
  };
}

function take(text: string, pattern: string): string {
  return match(text, pattern)[0];
}

function match(text: string, pattern: string): RegExpExecArray {
  const found = new RegExp(`^${pattern}`).exec(text);
  if (found === null) throw new Error(`Not line protocol at ${JSON.stringify(text)}`);
  return found;
}

function plain(text: string): string {
  return text.replaceAll(/\\([,= ])/g, "$1");
}
