"""No sandbox is left, whatever ends it; how many there can be, and with what they are made."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import anyio
import psutil
import pytest

from hopx_kernel import Sandbox, SandboxLostError, SandboxStartError

from .processes import GONE_SECONDS, is_dead, keep_busy, marked

pytestmark = pytest.mark.anyio


def test_block_left_leaves_nothing() -> None:
    with marked() as marker, Sandbox.create() as sandbox:
        keep_busy(sandbox, marker)
    assert not sandbox.is_alive


async def test_async_block_left_leaves_nothing() -> None:
    with marked() as marker:
        async with await Sandbox.create_async() as sandbox:
            await anyio.to_thread.run_sync(keep_busy, sandbox, marker)


def test_block_left_by_an_error_leaves_nothing() -> None:
    with marked() as marker, pytest.raises(LookupError):
        with Sandbox.create() as sandbox:
            keep_busy(sandbox, marker)
            raise LookupError


def test_kill_leaves_nothing_and_may_come_twice() -> None:
    with marked() as marker:
        sandbox = Sandbox.create()
        keep_busy(sandbox, marker)
        sandbox.kill()
        sandbox.kill()
    with pytest.raises(SandboxLostError, match="killed"):
        sandbox.commands.run("true")
    with pytest.raises(SandboxLostError, match="killed"):
        sandbox.files.read("/app/a")


async def test_kill_async_goes_through_in_a_cancelled_scope() -> None:
    with marked() as marker:
        sandbox = await Sandbox.create_async()
        await anyio.to_thread.run_sync(keep_busy, sandbox, marker)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await sandbox.kill_async()
        assert not sandbox.is_alive


def test_thrown_away_sandbox_leaves_nothing() -> None:
    with marked() as marker:
        sandbox = Sandbox.create()
        keep_busy(sandbox, marker)
        del sandbox
        gc.collect()


def test_stream_keeps_its_sandbox_alive() -> None:
    def make() -> Iterator[str]:
        return iter(Sandbox.create().commands.stream("echo a; sleep 0.3; echo b"))

    lines = make()
    gc.collect()
    assert list(lines) == ["a", "b"]


async def test_cancelled_creation_leaves_nothing() -> None:
    before = set(psutil.Process().children())
    for seconds in (0.0, 0.001, 0.01, 0.03, 0.05):
        with anyio.move_on_after(seconds):
            await Sandbox.create_async()
    gc.collect()
    deadline = time.monotonic() + GONE_SECONDS
    while left := [child for child in set(psutil.Process().children()) - before if not is_dead(child)]:
        assert time.monotonic() < deadline, left
        await anyio.sleep(0.05)


@pytest.fixture(params=["", "system calls go on"])
def signals(request: pytest.FixtureRequest) -> Iterator[None]:
    """What signals do to system calls: as Python has it, and as libraries such as polars do, once they are imported."""
    signal.siginterrupt(signal.SIGINT, not request.param)
    yield
    signal.siginterrupt(signal.SIGINT, True)


def test_interrupted_blocking_call_can_be_followed_by_others(signals: None) -> None:
    with Sandbox.create() as sandbox:

        def interrupt() -> None:
            while not sandbox.files.exists("/tmp/started"):
                pass
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        with pytest.raises(KeyboardInterrupt):
            thread.start()
            sandbox.commands.run("touch /tmp/started; sleep 1000")
        thread.join()
        assert sandbox.commands.run("echo a").stdout == "a\n"


# ------------------------------------------------------------------ many


async def test_fifty_sandboxes_at_once_each_answer() -> None:
    sandboxes: dict[int, Sandbox] = {}
    answers: dict[int, str] = {}

    async def make(number: int) -> None:
        sandboxes[number] = await Sandbox.create_async()

    async def ask(number: int) -> None:
        answers[number] = (await sandboxes[number].commands.run_async(["echo", str(number)])).stdout

    try:
        for work in (make, ask):
            async with anyio.create_task_group() as group:
                for number in range(50):
                    group.start_soon(work, number)
        assert all(sandbox.is_alive for sandbox in sandboxes.values())
        assert answers == {number: f"{number}\n" for number in range(50)}
    finally:
        async with anyio.create_task_group() as group:
            for sandbox in sandboxes.values():
                group.start_soon(sandbox.kill_async)


# ------------------------------------------------------------------ creation


def test_unknown_template_says_which_there_is() -> None:
    with pytest.raises(SandboxStartError, match="code-interpreter"):
        Sandbox.create(template="windows")


def test_unknown_kind_says_which_there_are() -> None:
    with pytest.raises(ValueError, match="local"):
        Sandbox.create(kind="cloud")


def test_unknown_option_says_which_there_are() -> None:
    with pytest.raises(TypeError, match="memory_bytes"):
        Sandbox.create(memory=3)


def test_environment_and_limits_reach_the_sandbox() -> None:
    with Sandbox.create(env={"A": "b c"}, open_files=64) as sandbox:
        assert sandbox.commands.run("echo $A; ulimit -n").stdout == "b c\n64\n"


def test_sandbox_says_what_it_is() -> None:
    with Sandbox.create() as sandbox:
        assert (sandbox.kind, sandbox.is_isolated, sandbox.is_alive) == ("local", True, True)
        assert repr(sandbox) == "<Sandbox of kind local, alive>"
    assert repr(sandbox) == "<Sandbox of kind local, over>"


def test_import_of_the_package_is_light() -> None:
    code = "import sys, hopx_kernel; print(sorted(m for m in ('anyio','IPython','ipykernel','traitlets') if m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
