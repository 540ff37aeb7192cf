"""Each limit, set as a person sets it: the error of the cell that hits it names it, and the next cell runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .client import PATIENT, Kernel

MIB = 1 << 20


#: Gives back what a cell has taken.
CLEAN = """
import os
if "go_on" in globals(): go_on.set()
for path in ("/workspace/big", "/app/big", "/tmp/big"):
    if os.path.exists(path): os.remove(path)
%reset -f
"""


@pytest.fixture(scope="module")
def small_kernel(jupyter_environment: dict[str, str]) -> Iterator[Kernel]:
    """A kernel with room for little."""
    limits = {
        "HOPX_MEMORY_LIMIT": "400 MiB",
        "HOPX_PROCESS_LIMIT": "60",
        "HOPX_OPEN_FILES_LIMIT": "100",
        "HOPX_DISK_LIMIT": "4 MiB",
    }
    with Kernel(env=limits) as kernel:
        yield kernel


@pytest.mark.parametrize(
    ("code", "limit", "option"),
    [
        ("data = bytearray(2 << 30)", "memory limit of 400 MiB", "memory_limit"),
        ("import numpy; numpy.ones(2 << 30, 'u1')", "memory limit of 400 MiB", "memory_limit"),
        ("files = [open('/dev/null') for _ in range(200)]", "limit of 100 open files", "open_files_limit"),
        (
            "import threading\ngo_on = threading.Event()\n"
            "for _ in range(200): threading.Thread(target=go_on.wait, daemon=True).start()",
            "limit of 60 processes",
            "process_limit",
        ),
        *(
            (
                f"with open('{path}/big', 'wb') as file: file.write(bytes(8 << 20))",
                f"4 MiB was reached: {path} is",
                "disk",
            )
            for path in ("/workspace", "/app", "/tmp")
        ),
    ],
)
def test_limit_is_named_with_its_option(small_kernel: Kernel, code: str, limit: str, option: str) -> None:
    small_kernel.run("kept = 7")
    outcome = small_kernel.run(f"print('before')\n{code}\nprint('after')")
    kept = small_kernel.run("kept")
    small_kernel.run(CLEAN)  # before anything is checked: what fails here is not to fail the next ones
    assert outcome.text() == "before\n" and outcome.content["status"] == "error"
    assert limit in outcome.error["evalue"] and option in outcome.error["evalue"]
    assert limit in outcome.error["traceback"][-1]
    assert kept.result == "7"


def test_full_shared_memory_is_not_called_a_full_disk(small_kernel: Kernel) -> None:
    outcome = small_kernel.run("with open('/dev/shm/big', 'wb') as file: file.write(bytes(8 << 20))")
    assert "/dev/shm, is full" in outcome.error["evalue"] and "disk limit" not in outcome.error["evalue"]
    small_kernel.run("import os; os.remove('/dev/shm/big')")


def test_children_of_a_cell_are_under_its_limits(small_kernel: Kernel) -> None:
    script = "ulimit -Hn; ulimit -Hd; head -c 9000000 /dev/zero > /app/big"
    outcome = small_kernel.run(f"import subprocess\nsubprocess.run({script!r}, shell=True).returncode")
    files, memory = map(int, outcome.text().split())
    assert files <= 116 and memory <= (400 + 64) * 1024
    assert "No space left on device" in outcome.text("stderr") and outcome.result == "1"
    small_kernel.run(CLEAN)


def test_memory_of_many_processes_together_is_limited(small_kernel: Kernel) -> None:
    small_kernel.run("import os; os._exit(0)")  # with what the cells before have left in memory
    outcome = small_kernel.run(
        "import os, time\nprint('before', flush=True)\nfor _ in range(6):\n    if not os.fork():\n"
        "        data = os.urandom(1 << 20) * 120\n        time.sleep(3600)\n        os._exit(0)\ntime.sleep(3600)"
    )
    assert outcome.text() == "before\n"
    assert "memory limit of 400 MiB was exceeded" in outcome.error["evalue"]
    assert outcome.content["status"] == "error" and small_kernel.run("1 + 1").result == "2"


def test_cell_over_its_time_is_told(jupyter_environment: dict[str, str]) -> None:
    with Kernel(PATIENT, env={"HOPX_TIMEOUT_SECONDS": "1.5"}) as kernel:
        outcome = kernel.run("import time\nkept = 1; print('before')\ntime.sleep(3600)")
        assert outcome.text() == "before\n" and "limit of 1.5 s" in outcome.error["evalue"]
        assert "option timeout_seconds" in outcome.error["evalue"]
        assert kernel.run("kept").result == "1"
