"""Widgets of the sandbox: their states and messages are made harmless."""

from __future__ import annotations

from typing import Any

import pytest

from hopx_kernel.trust import TrustPolicy

from .page import EVIL, SAFE, TRUSTED, Page


def control(name: str, **state: Any) -> dict[str, Any]:
    module = "@jupyter-widgets/controls"
    names = {"_model_name": f"{name}Model", "_view_name": f"{name}View"}
    return {**names, "_model_module": module, "_view_module": module, **state}


def opened(state: dict[str, Any], comm_id: str = "c") -> dict[str, Any]:
    data, _ = SAFE.comm("comm_open", comm_id, {"state": state, "buffer_paths": []}, ())
    clean: dict[str, Any] = data["state"]
    return clean


def test_anywidget_s_module_is_replaced_by_a_notice() -> None:
    clean = opened({"_model_module": "anywidget", "_esm": "evil()", "value": 5})
    assert "evil" not in clean["_esm"] and "sandbox" in clean["_esm"] and clean["value"] == 5
    data, _ = SAFE.comm("comm_msg", "c", {"method": "update", "state": {"_esm": "evil()"}}, ())
    assert "evil" not in data["state"]["_esm"]


def test_html_widget_is_sanitised_when_opened_and_updated() -> None:
    clean = opened({"_model_name": "HTMLModel", "value": "<b>x</b><img src=x onerror=alert(1)>"}, "h")
    assert clean["value"] == '<b>x</b><img src="">' or Page(clean["value"]).acts == []
    data, _ = SAFE.comm("comm_msg", "h", {"method": "update", "state": {"value": "<script>alert(1)</script>y"}}, ())
    assert data["state"]["value"] == "y"


def test_text_widget_keeps_its_value() -> None:
    assert opened(control("Text", value="<b> & <script>"), "t")["value"] == "<b> & <script>"


def test_descriptions_are_text() -> None:
    assert opened({"description_allow_html": True, "description": "<img>"})["description_allow_html"] is False


def test_classes_of_the_page_are_taken_away_but_for_harmless_ones() -> None:
    names = [
        "mine",
        "jp-Dialog",
        "widget-interact",
        "widget-interactive",
        "Widget-Interact",
        "hopx-run",
        "lm-Menu mine-too",
    ]
    clean = opened(control("VBox", _dom_classes=names))
    assert " ".join(clean["_dom_classes"]).split() == ["mine", "widget-interact", "mine-too"]


def test_modules_of_unknown_packages_are_not_loaded() -> None:
    clean = opened({"_view_module": "evil-package", "_model_module": "@jupyter-widgets/controls"})
    assert clean["_view_module"] == "@jupyter-widgets/base"
    assert clean["_model_module"] == "@jupyter-widgets/controls"


def test_output_widget_s_outputs_are_made_harmless() -> None:
    outputs = [{"output_type": "display_data", "data": {"text/html": "<script>1</script>"}, "metadata": {}}]
    clean = opened({"_model_name": "OutputModel", "outputs": outputs})
    assert Page(clean["outputs"][0]["data"]["text/html"]).acts == []


def test_states_after_a_reload_are_made_harmless() -> None:
    states = {"a": {"model_name": "HTMLModel", "state": {"value": "<script>1</script>", "_esm": "evil()"}}}
    data, _ = SAFE.comm("comm_msg", "x", {"method": "update_states", "states": states}, ())
    assert data["states"]["a"]["state"]["value"] == "" and "evil" not in data["states"]["a"]["state"]["_esm"]


def test_odd_data_passes() -> None:
    for data in ({}, {"state": 5}, {"method": "custom", "content": {"a": 1}}, {"states": 7, "method": "update_states"}):
        assert SAFE.comm("comm_msg", "c", data, ())[0] == data
    assert TRUSTED.comm("comm_open", "c", {"state": {"_esm": "x"}}, ())[0] == {"state": {"_esm": "x"}}


def test_value_is_cleaned_where_another_view_shows_it() -> None:
    for disguise in ({"_view_name": "HTMLView"}, {"_view_module": "@jupyter-widgets/base"}, {"_model_name": "X"}):
        assert "onerror" not in opened({**control("Text", value=EVIL), **disguise}, f"view {disguise}")["value"]
    opened(control("Text", value="x"), "later")
    data, _ = SAFE.comm("comm_msg", "later", {"method": "update", "state": {"_view_name": "HTMLView"}}, ())
    assert data["state"] == {}


