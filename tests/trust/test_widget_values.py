"""What widgets of the sandbox hold: it is made harmless for where it is shown."""

from __future__ import annotations

from typing import Any

import pytest

from .markup_oracle import faults
from .page import EVIL, SAFE, TRUSTED, Page
from .states import anywidget, control, new_id, opened, output, told, updated

# ---------------------------------------------------------------------- what widgets hold


def test_anywidget_s_module_is_replaced_by_a_notice() -> None:
    comm_id = new_id()
    clean = opened(anywidget(_esm="evil()", _css="evil{}", value=5), comm_id)
    assert "evil" not in str(clean) and "widget_packages" in clean["_esm"] and "value" not in clean
    later = updated(comm_id, {"_esm": "evil()", "_css": "evil{}", "value": 5})
    assert later is not None and "evil" not in str(later) and "was not run" in later["_esm"]
    assert "was not run" in opened(anywidget())["_esm"]


def test_html_widget_is_sanitised_when_opened_and_updated() -> None:
    comm_id = new_id()
    clean = opened(control("HTML", value="<b>x</b><img src=x onerror=alert(1)>"), comm_id)
    assert clean["value"] == '<b>x</b><img src="">' or Page(clean["value"]).acts == []
    later = updated(comm_id, {"value": "<script>alert(1)</script>y"})
    assert later == {"value": "y"} == updated(comm_id, {"value": "<script>alert(1)</script>y"}, "echo_update")


@pytest.mark.parametrize(
    "sheet",
    [
        "@import url(http://127.0.0.1/c.css);",
        ".jp-Cell-inputWrapper{visibility:hidden}",
        "@import url(/c.css); .jp-Cell{display:none}",
        "*{display:none}",
        ".mine{background:url(/logout)}",
        "</style><style>@import '/c.css';",
        "<style>.jp-Cell{display:none}",
    ],
)
def test_style_sheet_in_a_widget_reaches_nothing_of_the_page(sheet: str) -> None:
    for markup in (f"<style>{sheet}</style><b>x</b>", f"<p title='<style>'></p><STYLE\n>{sheet}</style ><b>x</b>"):
        value = opened(control("HTML", value=markup))["value"]
        assert faults(value) == [] and "import" not in value and "url(" not in value and ".jp-" not in value
        assert "<b>x</b>" in value or sheet.startswith("<")


def test_style_sheet_for_a_table_of_its_own_stays() -> None:
    markup = "<style>#T_1 td{color:red}</style><table id='T_1'><tr><td>x</td></tr></table>"
    value = opened(control("HTML", value=markup))["value"]
    assert "#sbx-T_1 td {color:red}" in value and 'id="sbx-T_1"' in value


def test_text_widget_keeps_its_value() -> None:
    assert opened(control("Text", value="<b> & <script>"))["value"] == "<b> & <script>"


def test_descriptions_are_text() -> None:
    clean = opened(control("IntSlider", description_allow_html=True, description="<img>"))
    assert clean["description_allow_html"] is False and clean["description"] == "<img>"


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
    clean = opened(control("VBox", _dom_classes=[*names, ["jp-Dialog"], 5]))
    assert clean["_dom_classes"][:2] == ["sbx-mine", "sbx-jp-Dialog"]
    assert [name for name in clean["_dom_classes"] if not name.startswith("sbx-")] == ["widget-interact"]


def test_icons_and_themes_are_no_classes_of_the_page() -> None:
    icons = ["check", "spinner fa-spin", "x jp-Dialog", "x fa-spin lm-Menu", "", "<b>"]
    clean = opened(control("ToggleButtons", icons=icons))
    assert clean["icons"] == ["check", "spinner fa-spin", "x", "x fa-spin", ""]
    assert bqplot("Figure", theme="gg")["theme"] == "gg"
    assert "theme" not in bqplot("Figure", theme="jp-Dialog")


def test_output_widget_s_outputs_are_made_harmless() -> None:
    outputs = [
        {"output_type": "display_data", "data": {"text/html": "<script>1</script>"}, "metadata": {}, "else": EVIL},
        {"output_type": ["display_data"], "data": {"text/html": EVIL}},
        {"output_type": "pyout", "data": {"text/html": EVIL}},
        {"data": {"text/html": EVIL}},
        {"output_type": "stream", "name": ["x"], "text": ["a", "b\x1b]0;c\x07"]},
        {"output_type": "error", "ename": "E", "evalue": 5, "traceback": ["t", 5]},
    ]
    display, stream, error = opened(output(outputs=outputs))["outputs"]
    assert Page(display["data"]["text/html"]).acts == [] and set(display) == {"output_type", "data", "metadata"}
    assert stream == {"output_type": "stream", "name": "stdout", "text": "ab"}
    assert error == {"output_type": "error", "ename": "E", "evalue": "", "traceback": ["t", ""]}


