"""``pip`` in a local sandbox: it installs, though the packages there are read-only, and only into that sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hopx_kernel.sandboxes import SandboxOptions
from hopx_kernel.sandboxes.local import LocalSandbox
from tests.wheels import make_wheel

from .inside import bash, python

pytestmark = pytest.mark.anyio

PROGRAM = "import own_wheel; print(own_wheel.version)"


async def install(sandbox: LocalSandbox, name: str, version: str) -> str:
    """Install a wheel by the ``pip`` that a shell finds; gives what it says."""
    file, content = make_wheel(name, version)
    await sandbox.write_file(f"/workspace/{file}", content)
    outcome = await bash(sandbox, 'pip install "/workspace/$1" 2>&1', file)
    assert outcome.returncode == 0, outcome.stdout
    return outcome.stdout


@pytest.fixture
async def sandbox(anyio_backend: str) -> AsyncIterator[LocalSandbox]:
    async with LocalSandbox() as sandbox:
        yield sandbox


async def test_package_is_seen_by_every_python_and_its_program_is_found(sandbox: LocalSandbox) -> None:
    await install(sandbox, "own_wheel", "1.0")
    assert (await python(sandbox, PROGRAM)).stdout == "1.0\n"
    assert (await bash(sandbox, 'python -c "$1" && own_wheel', PROGRAM)).stdout == "1.0\nprogram 1.0\n"
    assert "own_wheel" in (await bash(sandbox, "python -m pip list 2>/dev/null | tr - _")).stdout


async def test_package_is_replaced_and_removed(sandbox: LocalSandbox) -> None:
    await install(sandbox, "own_wheel", "1.0")
    await install(sandbox, "own_wheel", "2.0")
    assert (await bash(sandbox, 'python -c "$1" && own_wheel', PROGRAM)).stdout == "2.0\nprogram 2.0\n"
    outcome = await bash(sandbox, "pip3 uninstall -y own_wheel 2>&1 && command -v own_wheel")
    assert "Successfully uninstalled" in outcome.stdout and outcome.returncode == 1
    assert "ModuleNotFoundError" in (await python(sandbox, PROGRAM)).stderr


async def test_newer_version_lies_over_that_of_the_environment(sandbox: LocalSandbox) -> None:
    said = await install(sandbox, "sniffio", "999.0")
    assert "outside environment" in said
    outcome = await python(sandbox, "import sniffio; print(sniffio.version)")
    assert outcome.stdout == "999.0\n"


async def test_packages_of_the_environment_count_as_installed(sandbox: LocalSandbox) -> None:
    outcome = await bash(sandbox, "pip install --no-index anyio")
    assert outcome.returncode == 0 and "already satisfied" in outcome.stdout


async def test_what_would_hide_the_standard_library_is_not_kept(sandbox: LocalSandbox) -> None:
    await install(sandbox, "asyncio", "3.4")
    await install(sandbox, "own_wheel", "1.0")
    outcome = await python(
        sandbox, "import asyncio, own_wheel; asyncio.run(asyncio.sleep(0)); print(own_wheel.version)"
    )
    assert (outcome.stdout, outcome.stderr) == ("1.0\n", "")


async def test_without_a_network_it_does_not_try_again(sandbox: LocalSandbox) -> None:
    outcome = await bash(sandbox, "pip install no-such-package 2>&1")
    assert outcome.returncode == 1 and "No matching distribution found" in outcome.stdout
    assert "Retrying" not in outcome.stdout


async def test_another_sandbox_and_the_environment_know_nothing_of_it(sandbox: LocalSandbox) -> None:
    await install(sandbox, "own_wheel", "1.0")
    async with LocalSandbox() as other:
        assert "ModuleNotFoundError" in (await python(other, PROGRAM)).stderr
    assert subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True).returncode == 1


async def test_virtual_environment_that_is_made_inside_has_a_pip_of_its_own(sandbox: LocalSandbox) -> None:
    file, content = make_wheel("own_wheel", "1.0")
    await sandbox.write_file(f"/workspace/{file}", content)
    made = await bash(sandbox, "python -m venv inner && . inner/bin/activate && pip install ./$1 && own_wheel", file)
    assert made.stdout.endswith("program 1.0\n"), made.stderr
    assert "ModuleNotFoundError" in (await python(sandbox, PROGRAM)).stderr


async def test_environment_without_pip_gets_one(tmp_path: Path, anyio_backend: str) -> None:
    environment = tmp_path / "bare"
    subprocess.run([os.path.realpath(sys.executable), "-m", "venv", "--without-pip", environment], check=True)
    async with LocalSandbox(SandboxOptions(environment=str(environment))) as sandbox:
        await install(sandbox, "own_wheel", "1.0")
        assert (await python(sandbox, PROGRAM)).stdout == "1.0\n"


async def test_variable_of_the_persons_is_kept_beside(anyio_backend: str) -> None:
    async with LocalSandbox(SandboxOptions(env={"PYTHONPATH": "/workspace/mine"})) as sandbox:
        await sandbox.write_file("/workspace/mine/of_mine.py", b"name = 'mine'")
        await install(sandbox, "own_wheel", "1.0")
        outcome = await python(sandbox, "import of_mine, own_wheel; print(of_mine.name, own_wheel.version)")
        assert outcome.stdout == "mine 1.0\n"
