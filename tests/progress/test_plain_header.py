"""The header in plain ipywidgets: what it shows, and where it stands in for the other."""

from __future__ import annotations

import sys

import pytest

from hopx_kernel.progress.run import RunRecord
from hopx_kernel.progress.view.header import Header, PlainHeader, make_header


def shown(header: Header) -> str:
    """The header's text, as HTML."""
    text: str = header.widget.children[0].value
    return text


def test_it_is_made_where_there_is_no_anywidget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "hopx_kernel.progress.view.run_header", raising=False)
    monkeypatch.setitem(sys.modules, "anywidget", None)
    header = make_header("auto", None)
    assert isinstance(header, PlainHeader) and header.is_ready
    header.close()


def test_it_tells_what_is_known_of_the_run() -> None:
    header = PlainHeader(lambda: None)
    run = RunRecord("process", False, 0)
    run.heartbeat({"memory_bytes": 120e6, "cpu_seconds": 1.0}, 1)
    run.heartbeat({"memory_bytes": 120e6, "cpu_seconds": 1.5}, 2)
    header.update(run, 2, 20)
    for fact in (
        "Running",
        "20 s",
        "process, not isolated",
        "120 MB",
        "50 % CPU",
        "last sign of life 18 s ago",
        "2 alerts",
    ):
        assert fact in shown(header), fact
    assert header.update(run, 2, 20) == 0, "it sends what has not changed"
    header.close()


def test_stop_is_pressed_once_until_it_is_known_not_to_have_helped() -> None:
    pressed: list[float] = []
    header, run = PlainHeader(lambda: pressed.append(0)), RunRecord("local", True, 0)
    button = header.widget.children[1]
    button.click()
    assert pressed == [0] and button.disabled
    run.ask_stop(1)
    header.update(run, 0, 1)
    assert button.disabled and "Stopping" in shown(header)
    run.interrupt_answered({"stopped": False}, 3)
    header.update(run, 0, 3)
    assert not button.disabled and "still running 2.0 s after Stop" in shown(header)
    header.close()


def test_without_a_way_to_stop_there_is_no_button() -> None:
    header = PlainHeader(None)
    assert len(header.widget.children) == 1
    header.close()
