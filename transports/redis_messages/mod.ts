/**
 * The Web Push half's store in Redis, for any number of nodes.
 *
 * @module
 */

export * from "./redis_message_store.ts";
