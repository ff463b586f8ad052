// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Writing a notification and sending it, with a preview for each platform while one types.
 *
 * What is sent is exactly what was previewed, by the same part of the node. A message keeps its key however
 * often it is sent: a double click, or another try after an answer that was lost, sends it once.
 *
 * The address may fill fields in: `app`, and `device`, `tag` or `user`; `like` names a notification whose
 * content is taken.
 *
 * For tests: `#compose-FIELD` with `#compose-FIELD-problem`, `#send`, `.compose[data-previewed]`.
 *
 * @module
 */

import { ApiError } from "./api.js";
import { ask } from "./ask.js";
import { ComposeForm, everyoneText, reachText } from "./compose_form.js";
import { Previews } from "./compose_preview.js";
import { fill, h } from "./dom.js";
import {
  AUDIENCES,
  bodyOf,
  draftLike,
  EMPTY,
  fieldOf,
  keyPerMessage,
  previewBodyOf,
  saysNothing,
} from "./draft.js";
import { refusalText } from "./notification_parts.js";
import { foreign, notice, viewHead } from "./parts.js";

/** @typedef {import("./draft.js").Draft} Draft */
/** @typedef {import("./draft.js").FieldProblem} FieldProblem */
/** @typedef {import("./main.js").Context} Context */

/** Time without a key after which what is typed is previewed. */
const PAUSE_MS = 300;

/**
 * The view.
 *
 * @param {HTMLElement} root
 * @param {Context} context
 * @returns {Promise<void>}
 */
export async function composeView(root, context) {
  const { api, setLive } = context;
  /** @type {{ readonly apps: readonly { readonly name: string }[] }} */
  const { apps } = await api.get("/v1/apps");
  setLive("live");
  const [first] = apps;
  const head = viewHead("Compose", "Nothing is sent before you press Send.");
  if (first === undefined) return root.append(head, noApp());
  const place = h("div", { class: "compose-problem" });
  root.append(head, place);
  const names = apps.map(({ name }) => name);
  const draft = await draftOf(context, names, place);
  new Composer(root, context, place, new ComposeForm(names, draft));
}

function noApp() {
  return h(
    "p",
    { class: "card" },
    "Notifications are sent to the devices of an app, and there is none yet. ",
    h("a", { href: "#/apps" }, "How to add one"),
  );
}

/**
 * What the form begins with.
 *
 * @param {Context} context
 * @param {readonly string[]} apps
 * @param {HTMLElement} place
 * @returns {Promise<Draft>}
 */
async function draftOf({ api, query }, apps, place) {
  const like = query.get("like");
  let draft = EMPTY;
  if (like !== null) {
    try {
      draft = draftLike(await api.get(`/v1/notifications/${encodeURIComponent(like)}`));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      fill(place, notice("The notification to send again is not known", error.message));
    }
  }
  const audience = AUDIENCES.find(([kind]) => query.has(kind))?.[0];
  const wanted = query.get("app") ?? draft.app;
  return {
    ...draft,
    app: apps.includes(wanted) ? wanted : apps[0] ?? "",
    ...audience === undefined ? {} : { audience, target: query.get(audience) ?? "" },
  };
}

/** What goes on while somebody writes. */
class Composer {
  #root;
  #context;
  #place;
  #form;
  #previews = new Previews();
  #key = keyPerMessage(() => crypto.randomUUID());
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #looking = false;
  #again = false;
  #sending = false;

