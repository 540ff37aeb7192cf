"""Messages of the sandbox's widgets: each is made anew of what is known."""

from __future__ import annotations

from typing import Any

import pytest

from hopx_kernel.trust import TrustPolicy
from hopx_kernel.trust.references import MAX_REFERENCES, References

from .page import EVIL, SAFE, TRUSTED
from .states import anywidget, base, control, new_id, opened, output, passed, told, updated

# ---------------------------------------------------------------------- what a message is


def test_message_is_made_of_what_was_checked_alone() -> None:
    comm_id = new_id()
    state = control("HTML", value="x")
    data = {"method": "update_states", "states": {}, "state": control("HTML", value=EVIL), "else": EVIL}
    clean = passed(SAFE.comm("comm_open", comm_id, dict(data), ()))
    assert set(clean) == {"state", "buffer_paths"} and "onerror" not in str(clean)
    assert SAFE.comm("comm_msg", comm_id, dict(data), ()) is None
    assert EVIL not in str(updated(comm_id, {"value": EVIL, "stuff": EVIL}, states={comm_id: state}, content=EVIL))
    assert passed(SAFE.comm("comm_close", comm_id, {"state": state, "x": EVIL}, (b"1",))) == {}


@pytest.mark.parametrize("method", [None, "", "update_states", "request_state", "Update", ["update"], {"update": 1}, 5])
def test_methods_that_are_not_known_are_not_passed(method: Any) -> None:
    comm_id = new_id()
    opened(control("HTML", value="x"), comm_id)
    assert updated(comm_id, {"value": "y"}, method) is None


def test_message_of_a_widget_that_was_not_opened_is_not_passed() -> None:
    assert updated("never opened", {"value": 5}) is None
    assert SAFE.comm("comm_close", "never opened", {}, ()) is None
    assert told("never opened", control("HTML", value="x")) == {}


@pytest.mark.parametrize("comm_id", ["x" * 201, ["c"], None, 5, {"c": 1}])
def test_name_that_is_none_or_too_long_opens_nothing(comm_id: Any) -> None:
    assert SAFE.comm("comm_open", comm_id, {"state": control("HTML", value="x")}, ()) is None


def test_widget_stays_what_it_was_opened_as() -> None:
    comm_id = new_id()
    opened(control("Text", value=EVIL), comm_id)
    assert SAFE.comm("comm_open", comm_id, {"state": control("HTML", value="x")}, ()) is None
    assert updated(comm_id, {"_view_name": "HTMLView", "_model_name": "HTMLModel", "_view_count": 2}) == {
        "_view_count": 2
    }
    states = told(comm_id, control("HTML", value=EVIL), model_name="HTMLModel")
    assert states[comm_id]["model_name"] == states[comm_id]["state"]["_model_name"] == "TextModel"
    # Nor does its name come to mean another one: a page may yet be making a link to it.
    SAFE.comm("comm_close", comm_id, {}, ())
    assert SAFE.comm("comm_open", comm_id, {"state": control("HTML", value="x")}, ()) is None
    assert opened(control("Text", value="again"), comm_id)["value"] == "again"


@pytest.mark.parametrize(
    "names",
    [
        {"_model_name": ["HTMLModel"]},
        {"_model_name": ["DirectionalLinkModel"], "_view_name": None},
        {"_view_name": ["HTMLView"]},
        {"_view_name": "TextView"},
        {"_view_module": ["@jupyter-widgets/controls"]},
        {"_view_module": "@jupyter-widgets/base"},
        {"_model_module": ["@jupyter-widgets/controls"]},
        {"_model_module": "controls"},
        {"_model_module": None},
        {"_model_name": "constructor"},
        {"_model_name": {"HTMLModel": 1}},
    ],
    ids=str,
)
def test_names_that_are_not_in_the_table_make_a_notice(names: dict[str, Any]) -> None:
    comm_id = new_id()
    state = {**control("HTML"), "value": "mine", "source": ["IPY_MODEL_a", "value"], "target": ["IPY_MODEL_b", "value"]}
    clean = opened({**state, **names}, comm_id)
    assert clean["_model_name"] in ("LabelModel", "WidgetModel") and "mine" not in str(clean) and "source" not in clean
    assert all(type(clean[name]) in (str, type(None)) for name in clean if name.startswith("_"))
    if clean["_view_name"] is not None:
        assert "trust" in clean["value"] and "is not shown" in clean["value"]
    assert updated(comm_id, {"value": EVIL, "description": EVIL}) == {}
    custom = {"method": "custom", "content": {"do": "focus"}}
    assert SAFE.comm("comm_msg", comm_id, custom, ()) is None


