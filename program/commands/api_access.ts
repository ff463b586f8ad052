/**
 * The API's client for a command, and what its failures say to a person.
 *
 * @module
 */

import {
  ApiClient,
  type ApiClientOptions,
  type ApiFailure,
} from "../../transports/api_client/api_client.ts";
import type { Problem } from "../../transports/api_client/answers.ts";
import { findApiToken } from "../../transports/command_line/key_files.ts";
import type { ClientSettings } from "../../transports/command_line/client_settings.ts";
import { PROBLEMS_MAX, SHOWN_DETAIL_CHARS_MAX } from "../../transports/command_line/limits.ts";
import { cut, escapeInvisible } from "../../transports/command_line/visible_text.ts";
import { StartError } from "../start_error.ts";

/** The client that these settings describe; `options` are its own. */
export function openClient(
  { apiUrl, apiToken, data }: ClientSettings,
  options: Pick<ApiClientOptions, "silenceMs"> = {},
): ApiClient {
  const token = findApiToken(data, apiToken);
  switch (token.kind) {
    case "ready":
      return new ApiClient({ ...options, origin: apiUrl, token: token.secret.reveal() });
    case "failed":
      throw new StartError(`api-token: ${token.problem}`, 1);
    case "missing":
      throw new StartError(
        `api-token: none is set, and there is no ${token.path}. Run this where the node keeps ` +
          "its data (--data DIR), or set HELIOGRAPH_API_TOKEN or --api-token-file FILE",
        1,
      );
  }
}

/** What the options of a command are called in the API's problems. */
export type PathName = (path: string) => string | undefined;

/**
 * A failure as an error for the person who called: what failed, and what to do.
 *
 * @param pathName The option that a path of the request speaks of, for problems with it.
 */
export function apiError(
  failure: ApiFailure,
  { apiUrl }: ClientSettings,
  pathName: PathName = () => undefined,
): StartError {
  switch (failure.kind) {
    case "unreachable":
      return new StartError(
        `api-url: ${apiUrl} cannot be reached: ${shown(failure.reason)}. ` +
          "Start the node with heliograph serve, or set --api-url to its API",
        1,
      );
    case "refused":
      return new StartError(
        failure.status === 401
          ? `api-token: ${apiUrl} does not know it (${shown(failure.detail)}). ` +
            "Use the token of that node: DATA/api-token, or one that heliograph keys token made"
          : `api-token: ${apiUrl} does not allow this to it (${shown(failure.detail)}). ` +
            "Use a token with the right to do this",
        1,
      );
    case "strange":
      return new StartError(
        `api-url: ${apiUrl} answers, but not as a node of this version would ` +
          `(status ${failure.status}: ${shown(failure.reason)}). Check the address`,
        1,
      );
    case "problem":
      return new StartError(
        problemText(failure.detail, failure.problems, pathName),
        statusOf(failure),
      );
  }
}

/** A refused request is wrong input, which the caller corrects; a conflict or a fault is not. */
function statusOf({ status }: { readonly status: number }): 1 | 2 {
  return status === 400 || status === 413 || status === 422 ? 2 : 1;
}

/** The problems, a line each after the first; a detail alone when there are none. */
function problemText(detail: string, problems: readonly Problem[], pathName: PathName): string {
  if (problems.length === 0) return shown(detail);
  const lines = problems.slice(0, PROBLEMS_MAX).map(({ path, message }) => {
    const flag = pathName(path);
    const place = flag === undefined ? path : `${flag}: ${path}`;
    return shown(place === "" ? message : `${place}: ${message}`);
  });
  const more = problems.length - lines.length;
  return [...lines, ...(more > 0 ? [`and ${more} more problems`] : [])].join(".\nheliograph: ");
}

function shown(text: string): string {
  return escapeInvisible(cut(text, SHOWN_DETAIL_CHARS_MAX)).replace(/\.$/, "");
}