def test_states_after_a_reload_are_made_harmless() -> None:
    html, esm = new_id(), new_id()
    opened(control("HTML", value="x"), html)
    opened(anywidget(), esm)
    assert told(html, control("HTML", value="<script>1</script>"), model_name=["X"])[html]["state"]["value"] == ""
    assert "evil" not in str(told(esm, anywidget(_esm="evil()"), model_module="evil", _esm="evil"))
    odd: list[Any] = [7, [], {html: 5}, {html: {}}, {html: {"state": 5}}]
    for states in odd:
        SAFE.comm_states({"method": "update_states", "states": states}, ())


def test_states_after_a_reload_keep_their_buffers() -> None:
    image, other = new_id(), new_id()
    opened(control("Image", format="png"), image)
    data = {
        "states": {image: {"state": control("Image", format="gif")}, other: {"state": control("Image")}},
        "buffer_paths": [
            [image, "state", "value"],
            [other, "state", "value"],
            [image, "state", "format"],
            [image, "x"],
        ],
    }
    clean, buffers = SAFE.comm_states(data, (b"1", b"2", b"3", b"4"))
    assert set(clean["states"]) == {image} and clean["states"][image]["state"]["format"] == "gif"
    assert (clean["buffer_paths"], list(buffers)) == ([[image, "state", "value"]], [b"1"])


def test_trusted_policy_lets_everything_through() -> None:
    assert TRUSTED.comm("comm_open", "c", {"state": {"_esm": "x"}}, ()) == ({"state": {"_esm": "x"}}, ())
    assert TRUSTED.comm_states({"states": EVIL}, ()) == ({"states": EVIL}, ())


@pytest.mark.parametrize("name", ["Video", "Audio", "Image"])
def test_film_that_is_a_list_of_addresses_does_not_reach_the_page(name: str) -> None:
    film, playlist = b"\0\0\0\x20ftypisom", b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://x/seg.ts\n"
    comm_id = new_id()
    for bytes_, passes in ((film, True), (playlist, False), (memoryview(b"\xef\xbb\xbf" + playlist), False)):
        data = {"state": control(name, format="mp4"), "buffer_paths": [["value"]]}
        message = SAFE.comm("comm_open", new_id(), data, (bytes_,))
        assert message is not None and list(message[1]) == [bytes_] * passes
    assert SAFE.comm("comm_open", comm_id, {"state": control(name)}, ()) is not None
    later = SAFE.comm("comm_msg", comm_id, {"method": "update", "state": {}, "buffer_paths": [["value"]]}, (playlist,))
    assert later is not None and list(later[1]) == []


def test_buffers_go_only_where_bytes_belong() -> None:
    paths: list[Any] = [
        ["value"], ["format"], ["no"], ["value", 0], ["__proto__", "x"], [], ["layout"], ["_view_name"], [0], 5, ["value", "constructor"],
    ]  # fmt: skip
    data = {"state": control("Image", format="png"), "buffer_paths": paths}
    message = SAFE.comm("comm_open", new_id(), data, tuple(b"%d" % n for n in range(20)))
    assert message is not None and (message[0]["buffer_paths"], list(message[1])) == ([["value"]], [b"0"])
    deep = {"_model_name": "ScatterModel", "_view_name": "Scatter", "_model_module": "bqplot", "_view_module": "bqplot"}
    state = {**deep, "x": {"dtype": "float64", "shape": [2]}, "names": [None, "a"]}
    where: list[Any] = [["x", "values"], ["x", "shape"], ["names", 0], ["names", 1], ["names", 2], ["y"]]
    message = SAFE.comm("comm_open", new_id(), {"state": state, "buffer_paths": where}, (b"0",) * 6)
    assert message is not None and message[0]["buffer_paths"] == [["x", "values"], ["names", 0], ["y"]]


@pytest.mark.parametrize("depth", [30, 400, 100_000])
def test_value_that_is_nested_deeply_is_cut(depth: int) -> None:
    value: Any = EVIL
    for _ in range(depth):
        value = [value]
    state = {
        "_model_name": "ScatterModel",
        "_view_name": "Scatter",
        "_model_module": "bqplot",
        "_view_module": "bqplot",
    }
    assert EVIL not in str(opened({**state, "names": value}))
    assert EVIL not in str(opened(control("HBox", children=value)))
    assert SAFE.comm("comm_msg", "x", {"a": value}, (), "other") is None or depth < 200


