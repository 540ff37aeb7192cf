"""Frames: markup that runs, in a document of an origin of its own, without the page and without the network.

A policy for content says what a document loads, and not where its frame goes on to. So the document lies in a second
frame: the policy of the one around it says that, and the sandbox keeps it from going anywhere else. WebRTC is in no
policy's reach; a script before all others takes it out of the document, and puts itself first in every document
below it. The same script keeps from a document the keys that a person presses before they have clicked into it: a
script could draw them to itself from the page, at any moment.
"""

from __future__ import annotations

import html
import re

from .notices import NO_NETWORK

__all__ = ["frame"]

#: What holds with and without a network: it may draw, and work with what it brings along.
_ALWAYS = {
    "default-src": "'none'",
    "script-src": "'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' data: blob:",
    "style-src": "'unsafe-inline' data: blob:",
    "img-src": "data: blob:",
    "font-src": "data: blob:",
    "media-src": "data: blob:",
    "connect-src": "data: blob:",
    "worker-src": "data: blob:",
    "frame-src": "'none'",
    "form-action": "'none'",
    "base-uri": "'none'",
    "object-src": "'none'",
}
#: What a sandbox with the network may load besides, without the person's cookies since the frame has an origin of its own.
_WITH_NETWORK = frozenset({"script-src", "style-src", "img-src", "font-src", "media-src"})
_SECURE_WITH_NETWORK = frozenset({"connect-src", "frame-src"})

_STYLE = "<style>body{margin:0;font:13px/1.4 system-ui,sans-serif;background:#fff;color:#111}</style>"
_OUTER_STYLE = "<style>html,body{margin:0;height:100%;overflow:hidden}iframe{border:0;width:100%;height:100%}</style>"
DEFAULT_HEIGHT = 480
MAX_HEIGHT = 1200

#: Trees of shadows that markup itself declares may be closed to the script that guards; none is made.
_SHADOW = re.compile("shadowrootmode", re.IGNORECASE)

#: Says in a document what was not loaded, above the body, which is the code's.
_TELL = """event => {
    const {effectiveDirective, blockedURI} = event;
    if (!event.isTrusted || !/^(img|media|font|style|script|connect|frame)-src/.test(effectiveDirective)) return;
    if (!/^(https?|wss?):/i.test(blockedURI)) return;
    missed.add(blockedURI.slice(0, 120));
    note ??= document.createElement("div");
    note.setAttribute("style", "font:12px/1.5 system-ui,sans-serif;color:#555;background:#f3f3f3;padding:3px 8px;overflow-wrap:anywhere");
    if (!note.isConnected) document.documentElement?.prepend(note);
    const [first] = missed, more = missed.size > 1 ? ` and ${missed.size - 1} more` : "";
    note.textContent = `[Not loaded: ${first}${more}. NO_NETWORK]`;
  }""".replace("NO_NETWORK", NO_NETWORK)

