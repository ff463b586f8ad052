/**
 * The delivery pipeline: what moves notifications from a durable queue to APNs, FCM and Web Push, and
 * the ports to what it stands on.
 *
 * @module
 */

export type * from "./app_health.ts";
export type { CredentialCheck, CredentialChecks, GivenWebPushCredentials } from "./app_input.ts";
export type { BarSpan, BarsView, BarWindow } from "./bar_spans.ts";
export * from "./batch.ts";
export * from "./circuit.ts";
export * from "./connection.ts";
export * from "./delivery_service.ts";
export * from "./destination_pool.ts";
export type { SubscriptionChecks } from "./device_input.ts";
export type { DevicesQuery } from "./device_list.ts";
export * from "./feeder.ts";
export * from "./gateway.ts";
export * from "./guard.ts";
export type { InputProblem } from "./input.ts";
export type { InputSchemas, JsonSchema } from "./input_schemas.ts";
export type { NotificationsQuery } from "./notification_search.ts";
export type { Query } from "./page_input.ts";
export type * from "./ports.ts";
export type * from "./preview.ts";
export type { PlatformRates, Rates } from "./rates.ts";
export type { ReasonsView, ReasonView } from "./reasons.ts";
export * from "./records.ts";
export type { ImportedRows, InputRow, Refused, Reply } from "./reply.ts";
export * from "./job.ts";
export * from "./router.ts";
export * from "./settle.ts";
export * from "./sinks/bar_follower.ts";
export * from "./sinks/feedback_sink.ts";
export * from "./sinks/history_sink.ts";
export * from "./sinks/monitor.ts";
export * from "./sinks/recorder.ts";
export * from "./sinks/result_sweeper.ts";
export * from "./sinks/sink.ts";
export * from "./sources/source.ts";
export type * from "./store.ts";
export * from "./tree.ts";
export type * from "./views.ts";
