/**
 * Frames of the stream of events (server-sent events, HTML Living Standard section 9.2).
 *
 * Why bytes: a frame is encoded once, however many pages watch, and all that wait for it share them.
 *
 * @module
 */

/** What can be watched: seconds of deliveries, the load, the live tree with its crashes. */
export const EVENT_TOPICS = ["bars", "status", "tree"] as const;

/** One of {@link EVENT_TOPICS}. */
export type EventTopic = typeof EVENT_TOPICS[number];

/** A frame; its `type` is its event's name. */
export interface EventFrame {
  /** `bar` is of the topic `bars`, `status` of `status`, the others of `tree`. */
  readonly type: "bar" | "status" | "tree" | "crash";
  /** The frame as the stream has it; several of its type when they came together. */
  readonly bytes: Uint8Array;
}

const encoder = new TextEncoder();

/**
 * Makes a frame.
 *
 * @param type The event's name.
 * @param data Data for JSON, which has no line breaks of its own: a frame's data is one line.
 * @param id What a page that comes back gives as `Last-Event-ID`; absent for what cannot be had again.
 */
export function eventFrame(type: EventFrame["type"], data: unknown, id?: number): EventFrame {
  const place = id === undefined ? "" : `id: ${id}\n`;
  return {
    type,
    bytes: encoder.encode(`event: ${type}\n${place}data: ${JSON.stringify(data)}\n\n`),
  };
}

/** Several frames as one: they wait together, and go in one write. */
export function together(type: EventFrame["type"], frames: readonly EventFrame[]): EventFrame {
  const bytes = new Uint8Array(frames.reduce((sum, frame) => sum + frame.bytes.length, 0));
  let at = 0;
  for (const frame of frames) {
    bytes.set(frame.bytes, at);
    at += frame.bytes.length;
  }
  return { type, bytes };
}
