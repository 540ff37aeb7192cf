// The header of a run: how it stands, for how long, where, and Stop. The host sends one object when something has
// changed; the clocks tick here and cost no messages. Every text goes in by `textContent`.

/**
 * @typedef {object} RunState
 * @property {"running" | "stopping" | "done" | "failed" | "stopped"} state
 * @property {string} word the state, for people
 * @property {string} place the kind of the sandbox
 * @property {boolean} is_isolated
 * @property {string[]} usage memory and processor
 * @property {number} alerts
 * @property {string} note what happened beside the state
 * @property {boolean} can_stop
 * @property {number | null} ended_seconds how long it took, once it has ended
 * @property {number} at when this was sent, by the host's clock, in milliseconds
 * @property {number} started when the run began, likewise
 * @property {number} heard when the sandbox was last heard of, likewise
 */

/**
 * What this needs of an anywidget model.
 * @typedef {object} Model
 * @property {(name: "run") => RunState} get
 * @property {(content: {type: "ready" | "stop"}) => void} send
 * @property {(event: "change:run", callback: () => void) => void} on
 * @property {(event: "change:run", callback: () => void) => void} off
 */

/** Silence shorter than this is not worth a word, in seconds: the host is told of a life sign every five. */
const QUIET_SECONDS = 12;

/** A Stop that nothing answers may be pressed again, after milliseconds. */
const STOP_AGAIN_MS = 8000;

/** @type {Record<RunState["state"], string>} */
const GLYPHS = { running: "●", stopping: "◌", done: "✓", failed: "✗", stopped: "■" };

/**
 * `0.4 s`, `12 s`, `1:05`, `2:03:04`; as the host writes them, but a clock shows no tenths.
 * @param {number} seconds
 * @param {boolean} exact
 * @returns {string}
 */
export function duration(seconds, exact = false) {
  const safe = Math.max(0, Number.isFinite(seconds) ? seconds : 0);
  if (exact && safe < 9.95) return `${safe.toFixed(1)} s`;
  const whole = exact ? Math.round(safe) : Math.floor(safe);
  if (whole < 60) return `${whole} s`;
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${two(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

/**
 * How far this browser's clock is ahead of the host's: the least that any message has shown, since a message can be
 * late but not early.
 * @param {number | null} known
 * @param {RunState} run
 * @param {number} now
 * @returns {number}
 */
export function clockOffset(known, run, now) {
  const seen = now - run.at;
  return known === null ? seen : Math.min(known, seen);
}

/**
 * @param {string} name
 * @param {string} tag
 * @returns {HTMLElement}
 */
function part(name, tag = "span") {
  const element = document.createElement(tag);
  element.className = `hopx-header-${name}`;
  return element;
}

/**
 * Write only what differs: a text that is set again loses the reader's selection, and is read out again.
 * @param {HTMLElement} element
 * @param {string} text
 */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = text === "";
}

/** The elements of one header, and what is shown in them. */
class HeaderView {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    /** @type {number | null} */
    this.offset = null;
    /** When Stop was pressed here, in this browser's milliseconds. */
    this.pressed = 0;
    this.root = part("root", "div");
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", "Run");
    this.glyph = part("glyph");
    this.glyph.setAttribute("aria-hidden", "true");
    this.word = part("word");
    // Said aloud when it changes; the clock is not, or it would never be quiet.
    this.word.setAttribute("role", "status");
    this.clock = part("clock");
    this.clock.setAttribute("role", "timer");
    this.clock.setAttribute("aria-label", "Elapsed time");
    this.place = part("place");
    this.usage = part("usage");
    this.quiet = part("quiet");
    this.alerts = part("alerts");
    this.note = part("note");
    this.note.setAttribute("role", "status");
    this.stop = /** @type {HTMLButtonElement} */ (part("stop", "button"));
    this.stop.type = "button";
    this.stop.title = "Interrupt the cell; its variables are kept";
    const facts = part("facts", "div");
    facts.append(this.glyph, this.word, this.clock, this.place, this.usage, this.quiet, this.alerts, this.note);
    this.root.append(facts, this.stop);
  }

  /** Take what the host has sent. */
  receive() {
    const run = this.model.get("run");
    if (typeof run?.at === "number") this.offset = clockOffset(this.offset, run, Date.now());
    this.show();
  }

  /** Bring every text up to date; cheap enough for each second. */
  show() {
    const run = this.model.get("run");
    if (!run || !run.state) return;
    const isOver = run.ended_seconds !== null;
    const now = Date.now() - (this.offset ?? 0);
    const isPressed = this.pressed > 0 && Date.now() - this.pressed < STOP_AGAIN_MS && !isOver && run.state === "running";
    const isStopping = run.state === "stopping" || (isPressed && run.note === "");
    const state = isStopping ? "stopping" : run.alerts > 0 && !isOver ? "failed" : run.state;
    this.root.dataset.state = state;
    const isAlerted = run.alerts > 0 && (run.state === "done" || run.state === "running");
    write(this.glyph, isAlerted && !isStopping ? "!" : (GLYPHS[state] ?? "●"));
    write(this.word, isStopping ? "Stopping" : run.word);
    write(this.clock, isOver ? duration(run.ended_seconds ?? 0, true) : duration((now - run.started) / 1000));
    write(this.place, run.place);
    this.place.classList.toggle("hopx-header-warning", !run.is_isolated);
    write(this.usage, run.usage.join(" · "));
    const silence = (now - run.heard) / 1000;
    write(this.quiet, !isOver && silence > QUIET_SECONDS ? `last sign of life ${duration(silence)} ago` : "");
    write(this.alerts, run.alerts > 0 ? `${run.alerts} alert${run.alerts === 1 ? "" : "s"}` : "");
    write(this.note, run.note);
    this.stop.hidden = !run.can_stop;
    this.stop.setAttribute("aria-disabled", String(isStopping));
    this.stop.textContent = isStopping ? "Stopping…" : "Stop";
  }

  /** Ask the host to stop the run. */
  press() {
    if (this.stop.getAttribute("aria-disabled") === "true") return;
    this.pressed = Date.now();
    this.model.send({ type: "stop" });
    this.show();
  }
}

/**
 * @param {{model: Model}} context
 */
function initialize({ model }) {
  model.send({ type: "ready" });
}

/**
 * @param {{model: Model, el: HTMLElement}} context
 * @returns {() => void}
 */
function render({ model, el }) {
  const view = new HeaderView(model);
  const controller = new AbortController();
  const { signal } = controller;
  const onChange = () => view.receive();
  model.on("change:run", onChange);
  signal.addEventListener("abort", () => model.off("change:run", onChange), { once: true });
  view.stop.addEventListener("click", () => view.press(), { signal });
  const timer = setInterval(() => view.show(), 1000);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  el.classList.add("hopx-header");
  el.append(view.root);
  view.receive();
  return () => {
    controller.abort();
    view.root.remove();
  };
}

export default { initialize, render };
