"""Widget states from the sandbox: their HTML sanitised, their own JavaScript replaced by a notice.

A front end builds a widget from names that the sandbox sends, and copies values between widgets where it is told to
(``jslink``). So what is known of a widget is kept from its opening on, and a value passes uncleaned only into widgets
that show it as the text it is.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from enum import Enum
from typing import Any

__all__ = ["WidgetFilter", "without_prototypes"]

#: Stands where an anywidget of the sandbox had its own module.
NOTICE_MODULE = """\
export default { render({ el }) {
  el.textContent = "The JavaScript of this widget comes from the sandbox and was not run. See the option trust.";
} };
"""

#: Front-end modules that show what they are given as text or as pictures. All others a front end could fetch from a
#: public server, in any version that anybody has put there.
_MODULES = frozenset(
    ["anywidget", "bqplot", "bqscales", "jupyter-matplotlib", "jupyterlab-plotly"]
    + [f"@jupyter-widgets/{name}" for name in ("base", "controls", "output")]
)
_MODULE_KEYS = ("_model_module", "_view_module", "model_module")
_VERSION_KEYS = ("_model_module_version", "_view_module_version", "model_module_version")
_VERSION_CHARACTERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.^~*+- ")
#: What a widget is stays what it was opened as.
_FIXED_KEYS = frozenset(("_model_name", "_view_name", *_MODULE_KEYS, *_VERSION_KEYS))

#: Parts of a path by which JavaScript reaches an object's prototype.
_PROTOTYPES = frozenset({"__proto__", "constructor", "prototype"})

#: What a link may join besides values: nothing of it is ever shown as HTML or run.
_LINKED = frozenset(
    "active disabled index interval max min playing readout repeat selected_index step".split()  # noqa: SIM905
)
#: An update of a model that was not remembered could be for a link.
_LINK_MODELS = frozenset({"LinkModel", "DirectionalLinkModel", ""})
_MEDIA_MODELS = frozenset({"ImageModel", "VideoModel", "AudioModel"})

#: Comms whose widget is remembered, since an update does not name it.
_MAX_MODELS = 100_000

Bundle = dict[str, Any]


class _Shown(Enum):
    """How a front end shows the ``value`` of a widget."""

    AS_HTML = 0  # or who knows how
    AS_MATH = 1  # as text, with its TeX typeset
    AS_TEXT = 2


_INPUTS = ("Text", "Textarea", "Password", "Combobox", "ColorPicker", "TagsInput", "ColorsInput")
_SHOWN = {
    ("LabelModel", "LabelView"): _Shown.AS_MATH,
    **{(f"{name}Model", f"{name}View"): _Shown.AS_TEXT for name in _INPUTS},
}


class WidgetFilter:
    """Makes the data of comm messages harmless, one kernel's at a time.

    Parameters
    ----------
    bundle : callable
        Makes a MIME bundle and its metadata harmless, for the outputs that an Output widget keeps.
    front_end_files : container of str
        Texts that may be a widget's own module or style sheet.
    """

    def __init__(
        self, bundle: Callable[[Bundle, Bundle], tuple[Bundle, Bundle]], front_end_files: Container[str] = ()
    ) -> None:
        self._bundle = bundle
        self._front_end_files = front_end_files
        self._models: dict[str, tuple[str, _Shown]] = {}

    def clean(self, msg_type: str, comm_id: str, data: Bundle, buffers: Sequence[Any]) -> tuple[Bundle, Sequence[Any]]:
        """The data and buffers of a message of the sandbox's."""
        data, buffers = _without_odd_paths(without_prototypes(data), buffers)
        if msg_type == "comm_close":
            self._models.pop(comm_id, None)
        elif data.get("method") == "update_states" and isinstance(data.get("states"), dict):
            data = {**data, "states": {key: self._clean_entry(key, entry) for key, entry in data["states"].items()}}
        elif isinstance(state := data.get("state"), dict):
            if msg_type == "comm_open":
                self._note(comm_id, state.get("_model_name"), state)
            else:
                state = {key: value for key, value in state.items() if key not in _FIXED_KEYS}
            data = {**data, "state": self._clean_state(comm_id, state)}
        return data, buffers

    def _note(self, comm_id: str, model: Any, state: Bundle) -> None:
        """Remember what a widget is; where it has been said to be several things, the one that needs most care."""
        shown = _SHOWN.get((str(model), str(state.get("_view_name"))), _Shown.AS_HTML)
        if {state.get("_model_module"), state.get("_view_module")} != {"@jupyter-widgets/controls"}:
            shown = _Shown.AS_HTML
        before = self._models.get(comm_id)
        if before is not None:
            shown = min(shown, before[1], key=lambda each: each.value)
        if before is not None or len(self._models) < _MAX_MODELS:
            self._models[comm_id] = (str(model), shown)

    def _shown(self, comm_id: str) -> _Shown:
        return self._models.get(comm_id, ("", _Shown.AS_HTML))[1]

    def _clean_entry(self, comm_id: str, entry: Any) -> Any:
        if not isinstance(entry, dict) or not isinstance(entry.get("state"), dict):
            return {}
        self._note(comm_id, entry.get("model_name"), entry["state"])
        return {**_clean_modules(entry), "state": self._clean_state(comm_id, entry["state"])}

    def _clean_state(self, comm_id: str, state: Bundle) -> Bundle:
        from . import css, markup

        shown, model = self._shown(comm_id), self._models.get(comm_id, ("", None))[0]
        clean = {key: value if key == "value" else _calm(value) for key, value in _clean_modules(state).items()}
        for key, replacement in (("_esm", NOTICE_MODULE), ("_css", ""), ("description_allow_html", False)):
            if key in clean:
                clean[key] = state[key] if state[key] in self._front_end_files else replacement
        if "value" in clean and shown is _Shown.AS_MATH:
            clean["value"] = _calm(clean["value"])
        for key in _LINKED if shown is not _Shown.AS_HTML else (*_LINKED, "value"):
            if key in clean:
                clean[key] = _on_strings(clean[key], markup.clean_html)
        if "outputs" in clean:
            clean["outputs"] = self._clean_outputs(clean["outputs"])
        if "_dom_classes" in clean:
            clean["_dom_classes"] = _on_strings(clean["_dom_classes"], css.own_classes)
        if model in _LINK_MODELS and ("source" in clean or "target" in clean):
            self._clean_link(clean, model == "DirectionalLinkModel")
        if model in _MEDIA_MODELS and clean.get("format") == "url":
            clean["format"] = "png"  # the page would ask any address for it, its own server too
        if model == "LayoutModel" or model.endswith("StyleModel"):
            clean = {key: value for key, value in clean.items() if key in _FIXED_KEYS or not css.loads_something(value)}
        return clean

    def _clean_link(self, clean: Bundle, one_way: bool) -> None:
        """Take both ends from a link that would carry a value to where it is shown in another way."""
        source, target = (self._end(clean.get(key)) for key in ("source", "target"))
        # What goes to and fro must be shown alike at both ends; one way, it may go to where it is shown with less.
        if source is None or target is None or source.value > target.value or (source is not target and not one_way):
            clean["source"] = clean["target"] = None

    def _end(self, end: Any) -> _Shown | None:
        if not isinstance(end, list | tuple) or len(end) != 2 or not all(isinstance(part, str) for part in end):
            return None
        if end[1] in _LINKED:
            return _Shown.AS_HTML
        return self._shown(end[0].removeprefix("IPY_MODEL_")) if end[1] == "value" else None

    def _clean_outputs(self, outputs: Any) -> list[Any]:
        if not isinstance(outputs, list | tuple):
            return []
        return [self._clean_output(output) for output in outputs if isinstance(output, dict)]

    def _clean_output(self, output: Bundle) -> Bundle:
        if "data" not in output:
            return output
        data = output["data"] if isinstance(output["data"], dict) else {}
        metadata = output.get("metadata")
        data, metadata = self._bundle(data, metadata if isinstance(metadata, dict) else {})
        return {**output, "data": data, "metadata": metadata}


