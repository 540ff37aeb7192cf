"""The kind that isolates nothing."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import psutil
import pytest

from hopx_kernel.errors import SandboxLostError, SandboxStartError
from hopx_kernel.protocol import RunnerOptions
from hopx_kernel.sandboxes import SandboxOptions
from hopx_kernel.sandboxes.base import SandboxState
from hopx_kernel.sandboxes.process import ProcessSandbox
from hopx_kernel.session import Session

from .inside import bash, python, read_all, run

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bare(anyio_backend: str) -> AsyncIterator[ProcessSandbox]:
    async with ProcessSandbox(SandboxOptions(env={"GIVEN": "value"})) as running:
        yield running


def test_it_says_that_it_isolates_nothing() -> None:
    assert ProcessSandbox.isolated is False
    assert ProcessSandbox.kind == "process"


async def test_process_runs_in_a_fresh_directory_that_goes_with_the_sandbox(bare: ProcessSandbox) -> None:
    directory = (await run(bare, "pwd")).stdout.strip()
    assert (await run(bare, "ls", "-A")).stdout == ""
    assert (await run(bare, "pwd", cwd="/workspace")).stdout.strip() == directory
    await bare.write_file("/workspace/a/file", b"data")
    assert Path(directory, "a", "file").read_bytes() == b"data"
    await bare.kill()
    assert not Path(directory).exists()


async def test_environment_is_small(bare: ProcessSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_SECRET", "of-the-host")
    outcome = await python(bare, "import os; print(sorted(os.environ))", env={"ADDED": "x"})
    names = set(eval(outcome.stdout)) - {"LC_CTYPE"}
    assert names == {"PATH", "HOME", "LANG", "TERM", "GIVEN", "ADDED"}


async def test_streams_and_exit_codes(bare: ProcessSandbox) -> None:
    outcome = await bash(bare, "cat; echo err >&2; exit 3")
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (3, "", "err\n")
    outcome = await run(bare, "cat", stdin=b"in")
    assert outcome.stdout == "in"


async def test_kill_ends_children_too(bare: ProcessSandbox) -> None:
    process = await bare.start_process(["bash", "-c", "sleep 600 & echo up; wait"])
    assert await process.stream.receive() == b"up\n"
    await bare.kill()
    with anyio.fail_after(120):
        assert await process.wait() == -signal.SIGKILL
    assert bare.state is SandboxState.KILLED


async def test_group_is_signalled(bare: ProcessSandbox) -> None:
    process = await bare.start_process(["bash", "-c", "sleep 600 & echo up; wait"])
    assert await process.stream.receive() == b"up\n"
    await process.send_signal(signal.SIGTERM)
    with anyio.fail_after(120):
        assert await process.wait() == -signal.SIGTERM
        assert await read_all(process.stream) == b""
    await process.send_signal(signal.SIGTERM)


async def test_what_cannot_be_started_says_why(bare: ProcessSandbox) -> None:
    with pytest.raises(FileNotFoundError):
        await bare.start_process(["no-such-program"])
    with pytest.raises(FileNotFoundError, match="/workspace/none"):
        await bare.start_process(["true"], cwd="/workspace/none")
    with pytest.raises(ValueError, match="NUL"):
        await bare.start_process(["echo", "a\0b"])


async def test_files_come_back_and_errors_fit(bare: ProcessSandbox) -> None:
    await bare.write_file("a/b", bytes(range(256)))
    assert await bare.read_file("/workspace/a/b") == bytes(range(256))
    with pytest.raises(FileNotFoundError):
        await bare.read_file("none")
    with pytest.raises(IsADirectoryError):
        await bare.read_file("a")


async def test_session_runs_in_it(bare: ProcessSandbox) -> None:
    output = ""
    with anyio.fail_after(120):
        async with Session(bare, options=RunnerOptions()) as session:
            async with session.execute("import os; open('made', 'w').close(); print(os.getcwd(), 6 * 7)") as cell:
                async for event in cell:
                    if event.msg_type == "stream":
                        output += event.content["text"]
    assert output.endswith(" 42\n")
    assert await bare.read_file("made") == b""


async def test_states_go_one_way() -> None:
    sandbox = ProcessSandbox()
    with pytest.raises(SandboxLostError):
        await sandbox.start_process(["true"])
    await sandbox.kill()
    with pytest.raises(SandboxStartError):
        await sandbox.start()


async def test_interpreter_ends_with_its_supervisor() -> None:
    async with ProcessSandbox() as sandbox, Session(sandbox) as session:
        supervisor = psutil.Process(session.runner_info["pid"])
        async with session.execute("1") as run:
            await run.wait()
        (interpreter,) = supervisor.children()
        supervisor.kill()
        await anyio.to_thread.run_sync(interpreter.wait, 120)
        assert not interpreter.is_running()