# ---------------------------------------------------------------------- the libraries' own widgets


def bqplot(name: str, /, **state: Any) -> dict[str, Any]:
    names = {"_model_name": f"{name}Model", "_view_name": name}
    return opened({**names, "_model_module": "bqplot", "_view_module": "bqplot", **state})


@pytest.mark.parametrize("key", ["background_style", "title_style", "legend_style"])
def test_figure_s_styles_load_nothing(key: str) -> None:
    style = {
        "fill": "url(/logout)",
        "background": "red",
        "stroke": "#fff",
        "font-size": 5,
        "position": "fixed",
        "inset": "0",
    }
    assert bqplot("Figure", **{key: style})[key] == {"background": "red", "stroke": "#fff", "font-size": 5}
    assert "url" not in str(bqplot("Figure", colors=["url(/x)", "red"])) and key not in bqplot(
        "Figure", **{key: "url(/x)"}
    )


def test_nodes_of_a_graph_have_no_attributes_of_the_code_s_choosing() -> None:
    evil = {"onclick": "evil()", "href": "/logout", "r": "evil", "style": "position:fixed", "width": 5}
    nodes = bqplot("Graph", node_data=[{"label": "a", "shape": "script", "shape_attrs": evil}, "b", [EVIL]])[
        "node_data"
    ]
    assert nodes == [{"label": "a", "shape": "circle", "shape_attrs": {"width": 5}}, "b", {}]


def canvas_messages(*contents: Any) -> list[Any]:
    comm_id = new_id()
    module = "jupyter-matplotlib"
    names = {
        "_model_name": "MPLCanvasModel",
        "_view_name": "MPLCanvasView",
        "_model_module": module,
        "_view_module": module,
    }
    opened(names, comm_id)
    data = ({"method": "custom", "content": content} for content in contents)
    return [SAFE.comm("comm_msg", comm_id, each, (b"png", b"more")) for each in data]


def test_canvas_takes_its_frames_and_no_other_method() -> None:
    frame, draw, *others = canvas_messages(
        {"data": '{"type": "binary"}', "x": 1},
        {"data": '{"type": "rubberband", "x0": 1, "y0": "evil", "else": "evil"}'},
        {"data": '{"type": "constructor"}'},
        {"data": '{"type": ["binary"]}'},
        {"data": {"type": "binary"}},
        {"data": "[" * 100_000},
        {"data": "[" * 5_000},
        {"data": "null"},
    )
    assert frame == ({"method": "custom", "content": {"data": '{"type": "binary"}'}}, (b"png",))
    assert draw == ({"method": "custom", "content": {"data": '{"type": "rubberband", "x0": 1}'}}, ())
    assert others == [None] * 6


def test_file_that_a_canvas_saves_has_a_plain_name() -> None:
    (saved,) = canvas_messages({"data": '{"type": "save", "format": "html"}'})
    assert saved is not None and saved[0]["content"] == {"data": '{"type": "save", "format": "png"}'}
    module = "jupyter-matplotlib"
    names = {
        "_model_name": "MPLCanvasModel",
        "_view_name": "MPLCanvasView",
        "_model_module": module,
        "_view_module": module,
    }
    clean = opened(
        {**names, "_figure_label": "../a\x1b\u202eb:c", "_data_url": "/logout?", "_cursor": "url(/logout),auto"}
    )
    assert clean["_figure_label"] == ".. a  b c" and "_data_url" not in clean and "_cursor" not in clean


def test_figure_as_data_fetches_nothing() -> None:
    picture = "data:image/png;base64,AAAA"
    figure = {
        "data": [
            {"type": "scatterpolar", "r": [1]},
            {"x": {"bdata": "//8=", "dtype": "f8"}, "text": ["http://x/ is a text"]},
        ],
        "layout": {
            "images": [{"source": "/logout", "x": 1}, {"source": picture}],
            "map": {"style": "/logout", "layers": [{"source": "//x/y"}]},
            "images[0].source": "http://localhost/",
            "title": {"text": '<b style="cursor:url(/logout)">x</b>', "font": {"style": "italic"}},
            "__proto__": {"x": 1},
            "a.__proto__.x": 1,
        },
        "config": {"topojsonURL": "http://x/", "plotlyServerURL": "http://x/"},
    }
    clean, _ = SAFE.bundle({"application/vnd.plotly.v1+json": figure}, {})
    shown = clean["application/vnd.plotly.v1+json"]
    assert shown["data"] == [
        {"type": "scatterpolar", "r": [1]},
        {"x": {"bdata": "//8=", "dtype": "f8"}, "text": ["http://x/ is a text"]},
    ]
    assert shown["layout"]["images"] == [{"x": 1}, {"source": picture}] and shown["config"] == {}
    assert shown["layout"]["title"]["font"] == {"style": "italic"} and "<" not in shown["layout"]["title"]["text"]
    assert "logout" not in str({**shown["layout"], "title": None}) and "__proto__" not in str(shown)


