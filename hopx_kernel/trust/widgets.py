"""Messages of the sandbox's widgets, each made anew from what is known of its widget.

A front end builds a widget from names that the sandbox sends, takes a list with a name in it for the name, and copies
values between widgets where it is told to (``jslink``). So a widget is one of those in `models`, from its opening on and
for ever; of a message only the keys that are written there pass, each with a value of its kind; a model that is not there
is replaced by a notice; and a link joins only what is shown with no more power at its other end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .buffers import Pairs, odd_place, pair, place_is_free, split
from .customs import clean_custom
from .media import holds_addresses
from .models import ANYWIDGET, LABEL, PLAIN, Model, find_model
from .notices import CONFIG_FILE, MAPS_LEFT_OUT, TRUST_LINE
from .outputs import clean_outputs
from .references import REFERENCES, References
from .values import BINARY, LINKED, REFUSED, clean_value, plain_word

__all__ = ["MAX_ID", "WidgetFilter"]

#: Stands where an anywidget of the sandbox had its own module.
NOTICE_MODULE = f"""\
export default {{ render({{ el }}) {{
  el.textContent = 'The JavaScript of this widget comes from the sandbox and was not run. To run it, name its package '
    + 'in c.HopxConfig.widget_packages, or put {TRUST_LINE} into {CONFIG_FILE}.';
}} }};
"""

#: The longest name of a comm; ipywidgets' have 32 characters.
MAX_ID = 200
#: The first version of the base and the controls that speaks this protocol, for what stands in for another widget.
_OWN_VERSION = "2.0.0"
_VERSION_CHARACTERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.^~*+-")

#: Widgets that were closed and whose names still mean what they meant: a page may yet be making a link to them.
MAX_CLOSED = 20_000

#: The keys by which plotly's own module is given its figures, in which it fetches only by keys that are known.
_FIGURE_KEYS = ("_widget_", "_py2js_", "_js2py_", "_config")

Bundle = dict[str, Any]
Message = tuple[Bundle, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class _Widget:
    """What is known of one widget of the sandbox's."""

    model: Model
    has_view: bool = True
    #: Whether it stands in for a widget that is not known.
    is_notice: bool = False
    #: Whether it runs a module of its own that the person has named.
    is_named: bool = False
    #: Whether it is not shown since it is a figure with a map.
    has_map: bool = False


