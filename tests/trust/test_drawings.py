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


# ---------------------------------------------------------------------- who shows whom, in whatever writing

_BOX = '<rect class="c{at}" width="90" height="90" fill="white"{more}/>'


def masked(more: str = "", sheet: str = "", around: str = "{}", levels: int = 7) -> str:
    """Masks, each drawn by boxes that the next one masks; `{at}` and `{name}` stand for the next one's number and name."""
    box = around.replace("{}", _BOX.replace("{more}", more))

    def boxes(at: int, count: int) -> str:
        return count * box.replace("{at}", str(at)).replace("{name}", f"m{at}")

    last = '<rect width="90" height="90" fill="white"/>'
    masks = "".join(f'<mask id="m{at}">{boxes(at + 1, 8) if at < levels else last}</mask>' for at in range(levels + 1))
    rules = "".join(sheet.replace("{at}", str(at)).replace("{name}", f"m{at}") for at in range(levels + 1))
    return f"{HEAD}<style>{rules}</style>{masks}{boxes(0, 1)}</svg>"


def pointed(levels: int, markers: str, line: str = '<path d="{}"{}/>', points: int = 100) -> str:
    """Lines whose every point is marked by such a line."""
    way = "M0 0" + points * "L1 1"
    lines = [line.format(way, markers.format(f"m{at}")) for at in range(levels)]
    marks = "".join(f'<marker id="m{at}">{each}</marker>' for at, each in enumerate([*lines[1:], "<circle/>"]))
    return f"{HEAD}{marks}{lines[0]}</svg>"


def filtered(steps: str, units: str = "", count: int = 1) -> str:
    """Boxes that are shown by a filter."""
    return f'{HEAD}<filter id="f"{units}>{steps}</filter>{count * _FILTERED}</svg>'


_FILTERED = '<rect width="90" height="90" filter="url(#f)"/>'
_BLURRED = f'<rect width="90" height="90" style="filter:{50 * "blur(5px) "}"/>'
_PREFIX = 120 * "a"


@pytest.mark.parametrize(
    "source",
    [
        masked(sheet=".c{at}{mask:url(#{name})}"),
        masked(sheet="rect.c{at}:not(.z){mask:url('#{name}')}"),
        masked(sheet=".c{at} rect{mask:url(#{name})}", around='<g class="c{at}">{}</g>'),
        masked(sheet="@media all{.c{at}{mask:url(#{name})}}"),
        masked(sheet="svg{& .c{at}{mask:url(#{name})}}"),
        masked(sheet="svg{--a{at}:url(#{name})}.c{at}{mask:var(--a{at})}"),
        masked(sheet=".c{at}{mask:u\\72l(#{name})}"),
        masked(' mask="&#117;rl(#{name})"'),
        masked(' mask="u\\72l(#{name})"'),
        masked(' mask="url(&#9;&quot;#{name}&quot;)"'),
        masked(' style="mask:url(#&#37;6d{at})"'),
        masked(' mask="inherit"', around='<g mask="url(#{name})">{}{}</g>'.replace("{}{}", "{}")),
        masked(around='<use href="#&#9;{name}"/>').replace("mask", "g"),
        masked(around='<use href="#%6d{at}"/>').replace("mask", "g"),
        masked(around='<use><set attributeName="href" to="#{name}"/></use>').replace("mask", "g"),
        masked(around=f'<{_PREFIX}:use xmlns:{_PREFIX}="http://www.w3.org/2000/svg" href="#{{name}}"/>').replace(
            "mask", "g"
        ),
        pointed(4, ' marker-mid="url(#{})"'),
        pointed(4, ' style="marker:url(#{})"'),
        pointed(4, ' style="filter:none;marker:url(#{});clip-path:none"'),
        pointed(4, ' style="filter:none;marker:url(#{};b)"').replace('"><path', ';b"><path').replace('"><c', ';b"><c'),
        pointed(4, "{}", '<g marker-mid="url(#{1})"><path d="{0}"/></g>'),
        filtered(50 * '<feMorphology radius="5000"/>'),
        filtered(50 * '<feMorphology radius="9 100"/>'),
        filtered(50 * '<feMorphology radius=".9"/>', ' primitiveUnits="objectBoundingBox"'),
        filtered(2000 * "<feDiffuseLighting/>"),
        filtered(50 * '<feGaussianBlur stdDeviation="5"/>', count=300),
        f"{HEAD}{300 * _BLURRED}</svg>",
        f"{HEAD}{300 * _BLURRED.replace('filter', chr(92) + '66ilter')}</svg>",
        f"{HEAD}<style>rect{{filter:{50 * 'blur(5px) '}}}</style>{300 * '<rect/>'}</svg>",
        f"{HEAD}<style>@media all{{.b{{filter:{50 * 'blur(5px) '}}}}}</style>{300 * '<rect/>'}</svg>",
        f'<?xml-stylesheet href="data:text/css,x"?>{HEAD}</svg>',
        f'{HEAD}<style>@import "data:text/css,x"; .a{{mask:url(#m)}}</style></svg>',
        f"{HEAD}{200 * '<image href=&quot;data:image/svg+xml,{}&quot;/>&amp;'.replace('&quot;', chr(34))}</svg>".replace(
            "{}", urllib.parse.quote(laughing(levels=4))
        ),
    ],
)
def test_drawing_that_shows_without_end_by_other_ways_is_not_shown(source: str) -> None:
    for shown in (source, source.replace("</svg>", "<script/></svg>")):
        clean, _ = SAFE.bundle({"image/svg+xml": shown}, {})
        assert set(clean) == {"text/plain"} and "too often" in clean["text/plain"]


