"""Notebooks of widgets give on this kernel what they give on ipykernel, cell by cell, and leave the same widgets."""

from __future__ import annotations

from typing import Any

import pytest

from hopx_kernel.trust.css import own_classes

from .front_end import execute
from .normal import normalise
from .notebooks import NOTEBOOKS


@pytest.mark.slow
@pytest.mark.parametrize("title", NOTEBOOKS)
def test_notebook_gives_the_same_as_on_ipykernel(
    title: str, hopx_kernelspec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = NOTEBOOKS[title]
    # The order in which a widget's parts are opened, and which of two wrong traits is told, hangs on it.
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    monkeypatch.setenv("HOPX_ENV", '{"PYTHONHASHSEED": "0"}')
    monkeypatch.setenv("HOPX_ADAPT_PROGRESS_BARS", "False")
    # Scripts of the sandbox are refused under the default policy; what is compared here is everything else.
    monkeypatch.setenv("HOPX_TRUST", "trusted")
    ours, theirs = normalise(execute(cells, hopx_kernelspec)), normalise(execute(cells, "python3"))
    assert_equal(ours, theirs)


#: Notebooks without anything that the default policy changes, but for the names of classes, which are none of the page's.
CALM = ("numbers", "choices", "texts and times", "layouts", "events and links", "output", "binary", "tqdm")


@pytest.mark.slow
@pytest.mark.parametrize("title", CALM)
def test_default_policy_changes_nothing_of_stock_widgets(
    title: str, hopx_kernelspec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = NOTEBOOKS[title]
    monkeypatch.setenv("HOPX_ENV", '{"PYTHONHASHSEED": "0"}')
    monkeypatch.setenv("HOPX_ADAPT_PROGRESS_BARS", "False")
    runs = []
    for trust in ("safe", "trusted"):
        monkeypatch.setenv("HOPX_TRUST", trust)
        runs.append(normalise(execute(cells, hopx_kernelspec)))
    for widget in runs[1]["states"].values():
        if "_dom_classes" in widget["state"]:
            widget["state"]["_dom_classes"] = [own_classes(name) for name in widget["state"]["_dom_classes"]]
    assert_equal(*runs)


def assert_equal(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    for index, (our, their) in enumerate(zip(ours["outputs"], theirs["outputs"], strict=True)):
        assert our == their, f"cell {index}"
    assert ours["states"] == theirs["states"]
