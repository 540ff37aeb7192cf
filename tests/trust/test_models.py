"""The table of widgets against the packages that bring them: no widget is missing, and none of its keys."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import ipywidgets
import pytest

from hopx_kernel.trust.models import find_model
from hopx_kernel.trust.values import REFUSED, clean_value


def _classes(base: type[ipywidgets.Widget] = ipywidgets.Widget) -> Iterator[type[ipywidgets.Widget]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _classes(kind)


def _widgets_of(package: str) -> list[type[ipywidgets.Widget]]:
    pytest.importorskip(package)
    if package == "ipympl":
        importlib.import_module("ipympl.backend_nbagg")
    return sorted({kind for kind in _classes() if kind.__module__.startswith(f"{package}.")}, key=str)


def _defaults(kind: type[ipywidgets.Widget]) -> dict[str, Any]:
    return {name: trait.default_value for name, trait in kind.class_traits(sync=True).items()}


@pytest.mark.parametrize(("package", "at_least"), [("ipywidgets", 80), ("bqplot", 30), ("bqscales", 15), ("ipympl", 2)])
def test_every_widget_of_a_package_is_in_the_table(package: str, at_least: int) -> None:
    kinds = _widgets_of(package)
    assert len(kinds) >= at_least
    for kind in kinds:
        traits = _defaults(kind)
        model = find_model(traits["_model_module"], traits["_model_name"])
        assert model is not None, kind
        if traits["_view_name"] is not None:
            assert (model.view_module, model.view) == (traits["_view_module"], traits["_view_name"]), kind
        own = {name for name in traits if not name.startswith(("_model_", "_view_"))}
        assert own <= set(model.keys), kind


_STOCK = sorted(
    {
        kind
        for kind in _classes()
        if kind.__module__.startswith("ipywidgets.")
        and not kind.__name__.startswith("_")
        and kind.__name__ != "interactive"
    },
    key=lambda kind: kind.__name__,
)


_BUTTON = ipywidgets.Button()
#: What a widget cannot be made without.
_NEEDED: dict[str, dict[str, Any]] = {
    "GridspecLayout": {"n_rows": 2, "n_columns": 2},
    "SelectionSlider": {"options": ["a", "b"]},
    "SelectionRangeSlider": {"options": ["a", "b"]},
    **{key: {"source": (_BUTTON, "icon"), "target": (_BUTTON, "icon")} for key in ("Link", "DirectionalLink")},
}


@pytest.mark.parametrize("kind", _STOCK, ids=lambda kind: kind.__name__)
def test_defaults_of_every_widget_pass_as_they_are(kind: type[ipywidgets.Widget]) -> None:
    state = kind(**_NEEDED.get(kind.__name__, {})).get_state()
    model = find_model(state["_model_module"], state["_model_name"])
    assert model is not None
    for key, value in state.items():
        kind_of_key = model.keys.get(key)
        if kind_of_key in (None, "media", "outputs", "false", "end"):
            continue
        clean = clean_value(str(kind_of_key), value)
        assert clean is not REFUSED and clean == (list(value) if isinstance(value, tuple) else value), key


@pytest.mark.parametrize("name", [["LabelModel"], ("LabelModel",), {"LabelModel": 1}, None, 5, "Label", "labelmodel"])
def test_what_is_no_name_finds_no_model(name: object) -> None:
    assert find_model("@jupyter-widgets/controls", name) is None
    assert find_model(name, "LabelModel") is None
    assert find_model("@jupyter-widgets/controls", "LabelModel") is not None
