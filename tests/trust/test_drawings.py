"""Drawings: a page draws no more for one than it can bear, and a page that shows it as markup is told nothing by it."""

from __future__ import annotations

import base64
import urllib.parse

import pytest

from .page import SAFE
from .states import control, new_id

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'


def laughing(shows: str = '<use href="#{}"/>', levels: int = 9, more: str = "") -> str:
    groups = "".join(f'<g id="a{n}">{10 * shows.format(f"a{n - 1}")}</g>' for n in range(1, levels))
    return f'{HEAD}{more}<g id="a0"><rect/></g>{groups}</svg>'


@pytest.mark.parametrize(
    "source",
    [
        laughing(),
        laughing('<use xlink:href="#{}"/>'),
        laughing('<rect fill="url(#{})"/>'),
        laughing('<rect style="mask:url(#{})"/>'),
        laughing(more="<script/>"),  # is shown as a picture
        laughing()[:-6],  # is no XML
    ],
)
def test_drawing_whose_elements_show_one_another_too_often_is_not_shown(source: str) -> None:
    clean, _ = SAFE.bundle({"image/svg+xml": source}, {})
    assert set(clean) == {"text/plain"} and "too often" in clean["text/plain"]
    for coded in (
        "data:image/svg+xml;base64," + base64.b64encode(source.encode()).decode(),
        "data:image/svg+xml," + urllib.parse.quote(source),
        "da&#9;ta:image/SVG+xml;charset=utf-8," + urllib.parse.quote(source),
    ):
        shown = SAFE.bundle({"text/html": f'<b>x</b><img src="{coded}">'}, {})[0]["text/html"]
        assert "svg" not in shown.lower() and "<img" in shown


def test_widget_and_figure_show_no_such_drawing_either() -> None:
    source = laughing()
    coded = "data:image/svg+xml," + urllib.parse.quote(source)
    figure = {"data": [], "layout": {"images": [{"source": coded, "x": 1}]}}
    clean, _ = SAFE.bundle({"application/vnd.plotly.v1+json": figure}, {})
    assert clean["application/vnd.plotly.v1+json"]["layout"]["images"] == [{"x": 1}]
    for shown, given in (
        (0, source.encode()),
        (0, source.encode("utf-16")),
        (0, source.encode("utf-16-be")),
        (1, laughing(levels=2).encode()),
        (1, b"\x89PNG\r\n"),
    ):
        state = {**control("Image", format="svg+xml"), "value": None}
        data = {"state": state, "buffer_paths": [["value"]]}
        told = SAFE.comm("comm_open", new_id(), data, [given])
        assert told is not None and len(told[1]) == shown


def test_drawing_with_many_marks_is_shown() -> None:
    marks = "".join(f'<use x="{n}" xlink:href="#mark" clip-path="url(#clip)"/>' for n in range(15_000))
    source = f'{HEAD}<defs><path id="mark" d="M0 0"/><clipPath id="clip"><rect/></clipPath></defs>{marks}</svg>'
    assert "image/svg+xml" in SAFE.bundle({"image/svg+xml": source}, {})[0]
    picture = "data:image/svg+xml," + urllib.parse.quote(laughing(levels=3))
    assert "svg+xml" in SAFE.bundle({"text/html": f'<img src="{picture}">'}, {})[0]["text/html"]


@pytest.mark.parametrize(
    "raw",
    [
        laughing().encode("utf-16"),
        laughing().replace("use", "u\x1b(Bse").encode(),
        f"<!DOCTYPE svg [<!ENTITY u \"&#60;us&#101; href='#a'/>\">]>{HEAD}&u;</svg>".encode(),
    ],
)
def test_drawing_in_an_odd_writing_is_no_picture(raw: bytes) -> None:
    for address in (
        "data:image/svg+xml;base64," + base64.b64encode(raw).decode(),
        "data:image/svg+xml," + urllib.parse.quote(raw),
    ):
        shown = SAFE.bundle({"text/html": f'<b>x</b><img src="{address}">'}, {})[0]["text/html"]
        assert "svg" not in shown


def test_drawing_that_shows_itself_is_no_trouble() -> None:
    source = f'{HEAD}<g id="a"><use href="#a"/><use href="#b"/></g><g id="b"><use href="#a"/></g></svg>'
    assert "image/svg+xml" in SAFE.bundle({"image/svg+xml": source}, {})[0]


@pytest.mark.parametrize("text", ["$\\href{javascript:alert(1)}{x}$", "$\\unicode[a;position:fixed]{65}$"])
def test_drawing_with_mathematics_that_acts_is_shown_as_a_picture(text: str) -> None:
    clean, _ = SAFE.bundle({"image/svg+xml": f"{HEAD}<text>{text}</text></svg>"}, {})
    assert set(clean) == {"text/html"} and clean["text/html"].startswith('<img src="data:image/svg+xml;base64,')


def test_drawing_tells_the_page_s_programs_nothing() -> None:
    source = (
        f'{HEAD}<rect data-commandlinker-command="x" data-x="1" slot="x" part="x" is="x" nonce="x" width="5"/></svg>'
    )
    shown = SAFE.bundle({"image/svg+xml": source}, {})[0]["image/svg+xml"]
    assert '<rect width="5"></rect>' in shown
