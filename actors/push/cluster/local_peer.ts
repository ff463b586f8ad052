/**
 * This node as other nodes see it: what they ask goes to the registry.
 *
 * @module
 */

import type { Ref } from "../../runtime/actor.ts";
import type { RegistryProtocol } from "../messages/registry.ts";
import type { Peer } from "../ports.ts";

/** The registry as a peer. */
export function localPeer(
  registry: Ref<Pick<RegistryProtocol, "deliverHere" | "look" | "displace">>,
): Peer {
  return {
    push: (messages) => registry.ask("deliverHere", messages),
    notify: (uaids) => registry.ask("look", uaids),
    displace: (sessions) => registry.send("displace", sessions),
  };
}
