// In a page of Voilà: tells the visitor when what is behind the page has gone, and lets Voilà end it when the page is
// left. Every text goes in by `textContent`.

/**
 * What this needs of a kernel connection, as JupyterLab's services have it.
 * @typedef {object} Signal
 * @property {(slot: (sender: unknown, status: string) => void) => void} connect
 * @property {(slot: (sender: unknown, status: string) => void) => void} disconnect
 */

/**
 * What this needs of an anywidget model.
 * @typedef {object} Model
 * @property {(name: "message") => string} get
 * @property {(event: "change:message", callback: () => void) => void} on
 * @property {(event: "change:message", callback: () => void) => void} off
 * @property {{kernel?: {id: string, statusChanged: Signal}}} [widget_manager]
 */

/** What a kernel's state means for this page: another kernel knows nothing of its widgets. */
const ENDS = new Set(["autorestarting", "restarting", "dead", "terminating"]);

const ENDED = "The kernel behind this page has ended, and its sandbox with it. Reload the page to start again.";

/**
 * Voilà's request to end the kernel when its page is left must repeat the cookie `_xsrf`, which its pages lack. What
 * counts is that both are the same, and that no other site can read or set the cookie.
 * @returns {string}
 */
function xsrfToken() {
  const known = /(?:^|;\s*)_xsrf=([^;]*)/.exec(document.cookie)?.[1];
  if (known) return known;
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const token = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  document.cookie = `_xsrf=${token}; path=/; SameSite=Strict`;
  return token;
}

/**
 * End the kernel when the page goes away without `beforeunload`, on which Voilà does it: a closed tab, a phone.
 * @param {string} kernelId
 * @param {AbortSignal} signal
 */
function endWithPage(kernelId, signal) {
  let isAsked = false;
  addEventListener("beforeunload", () => (isAsked = true), { signal });
  /** @param {PageTransitionEvent} event */
  const leave = (event) => {
    const base = document.body.dataset["baseUrl"];
    if (isAsked || event.persisted || base === undefined) return;
    const form = new FormData();
    form.append("_xsrf", xsrfToken());
    navigator.sendBeacon(`${base}api/shutdown/${encodeURIComponent(kernelId)}`, form);
  };
  addEventListener("pagehide", leave, { signal });
}

/** @returns {HTMLElement} */
function makeBanner() {
  const banner = document.createElement("div");
  banner.className = "hopx-guard";
  banner.setAttribute("role", "alert");
  const text = document.createElement("span");
  const reload = document.createElement("button");
  reload.type = "button";
  reload.textContent = "Reload";
  reload.addEventListener("click", () => location.reload());
  banner.append(text, reload);
  return banner;
}

/**
 * @param {{model: Model, el: HTMLElement}} context
 * @returns {() => void}
 */
function render({ model, el }) {
  const banner = makeBanner();
  const text = /** @type {HTMLElement} */ (banner.firstChild);
  el.hidden = true;
  /** @param {string} message */
  const show = (message) => {
    if (message && banner.isConnected === false) document.body.append(banner);
    if (message) text.textContent = message;
  };
  const receive = () => show(model.get("message"));
  /** @type {(sender: unknown, status: string) => void} */
  const watch = (_, status) => {
    if (ENDS.has(status)) show(ENDED);
  };
  const kernel = model.widget_manager?.kernel;
  const controller = new AbortController();
  model.on("change:message", receive);
  kernel?.statusChanged.connect(watch);
  xsrfToken();
  if (kernel) endWithPage(kernel.id, controller.signal);
  receive();
  return () => {
    controller.abort();
    model.off("change:message", receive);
    kernel?.statusChanged.disconnect(watch);
    // The banner stays: a view is removed when its kernel has gone.
  };
}

export default { render };
