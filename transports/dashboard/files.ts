/**
 * The files of the pages, as text, for whoever serves them.
 *
 * They are imported, not read: serving them needs no permission and no folder, and a missing file
 * is an error when the program is checked, not when somebody opens the page.
 *
 * @module
 */
import uplotJs from "uplot/dist/uPlot.esm.js" with { type: "text" };
import uplotCss from "uplot/dist/uPlot.min.css" with { type: "text" };
import browserHtml from "./browser.html" with { type: "text" };
import bytesJs from "./bytes.js" with { type: "text" };
import commandsJs from "./commands.js" with { type: "text" };
import diagnosisJs from "./diagnosis.js" with { type: "text" };
import elementsJs from "./elements.js" with { type: "text" };
import encryptJs from "./encrypt.js" with { type: "text" };
import iconSvg from "./icon.svg" with { type: "text" };
import inboxJs from "./inbox.js" with { type: "text" };
import indexHtml from "./index.html" with { type: "text" };
import apiMonitor from "./monitor/api.js" with { type: "text" };
import appsMonitor from "./monitor/apps.js" with { type: "text" };
import barChartMonitor from "./monitor/bar_chart.js" with { type: "text" };
import barReadoutMonitor from "./monitor/bar_readout.js" with { type: "text" };
import barScaleMonitor from "./monitor/bar_scale.js" with { type: "text" };
import barsMonitor from "./monitor/bars.js" with { type: "text" };
import composeMonitor from "./monitor/compose.js" with { type: "text" };
import composeFormMonitor from "./monitor/compose_form.js" with { type: "text" };
import composePreviewMonitor from "./monitor/compose_preview.js" with { type: "text" };
import deliveriesMonitor from "./monitor/deliveries.js" with { type: "text" };
import deliveriesCss from "./monitor/deliveries.css" with { type: "text" };
import deliveryFiguresMonitor from "./monitor/delivery_figures.js" with { type: "text" };
import devicesMonitor from "./monitor/devices.js" with { type: "text" };
import domMonitor from "./monitor/dom.js" with { type: "text" };
import draftMonitor from "./monitor/draft.js" with { type: "text" };
import eventStreamMonitor from "./monitor/event_stream.js" with { type: "text" };
import formatMonitor from "./monitor/format.js" with { type: "text" };
import askMonitor from "./monitor/ask.js" with { type: "text" };
import keyedMonitor from "./monitor/keyed.js" with { type: "text" };
import liveTableMonitor from "./monitor/live_table.js" with { type: "text" };
import pollMonitor from "./monitor/poll.js" with { type: "text" };
import mainMonitor from "./monitor/main.js" with { type: "text" };
import nodesMonitor from "./monitor/nodes.js" with { type: "text" };
import notificationMonitor from "./monitor/notification.js" with { type: "text" };
import notificationContentMonitor from "./monitor/notification_content.js" with { type: "text" };
import notificationDeliveriesMonitor from "./monitor/notification_deliveries.js" with {
  type: "text",
};
import notificationFiguresMonitor from "./monitor/notification_figures.js" with { type: "text" };
import notificationPartsMonitor from "./monitor/notification_parts.js" with { type: "text" };
import notificationReasonsMonitor from "./monitor/notification_reasons.js" with { type: "text" };
import notificationsMonitor from "./monitor/notifications.js" with { type: "text" };
import notificationsCss from "./monitor/notifications.css" with { type: "text" };
import partsMonitor from "./monitor/parts.js" with { type: "text" };
import pausedLanesMonitor from "./monitor/paused_lanes.js" with { type: "text" };
import reasonHintsMonitor from "./monitor/reason_hints.js" with { type: "text" };
import shownTextsMonitor from "./monitor/shown_texts.js" with { type: "text" };
import tourMonitor from "./monitor/tour.js" with { type: "text" };
import tourFlowMonitor from "./monitor/tour_flow.js" with { type: "text" };
import tourFlowPictureMonitor from "./monitor/tour_flow_picture.js" with { type: "text" };
import tourHappeningListMonitor from "./monitor/tour_happening_list.js" with { type: "text" };
import tourHappeningsMonitor from "./monitor/tour_happenings.js" with { type: "text" };
import tourPartMonitor from "./monitor/tour_part.js" with { type: "text" };
import tourTextsMonitor from "./monitor/tour_texts.js" with { type: "text" };
import tourTextsDeliveryMonitor from "./monitor/tour_texts_delivery.js" with { type: "text" };
import tourTextsMessagesMonitor from "./monitor/tour_texts_messages.js" with { type: "text" };
import tourTreeMonitor from "./monitor/tour_tree.js" with { type: "text" };
import tourTreePictureMonitor from "./monitor/tour_tree_picture.js" with { type: "text" };
import tourCss from "./monitor/tour.css" with { type: "text" };
import tourFlowCss from "./monitor/tour_flow.css" with { type: "text" };
import listsCss from "./monitor/lists.css" with { type: "text" };
import nodesCss from "./monitor/nodes.css" with { type: "text" };
import monitorCss from "./monitor/monitor.css" with { type: "text" };
import pageJs from "./page.js" with { type: "text" };
import styleCss from "./style.css" with { type: "text" };
import vapidJs from "./vapid.js" with { type: "text" };
import workerJs from "./worker.js" with { type: "text" };

