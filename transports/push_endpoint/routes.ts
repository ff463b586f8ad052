/**
 * The paths of the push endpoint, autopush's: `/wpush/…`, `/m/…` and the operational ones.
 *
 * Why no `URL` and no router library: this runs for every request, and a target has been checked to be a
 * path already.
 *
 * @module
 */

import type { EndpointVersion } from "./token_box.ts";

/** What a path names. */
export type Route =
  /** `/wpush/{token}` and `/wpush/v1/{token}` are `"v1"`. */
  | { readonly kind: "push"; readonly version: EndpointVersion; readonly token: string }
  | { readonly kind: "message"; readonly id: string }
  /** `/status` */
  | { readonly kind: "status" }
  /** `/health` and `/__heartbeat__` */
  | { readonly kind: "health" }
  /** `/__lbheartbeat__` */
  | { readonly kind: "alive" }
  /** `/__version__` */
  | { readonly kind: "version" }
  | { readonly kind: "unknown" };

const UNKNOWN: Route = { kind: "unknown" };
const PUSH = "/wpush/";
const MESSAGE = "/m/";

/** The route of a request's target; a query is ignored. */
export function routeOf(target: string): Route {
  const query = target.indexOf("?");
  const path = query < 0 ? target : target.slice(0, query);
  if (path.startsWith(PUSH)) return pushRoute(path.slice(PUSH.length));
  if (path.startsWith(MESSAGE)) return { kind: "message", id: decoded(path.slice(MESSAGE.length)) };
  switch (path) {
    case "/status":
      return { kind: "status" };
    case "/health":
    case "/__heartbeat__":
      return { kind: "health" };
    case "/__lbheartbeat__":
      return { kind: "alive" };
    case "/__version__":
      return { kind: "version" };
    default:
      return UNKNOWN;
  }
}

function pushRoute(rest: string): Route {
  const slash = rest.indexOf("/");
  if (slash < 0) return { kind: "push", version: "v1", token: decoded(rest) };
  const version = rest.slice(0, slash);
  if (version !== "v1" && version !== "v2") return UNKNOWN;
  return { kind: "push", version, token: decoded(rest.slice(slash + 1)) };
}

/** Some clients write the `=` of a message id as `%3D`; a bad escape makes an id that opens nowhere. */
function decoded(segment: string): string {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return "";
  }
}
