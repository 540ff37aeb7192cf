"""Notebooks executed without a browser keep their widgets."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

pytestmark = pytest.mark.slow

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"

CELLS = (
    "import ipywidgets as w\nslider = w.IntSlider(value=3, description='Points'); slider",
    "image = w.Image(value=bytes(range(256)), format='png')\nbox = w.VBox([slider, image]); box",
    "slider.value = 7\nfor _ in track(range(3), description='Bar'): pass",
)


@pytest.fixture
def notebook(tmp_path: Path, hopx_kernelspec: str) -> Path:
    book = nbformat.v4.new_notebook()
    book.metadata.kernelspec = {"name": hopx_kernelspec, "display_name": "", "language": "python"}
    book.cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    path = tmp_path / "book.ipynb"
    nbformat.write(book, path)
    return path


def convert(notebook: Path, target: str) -> Path:
    """What ``jupyter nbconvert --execute`` makes of a notebook."""
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--execute", "--to", target, str(notebook)]
    subprocess.run([*command, "--output", "out"], check=True, timeout=200, env=dict(os.environ), capture_output=True)
    suffix = {"notebook": "ipynb", "html": "html"}[target]
    return notebook.with_name(f"out.{suffix}")


def models(states: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [state for state in states.values() if state["model_name"] == name]


def test_executed_notebook_holds_the_widgets_last_state(notebook: Path) -> None:
    book = nbformat.read(convert(notebook, "notebook"), as_version=4)
    states = book.metadata.widgets[WIDGET_STATE]["state"]
    (slider,) = models(states, "IntSliderModel")
    assert (slider["state"]["value"], slider["state"]["description"]) == (7, "Points")
    (image,) = models(states, "ImageModel")
    (buffer,) = image["buffers"]
    assert base64.b64decode(buffer["data"]) == bytes(range(256)) and buffer["path"] == ["value"]
    shown = [output.data["application/vnd.jupyter.widget-view+json"]["model_id"] for output in book.cells[1].outputs]
    assert shown and set(shown) <= set(states)


def test_bars_of_an_executed_notebook_are_a_record_and_no_widgets(notebook: Path) -> None:
    book = nbformat.read(convert(notebook, "notebook"), as_version=4)
    (record,) = book.cells[2].outputs
    assert set(record.data) == {"text/html", "text/plain"}
    assert "3/3" in record.data["text/plain"]


def test_exported_page_holds_the_widgets(notebook: Path) -> None:
    page = convert(notebook, "html").read_text("utf-8")
    (state,) = re.findall(rf'<script type="{re.escape(WIDGET_STATE)}">(.*?)</script>', page, re.DOTALL)
    (slider,) = models(json.loads(state)["state"], "IntSliderModel")
    assert slider["state"]["value"] == 7
    assert page.count('<script type="application/vnd.jupyter.widget-view+json">') == 2
