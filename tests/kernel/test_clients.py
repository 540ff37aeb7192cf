"""The programs that run notebooks without a page, each on the installed kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import papermill
import pexpect
import pytest
from jupyter_client.kernelspec import KernelSpecManager

from hopx_kernel import kernelspec

pytestmark = pytest.mark.usefixtures("hopx_kernelspec")


def notebook(*cells: str) -> Any:
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    book.metadata.kernelspec = {"name": "hopx", "display_name": "Python (HopX sandbox)", "language": "python"}
    return book


def test_nbclient_runs_a_notebook(tmp_path: Path) -> None:
    book = notebook("x = 20\nprint('printed')", "x * 2 + 2", "import sys; print('e', file=sys.stderr)")
    nbclient.NotebookClient(book, resources={"metadata": {"path": str(tmp_path)}}, timeout=120).execute()
    outputs = [cell.outputs for cell in book.cells]
    assert outputs[0][0].text == "printed\n"
    assert outputs[1][0].data["text/plain"] == "42" and outputs[1][0].execution_count == 2
    assert outputs[2][0].name == "stderr"
    assert book.metadata.language_info.name == "python"


def test_nbclient_stops_at_an_error(tmp_path: Path) -> None:
    book = notebook("1 / 0", "'not run'")
    client = nbclient.NotebookClient(book, resources={"metadata": {"path": str(tmp_path)}}, timeout=120)
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="ZeroDivisionError"):
        client.execute()
    assert book.cells[1].outputs == []


def test_nbclient_gets_every_line_of_a_flood(tmp_path: Path) -> None:
    book = notebook("for i in range(300_000): print(i)")
    nbclient.NotebookClient(book, resources={"metadata": {"path": str(tmp_path)}}, timeout=120).execute()
    assert "".join(output.text for output in book.cells[0].outputs) == "".join(f"{i}\n" for i in range(300_000))


def test_papermill_runs_a_notebook_with_parameters(tmp_path: Path) -> None:
    book = notebook("n = 1", "n * 10")
    book.cells[0].metadata.tags = ["parameters"]
    nbformat.write(book, tmp_path / "in.ipynb")
    result = papermill.execute_notebook(
        str(tmp_path / "in.ipynb"), str(tmp_path / "out.ipynb"), parameters={"n": 7}, progress_bar=False
    )
    assert result.cells[-1].outputs[0].data["text/plain"] == "70"


def test_papermill_is_told_the_kernel_on_its_command_line(tmp_path: Path) -> None:
    book = notebook("import socket; socket.gethostname()")
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, tmp_path / "notebook.ipynb")
    command = [sys.executable, "-m", "papermill", "-k", "hopx", "notebook.ipynb", "result.ipynb"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    result = nbformat.read(tmp_path / "result.ipynb", as_version=4)
    assert result.cells[-1].outputs[0].data["text/plain"] == "'sandbox'"


def test_console_runs_a_cell_and_an_input() -> None:
    env = {**os.environ, "TERM": "dumb", "PROMPT_TOOLKIT_NO_CPR": "1"}
    argv = ["-m", "jupyter_console", "--kernel=hopx", "--ZMQTerminalInteractiveShell.simple_prompt=True"]
    console = pexpect.spawn(sys.executable, argv, env=env, encoding="utf-8", timeout=120)
    try:
        console.expect(r"In \[1\]: ")
        console.sendline("print(6 * 7)")
        console.expect(r"\b42\b")
        console.expect(r"In \[2\]: ")
        console.sendline("name = input('who? ')")
        console.expect(r"\nwho\? ")  # the question, not what was typed
        console.sendline("Ada")
        console.expect(r"In \[3\]: ")
        console.sendline("name + '!'")
        console.expect("'Ada!'")
        console.expect(r"In \[4\]: ")
        console.sendline("exit()")
        console.expect(pexpect.EOF)
    finally:
        console.close(force=True)


def test_install_and_uninstall_by_the_command_line(tmp_path: Path) -> None:
    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hopx_kernel", *argv]
        return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **env})

    env = {"JUPYTER_PATH": str(tmp_path / "share" / "jupyter")}
    done = run("install", "--prefix", str(tmp_path), "--name", "mine", "--display-name", "My sandbox")
    assert done.returncode == 0, done.stderr
    directory = tmp_path / "share" / "jupyter" / "kernels" / "mine"
    spec = KernelSpecManager(kernel_dirs=[str(directory.parent)]).get_kernel_spec("mine")
    assert spec.display_name == "My sandbox" and spec.argv[0] == sys.executable
    assert spec.interrupt_mode == "message" and spec.metadata == {"debugger": False}
    assert {"logo-32x32.png", "logo-64x64.png", "logo-svg.svg"} <= {path.name for path in directory.iterdir()}
    assert run("uninstall", "--name", "mine").returncode == 0
    assert not directory.exists()
    again = run("uninstall", "--name", "mine")
    assert again.returncode == 1 and "mine" in again.stderr


@pytest.mark.parametrize(
    ("option", "place"), [("--user", "user/kernels"), ("--sys-prefix", "prefix/share/jupyter/kernels")]
)
def test_install_goes_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, place: str
) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "user"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    assert kernelspec.main(["install", option]) == 0
    assert [path.parent for path in tmp_path.rglob("kernel.json")] == [tmp_path / place / "hopx"]


def test_install_where_nothing_can_be_written_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert kernelspec.main(["install", "--prefix", str(tmp_path / "file")]) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_install_of_a_bad_name_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hopx_kernel", "install", "--prefix", str(tmp_path), "--name", "no spaces"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "no spaces" in done.stderr and "Traceback" not in done.stderr


def test_unknown_command_is_told_and_launches_no_kernel() -> None:
    done = subprocess.run([sys.executable, "-m", "hopx_kernel", "docter"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "'docter'" in done.stderr and "doctor" in done.stderr


@pytest.mark.parametrize("argv", [["--version"], ["--help"]])
def test_command_line_tells_of_itself(argv: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "hopx_kernel", *argv], capture_output=True, text=True, check=True)
    assert "hopx_kernel" in done.stdout