def test_keys_that_are_not_in_the_table_are_not_passed() -> None:
    clean = opened(
        control("IntSlider", value=5, stuff=[EVIL], _esm="evil()", outputs=[], source=["IPY_MODEL_a", "value"])
    )
    assert clean["value"] == 5 and not {"stuff", "_esm", "outputs", "source"} & set(clean)


@pytest.mark.parametrize(
    ("state", "key"),
    [
        (control("IntSlider", value=[EVIL]), "value"),
        (control("IntSlider", value="5"), "value"),
        (control("IntSlider", max={"a": 1}), "max"),
        (control("Label", value=["<b>"]), "value"),
        (control("HTML", value=[EVIL]), "value"),
        (control("HTML", value={"toString": 1}), "value"),
        (control("Text", value=[EVIL]), "value"),
        (control("Checkbox", value="true"), "value"),
        (control("Button", icon='" onclick="x'), "icon"),
        (control("Button", button_style="constructor"), "button_style"),
        (control("Button", layout={"a": 1}), "layout"),
        (control("Button", layout="IPY_MODEL_a b"), "layout"),
        (control("Image", value="http://localhost/"), "value"),
        (base("Layout", width="url(/logout)"), "width"),
        (base("Layout", width="u\\72l(/logout)"), "width"),
        (base("Layout", width="image-set('/logout')"), "width"),
        (base("Layout", width=["url(/logout)"]), "width"),
        (base("Layout", width="attr(x type(*))"), "width"),
        (base("Layout", width="1px;position:fixed"), "width"),
        (base("Layout", position="fixed"), "position"),
    ],
    ids=str,
)
def test_value_of_another_kind_is_not_passed(state: dict[str, Any], key: str) -> None:
    assert key not in opened(state)


def test_children_are_widgets() -> None:
    children = ["IPY_MODEL_a", "IPY_MODEL_b", "<b>", ["IPY_MODEL_c"], None, 5, {"a": 1}, "IPY_MODEL_"]
    assert opened(control("HBox", children=children))["children"] == [
        "IPY_MODEL_a",
        "IPY_MODEL_b",
        ["IPY_MODEL_c"],
        None,
    ]


def test_values_of_ordinary_widgets_pass_as_they_are() -> None:
    for state in (
        control("DatePicker", value={"year": 2024, "month": 1, "date": 29}, step="any"),
        control("Time", value="12:30:00", min=None),
        control("Datetime", value={"year": 2024, "month": 1, "date": 2, "hours": 3, "minutes": 4, "seconds": 5}),
        control("Dropdown", _options_labels=["a < b", "$5"], index=1),
        control("SelectMultiple", index=[0, 2]),
        control("FloatRangeSlider", value=[1.5, 2], readout_format=".2f"),
        control("ColorPicker", value="rgba(1, 2, 3, 0.5)"),
        control("Tab", titles=["A", "<b>"], selected_index=None, children=["IPY_MODEL_0f"]),
        control("Play", interval=500, playing=True, show_repeat=False),
        control("TagsInput", value=["<b>", "x"], allowed_tags=[]),
        base("Layout", grid_template_columns="repeat(2, minmax(10px, 1fr)) [end]", grid_template_areas="\"a b\" 'c d'"),
        base("Layout", width="calc(100% - (2 * var(--jp-cell-padding)))", border_top="1px solid #abc", flex="1 1 auto"),
    ):
        clean = opened(state)
        assert {key: clean[key] for key in state if key[0] != "_" or key == "_options_labels"} == {
            key: state[key] for key in state if key[0] != "_" or key == "_options_labels"
        }


