"""The record: HTML without scripts and with every number as text, and plain text that says the same."""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser
from typing import Any

import pytest

from hopx_kernel.progress.fragments import percent_text
from hopx_kernel.progress.model import ProgressModel
from hopx_kernel.progress.run import RunRecord
from hopx_kernel.progress.snapshot import snapshot_html, snapshot_text
from hopx_kernel.progress.text import MAX_COLUMNS, status_line

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)> \" ' & $x^2$"


class _Page(HTMLParser):
    """Every tag, attribute and text of a page; fails on one that is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


def make(*contents: dict[str, Any]) -> tuple[ProgressModel, RunRecord]:
    model, run = ProgressModel(), RunRecord("local", True, 0)
    for content in contents:
        model.take({"message": content.get("task", ""), **content}, 0)
    return model, run


def test_record_needs_no_script_and_no_style_sheet() -> None:
    model, run = make(
        {"task": EVIL, "percent": 40, "unit": EVIL, "current": 4, "total": 10, "data": {EVIL: 1, "n": EVIL}}
    )
    page = _Page(snapshot_html(model, run, 5))
    assert page.tags <= {"bdi", "div", "i", "span", "table", "tbody", "tr", "td", "details", "summary"}
    assert {name for name, _ in page.attributes} <= {"style", "class", "title", "colspan"}
    assert not any(
        "url(" in (value or "") or "expression" in (value or "") for name, value in page.attributes if name == "style"
    )
    assert EVIL in page.text


def test_every_number_is_text_too() -> None:
    model, run = make(
        {"task": "Loading", "percent": 40}, {"task": "rows", "current": 5, "total": 20, "data": {"loss": 0.31}}
    )
    run.finish({"status": "ok"}, 12.3)
    model.finish({"status": "ok"}, 12.3)
    page, text = _Page(snapshot_html(model, run, 12.3)), snapshot_text(model, run, 12.3)
    for part in ("Done", "12 s", "local sandbox", "Loading", "40 %", "5/20", "25 %", "loss", "0.31"):
        assert part in page.text, part
        assert part in text, part


def test_folded_tasks_can_be_opened() -> None:
    model, run = make({"task": "a"}, *({"task": f"c{n}", "parent": "a", "state": "done"} for n in range(5)))
    page = _Page(snapshot_html(model, run, 1))
    assert "details" in page.tags and "4 finished" in page.text and "c0" in page.text


def test_record_of_many_tasks_is_bounded_and_counts_the_rest() -> None:
    model, run = make(*({"task": f"t{n}" * 50} for n in range(1000)))
    html = snapshot_html(model, run, 1)
    assert len(html) < 200_000 and "900 more tasks" in html


@pytest.mark.parametrize(("percent", "text"), [(0, "0 %"), (39.6, "40 %"), (99.99, "99 %"), (100, "100 %")])
def test_hundred_percent_is_not_said_before_the_end(percent: float, text: str) -> None:
    assert percent_text(percent) == text


def test_text_is_left_alone_by_mathjax() -> None:
    html = snapshot_html(*make({"task": "costs $5 and $6"}), 1)
    assert re.match(r'<div class="tex2jax_ignore mathjax_ignore"', html)


def test_status_line_is_one_line_that_fits_a_terminal() -> None:
    model, _ = make(
        {"task": "outer", "current": 1, "total": 3}, {"task": "in\nner" * 100, "parent": "outer", "percent": 40}
    )
    line = status_line(model, 1)
    assert "\n" not in line and len(line) <= MAX_COLUMNS and line.endswith("(+1)")
    assert status_line(ProgressModel(), 0) == ""


@pytest.mark.parametrize("message", ["进度" * 60, "한국어 " * 40, "e\u0301" * 100, "x" * 200])
def test_status_line_counts_the_columns_that_a_terminal_shows(message: str) -> None:
    model, _ = make({"task": message, "percent": 40})
    line = status_line(model, 1)
    width = sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in line)
    assert MAX_COLUMNS - 2 < width <= MAX_COLUMNS
