"""The example notebook does what its text promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parent.parent / "examples" / "welcome.ipynb"


@pytest.fixture(scope="module")
def executed(hopx_kernelspec: str) -> Any:
    notebook = nbformat.read(NOTEBOOK, 4)
    assert notebook.metadata.kernelspec.name == hopx_kernelspec
    for cell in notebook.cells:
        # The cell that waits for a person to press Stop.
        cell.source = cell.source.replace("time.sleep(1)", "time.sleep(0.01)")
    NotebookClient(notebook, timeout=200, kernel_name=hopx_kernelspec).execute()
    return notebook


def text_of(notebook: Any, beginning: str) -> str:
    """All text that the cell gave whose source has `beginning` in it."""
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and beginning in cell.source]
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    return "".join(texts) + "".join(output.get("evalue", "") for output in cell.outputs)


@pytest.mark.parametrize(
    ("cell", "promise"),
    [
        ("for step in range", "step 10 of 10\n"),
        ("Loading the data", "100 %"),
        ("for epoch in track", "Training"),
        ("__PROGRESS__", "From a shell script"),
        ("squares = [", "[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]"),
        ("sum(squares)", "285"),
        ("plt.subplots", "<Figure size 600x220"),
        ("os._exit(3)", "exited with code 3"),
        ("here again", "squares is gone"),
        ("def attempt", "home directories: [Errno 2]"),
        ("def attempt", "the password file: [Errno 2]"),
        ("def attempt", "the network: [Errno 101]"),
        ("def attempt", "writing to the system: [Errno 30]"),
        ("def attempt", "writing to /workspace: 10"),
    ],
)
def test_cell_gives_what_the_notebook_promises(executed: Any, cell: str, promise: str) -> None:
    assert promise in text_of(executed, cell)


def test_result_says_what_the_bar_says(executed: Any) -> None:
    assert set(re.findall(r"loss\W+([\d.]+)", text_of(executed, "for epoch in track"))) == {"0.0167"}


def test_notebook_is_kept_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, 4)
    assert not [cell for cell in notebook.cells if cell.get("outputs")]