_GRADIENTS = '<linearGradient id="g0"><stop/></linearGradient>' + "".join(
    f'<linearGradient id="g{at}" xlink:href="#g{at - 1}"/>' for at in range(1, 60)
)
_ARROW = '<marker id="arrow"><path d="M0 0L1 1z"/></marker>'


@pytest.mark.parametrize(
    "inner",
    [
        f"{_ARROW}{2000 * '<path d=&quot;M0 0C1 2 3 4 5 6&quot; marker-end=&quot;url(#arrow)&quot;/>'}",
        f'{_ARROW}<path marker-end="url(#arrow)" d="M0 0{50_000 * "L1.5 2.5"}"/>',
        f"<style>{''.join(f'.c{at}{{fill:url(#g{at})}}' for at in range(60))}</style>{_GRADIENTS}"
        + "".join(f'<path class="c{at % 60}" d="M0 0"/>' for at in range(2000)),
        f'<clipPath id="c"><rect/></clipPath><g clip-path="url(#c)">{10_000 * "<circle/>"}</g>',
        f'<g id="top">{100 * "<a href=&quot;#top&quot;><text>x</text></a>"}</g>',
        '<circle id="u"><animate attributeName="fill" values="#fff;#000" begin="u.click"/></circle><use href="#u"/>',
        '<filter id="f"><feOffset/><feGaussianBlur stdDeviation="2"/><feMerge><feMergeNode/></feMerge></filter>'
        + 1000 * '<circle filter="url(#f)"/>',
        '<filter id="f"><feMorphology radius="2"/></filter>' + 200 * '<text filter="url(#f)">x</text>',
        '<image href="data:image/png;base64,AAAA"/><text>&amp; data: use</text>',
        "<image href=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/>\"/><text>&amp;</text>",
        "<style>@font-face{font-family:x;src:url(data:font/woff2;base64,AA)} .a{fill:url(#g)}</style>"
        '<linearGradient id="g"/><path class="a"/>',
        '<linearGradient id="g"><stop/><stop/></linearGradient><filter id="f"><feGaussianBlur stdDeviation="2"/></filter>'
        + 2000 * '<path style="fill:url(#g);filter:url(#f)" d="M0 0"/>',
        "<style>@font-face{font-family:x;src:url(data:application/vnd.ms-fontobject;base64,AA)}</style>"
        '<linearGradient id="g"/><path fill="url(#g)"/>',
    ],
)
def test_drawing_as_programs_write_it_is_shown(inner: str) -> None:
    clean, _ = SAFE.bundle({"image/svg+xml": f"{HEAD}{inner.replace('&quot;', chr(34))}</svg>"}, {})
    assert set(clean) == {"image/svg+xml"} or clean["text/html"].startswith('<img src="data:image/svg+xml;base64,')


@pytest.mark.parametrize("name", ["desc", "title"])
def test_nothing_of_a_drawing_becomes_an_element_of_the_page(name: str) -> None:
    inner = f'<{name}><image srcset="/x" href="data:image/png;base64,AA"/></{name}><image srcset="/x" tabindex="0"/>'
    clean, _ = SAFE.bundle({"image/svg+xml": f"{HEAD}{inner}</svg>"}, {})
    assert set(clean) == {"text/html"} and clean["text/html"].startswith('<img src="data:image/svg+xml;base64,')
    clean, _ = SAFE.bundle(
        {"image/svg+xml": f"{HEAD}<{name}>a</{name}>{inner.partition('>')[2].rpartition(name)[2][1:]}</svg>"}, {}
    )
    assert "srcset" not in clean["image/svg+xml"] and "tabindex" not in clean["image/svg+xml"]
