"""What is wrong with a message that is given to the page, written without a look at the filter.

It knows what the front ends do with the keys that are dangerous, and holds every other string for harmless only where no
key says that it is shown as markup, as CSS or as an address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from selectolax.lexbor import LexborHTMLParser

__all__ = ["Oracle", "markup_faults"]

_MODULES = {
    *(
        "@jupyter-widgets/base",
        "@jupyter-widgets/controls",
        "@jupyter-widgets/output",
        "anywidget",
        "bqplot",
        "bqscales",
    ),
    "jupyter-matplotlib",
}
_NAMES = ("_model_name", "_view_name", "_model_module", "_view_module")
_KEYS = {"comm_open": {"state", "buffer_paths"}, "comm_close": set()}
_HTML_VIEWS = {"HTMLView", "HTMLMathView"}
_ACTING = {
    *("script", "iframe", "frame", "object", "embed", "form", "base", "meta", "link", "input", "button", "svg", "math"),
    *("template", "textarea", "select"),
}
_ADDRESSES = {"src", "href", "srcset", "poster", "background", "action", "data", "xlink:href", "cite"}
_LOADS = re.compile(r"url\s*\(|image-set|@import|\\|expression|attr\s*\(", re.IGNORECASE)
_TEX = re.compile(r"\\(?:href|url|require|class|style|html|cssId|data|mmlToken|unicode)\b")


def markup_faults(markup: str, framed: bool = False) -> Iterator[str]:
    """What a browser's parser finds in markup that could act in the page, or reach beyond itself."""
    for node in LexborHTMLParser(markup).css("*"):
        tag = (node.tag or "").lower()
        attributes = {key.lower(): value or "" for key, value in node.attributes.items()}
        if tag == "iframe" and framed and attributes.get("sandbox") == "allow-scripts" and "src" not in attributes:
            continue
        if tag in _ACTING:
            yield f"<{tag}>"
        if tag == "style" and (_LOADS.search(node.text() or "") or ".jp-" in (node.text() or "")):
            yield "a loud style sheet"
        for key, value in attributes.items():
            text = re.sub(r"[\s\x00-\x1f]", "", value).lower()
            if key.startswith(("on", "data-")) or key == "srcdoc" or text.startswith(("javascript:", "vbscript:")):
                yield f"{tag} {key}"
            if key == "style" and (_LOADS.search(value) or re.search("position|fixed|sticky", value)):
                yield f"{tag} style {value}"
            if key in _ADDRESSES - {"href", "cite"} and text and not text.startswith("data:"):
                yield f"{tag} fetches {value}"
            if key == "href" and not text.startswith(("http://", "https://", "mailto:", "#")):
                yield f"{tag} {key} {value}"
            if key == "class" and re.search(r"(?:^|\s)(?:jp-|lm-)", value):
                yield f"{tag} class {value}"


class Oracle:
    """Follows what a page knows, and tells what is wrong with the next message to it."""

    def __init__(self) -> None:
        self.widgets: dict[str, dict[str, Any]] = {}
        #: What a name has ever meant: a page may be making a link to a widget while it is closed.
        self._meant: dict[str, str] = {}

    def faults(self, msg_type: str, comm_id: str, data: dict[str, Any], buffers: list[Any]) -> list[str]:
        """What is wrong with a message to the page."""
        return list(self._faults(msg_type, comm_id, data, buffers))

    def _faults(self, msg_type: str, comm_id: str, data: dict[str, Any], buffers: list[Any]) -> Iterator[str]:
        yield from _shape_faults(msg_type, data, buffers)
        if msg_type == "comm_open":
            if comm_id in self.widgets:
                yield "opened twice"
            state = self.widgets[comm_id] = data["state"]
            if self._meant.setdefault(comm_id, str(state.get("_model_name"))) != state.get("_model_name"):
                yield "a name means another widget"
            yield from _name_faults(state)
        elif comm_id not in self.widgets:
            yield "not open"
            return
        elif msg_type == "comm_close":
            del self.widgets[comm_id]
            return
        elif any(name in data.get("state", {}) for name in _NAMES):
            yield "names in an update"
        self.widgets[comm_id] = {**self.widgets[comm_id], **data.get("state", {})}
        yield from self._state_faults(self.widgets[comm_id], data.get("state", {}))

    def state_faults(self, comm_id: str, entry: dict[str, Any]) -> list[str]:
        """What is wrong with one widget of an answer to a page that asks for all states."""
        if comm_id not in self.widgets:
            return ["not open"]
        if entry["model_name"] != self.widgets[comm_id]["_model_name"]:
            return ["told as another"]
        return [*_name_faults(entry["state"]), *self._state_faults(entry["state"], entry["state"])]

    def _state_faults(self, widget: dict[str, Any], state: dict[str, Any]) -> Iterator[str]:
        module, model, view = (str(widget.get(key)) for key in ("_model_module", "_model_name", "_view_name"))
        yield from _key_faults(state)
        if view in _HTML_VIEWS and state.get("value") is not None:
            yield from markup_faults(state["value"]) if type(state["value"]) is str else ["markup that is no string"]
        if "was not run" not in state.get("_esm", "was not run") or state.get("_css"):
            yield "a module or sheet of its own"
        if "Link" in model:
            yield from self._link_faults(state)
        if model.endswith("StyleModel") or model == "LayoutModel" or module in ("bqplot", "bqscales"):
            faults = (
                text
                for key, text in _texts(state)
                if key not in ("description", "tooltip") and _looks(key, text, module)
            )
            yield from (f"loads {text}" for text in faults)
        if model in ("ImageModel", "VideoModel", "AudioModel") and not re.fullmatch(
            r"[a-z0-9+]+", str(state.get("format") or "png")
        ):
            yield "a format"
        if state.get("format") == "url" or not str(state.get("_data_url") or "data:image/").startswith("data:image/"):
            yield "an address"

    def _link_faults(self, state: dict[str, Any]) -> Iterator[str]:
        source, target = state.get("source"), state.get("target")
        if source is None or target is None:
            return
        for end in (source, target):
            if type(end) is not list or [type(part) for part in end] != [str, str]:
                yield "an end of a link"
                return
        from_, to = (self.widgets.get(end[0].removeprefix("IPY_MODEL_"), {}) for end in (source, target))
        if to.get("_view_name") in _HTML_VIEWS and target[1] == "value":
            shown_as_text = from_.get("_view_name") in (
                "TextView",
                "TextareaView",
                "PasswordView",
                "ComboboxView",
                "LabelView",
            )
            if not from_ or shown_as_text or source[1] not in ("value", *_NUMBERS):
                yield f"a link of {from_.get('_model_name')}.{source[1]} into markup"
        if target[1] in _UNLINKED or (target[1].startswith("_") and target[1] != "_options_labels"):
            yield f"a link into {target[1]}"


