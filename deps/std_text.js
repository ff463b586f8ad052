// @ts-self-types="./std_text.d.ts"
export { levenshteinDistance } from "deno-std/text/levenshtein_distance.js";
