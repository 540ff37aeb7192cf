"""What a kernel and its interpreter hold in memory before anybody needs it: what they have imported, as they tell it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import IPython
import pytest

from .client import Kernel

#: Half of the memory of a kernel at rest, if they were imported.
JUPYTER = {"IPython", "ipykernel", "jupyter_client", "tornado"}

#: What the first bar needs, and the first output in HTML.
LATE = {"ipywidgets", "anywidget", "nh3", "html", "psutil"}

#: What the interpreter has for the first completion, plot or line of history, if ever.
HEAVY = ("jedi", "parso", "prompt_toolkit", "pygments.lexers", "sqlite3", "docutils", "matplotlib", "ipywidgets", "zmq")


@pytest.fixture
def imports(tmp_path: Path) -> Callable[[], set[str]]:
    """Give the names of all modules that the kernel's own process has imported, as Python writes them to a file."""

    def read() -> set[str]:
        lines = (tmp_path / "stderr").read_text(encoding="utf-8").splitlines()
        return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}

    return read


def test_kernel_at_rest_has_imported_nothing_for_later(
    jupyter_environment: dict[str, str], tmp_path: Path, imports: Callable[[], set[str]]
) -> None:
    # A cell that takes long gets a header, which needs what a bar needs.
    variables = {"PYTHONPROFILEIMPORTTIME": "1", "HOPX_PROGRESS": "widgets", "HOPX_HEADER_AFTER_SECONDS": "3600"}
    with (
        (tmp_path / "stderr").open("wb") as stderr,
        Kernel(env=variables, stderr=stderr) as kernel,
    ):
        kernel.run("print(1)\n1 + 1")
        kernel.run("1 / 0")
        assert "hopx_kernel.kernel.kernel" in imports()
        assert imports() & (JUPYTER | LATE) == set()
        kernel.run("progress('half of it', 50)")
        assert "ipywidgets" in imports()
        kernel.shut_down()
    assert imports() & {"ipykernel", "jupyter_client", "tornado"} == set()


@pytest.mark.skipif(IPython.version_info < (9,), reason="IPython 8 imports some of it by itself")
def test_interpreter_at_rest_has_imported_nothing_for_later(fresh_kernel: Kernel) -> None:
    fresh_kernel.run("print(1)\n1 + 1")
    loaded = set(ast.literal_eval(fresh_kernel.run("import sys; sorted(sys.modules)").result))
    assert "IPython.core.interactiveshell" in loaded
    assert loaded & set(HEAVY) == set()


def test_interpreters_share_what_each_of_them_needs(fresh_kernel: Kernel) -> None:
    code = "import os, sys; (os.getppid(), sorted(sys.modules))"
    first_parent, first = ast.literal_eval(fresh_kernel.run(code).result)
    fresh_kernel.run("import os; os._exit(3)")
    second_parent, second = ast.literal_eval(fresh_kernel.run(code).result)
    assert first_parent == second_parent
    assert {"comm.base_comm", "IPython.core.logger"} <= set(first)
    assert first == second