#: Runs before everything else in a document. All that it needs later it takes now, since the document's own scripts can
#: replace whatever is looked up later: methods, getters, iterators, what a regular expression does.
_GUARD = """<script>(() => {
  for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection", "mozRTCPeerConnection", "RTCIceTransport",
    "RTCDtlsTransport", "WebTransport"]) delete window[name];
  for (const owner of [Element, ShadowRoot, Document])
    for (const place of [owner, owner.prototype])
      for (const name of Object.getOwnPropertyNames(place))
        if (/html.*unsafe|stream.*html|append.*html/i.test(name)) delete place[name];
  const apply = Reflect.apply, Observer = MutationObserver, observe = Observer.prototype.observe;
  const {startsWith, toLowerCase, lastIndexOf, indexOf, slice, trim, charCodeAt} = String.prototype;
  const {removeAttribute, setAttribute, getAttribute, attachShadow} = Element.prototype;
  const guard = "<!doctype html>" + document.currentScript.outerHTML;
  const unshadowed = source => {
    let at;
    while ((at = apply(indexOf, apply(toLowerCase, source, []), ["shadowrootmode"])) >= 0)
      source = apply(slice, source, [0, at]) + "shadow-off-mode" + apply(slice, source, [at + 14]);
    return source;
  };
  const isFar = source => {
    const address = apply(toLowerCase, apply(trim, source, []), []);
    return apply(startsWith, address, ["https:"]) || apply(startsWith, address, ["http:"]);
  };
  const names = {[Symbol.iterator]: () => {
    let count = 0;
    return {next: () => count < 2 ? {done: false, value: count++ ? "src" : "srcdoc"} : {done: true, value: undefined}};
  }};
  const watch = (root, query) => {
    const visit = () => {
      const frames = apply(query, root, ["iframe, frame"]);
      for (let index = 0, each; (each = frames[index]) !== undefined; index++) {
        const source = apply(getAttribute, each, ["src"]), inner = apply(getAttribute, each, ["srcdoc"]);
        if (source !== null && !isFar(source)) apply(removeAttribute, each, ["src"]);
        if (inner !== null && !apply(startsWith, inner, [guard]))
          apply(setAttribute, each, ["srcdoc", guard + unshadowed(inner)]);
      }
    };
    apply(observe, new Observer(visit), [root, {subtree: true, childList: true, attributes: true, attributeFilter: names}]);
  };
  watch(document, Document.prototype.querySelectorAll);
  const below = DocumentFragment.prototype.querySelectorAll;
  Element.prototype.attachShadow = function (options) {
    const root = apply(attachShadow, this, [options]);
    watch(root, below);
    return root;
  };
  const getter = (owner, name) => Object.getOwnPropertyDescriptor(owner.prototype, name).get;
  const {stopImmediatePropagation, preventDefault} = Event.prototype, {addEventListener} = EventTarget.prototype;
  const targetOf = getter(Event, "target"), keyOf = getter(KeyboardEvent, "key"), blur = HTMLElement.prototype.blur;
  const closest = Element.prototype.closest, kinds = ["keydown", "keypress", "keyup", "beforeinput", "input", "textInput",
    "paste", "compositionstart", "compositionupdate", "compositionend"];
  let isEntered = false;
  const enter = event => { if (event.isTrusted) isEntered = true; };
  const leave = event => { if (event.isTrusted && apply(targetOf, event, []) === window) isEntered = false; };
  const refuse = event => {
    if (!isEntered) try { apply(blur, apply(targetOf, event, []), []); } catch {}
  };
  const hold = event => {
    if (isEntered || !event.isTrusted) return;
    let key;
    try { key = apply(keyOf, event, []); } catch {}
    apply(stopImmediatePropagation, event, []);
    if (key !== "Tab") apply(preventDefault, event, []);
  };
  const press = event => {
    if (isEntered || event.isTrusted) return;
    const pressed = "label, button:not([type=button]), [type=submit], [type=image]";
    try { if (apply(closest, apply(targetOf, event, []), [pressed])) apply(preventDefault, event, []); } catch {}
  };
  const missed = new Set(), tell = TELL;
  let note;
  const listen = () => {
    if (tell) apply(addEventListener, window, ["securitypolicyviolation", tell, true]);
    apply(addEventListener, window, ["pointerdown", enter, true]);
    apply(addEventListener, window, ["blur", leave, true]);
    apply(addEventListener, window, ["focus", refuse, true]);
    apply(addEventListener, window, ["click", press, true]);
    for (let index = 0; index < kinds.length; index++) apply(addEventListener, window, [kinds[index], hold, true]);
  };
  listen();
  const whenEntered = (owner, name) => {
    const method = owner?.prototype[name];
    if (method) owner.prototype[name] = function (option) { if (isEntered) return apply(method, this, [option]); };
  };
  for (const owner of [HTMLElement, SVGElement, window.MathMLElement]) whenEntered(owner, "focus");
  for (const owner of [HTMLInputElement, HTMLTextAreaElement]) whenEntered(owner, "select");
  for (const name of ["showModal", "show", "requestClose"]) whenEntered(window.HTMLDialogElement, name);
  for (const name of ["showPopover", "togglePopover"]) whenEntered(HTMLElement, name);
  whenEntered(HTMLFormElement, "requestSubmit");
  for (const name of Object.getOwnPropertyNames(window)) {
    const place = /^(HTML|Element)/.test(name) ? window[name].prototype : undefined;
    if (place && Object.hasOwn(place, "reportValidity")) place.reportValidity = place.checkValidity;
  }
  window.focus = () => {};
  const {write, open, close} = Document.prototype, scriptOf = getter(Document, "currentScript");
  const stateOf = getter(Document, "readyState");
  let held = "", isOpen = false;
  const reopen = (...parts) => {
    const opened = apply(open, document, parts);
    isOpen = apply(scriptOf, document, []) === null;
    listen();
    return opened;
  };
  const writing = end => function (...parts) {
    const goesOn = apply(scriptOf, document, []) !== null || (isOpen && apply(stateOf, document, []) === "loading");
    if (this === document && !goesOn) reopen();  // as it would by itself, which takes all listeners away
    let source = held;
    for (let index = 0; index < parts.length; index++) source += parts[index];
    source += end;
    const begin = apply(lastIndexOf, source, ["<"]), code = apply(charCodeAt, source, [begin + 1]) | 32;
    const isCut = begin > apply(lastIndexOf, source, [">"]) && (begin === source.length - 1 || (code > 96 && code < 123));
    held = isCut ? apply(slice, source, [begin]) : "";
    apply(write, this, [unshadowed(isCut ? apply(slice, source, [0, begin]) : source)]);
  };
  Document.prototype.write = writing("");
  Document.prototype.writeln = writing("\\n");
  Document.prototype.open = function (...parts) {
    return this === document && parts.length < 3 ? apply(reopen, undefined, parts) : apply(open, this, parts);
  };
  Document.prototype.close = function () {
    if (this === document) isOpen = false;
    return apply(close, this, []);
  };
  document.currentScript.remove();
})();</script>"""
#: In a document without the network, and in one with it.
_GUARDS = {False: _GUARD.replace("TELL", _TELL), True: _GUARD.replace("TELL", "null")}