def test_value_is_cleaned_after_the_states_named_another_model() -> None:
    opened(control("Text", value=EVIL), "renamed")
    states = {"renamed": {"model_name": "HTMLModel", "state": control("HTML", value="x")}}
    SAFE.comm("comm_msg", "control", {"method": "update_states", "states": states}, ())
    data, _ = SAFE.comm("comm_msg", "renamed", {"method": "update", "state": {"value": EVIL}}, ())
    assert "onerror" not in data["state"]["value"]


def test_list_as_a_value_is_cleaned() -> None:
    assert "onerror" not in str(opened(control("HTML", value=[EVIL, [EVIL]]), "list")["value"])


@pytest.mark.parametrize(
    ("kind", "source", "target", "stays"),
    [
        ("Link", ("IPY_MODEL_play", "value"), ("IPY_MODEL_slider", "value"), True),
        ("DirectionalLink", ("IPY_MODEL_slider", "value"), ("IPY_MODEL_label", "value"), True),
        ("Link", ("IPY_MODEL_text", "value"), ("IPY_MODEL_text", "value"), True),
        ("Link", ("IPY_MODEL_slider", "max"), ("IPY_MODEL_play", "max"), True),
        ("DirectionalLink", ("IPY_MODEL_text", "value"), ("IPY_MODEL_html", "value"), False),
        ("DirectionalLink", ("IPY_MODEL_text", "value"), ("IPY_MODEL_slider", "value"), False),
        ("DirectionalLink", ("IPY_MODEL_label", "value"), ("IPY_MODEL_html", "value"), False),
        ("Link", ("IPY_MODEL_html", "value"), ("IPY_MODEL_text", "value"), False),
        ("Link", ("IPY_MODEL_slider", "value"), ("IPY_MODEL_any", "_esm"), False),
        ("Link", ("IPY_MODEL_slider", "stuff"), ("IPY_MODEL_out", "outputs"), False),
        ("Link", ("IPY_MODEL_slider", "value"), "odd", False),
    ],
)
def test_link_joins_only_what_is_shown_alike(kind: str, source: Any, target: Any, stays: bool) -> None:
    for name, model in (("text", "Text"), ("label", "Label"), ("html", "HTML"), ("slider", "IntSlider")):
        opened(control(model), name)
    clean = opened({**control(kind), "_view_name": None, "source": source, "target": target}, f"{kind} {source}")
    assert (clean["source"] is not None) is stays and (clean["target"] is not None) is stays


def test_prototypes_are_not_reached() -> None:
    paths: list[Any] = [["__proto__", "x"], ["value"], ["a", "constructor", "b"], 5]
    state = {"__proto__": {"value": EVIL}, "deep": [{"__proto__": {}}]}
    data, buffers = SAFE.comm("comm_open", "p", {"state": state, "buffer_paths": paths}, (b"1", b"2", b"3", b"4"))
    assert data == {"state": {"deep": [{}]}, "buffer_paths": [["value"]]} and list(buffers) == [b"2"]


def test_page_fetches_no_code_by_module_or_version() -> None:
    clean = opened(
        {"_model_module": "anywidget-evil", "_view_module": "bqplot", "_view_module_version": "../../evil@1"}
    )
    assert clean["_model_module"] == "@jupyter-widgets/base" and clean["_view_module_version"] == "*"


def test_comm_targets_that_are_named_are_written_to_unchanged() -> None:
    policy = TrustPolicy(comm_targets=["mine"])
    data = {"method": "update", "state": {"_esm": EVIL}}
    assert policy.comm("comm_msg", "c", data, (b"1",), "mine") == (data, (b"1",))
    for target in ("jupyter.widget", "other"):
        assert EVIL not in str(policy.comm("comm_msg", "c", data, (), target))
    plain = {"kind": "point", "at": [1, 2], "buffer_paths": [["at"]]}
    assert policy.comm("comm_msg", "d", dict(plain), (b"1",), "other") == (plain, [b"1"])


def test_widget_makes_the_page_fetch_nothing_with_its_cookies() -> None:
    assert opened({"_model_name": "ImageModel", "format": "url"}, "image")["format"] == "png"
    assert "background" not in opened({"_model_name": "HTMLStyleModel", "background": "url(/logout)"}, "style")
