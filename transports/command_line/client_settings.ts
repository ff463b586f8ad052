/**
 * The settings of the commands that talk to a node's API: where it is, and what opens it.
 *
 * They have flags, variables and keys of the file as a node's settings have, under the same names
 * where the thing is the same.
 *
 * @module
 */

import * as kinds from "./setting.ts";
import type { Setting } from "./setting.ts";
import { SETTINGS } from "./settings.ts";
import type { Secret } from "./secret.ts";

/** How the API is reached. */
export interface ClientSettings {
  /** Origin of the API. */
  readonly apiUrl: string;
  /** The token that was set; the data folder's when absent. */
  readonly apiToken: Secret<string> | undefined;
  /** The data folder of a node on this machine, whose `api-token` is taken when none was set. */
  readonly data: string;
}

/** Where a node's API listens unless somebody sets it. */
const API_URL = "http://127.0.0.1:8082";

/** The rows by the property that holds their value. */
export const CLIENT_SETTINGS: {
  readonly [K in keyof ClientSettings]: Setting<ClientSettings[K]>;
} = {
  apiUrl: {
    ...kinds.url(["http", "https"], "origin"),
    name: "api-url",
    initial: API_URL,
    initialText: API_URL,
    description: "address of the node's API",
  },
  apiToken: {
    ...SETTINGS.apiToken,
    initialText: "DATA/api-token",
    description: "token that opens the API",
  },
  data: {
    ...SETTINGS.data,
    description: "folder of a node on this machine, whose token is taken",
  },
};