def frame(markup: str, height: int = 0, network: bool = False) -> str:
    """Markup in a frame with an origin of its own: its scripts run, and reach nothing but the frame.

    Parameters
    ----------
    height : int
        The height that it wants to have, in pixels; 0 for any.
    network : bool
        Whether it may load what is in the network, as the sandbox that it comes from may.
    """
    policy = _policy(network)
    inner = f"<!doctype html>{policy}{_GUARDS[bool(network)]}{_STYLE}{_SHADOW.sub('shadow-off-mode', markup)}"
    outer = f'<!doctype html>{policy}{_OUTER_STYLE}<iframe sandbox="allow-scripts" srcdoc="{_quoted(inner)}"></iframe>'
    pixels = min(height + 40, MAX_HEIGHT) if height else DEFAULT_HEIGHT
    return (
        f'<iframe sandbox="allow-scripts" referrerpolicy="no-referrer" loading="lazy" '
        f'title="Output of the sandbox" style="width:100%;height:{pixels}px;border:0" srcdoc="{_quoted(outer)}"></iframe>'
    )


def _quoted(text: str) -> str:
    """A text between double quotes, where nothing else has to be replaced."""
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _policy(network: bool) -> str:
    directives = []
    for name, sources in _ALWAYS.items():
        if network and name in _WITH_NETWORK:
            sources += " https: http:"
        elif network and name in _SECURE_WITH_NETWORK:
            sources = "https:" if sources == "'none'" else f"{sources} https:"
        directives.append(f"{name} {sources}")
    content = html.escape("; ".join(directives), quote=False)
    return (
        f'<meta http-equiv="Content-Security-Policy" content="{content}">'
        '<meta http-equiv="x-dns-prefetch-control" content="off">'
    )