def test_only_some_messages_to_views_pass() -> None:
    comm_id = new_id()
    opened(control("HTML", value="x"), comm_id)

    def custom(content: Any) -> Any:
        message = SAFE.comm("comm_msg", comm_id, {"method": "custom", "content": content}, (b"1",))
        return None if message is None else (message[0]["content"], list(message[1]))

    assert custom({"do": "focus", "x": EVIL}) == ({"do": "focus"}, [])
    odd: list[Any] = [
        {"do": "click"},
        {"do": ["focus"]},
        {"method": "update", "state": {"value": EVIL}},
        [],
        None,
        EVIL,
    ]
    for content in odd:
        assert custom(content) is None


# ---------------------------------------------------------------------- links


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
        ("Link", ("IPY_MODEL_slider", "value"), None, False),
        ("Link", ("IPY_MODEL_slider", "value"), ("IPY_MODEL_unknown", "value"), False),
        ("DirectionalLink", (["IPY_MODEL_text"], "value"), ("IPY_MODEL_html", "value"), False),
        ("DirectionalLink", ("IPY_MODEL_text", ["value"]), ("IPY_MODEL_html", "value"), False),
        ("DirectionalLink", ("IPY_MODEL_text", "value"), ("IPY_MODEL_html", ["value"]), False),
        ("DirectionalLink", ("IPY_MODEL_label", "_view_name"), ("IPY_MODEL_text", "_view_name"), False),
        ("DirectionalLink", ("IPY_MODEL_html", "value"), ("IPY_MODEL_text", "value"), True),
        ("DirectionalLink", ("IPY_MODEL_text", "description"), ("IPY_MODEL_slider", "description_allow_html"), False),
    ],
)
def test_link_joins_only_what_is_shown_alike(kind: str, source: Any, target: Any, stays: bool) -> None:
    policy = TrustPolicy()
    for name, model in (
        ("text", "Text"),
        ("label", "Label"),
        ("html", "HTML"),
        ("slider", "IntSlider"),
        ("play", "Play"),
    ):
        opened(control(model), name, policy)
    opened(anywidget(), "any", policy)
    opened(output(), "out", policy)
    clean = opened({**control(kind), "_view_name": None, "source": source, "target": target}, policy=policy)
    assert (clean["source"] is not None) is stays and (clean["target"] is not None) is stays


def test_link_that_is_changed_later_is_looked_at_again() -> None:
    text, html, link = new_id(), new_id(), new_id()
    opened(control("Text", value=EVIL), text)
    opened(control("HTML", value="x"), html)
    clean = opened({**control("DirectionalLink"), "_view_name": None}, link)
    assert "source" not in clean
    ends = {"source": [f"IPY_MODEL_{text}", "value"], "target": [f"IPY_MODEL_{html}", "value"]}
    for part in (ends, {"source": ends["source"]}, {"target": ends["target"]}):
        assert updated(link, part) == {"source": None, "target": None}


def test_prototypes_are_not_reached() -> None:
    state = {**control("HTML", value="x"), "__proto__": {"value": EVIL}, "constructor": {"prototype": {}}}
    clean = opened(state)
    assert not {"__proto__", "constructor"} & set(clean)
    message = SAFE.comm("comm_msg", "p", {"a": [{"__proto__": {"b": 1}}], "__proto__": {}}, (), "other")
    assert message == ({"a": [{}]}, ())


def test_page_fetches_no_code_by_module_or_version() -> None:
    versions = {"_model_module_version": "../../evil@1", "_view_module_version": ["1"]}
    clean = opened({**control("HTML", value="x"), **versions})
    assert clean["_model_module_version"] == clean["_view_module_version"] == "*"


