"""``%pip`` in a cell: what it installs can be imported by the next one, and is gone after a restart."""

from __future__ import annotations

import pytest

from tests.wheels import make_wheel

from .client import TIMEOUT, Kernel

FILE, CONTENT = make_wheel("own_wheel", "1.0")
WRITE = f"from pathlib import Path; Path({FILE!r}).write_bytes({CONTENT!r})"


@pytest.mark.parametrize("line", [f"%pip install --quiet ./{FILE}", f"!pip install --quiet ./{FILE}"])
def test_installed_package_can_be_imported_until_the_restart(fresh_kernel: Kernel, line: str) -> None:
    assert fresh_kernel.run("import own_wheel").error["ename"] == "ModuleNotFoundError"
    fresh_kernel.run(WRITE)
    installed = fresh_kernel.collect(fresh_kernel.send(line), timeout=2 * TIMEOUT)  # pip alone is slow to come
    assert installed.content["status"] == "ok"
    assert fresh_kernel.run("import own_wheel; own_wheel.version").result == "'1.0'"
    fresh_kernel.run("import os; os._exit(1)")  # the sandbox outlives its interpreter
    assert fresh_kernel.run("import own_wheel; own_wheel.version").result == "'1.0'"
    fresh_kernel.manager.restart_kernel()
    fresh_kernel.client.wait_for_ready(timeout=TIMEOUT)
    assert fresh_kernel.run("import own_wheel").error["ename"] == "ModuleNotFoundError"


def test_pip_that_cannot_write_to_the_environment_is_told_the_way(jupyter_environment: dict[str, str]) -> None:
    with Kernel(env={"HOPX_NETWORK": "1"}) as kernel:
        kernel.run(WRITE)
        outcome = kernel.run(f"!python -m pip install ./{FILE}")
    assert "Read-only file system" in outcome.text("stdout")
    assert "%pip install installs into the sandbox" in outcome.text("stderr")


def test_failure_is_said_in_full(kernel: Kernel) -> None:
    outcome = kernel.run("%pip install --no-index there-is-no-such-package")
    assert "No matching distribution found for there-is-no-such-package" in outcome.text("stdout")
    assert "The sandbox has no network" in outcome.text("stderr")
