/**
 * The push endpoint: an HTTP door for application servers (RFC 8030), its tokens and its port.
 *
 * @module
 */

export * from "./ports.ts";
export * from "./serve_push_endpoint.ts";
export * from "./token_box.ts";
