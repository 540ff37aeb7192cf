"""Figures with maps: a page would fetch tiles or outlines for them, and says so instead of drawing something else."""

from __future__ import annotations

from typing import Any

import pytest

from hopx_kernel.trust.policy import TrustPolicy

from .page import SAFE

PLOTLY = "application/vnd.plotly.v1+json"
MAPS = (
    "scattergeo", "choropleth", "scattermap", "scattermapbox", "choroplethmap", "choroplethmapbox", "densitymap",
    "densitymapbox",
)  # fmt: skip
ESM = "export default { render() {} }"


def figure_widget(*traces: dict[str, Any]) -> dict[str, Any]:
    names = {"_model_module": "anywidget", "_model_name": "AnyModel", "_view_module": "anywidget"}
    return {**names, "_view_name": "AnyView", "_esm": ESM, "_widget_data": list(traces), "_widget_layout": {}}


@pytest.mark.parametrize("kind", MAPS)
def test_figure_with_a_map_is_left_out_with_how_to_have_it(kind: str) -> None:
    policy = TrustPolicy(remedy="Put this line there.")
    for figure in (
        {"data": [{"type": "bar", "y": [1]}, {"type": kind}], "layout": {}},
        {"data": [{"type": "bar"}], "layout": {}, "frames": [{"data": [{"type": kind}]}]},
    ):
        clean, _ = policy.bundle({PLOTLY: figure, "text/plain": "Figure()"}, {})
        assert PLOTLY not in clean
        assert "map" in clean["text/plain"] and "Put this line there." in clean["text/plain"]


def test_figure_whose_template_speaks_of_maps_is_shown() -> None:
    template = {"data": {"choropleth": [{"type": "choropleth", "colorbar": {}}], "bar": [{"type": "bar"}]}}
    figure = {"data": [{"type": "bar", "y": [1]}], "layout": {"template": template}}
    clean, _ = SAFE.bundle({PLOTLY: figure}, {})
    assert clean[PLOTLY]["data"] == figure["data"]


@pytest.mark.parametrize("kind", MAPS)
def test_figure_widget_with_a_map_is_a_notice_with_the_line_to_put_where(kind: str) -> None:
    policy = TrustPolicy(front_end_files=frozenset({ESM}))
    told = policy.comm("comm_open", "c", {"state": figure_widget({"type": kind}), "buffer_paths": []}, ())
    assert told is not None
    state = told[0]["state"]
    assert state["_model_name"] == "LabelModel" and "_widget_data" not in state
    assert "map" in state["value"] and 'c.HopxConfig.trust = "trusted"' in state["value"]


def test_map_that_comes_to_a_figure_widget_later_says_so_in_its_place() -> None:
    policy = TrustPolicy(front_end_files=frozenset({ESM}))
    told = policy.comm("comm_open", "c", {"state": figure_widget({"type": "bar", "uid": "a"}), "buffer_paths": []}, ())
    assert told is not None and told[0]["state"]["_model_name"] == "AnyModel"
    added = {"trace_data": [{"type": "choropleth", "uid": "b", "locations": ["FRA"]}]}
    told = policy.comm("comm_msg", "c", {"method": "update", "state": {"_py2js_addTraces": added}}, ())
    assert told is not None
    (trace,) = told[0]["state"]["_py2js_addTraces"]["trace_data"]
    assert (trace["type"], trace["uid"], trace["showlegend"]) == ("scatter", "b", True)
    assert "map" in trace["name"] and 'c.HopxConfig.trust = "trusted"' in trace["name"] and "locations" not in trace