class WidgetFilter:
    """Makes the data of widgets' comm messages harmless, one kernel's at a time.

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
        self._widgets: dict[str, _Widget] = {}
        self._references = References()
        self._closed: dict[bytes, Model] = {}

    # ------------------------------------------------------------------ the messages

    def clean(self, msg_type: str, comm_id: str, data: Bundle, buffers: Sequence[Any]) -> Message | None:
        """The data and buffers to pass for a message of the sandbox's; None where none is to be passed."""
        if type(comm_id) is not str or len(comm_id) > MAX_ID:
            return None
        if msg_type == "comm_open":
            return self._open(comm_id, data, buffers)
        if comm_id not in self._widgets:
            return None
        if msg_type == "comm_close":
            self.close(comm_id)
            return {}, ()
        return self._message(comm_id, data, buffers) if msg_type == "comm_msg" else None

    def states(self, data: Bundle, buffers: Sequence[Any]) -> Message:
        """The answer to a page that asks for the states of all widgets, of those that have been opened to it."""
        offered = data.get("states")
        states: Bundle = {}
        pairs: Pairs = []
        theirs = split(pair(data, buffers))
        for comm_id, entry in offered.items() if type(offered) is dict else ():
            widget = self._widgets.get(comm_id)
            if widget is None or type(entry) is not dict:
                continue
            state, placed = self._whole(comm_id, widget, _state_of(entry), theirs.get(comm_id, []))
            keys = ("_model_name", "_model_module", "_model_module_version")
            states[comm_id] = {**{key[1:]: state[key] for key in keys}, "state": state}
            pairs += [([comm_id, "state", *path], buffer) for path, buffer in placed]
        paths, kept = [path for path, _ in pairs], [buffer for _, buffer in pairs]
        return {"method": "update_states", "states": states, "buffer_paths": paths}, kept

    def opened_by_page(self, comm_id: str, data: Bundle) -> None:
        """Note a widget that the page has made itself, and that the sandbox may tell about from now on."""
        widget = self._recognise(_state_of(data))
        if not widget.is_notice and comm_id not in self._widgets:
            self._widgets[comm_id] = widget

    def close(self, comm_id: str) -> None:
        """Forget a widget, but for what its name means."""
        widget = self._widgets.pop(comm_id, None)
        if widget is None:
            return
        self._references.forget(comm_id)
        if len(self._closed) >= MAX_CLOSED:
            del self._closed[next(iter(self._closed))]
        self._closed[_digest(comm_id)] = widget.model

    def close_all(self) -> None:
        """Forget every widget: what held them is gone."""
        for comm_id in list(self._widgets):
            self.close(comm_id)

    def _open(self, comm_id: str, data: Bundle, buffers: Sequence[Any]) -> Message | None:
        state = _state_of(data)
        widget = self._recognise(state)
        if comm_id in self._widgets or self._closed.get(_digest(comm_id), widget.model) is not widget.model:
            return None
        self._widgets[comm_id] = widget
        clean, placed = self._whole(comm_id, widget, state, pair(data, buffers))
        return {"state": clean, "buffer_paths": [path for path, _ in placed]}, [buffer for _, buffer in placed]

    def _message(self, comm_id: str, data: Bundle, buffers: Sequence[Any]) -> Message | None:
        widget, method = self._widgets[comm_id], data.get("method")
        if type(method) is not str:
            return None
        if method == "custom":
            custom = clean_custom(widget.model, data.get("content"), buffers, widget.is_named)
            return None if custom is None or widget.is_notice else ({"method": method, "content": custom[0]}, custom[1])
        if method not in ("update", "echo_update"):
            return None
        state, placed = self._part(comm_id, _state_of(data), pair(data, buffers))
        paths = [path for path, _ in placed]
        return {"method": method, "state": state, "buffer_paths": paths}, [buffer for _, buffer in placed]

    # ------------------------------------------------------------------ what a widget is

    def _recognise(self, state: Bundle) -> _Widget:
        """The widget that a state is of, or what stands in for it where it is none that is known."""
        model, view = find_model(state.get("_model_module"), state.get("_model_name")), state.get("_view_name", ...)
        if model is None or not _is_view_of(model, view, state.get("_view_module")):
            # A label says it where something would be shown; what shows nothing is there, and nothing more.
            stand_in = find_model(*(PLAIN if view is None or view is ... else LABEL))
            assert stand_in is not None
            return _Widget(stand_in, has_view=stand_in.view is not None, is_notice=True)
        is_named = (model.module, model.name) == ANYWIDGET and state.get("_esm") in self._texts()
        if is_named and _has_map(state):
            label = find_model(*LABEL)
            assert label is not None
            return _Widget(label, is_notice=True, has_map=True)
        return _Widget(model, has_view=view is not None and model.view is not None, is_named=is_named)

    def _texts(self) -> _Texts:
        return _Texts(self._front_end_files)

    def _whole(self, comm_id: str, widget: _Widget, state: Bundle, pairs: Pairs) -> tuple[Bundle, Pairs]:
        """A state from which a page makes a widget: its names, and what passes of its values."""
        model = widget.model
        names: Bundle = {
            "_model_module": model.module,
            "_model_module_version": _version(state.get("_model_module_version"), widget),
            "_model_name": model.name,
            "_view_count": None,
            "_view_module": None if not widget.has_view and state.get("_view_module") is None else model.view_module,
            "_view_module_version": _version(state.get("_view_module_version"), widget),
            "_view_name": model.view if widget.has_view else None,
        }
        if widget.is_notice:
            layout = clean_value("ref", state.get("layout"))
            shown = {"value": _notice(state, widget.has_map)}
            if layout is not REFUSED:
                shown["layout"] = self._references.keep(comm_id, "layout", layout)
            return {**names, **(shown if widget.has_view else {})}, []
        clean, placed = self._part(comm_id, state, pairs)
        if (model.module, model.name) == ANYWIDGET:
            clean.setdefault("_esm", NOTICE_MODULE)
        return {**clean, **names, "_view_count": clean.get("_view_count")}, placed

    # ------------------------------------------------------------------ its values

    def _part(self, comm_id: str, state: Bundle, pairs: Pairs) -> tuple[Bundle, Pairs]:
        """What passes of some of a widget's values, and of the buffers that belong into them."""
        widget = self._widgets[comm_id]
        if widget.is_notice:
            return {}, []
        if "_esm" in state and widget.is_named and state["_esm"] not in self._texts():
            widget = self._widgets[comm_id] = replace(widget, is_named=False)
        clean = {key: self._value(widget, key, value) for key, value in state.items()}
        clean = {
            key: self._references.keep(comm_id, key, value) if widget.model.keys.get(key) in REFERENCES else value
            for key, value in clean.items()
            if value is not REFUSED
        }
        if "source" in widget.model.keys and ("source" in clean or "target" in clean):
            self._check_link(clean, is_one_way=widget.model.name == "DirectionalLinkModel")
        return clean, [each for each in pairs if self._has_place(widget, clean, *each)]

    def _value(self, widget: _Widget, key: str, value: Any) -> Any:
        kind = widget.model.keys.get(key)
        if kind == "module":
            return value if value in self._texts() else NOTICE_MODULE
        if kind == "sheet":
            return value if value in self._texts() else ""
        if kind == "outputs":
            return clean_outputs(value, self._bundle)
        if kind is not None:
            return clean_value(kind, value)
        if key == "_view_count":
            return clean_value("number", value)
        return (
            self._named_value(key, value) if widget.is_named and not key.startswith(("_view_", "_model_")) else REFUSED
        )

    def _named_value(self, key: str, value: Any) -> Any:
        from .figures import clean_figure

        return clean_figure(value, key, has_known_keys=key.startswith(_FIGURE_KEYS)) if plain_word(key) else REFUSED

    def _has_place(self, widget: _Widget, state: Bundle, path: list[Any], buffer: Any) -> bool:
        if odd_place(path) or type(path[0]) is not str:
            return False
        kind = widget.model.keys.get(path[0])
        if kind is None and not (widget.is_named and plain_word(path[0])):
            return False
        if kind is not None and kind not in BINARY:
            return False
        if kind == "media" and (len(path) > 1 or holds_addresses(buffer) or _is_endless(buffer)):
            return False
        return not path[0].startswith(("_view_", "_model_")) and place_is_free(state, path)

    # ------------------------------------------------------------------ links

    def _check_link(self, clean: Bundle, is_one_way: bool) -> None:
        """Take both ends from a link that would carry a value to where it is shown with more power."""
        source, target = (self._power(clean.get(key)) for key in ("source", "target"))
        # What goes to and fro must be shown alike at both ends; one way, it may go to where it is shown with less.
        if source is None or target is None or source > target or (source != target and not is_one_way):
            clean["source"] = clean["target"] = None

    def _power(self, end: Any) -> int | None:
        if end is None:
            return None
        widget = self._widgets.get(end[0].removeprefix("IPY_MODEL_"))
        return None if widget is None or widget.is_notice else LINKED.get(widget.model.keys.get(end[1], ""))


