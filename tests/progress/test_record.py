"""The record in a file: a notebook that was run without anybody looking, saved, and exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter, MarkdownExporter

CELLS = (
    "import time\nfor i in track(range(30), 'Reading $5 files'):\n    time.sleep(0.02); progress('Metrics', task='m', data={'loss': 1 / (i + 1)})",
    "result({'rows': 3})\nerror('careful')",
    "import time; time.sleep(2.5)",
)


@pytest.fixture(scope="module")
def notebook(hopx_kernelspec: str) -> Any:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    NotebookClient(made, kernel_name=hopx_kernelspec, timeout=120).execute()
    return made


def test_output_is_one_record_and_no_widget(notebook: Any) -> None:
    nbformat.validate(notebook)
    (output,) = notebook.cells[0].outputs
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert "30/30" in output["data"]["text/plain"] and "✓ Reading $5 files" in output["data"]["text/plain"]
    assert "widgets" not in notebook.metadata
    assert len(json.dumps(notebook)) < 20_000


def test_batch_run_without_progress_gets_no_header(notebook: Any) -> None:
    assert notebook.cells[2].outputs == []


def test_exports_show_the_final_state(notebook: Any, tmp_path: Path) -> None:
    html = HTMLExporter().from_notebook_node(notebook)[0]
    for text in ("Reading $5 files", "30/30", "100 %", "loss", "careful", "rows"):
        assert text in html
    markdown = MarkdownExporter().from_notebook_node(notebook)[0]
    assert "30/30" in markdown and "100 %" in markdown
