/** Typed façade of the text functions in use; the npm build of the standard library has no types. */

/** How many characters must be inserted, removed or replaced to make one text the other. */
export function levenshteinDistance(a: string, b: string): number;