  /**
   * @param {HTMLElement} root
   * @param {Context} context
   * @param {HTMLElement} place Where problems of the whole stand.
   * @param {ComposeForm} form
   */
  constructor(root, context, place, form) {
    this.#root = root;
    this.#context = context;
    this.#place = place;
    this.#form = form;
    root.append(h("div", { class: "compose-columns" }, form.element, this.#previews.element));
    const { signal } = context;
    form.element.addEventListener("input", () => this.#typed(), { signal });
    form.element.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    }, { signal });
    signal.addEventListener("abort", () => clearTimeout(this.#timer), { once: true });
    void this.#look();
  }

  #typed() {
    this.#form.show();
    this.#root.dataset["previewed"] = "no";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), PAUSE_MS);
  }

  /** Previews what is typed: one call at a time, and one more when something was typed meanwhile. */
  async #look() {
    if (this.#looking) return void (this.#again = true);
    this.#looking = true;
    const draft = this.#form.read();
    try {
      await this.#preview(draft);
      if (!this.#again) this.#root.dataset["previewed"] = "yes";
    } catch (error) {
      if (this.#context.signal.aborted) return;
      if (!(error instanceof ApiError)) reportError(error);
      this.#failed(error);
    } finally {
      this.#looking = false;
    }
    if (!this.#again || this.#context.signal.aborted) return;
    this.#again = false;
    await this.#look();
  }

  /** @param {Draft} draft */
  async #preview(draft) {
    const { api, setLive } = this.#context;
    const body = previewBodyOf(draft);
    void this.#reach(draft);
    if (body !== undefined) {
      this.#previews.show(await api.post("/v1/notifications/preview", body), draft.app);
      this.#form.setProblems([]);
    } else if (saysNothing(draft)) {
      this.#previews.clear("Write a title or a body to see it.", draft.app);
      this.#form.setProblems([]);
    } else {
      this.#form.setProblems(bodyOf(draft).problems.filter(({ field }) => field !== "target"));
      this.#previews.setOld("Not up to date: a field has a problem.");
    }
    setLive("live");
  }

  /** @param {Draft} draft */
  async #reach(draft) {
    try {
      this.#form.setReach(await reachText(this.#context.api, draft));
    } catch (error) {
      if (!this.#context.signal.aborted) reportError(error);
    }
  }

  /** @param {unknown} error What a preview came to. */
  #failed(error) {
    const status = error instanceof ApiError ? error.status : 0;
    this.#context.setLive(status > 0 ? "live" : "lost");
    const problems = problemsOf(error);
    this.#form.setProblems(problems);
    this.#previews.setOld(
      problems.length > 0
        ? "Not up to date: a field has a problem."
        : `No preview: ${refusalText(error)}`,
    );
  }

  async #submit() {
    if (this.#sending) return;
    const { api, signal, announce, go } = this.#context;
    const draft = this.#form.read();
    const { body, problems } = bodyOf(draft);
    this.#form.setProblems(problems);
    if (problems.length > 0) return this.#form.focusFirst(problems);
    this.#sending = true;
    try {
      if (draft.audience === "all" && !await this.#sure(draft)) return;
      this.#form.send.disabled = true;
      fill(this.#place);
      const headers = { "idempotency-key": this.#key(body) };
      /** @type {{ readonly id: string }} */
      const { id } = await api.post("/v1/notifications", body, headers);
      announce("The notification is accepted.");
      go(`#/notifications/${encodeURIComponent(id)}`);
    } catch (error) {
      if (!signal.aborted) this.#refused(error);
    } finally {
      this.#sending = false;
      this.#form.send.disabled = false;
    }
  }

  /** Asks once more before everyone is sent to. @param {Draft} draft */
  async #sure({ app, sendAt }) {
    const { api, signal } = this.#context;
    return await ask(signal, {
      title: sendAt === "" ? "Send to everyone?" : "Schedule it for everyone?",
      text: h(
        "span",
        {},
        "It goes to ",
        await everyoneText(api, app),
        " of the app ",
        foreign(app),
        ".",
      ),
      yes: sendAt === "" ? "Send to everyone" : "Schedule for everyone",
    });
  }

  /** @param {unknown} error What sending came to. */
  #refused(error) {
    const problems = problemsOf(error);
    this.#form.setProblems(problems);
    this.#form.focusFirst(problems);
    const rest = problems.filter(({ field }) => field === undefined).map(({ message }) => message);
    if (problems.length > 0 && rest.length === 0) return;
    const status = error instanceof ApiError ? error.status : undefined;
    const lost = status === 0 || (status !== undefined && status >= 500);
    const text = rest.length > 0 ? rest.join("; ") : refusalText(error);
    fill(
      this.#place,
      lost
        ? notice(
          "It is not known whether it was accepted",
          `${text} Press Send again: however often, it is sent once.`,
        )
        : notice("It was not sent", text),
    );
    this.#place.scrollIntoView({ block: "nearest" });
  }
}

/**
 * The problems of a refusal by field; none when it names none.
 *
 * @param {unknown} error
 * @returns {readonly FieldProblem[]}
 */
function problemsOf(error) {
  if (!(error instanceof ApiError)) return [];
  return error.problems.map(({ path, message }) => {
    const field = fieldOf(path);
    return { field, message: field === undefined && path !== "" ? `${path} ${message}` : message };
  });
}