def test_comm_targets_that_are_named_are_written_to_unchanged() -> None:
    policy = TrustPolicy(comm_targets=["mine"])
    data = {"method": "update", "state": {"_esm": EVIL}}
    assert policy.comm("comm_msg", "c", data, (b"1",), "mine") == (data, (b"1",))
    for target in ("jupyter.widget", "other"):
        assert EVIL not in str(policy.comm("comm_msg", "c", data, (), target))
    plain = {"kind": "point", "at": [1, 2], "buffer_paths": [["at"]]}
    assert policy.comm("comm_msg", "d", dict(plain), (b"1",), "other") == (plain, [b"1"])


def test_metadata_of_a_widget_s_message_is_its_version() -> None:
    metadata = {"version": "2.1.0", "else": EVIL}
    assert SAFE.comm_metadata(metadata, "jupyter.widget") == {"version": "2.1.0"}
    assert SAFE.comm_metadata({"version": ["2"]}, "jupyter.widget") == {}
    assert SAFE.comm_metadata(metadata, "other") == TRUSTED.comm_metadata(metadata, "jupyter.widget") == metadata


def test_widget_makes_the_page_fetch_nothing_with_its_cookies() -> None:
    for given in ("url", ["url"], "URL", "http://localhost/", "../x"):
        assert opened(control("Image", format=given))["format"] == "png"
    assert "background" not in opened(control("HTMLStyle", _view_name=None, background="url(/logout)"))


# ---------------------------------------------------------------------- what holds itself


def _box(*children: str) -> dict[str, Any]:
    return control("VBox", children=[f"IPY_MODEL_{child}" for child in children])


def test_widget_never_holds_itself() -> None:
    comm_id = new_id()
    assert opened(_box(comm_id, "other"), comm_id)["children"] == ["IPY_MODEL_other"]
    assert updated(comm_id, {"children": [f"IPY_MODEL_{comm_id}"]}) == {"children": []}
    assert updated(comm_id, {"layout": f"IPY_MODEL_{comm_id}"}) == {"layout": None}
    assert told(comm_id, _box(comm_id))[comm_id]["state"]["children"] == []


def test_widgets_never_hold_each_other_by_any_way() -> None:
    first, second, third = new_id(), new_id(), new_id()
    opened(_box(), first)
    opened(_box(first), second)
    opened(_box(second), third)
    assert updated(first, {"children": [f"IPY_MODEL_{third}", "IPY_MODEL_x"]}) == {"children": ["IPY_MODEL_x"]}
    # What does not hold it any more may be held by it.
    assert updated(second, {"children": []}) == {"children": []}
    assert updated(first, {"children": [f"IPY_MODEL_{third}"]}) == {"children": [f"IPY_MODEL_{third}"]}


def test_widgets_that_are_told_of_together_never_hold_each_other() -> None:
    names = [new_id() for _ in range(3)]
    for name in names:
        opened(_box(), name)
    states = {name: {"state": _box(names[index - 1])} for index, name in enumerate(names)}
    data, _ = SAFE.comm_states({"method": "update_states", "states": states}, ())
    holds = {name: entry["state"]["children"] for name, entry in data["states"].items()}
    assert sorted(map(len, holds.values())) == [0, 1, 1]


def test_widget_that_was_made_before_what_it_holds_holds_it() -> None:
    box, button, other = new_id(), new_id(), new_id()
    opened(_box(), box)
    opened(control("Button"), button)
    opened(_box(button), other)
    assert updated(box, {"children": [f"IPY_MODEL_{other}", f"IPY_MODEL_{button}"]}) == {
        "children": [f"IPY_MODEL_{other}", f"IPY_MODEL_{button}"]
    }


def test_references_are_bounded() -> None:
    references = References()
    many = [f"IPY_MODEL_{number}" for number in range(MAX_REFERENCES)]
    assert len(references.keep("a", "children", many)) == MAX_REFERENCES
    assert references.keep("b", "children", many[:2]) == []
    assert len(references.keep("a", "children", many[:1])) == 1
    assert references.keep("b", "children", many[:2]) == many[:2]
    references.forget("a")
    references.forget("b")
    assert vars(references) == {"_held": {}, "_holders": {}, "_count": 0}