_UNLINKED = ("outputs", "layout", "style", "format", "children", "description_allow_html")
_NUMBERS = ("max", "min", "step", "index", "selected_index", "disabled", "interval", "playing")


def _looks(key: str, text: str, module: str) -> bool:
    """Whether a string of a key that is CSS would load something; what a plot shows as text may say anything."""
    is_css = (
        module not in ("bqplot", "bqscales") or "style" in key or "color" in key or key in ("stroke", "fill", "onclick")
    )
    return is_css and not key.startswith("_") and _LOADS.search(text) is not None


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for inner, each in value.items():
            yield from _texts(each, key if "style" in key or "color" in key else inner)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each, key)


def _shape_faults(msg_type: str, data: dict[str, Any], buffers: list[Any]) -> Iterator[str]:
    if msg_type == "comm_msg":
        if data.get("method") == "custom":
            if set(data) != {"method", "content"} or type(data["content"]) is not dict:
                yield f"keys {set(data)}"
        elif data.get("method") not in ("update", "echo_update") or set(data) != {"method", "state", "buffer_paths"}:
            yield f"keys {set(data)}"
    elif set(data) != _KEYS[msg_type] and data:
        yield f"keys {set(data)}"
    paths = data.get("buffer_paths", [None] * len(buffers))
    if len(paths) != len(buffers):
        yield "buffers without a place"
    for path in paths:
        if path is not None and (not path or any(part in ("__proto__", "constructor", "prototype") for part in path)):
            yield f"a buffer at {path}"


def _name_faults(state: dict[str, Any]) -> Iterator[str]:
    for name in _NAMES:
        if type(state.get(name)) not in (str, type(None)):
            yield f"{name} is {state.get(name)!r}"
    for name in ("_model_module", "_view_module"):
        if state.get(name) is not None and state[name] not in _MODULES:
            yield f"{name} is {state[name]}"
    if state.get("_model_name") is None or state.get("_model_module") is None:
        yield "no name"


def _key_faults(state: dict[str, Any]) -> Iterator[str]:
    waiting: list[Any] = [state]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "__proto__" in value or "onclick" in value:
                yield "a key"
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)
    if state.get("description_allow_html"):
        yield "markup in a description"
    for key in ("description", "tooltip", "placeholder", "icon", "button_style", "layout", "style", "msg_id", "format"):
        if type(state.get(key)) not in (str, type(None)):
            yield f"{key} is {state[key]!r}"
    for output in state.get("outputs") or ():
        yield from _output_faults(output)


def _output_faults(output: dict[str, Any]) -> Iterator[str]:
    if output["output_type"] not in ("stream", "error", "display_data", "execute_result"):
        yield f"an output {output['output_type']!r}"
    data = output.get("data", {})
    if type(data.get("text/html", "")) is not str or "application/javascript" in data:
        yield "a bundle"
    yield from markup_faults(data.get("text/html", ""), framed=True)
