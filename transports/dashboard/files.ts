/**
 * The files of the page, as text, for whoever serves them.
 *
 * They are imported, not read: serving them needs no permission and no folder, and a missing file
 * is an error when the program is checked, not when somebody opens the page.
 *
 * @module
 */
import bytesJs from "./bytes.js" with { type: "text" };
import commandsJs from "./commands.js" with { type: "text" };
import diagnosisJs from "./diagnosis.js" with { type: "text" };
import elementsJs from "./elements.js" with { type: "text" };
import encryptJs from "./encrypt.js" with { type: "text" };
import iconSvg from "./icon.svg" with { type: "text" };
import inboxJs from "./inbox.js" with { type: "text" };
import indexHtml from "./index.html" with { type: "text" };
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

/** All files of the page; the document is at `"/"`. The list in `worker.js` names them too. */
export const dashboardFiles: readonly DashboardFile[] = [
  { path: "/", contentType: HTML, body: indexHtml },
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
