"""Kernels in places that are not made for them: masks, directories, languages, descriptors, interpreters' options."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpec

from .client import TIMEOUT, Kernel

ROOT = Path(__file__).resolve().parents[2]

#: What a shell does before it becomes the kernel; ``$DIRECTORY`` is one of the test's own.
SHELLS = {
    "files for nobody else": "umask 077",
    "files for nobody": "umask 777",
    "files for everybody": "umask 0",
    "working directory gone": 'mkdir "$DIRECTORY/gone" && cd "$DIRECTORY/gone" && rmdir "$DIRECTORY/gone"',
    "odd working directory": """d="$DIRECTORY/ü 'q\\" \\$x" && mkdir "$d" && cd "$d\"""",
    "odd temporary directory": """export TMPDIR="$DIRECTORY/t ü
x" && mkdir "$TMPDIR\"""",
    "no temporary directory": 'export TMPDIR="$DIRECTORY/none"',
    "no home": "unset HOME",
    "no words but ASCII": "export LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 PYTHONIOENCODING=ascii",
    "no stdin, stdout and stderr": "exec <&- >&- 2>&-",
    "few files": "ulimit -n 64",
    "small stacks": "ulimit -s 512",
    "signals that are ignored": "trap '' PIPE CHLD INT TERM HUP",
}

OPTIONS = (["-I"], ["-O"], ["-W", "error"], ["-X", "dev"], ["-u", "-B", "-s"])


class OddKernel(Kernel):
    """A kernel that a shell starts."""

    def __init__(self, shell: str, directory: Path, options: Sequence[str] = ()) -> None:
        super().__init__(env={"DIRECTORY": str(directory)})
        kernel = [sys.executable, *options, "-m", "hopx_kernel", "-f", "{connection_file}"]
        argv = ["sh", "-c", f'{shell}\nexec "$@"', "--", *kernel]
        self.manager._kernel_spec = KernelSpec(
            argv=argv, language="python", display_name="hopx", interrupt_mode="message"
        )


def try_it(kernel: Kernel) -> None:
    """What a first notebook does."""
    assert kernel.run("import os\nprint('é✓', os.getcwd())").text() == "é✓ /workspace\n"
    assert kernel.run("!echo ü").text() == "ü\n"

    assert kernel.run("%%sandbox\nprint('beside')").text() == "beside\n"
    assert len(kernel.run("print('y' * 20_000_000)").text()) == 20_000_001
    assert kernel.interrupt()["status"] == "ok"
    kernel.shut_down()


@pytest.mark.parametrize("name", SHELLS)
def test_kernel_works_wherever_it_is_started(jupyter_environment: dict[str, str], tmp_path: Path, name: str) -> None:
    with OddKernel(SHELLS[name], tmp_path) as kernel:
        try_it(kernel)


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_kernel_works_with_an_interpreters_options(
    jupyter_environment: dict[str, str], tmp_path: Path, options: list[str]
) -> None:
    with OddKernel("", tmp_path, options) as kernel:
        try_it(kernel)


#: What is opened next has the lowest number that is free.
PROGRAM = """
import os, sys
from hopx_kernel import Sandbox
Sandbox.create().kill()  # which opens what stays open
for fd in map(int, sys.argv[1]):
    os.close(fd)
for _ in range(3):
    with Sandbox.create() as sandbox:
        assert sandbox.commands.run("echo words").stdout == "words\\n"
        sandbox.files.write("/app/file", "words")
        assert sandbox.files.read("/app/file") == "words"
with open(sys.argv[2], "w") as file:
    file.write("done")
"""


@pytest.mark.parametrize("missing", ["0", "1", "2", "01", "12", "012"])
def test_program_without_descriptors_makes_sandboxes(tmp_path: Path, missing: str) -> None:
    out = tmp_path / "out"
    subprocess.run([sys.executable, "-c", PROGRAM, missing, str(out)], check=True, timeout=10 * TIMEOUT, cwd=ROOT)
    assert out.read_text() == "done"
