"""Hostile and silly input to the helpers: nothing raises in the cell, nothing is markup, floods are capped and counted."""

from __future__ import annotations

import pytest

from .conftest import Kernel

PERCENTS = [
    "float('nan')",
    "float('inf')",
    "-float('inf')",
    "-5",
    "250",
    "'12%'",
    "None",
    "'abc'",
    "10**400",
    "[]",
    "True",
    "1j",
]


@pytest.mark.parametrize("percent", PERCENTS)
def test_silly_percent_neither_raises_nor_breaks_the_bar(kernel: Kernel, percent: str) -> None:
    output = kernel.run(f"progress('silly', {percent}); progress('silly', {percent}, task='t', total=0, current=0)")
    assert output.reply["status"] == "ok"
    values = output.values("FloatProgressModel", "value")
    assert values and all(0 <= value <= 100 for value in values)
    assert "silly" in output.record


def test_hostile_values_are_shown_and_nothing_raises(kernel: Kernel) -> None:
    output = kernel.run(
        "import datetime\n"
        "class Bad:\n    def __repr__(self): raise RuntimeError('no')\n    __str__ = __repr__\n"
        "deep = []\nfor _ in range(10_000): deep = [deep]\ncircle = {}; circle['me'] = circle\n"
        "progress(Bad(), Bad(), Bad(), task=Bad(), current=Bad(), total=Bad(), unit=Bad(), state=Bad())\n"
        "progress('data', data={'set': {1}, 'date': datetime.date(2024, 5, 17), 'nan': float('nan'), 'deep': deep}, task='d')\n"
        "progress('x' * 1_000_000, task='long'); progress('\\ud800 \\x1b[31mred\\x1b[0m\\nnew', task='ansi')\n"
        "progress('circle', data=circle, task='c'); progress(); progress('big', current=10**5000, task='i')\n"
        "result(deep); result(circle); result(Bad()); error(Bad()); error('y' * 1_000_000)\nprint('end')"
    )
    assert output.reply["status"] == "ok", output.reply
    assert output.text == "end\n"
    record = output.record
    assert "2024-05-17" in record and "red new" in record and "\x1b" not in record
    assert "(+999," in record
    assert len(record) < 20_000


def test_markup_in_a_message_is_never_markup(kernel: Kernel) -> None:
    evil = '<script>alert(1)</script><img src=x onerror="alert(1)">'
    output = kernel.run(
        f"evil = {evil!r}\nprogress(evil, 5, {{evil: evil}}, task=evil, unit=evil)\nresult({{evil: [evil]}}); error(evil)\n"
        "progress(evil, 5, {'n': 1.5}, task='t', current=1, total=2, unit=evil); input()",
        until=lambda output: len(output.bars) == 2,
    )
    htmls = [
        content["data"].get("text/html", "")
        for kind in ("display_data", "update_display_data")
        for content in output.contents(kind)
    ]
    htmls += output.values("HTMLModel", "value")
    for html in htmls:
        assert "<script" not in html and "<img" not in html
    assert any("&lt;script&gt;" in html for html in htmls)


def test_ten_thousands_of_task_names_are_capped_and_counted(kernel: Kernel) -> None:
    output = kernel.run("for i in range(100_000): progress('x', i % 100, task=f'task {i}')")
    assert output.reply["status"] == "ok"
    # A bar for each line that there is room for, in one burst, and then what refreshes of them may take.
    assert output.comm_messages <= 150 * (output.seconds + 1)
    assert "99,900 more tasks" in output.record


def test_a_flood_of_results_and_errors_is_capped_and_counted(kernel: Kernel) -> None:
    output = kernel.run("for i in range(5000): error(f'e{i}')\nfor i in range(3000): result(i)")
    assert output.counts()["display_data"] <= 1300
    texts = [content["data"]["text/plain"] for content in output.contents("display_data")]
    assert "… and 4,900 more errors of this cell" in texts
    assert "… and 2,000 more results of this cell" in texts