class _Texts:
    """The texts that may be run, asked with any value."""

    def __init__(self, texts: Container[str]) -> None:
        self._texts = texts

    def __contains__(self, value: object) -> bool:
        return type(value) is str and value in self._texts


def _is_view_of(model: Model, view: Any, module: Any) -> bool:
    if view is None or view is ...:
        return True
    return type(view) is str and view == model.view and (module is None or module == model.view_module)


def _state_of(data: Bundle) -> Bundle:
    state = data.get("state")
    return state if type(state) is dict else {}


def _version(value: Any, widget: _Widget) -> str:
    if widget.is_notice:
        return _OWN_VERSION
    # A page may put it into an address, where it asks for a module.
    return value if type(value) is str and len(value) <= 40 and _VERSION_CHARACTERS.issuperset(value) else "*"


def _is_endless(buffer: Any) -> bool:
    from .drawings import holds_endless

    return holds_endless(buffer)


def _has_map(state: Bundle) -> bool:
    from .figures import has_map

    return has_map(state)


def _notice(state: Bundle, has_map: bool) -> str:
    if has_map:
        return f"{MAPS_LEFT_OUT}. To show it, put {TRUST_LINE} into {CONFIG_FILE}."
    module = state.get("_view_module")
    whose = f" of {module}" if plain_word(module) and module else ""
    return f"This widget{whose} is none that is known to be harmless, and is not shown. To show it, put {TRUST_LINE} into {CONFIG_FILE}."


def _digest(comm_id: str) -> bytes:
    return hashlib.blake2b(comm_id.encode("utf-8", "replace"), digest_size=12).digest()