def _clean_modules(state: Bundle) -> Bundle:
    clean = dict(state)
    for key in _MODULE_KEYS:
        if key in clean and clean[key] is not None and clean[key] not in _MODULES:
            clean[key] = "@jupyter-widgets/base"
    for key in _VERSION_KEYS:
        if key in clean and not _VERSION_CHARACTERS.issuperset(str(clean[key])):
            clean[key] = "*"
    return clean


def _calm(value: Any) -> Any:
    from .latex import calm_text

    return _on_strings(value, calm_text)


def _on_strings(value: Any, function: Callable[[str], str]) -> Any:
    """Apply a function to a string, or to those of a list, which a page would join when it shows it as text."""
    if isinstance(value, str):
        return function(value)
    if isinstance(value, list | tuple):
        return [_on_strings(each, function) if isinstance(each, str | list | tuple) else each for each in value]
    return value


def without_prototypes(data: Bundle) -> Bundle:
    """Take out, in place and at any depth, the key that sets an object's prototype in JavaScript."""
    waiting: list[Any] = [data]
    while waiting:
        container = waiting.pop()
        if isinstance(container, dict):
            container.pop("__proto__", None)
            waiting.extend(value for value in container.values() if isinstance(value, dict | list | tuple))
        else:
            waiting.extend(value for value in container if isinstance(value, dict | list | tuple))
    return data


def _without_odd_paths(data: Bundle, buffers: Sequence[Any]) -> tuple[Bundle, Sequence[Any]]:
    """Leave out the buffers whose paths lead to a prototype."""
    paths = data.get("buffer_paths")
    if not paths:
        return data, buffers
    if not isinstance(paths, list):
        return {**data, "buffer_paths": []}, ()
    pairs = [(path, buffer) for path, buffer in zip(paths, buffers, strict=False) if _is_plain_path(path)]
    return {**data, "buffer_paths": [path for path, _ in pairs]}, [buffer for _, buffer in pairs]


def _is_plain_path(path: Any) -> bool:
    return isinstance(path, list) and all(
        isinstance(part, int) or (isinstance(part, str) and part not in _PROTOTYPES) for part in path
    )
