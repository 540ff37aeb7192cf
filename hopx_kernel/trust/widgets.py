"""Widget states from the sandbox: their HTML sanitised, their own JavaScript replaced by a notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["WidgetFilter"]

#: Stands where an anywidget of the sandbox had its own module.
NOTICE_MODULE = """\
export default { render({ el }) {
  el.textContent = "The JavaScript of this widget comes from the sandbox and was not run. See the option trust.";
} };
"""

#: The models whose `value` a front end shows as HTML.
_HTML_VALUE_MODELS = frozenset({"HTMLModel", "HTMLMathModel"})

#: Front-end modules that are packages of their own, published for this: a front end may load them by name.
_MODULES = ("@jupyter-widgets/", "anywidget", "jupyter-matplotlib", "jupyterlab-plotly", "jupyter-leaflet", "bqplot")
_MODULE_KEYS = ("_model_module", "_view_module")

#: Comms whose model is remembered, since an update does not name it.
_MAX_MODELS = 100_000

Bundle = dict[str, Any]


class WidgetFilter:
    """Makes the data of comm messages harmless, one kernel's at a time.

    Parameters
    ----------
    bundle : callable
        Makes a MIME bundle and its metadata harmless, for the outputs that an Output widget keeps.
    """

    def __init__(self, bundle: Callable[[Bundle, Bundle], tuple[Bundle, Bundle]]) -> None:
        self._bundle = bundle
        self._models: dict[str, str] = {}

    def clean(self, msg_type: str, comm_id: str, data: Bundle) -> Bundle:
        """The data of a message of the sandbox's."""
        if msg_type == "comm_close":
            self._models.pop(comm_id, None)
            return data
        if data.get("method") == "update_states" and isinstance(data.get("states"), dict):
            return {**data, "states": {key: self._clean_entry(key, entry) for key, entry in data["states"].items()}}
        state = data.get("state")
        if not isinstance(state, dict):
            return data
        if msg_type == "comm_open" and len(self._models) < _MAX_MODELS:
            self._models[comm_id] = str(state.get("_model_name", ""))
        return {**data, "state": self._clean_state(self._models.get(comm_id, ""), state)}

    def _clean_entry(self, comm_id: str, entry: Any) -> Any:
        if not isinstance(entry, dict) or not isinstance(entry.get("state"), dict):
            return entry
        model = str(entry.get("model_name") or self._models.get(comm_id, ""))
        return {**entry, "state": self._clean_state(model, entry["state"])}

    def _clean_state(self, model: str, state: Bundle) -> Bundle:
        from . import markup

        clean = dict(state)
        if "_esm" in clean:
            clean["_esm"] = NOTICE_MODULE
        if isinstance(clean.get("_css"), str) and not markup.is_calm_style_sheet(clean["_css"]):
            clean["_css"] = ""
        for key in _MODULE_KEYS:
            if isinstance(clean.get(key), str) and not clean[key].startswith(_MODULES):
                clean[key] = "@jupyter-widgets/base"
        if "description_allow_html" in clean:
            clean["description_allow_html"] = False
        if isinstance(clean.get("value"), str) and self._shows_html(model):
            clean["value"] = markup.clean_html(clean["value"])
        if isinstance(clean.get("outputs"), list | tuple):
            clean["outputs"] = [self._clean_output(output) for output in clean["outputs"]]
        return clean

    def _shows_html(self, model: str) -> bool:
        # A model that was never opened here could be anything.
        return model in _HTML_VALUE_MODELS or not model

    def _clean_output(self, output: Any) -> Any:
        if not isinstance(output, dict) or not isinstance(output.get("data"), dict):
            return output
        data, metadata = self._bundle(output["data"], output.get("metadata") or {})
        return {**output, "data": data, "metadata": metadata}
