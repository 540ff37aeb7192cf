"""Random and mutated messages of a sandbox, each the child of a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import ipywidgets

from .page import EVIL

__all__ = ["Hostile"]

Message = tuple[str, str, dict[str, Any], list[bytes]]

_SCRIPT = "<script>canary()</script>"
_MODULE = "export default {render() {canary()}}"
_STRINGS = [
    *(EVIL, _SCRIPT, "", "x", "value", "<b>calm</b>", "a < b & c", "$x^2$", r"$\href{javascript:canary()}{x}$"),
    *(
        "url(/canary-fuzz)",
        "u\\72l(/canary-fuzz)",
        "image-set('/canary-fuzz' 1x)",
        "red;background:url(/canary-fuzz)",
        "calc(1px)",
    ),
    *("<style>@import url(/canary-fuzz)</style>", "<style>.jp-Cell{display:none}</style>", "<svg/onload=canary()>"),
    *("<p title='<style>'></p><style>*{x:y}</style>", "<math><mtext><table><mglyph><style><!--</style><img title='-->"),
    *(
        "javascript:canary()",
        "http://127.0.0.1/canary-fuzz",
        "//x/canary-fuzz",
        "/canary-fuzz",
        "data:text/html,<script>canary()",
    ),
    *(
        "HTMLView",
        "HTMLModel",
        "DirectionalLinkModel",
        "OutputModel",
        "OutputView",
        "StyleView",
        "constructor",
        "__proto__",
    ),
    *("@jupyter-widgets/controls", "@jupyter-widgets/base", "@jupyter-widgets/output", "anywidget", "bqplot", "evil"),
    *(
        "update",
        "echo_update",
        "custom",
        "update_states",
        "url",
        "svg+xml",
        "jp-Dialog",
        "../../x",
        "\ud800",
        "\x00",
        "null",
    ),
    *(_MODULE, '{"type": "binary"}', '{"type": "constructor"}', "IPY_MODEL_", "any"),
]
_KEYS = [
    *("value", "description", "_esm", "_css", "outputs", "source", "target", "children", "layout", "style", "format"),
    *(
        "_model_name",
        "_view_name",
        "_model_module",
        "_view_module",
        "_view_module_version",
        "_dom_classes",
        "__proto__",
    ),
    *(
        "state",
        "states",
        "method",
        "content",
        "buffer_paths",
        "description_allow_html",
        "msg_id",
        "background",
        "width",
    ),
    *("node_data", "background_style", "_data_url", "titles", "options", "_options_labels", "data", "text/html"),
]
_MIMES = [
    *("text/html", "text/plain", "text/markdown", "text/latex", "image/svg+xml", "image/png", "application/json"),
    *("application/javascript", "application/vnd.jupyter.widget-view+json", "application/vnd.plotly.v1+json"),
    *("application/vnd.vega.v5+json", "application/geo+json", "TEXT/HTML", "text/html;x", "text/vnd.mermaid", "x"),
]
_BQPLOT = ["Figure", "Lines", "Graph", "Label", "Map", "Axis", "Tooltip", "Pie", "Image"]

#: What acts as soon as it is shown as markup, or run as a module.
_ACTING = [
    *("<img src=x onerror=canary()>", "<svg/onload=canary()>", "<details open ontoggle=canary()>x</details>"),
    *("<iframe srcdoc='<script>parent.canary()</script>'></iframe>", "<p><style onload=canary()></style></p>"),
]
#: What is shown with power, where it is.
_SHOWN = {"HTMLModel": "value", "HTMLMathModel": "value", "AnyModel": "_esm", "OutputModel": "outputs"}


def _stock() -> list[dict[str, Any]]:
    """The states of ordinary widgets, as ipywidgets would send them."""
    names = [
        *("HTML", "HTMLMath", "Label", "Text", "Textarea", "IntSlider", "FloatProgress", "Button", "Dropdown", "Tab"),
        *("VBox", "Output", "Image", "Video", "Layout", "Combobox", "TagsInput", "DatePicker", "ColorPicker", "Play"),
        *("ToggleButtons", "SelectMultiple", "FileUpload", "Valid", "Checkbox", "Accordion", "IntRangeSlider"),
    ]
    states = [getattr(ipywidgets, name)().get_state() for name in names]
    states += [ipywidgets.HTML().style.get_state(), ipywidgets.Button().style.get_state()]
    # Of those that show markup or run a module there are more than of others.
    states += [getattr(ipywidgets, name)().get_state() for name in ("HTML", "HTMLMath", "Output")] * 4
    versions = dict.fromkeys(("_model_module_version", "_view_module_version"), "*")
    link = {
        **dict.fromkeys(("_model_module", "_view_module"), "@jupyter-widgets/controls"),
        "_view_name": None,
        "source": ["IPY_MODEL_0", "value"],
        "target": ["IPY_MODEL_1", "value"],
    }
    states += [{**link, **versions, "_model_name": f"{name}Model"} for name in ("Link", "DirectionalLink")] * 3
    states += [
        {
            "_model_name": f"{name}Model",
            "_view_name": name,
            "_model_module": "bqplot",
            "_view_module": "bqplot",
            **versions,
        }
        for name in _BQPLOT
    ]
    modules = [("jupyter-matplotlib", "MPLCanvas"), ("jupyter-matplotlib", "Toolbar"), *[("anywidget", "Any")] * 4]
    for module, model in modules:
        names_of = {"_model_name": f"{model}Model", "_view_name": f"{model}View"}
        states.append({**names_of, "_model_module": module, "_view_module": module, **versions})
    # Without a layout and a style of its own, which no page has: a widget that waits for one is never shown.
    return [
        {
            key: None if key in ("layout", "style") else value
            for key, value in state.items()
            if not isinstance(value, (bytes, memoryview))
        }
        for state in states
    ]


class Hostile:
    """Makes messages; the same seed makes the same."""

    #: How many names back a message may go: few, so that comms are opened, closed and opened again.
    IDS = 24

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._states = _stock()
        self._names = 0

    def messages(self, count: int) -> Iterator[Message]:
        """Comm messages: the type, the comm's name, the data and the buffers."""
        for _ in range(count):
            yield self.message()

    def message(self) -> Message:
        kind = self.random.choices(("comm_open", "comm_msg", "comm_close"), (4, 6, 1))[0]
        if kind == "comm_open" and self.random.random() < 0.8:
            self._names += 1
        comm_id = self.name() if kind != "comm_open" or self.random.random() < 0.2 else str(self._names)
        data: dict[str, Any] = {"state": self.state(), "buffer_paths": []}
        if kind == "comm_msg":
            data["method"] = self.random.choice(["update", "update", "echo_update", "custom", self.value()])
            data["content"] = self.value()
        elif self.random.random() < 0.15:
            data |= {"method": self.random.choice(["update_states", ["update"], self.value()]), "states": self.states()}
        buffers = [b"png"] * self.random.randrange(3)
        data["buffer_paths"] = [self.path() for _ in buffers]
        for _ in range(self.random.choice((0, 0, 0, 1, 2))):
            data[self.random.choice(_KEYS)] = self.value()
        return kind, comm_id, data, buffers

    def name(self) -> str:
        """A comm's name that has been used lately, as a rule."""
        return str(max(0, self._names - self.random.randrange(self.IDS)))

    def states(self) -> dict[str, Any]:
        """What an answer to a page that asks for all states holds."""
        found = {}
        for _ in range(self.random.randrange(4)):
            state = self.state()
            entry = {"state": state, "model_name": self.random.choice([state.get("_model_name"), self.value()])}
            found[self.name()] = entry if self.random.random() < 0.9 else self.value()
        return found

    def state(self) -> dict[str, Any]:
        """An ordinary widget's state, of which some is not."""
        state = dict(self.random.choice(self._states))
        for _ in range(self.random.choice((0, 1, 1, 2, 4))):
            key = self.random.choice([*state, *_KEYS])
            before = state.get(key)
            state[key] = self.random.choice([[before], {"0": before}, self.value(), self.value(), self.outputs()])
        for key in ("source", "target"):
            if key in state and self.random.random() < 0.8:
                state[key] = [f"IPY_MODEL_{self.name()}", self.random.choice(["value", *_KEYS])]
        shown = _SHOWN.get(str(state.get("_model_name")))
        if shown and self.random.random() < 0.5:
            state[shown] = self.acting(shown)
        if "children" in state and self.random.random() < 0.5:
            state["children"] = [f"IPY_MODEL_{self.name()}"]
        return state

    def acting(self, key: str) -> Any:
        """A value that acts where a widget shows it under a key."""
        if key == "outputs":
            return [{"output_type": "display_data", "data": {"text/html": self.acting("value")}, "metadata": {}}]
        return _MODULE if key == "_esm" else self.random.choice(_ACTING)

    def outputs(self) -> list[Any]:
        """What an Output widget may be said to hold."""
        data, metadata = self.bundle()
        kind = self.random.choice(["display_data", "execute_result", "stream", "error", ["display_data"], self.value()])
        return [
            {"output_type": kind, "data": data, "metadata": metadata, "text": self.value(), "traceback": self.value()}
        ]

    def bundle(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """A MIME bundle and its metadata."""
        data = {self.random.choice(_MIMES): self.value() for _ in range(self.random.randrange(1, 4))}
        if self.random.random() < 0.2:
            data = {"text/html": self.random.choice([_SCRIPT, *_ACTING])}
        metadata = {self.random.choice([*_MIMES, "isolated", "width", "height"]): self.value() for _ in range(2)}
        return data, metadata

    def path(self) -> Any:
        """Where a buffer may be said to belong."""
        if self.random.random() < 0.1:
            return self.value()
        return [self.random.choice([*_KEYS, 0, 1]) for _ in range(self.random.randrange(1, 4))]

    def value(self, depth: int = 0) -> Any:
        """Anything that JSON can say."""
        choice = self.random.randrange(12)
        if choice < 6 or depth > 3:
            return "".join(self.random.choice(_STRINGS) for _ in range(self.random.choice((1, 1, 1, 2, 3))))
        if choice < 8:
            return self.random.choice([None, True, False, 0, -1, 3.5, 1e308, float("inf"), 2**70])
        if choice < 10:
            return [self.value(depth + 1) for _ in range(self.random.randrange(4))]
        return {self.random.choice([*_KEYS, *_MIMES]): self.value(depth + 1) for _ in range(self.random.randrange(4))}