def test_buttons_of_a_figure_change_nothing_that_is_fetched() -> None:
    args = [
        ["images[0].source", "api/x"],
        ["type", "scattermap"],
        ["marker.color", "red"],
        [{"images[0].source": "api/x"}],
    ]
    figure = {
        "data": [],
        "layout": {"updatemenus": [{"buttons": [{"method": "relayout", "args": each} for each in args]}]},
    }
    clean, _ = SAFE.bundle({"application/vnd.plotly.v1+json": figure}, {})
    buttons = clean["application/vnd.plotly.v1+json"]["layout"]["updatemenus"][0]["buttons"]
    assert [button["args"] for button in buttons] == [
        [None, None], ["type", None], ["marker.color", "red"], [{}],
    ]  # fmt: skip


def of(module: str, name: str, **state: Any) -> dict[str, Any]:
    """The state of a widget whose package does not say "View"."""
    names = {"_model_module": module, "_view_module": module, "_model_name": f"{name}Model", "_view_name": name}
    return {**names, **state}


def test_nothing_is_made_in_such_numbers_that_a_page_stands_still() -> None:
    wide = ("400000000d", "_>5000,.2f", " 99999%", "05000", "$^+9999.2~s")
    for pattern in wide:
        assert "readout_format" not in opened(control("FloatSlider", readout_format=pattern))
        clean = bqplot("Axis", tick_format=pattern, num_ticks=10**8)
        assert "tick_format" not in clean and "num_ticks" not in clean
        assert bqplot("Tooltip", formats=[pattern, ".2f"])["formats"] == [".2f"]
    for pattern in (".2f", ",.3%", "_>12,.2f", "%Y-%m-%d", "%b 2024", "$,.0f", "d", "~s", "*^999"):
        assert opened(control("FloatSlider", readout_format=pattern))["readout_format"] == pattern
        assert bqplot("Axis", tick_format=pattern, num_ticks=5)["num_ticks"] == 5
    comm_id = new_id()
    assert opened(of("bqplot", "Hist", bins=40), comm_id)["bins"] == 40 and updated(comm_id, {"bins": 10**9}) == {}
    assert updated(comm_id, {"bins": [[1]]}) == {} == updated(comm_id, {"bins": float("nan")})
    assert "precision" not in opened(of("bqscales", "Albers", precision=1e-12))
    assert opened(of("bqscales", "Albers", precision=0.1))["precision"] == 0.1


def test_figure_formats_no_number_to_thousands_of_characters() -> None:
    figure = {
        "data": [
            {"texttemplate": "%{x:400000000d} and %{y:.2f} of %{customdata[0]|%Y}: %{z:_>99999}", "text": "12345"}
        ],
        "layout": {"xaxis": {"tickformat": "99999d"}, "yaxis": {"tickformat": ",.2f", "hoverformat": "%H:%M 2024"}},
    }
    clean = SAFE.bundle({"application/vnd.plotly.v1+json": figure}, {})[0]["application/vnd.plotly.v1+json"]
    assert clean["data"] == [{"texttemplate": "%{x} and %{y:.2f} of %{customdata[0]|%Y}: %{z}", "text": "12345"}]
    assert clean["layout"] == {"xaxis": {}, "yaxis": figure["layout"]["yaxis"]}  # type: ignore[index]


@pytest.mark.parametrize("many", [10**8, 1e9, "100000000", "1e8", 10**400, float("inf")])
def test_figure_has_no_grid_of_parts_without_number(many: Any) -> None:
    figure = {"data": [], "layout": {"grid": {"rows": many, "columns": 3, "pattern": "coupled"}, "grid.columns": many}}
    clean = SAFE.bundle({"application/vnd.plotly.v1+json": figure}, {})[0]["application/vnd.plotly.v1+json"]
    assert clean == {"data": [], "layout": {"grid": {"columns": 3, "pattern": "coupled"}}}