/** A file of the page. */
export interface DashboardFile {
  /** Where the page expects it, from the root. */
  readonly path: string;
  /** Its media type. */
  readonly contentType: string;
  /** Its text. */
  readonly body: string;
}

const HTML = "text/html; charset=utf-8";
const CSS = "text/css; charset=utf-8";
const JAVASCRIPT = "text/javascript; charset=utf-8";

/** The monitor's modules by name. */
const MONITOR_MODULES = {
  api: apiMonitor,
  apps: appsMonitor,
  ask: askMonitor,
  bar_chart: barChartMonitor,
  bar_readout: barReadoutMonitor,
  bar_scale: barScaleMonitor,
  bars: barsMonitor,
  compose: composeMonitor,
  compose_form: composeFormMonitor,
  compose_preview: composePreviewMonitor,
  deliveries: deliveriesMonitor,
  delivery_figures: deliveryFiguresMonitor,
  devices: devicesMonitor,
  dom: domMonitor,
  draft: draftMonitor,
  event_stream: eventStreamMonitor,
  format: formatMonitor,
  keyed: keyedMonitor,
  live_table: liveTableMonitor,
  main: mainMonitor,
  nodes: nodesMonitor,
  notification: notificationMonitor,
  notification_content: notificationContentMonitor,
  notification_deliveries: notificationDeliveriesMonitor,
  notification_figures: notificationFiguresMonitor,
  notification_parts: notificationPartsMonitor,
  notification_reasons: notificationReasonsMonitor,
  notifications: notificationsMonitor,
  parts: partsMonitor,
  paused_lanes: pausedLanesMonitor,
  poll: pollMonitor,
  reason_hints: reasonHintsMonitor,
  shown_texts: shownTextsMonitor,
  tour: tourMonitor,
  tour_flow: tourFlowMonitor,
  tour_flow_picture: tourFlowPictureMonitor,
  tour_happening_list: tourHappeningListMonitor,
  tour_happenings: tourHappeningsMonitor,
  tour_part: tourPartMonitor,
  tour_texts: tourTextsMonitor,
  tour_texts_delivery: tourTextsDeliveryMonitor,
  tour_texts_messages: tourTextsMessagesMonitor,
  tour_tree: tourTreeMonitor,
  tour_tree_picture: tourTreePictureMonitor,
  uplot: uplotJs,
};

/**
 * All files: the monitor's document is at `"/"`, that of the browser one looks from at `"/browser"`, whose
 * files `worker.js` names too.
 */
export const dashboardFiles: readonly DashboardFile[] = [
  { path: "/", contentType: HTML, body: indexHtml },
  { path: "/monitor/monitor.css", contentType: CSS, body: monitorCss },
  { path: "/monitor/deliveries.css", contentType: CSS, body: deliveriesCss },
  { path: "/monitor/lists.css", contentType: CSS, body: listsCss },
  { path: "/monitor/nodes.css", contentType: CSS, body: nodesCss },
  { path: "/monitor/notifications.css", contentType: CSS, body: notificationsCss },
  { path: "/monitor/tour.css", contentType: CSS, body: tourCss },
  { path: "/monitor/tour_flow.css", contentType: CSS, body: tourFlowCss },
  { path: "/monitor/uplot.css", contentType: CSS, body: uplotCss },
  ...Object.entries(MONITOR_MODULES).map(([name, body]) => ({
    path: `/monitor/${name}.js`,
    contentType: JAVASCRIPT,
    body,
  })),
  { path: "/browser", contentType: HTML, body: browserHtml },
  { path: "/style.css", contentType: CSS, body: styleCss },
  { path: "/icon.svg", contentType: "image/svg+xml", body: iconSvg },
  { path: "/page.js", contentType: JAVASCRIPT, body: pageJs },
  { path: "/bytes.js", contentType: JAVASCRIPT, body: bytesJs },
  { path: "/commands.js", contentType: JAVASCRIPT, body: commandsJs },
  { path: "/diagnosis.js", contentType: JAVASCRIPT, body: diagnosisJs },
  { path: "/elements.js", contentType: JAVASCRIPT, body: elementsJs },
  { path: "/encrypt.js", contentType: JAVASCRIPT, body: encryptJs },
  { path: "/inbox.js", contentType: JAVASCRIPT, body: inboxJs },
  { path: "/vapid.js", contentType: JAVASCRIPT, body: vapidJs },
  { path: "/worker.js", contentType: JAVASCRIPT, body: workerJs },
];
