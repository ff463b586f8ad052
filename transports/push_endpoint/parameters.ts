/**
 * The parameter lists of `Encryption` and `Crypto-Key`: `key=value;key=value,key=value`.
 *
 * Sections are split at commas, items at semicolons, an item at its first `=`; spaces around and double
 * quotes of a value are removed. This is the grammar autopush reads, older drafts of RFC 8188 included.
 *
 * @module
 */

/** The sections of a header, each a map from item name to value. */
export type Parameters = readonly ReadonlyMap<string, string>[];

/** Reads a header; `undefined` when an item has no `=`. */
export function parseParameters(header: string): Parameters | undefined {
  const sections: ReadonlyMap<string, string>[] = [];
  for (const section of header.split(",")) {
    const items = new Map<string, string>();
    for (const item of section.split(";")) {
      const equals = item.indexOf("=");
      if (equals < 0) return undefined;
      items.set(item.slice(0, equals).trim(), unquoted(item.slice(equals + 1).trim()));
    }
    sections.push(items);
  }
  return sections;
}

/** The value of an item in the first section that has it. */
export function findParameter(parameters: Parameters, name: string): string | undefined {
  for (const section of parameters) {
    const value = section.get(name);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** The spelling that travels to the device: without quotes, and without padding at the end of values. */
export function normalise(header: string): string {
  return header.replaceAll('"', "").replace(/=+(?=[,;]|$)/g, "");
}

/** Whether a text is URL-safe base64, padded or not. */
export function isBase64Url(text: string): boolean {
  const bare = text.replace(/=+$/, "");
  return /^[A-Za-z0-9_-]+$/.test(bare) && bare.length % 4 !== 1;
}

function unquoted(value: string): string {
  return /^".*"$/s.test(value) ? value.slice(1, -1) : value;
}
