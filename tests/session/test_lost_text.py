"""A sandbox, or its supervisor, that is killed in a flood: what has not come of all that was printed is counted."""

from __future__ import annotations

import errno
import gc
import os
import random
import re
import signal
import time
from collections.abc import Sequence

import anyio
import psutil
import pytest

from hopx_kernel.errors import SandboxLostError
from hopx_kernel.protocol import Message, RunnerOptions
from hopx_kernel.runner.text_size import TEXT_BYTES
from hopx_kernel.sandboxes.base import BaseSandbox, SandboxState
from hopx_kernel.sandboxes.local import LocalProcess, LocalSandbox
from hopx_kernel.sandboxes.process import ProcessSandbox
from hopx_kernel.sandboxes.text_file import TEXT_FD
from hopx_kernel.session import Session
from hopx_kernel.testing import ScriptedSandbox
from tests.nemesis.processes import wait_for
from tests.runner.test_deaths_in_floods import _BEGIN, WAYS, Counters, counters  # noqa: F401
from tests.sandboxes.inside import python, read_all

pytestmark = pytest.mark.anyio

KILLS = 4


def told_of(text: str) -> tuple[int, int]:
    """The lines and characters that an error says are missing."""
    if "Nothing that Python has printed is missing" in text:
        return 0, 0
    found = re.search(r"Of what was printed before, (?:([\d,]+) lines? \()?([\d,]+) characters?\)? did not come", text)
    assert found is not None, text
    lines, characters = (int((number or "0").replace(",", "")) for number in found.groups())
    return lines, characters


class Flood:
    """What has come of a run, and what its end says."""

    def __init__(self) -> None:
        self.text: dict[str, str] = {"stdout": "", "stderr": ""}
        self.error = ""
        self.began = anyio.Event()

    async def take(self, event: Message) -> None:
        if event.msg_type == "stream":
            self.text[event.content["name"]] += event.content["text"]
            self.began.set()
        elif event.msg_type == "error":
            self.error = event.content["evalue"]

    def check(self, makers: Sequence[str], counts: Sequence[int]) -> None:
        """All that the code knew it had printed is shown or counted, and no more than it may have printed since."""
        text = "".join(self.text.values())
        lines, characters = told_of(self.error)
        lines, characters = lines + text.count("\n"), characters + len(text)
        least_lines = least = most = 0
        for maker, count in zip(makers, counts, strict=False):
            if maker:
                make = eval(maker)
                ending = " \n" if "a b c" in maker else ""
                least_lines += count
                least += sum(len(make(line) + ending) for line in range(count))
                most += len(make(count) + ending)
        assert least_lines <= lines <= least_lines + len(makers), (lines, least_lines)
        assert least <= characters <= least + most, (characters, least)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "a child"])
async def test_supervisor_that_is_killed_leaves_a_count(
    counters: Counters,  # noqa: F811
    way: str,
) -> None:
    code, makers = WAYS[way]
    begin = _BEGIN.format(path=str(counters.path))
    rng = random.Random(way)
    for kill in range(KILLS):
        counters.reset()
        flood = Flood()
        async with ProcessSandbox() as sandbox, Session(sandbox, on_event=flood.take) as session:
            run = await session.start_run(
                f"{begin}\nLINES = [{', '.join([maker or 'None' for maker in makers])}]\n{code}"
            )
            with anyio.fail_after(60):
                await flood.began.wait()
                await anyio.sleep(rng.random() * rng.choice((0.002, 0.02, 0.2)))
                if kill % 2:  # with more on the way than when it takes what comes
                    os.kill(session.runner_info["pid"], signal.SIGSTOP)
                    await anyio.sleep(0.05)
                os.kill(session.runner_info["pid"], signal.SIGKILL)
                reply = await run.wait()
            assert reply["reason"] == "lost"
        flood.check(makers, counters.values())


_FLOOD = """
import mmap
with open("/workspace/printed", "w+b") as file:
    file.truncate(8)
    printed = memoryview(mmap.mmap(file.fileno(), 8)).cast("Q")
line = 0
while True:
    print(line)
    line += 1
    printed[0] = line
"""


@pytest.mark.parametrize("role", ["supervisor", "launcher", "bwrap"])
async def test_whole_sandbox_that_is_killed_leaves_a_count(role: str) -> None:
    flood = Flood()
    async with LocalSandbox() as sandbox, Session(sandbox, on_event=flood.take) as session:
        run = await session.start_run(_FLOOD)
        with anyio.fail_after(60):
            await flood.began.wait()
            await anyio.sleep(0.1)
            assert sandbox._spawned is not None
            bwrap = psutil.Process(sandbox._spawned.process.pid)
            # Both stand still, with text of each step between them, while the code's own count is read.
            for process in (wait_for(bwrap, "supervisor"), wait_for(bwrap, "interpreter")):
                process.suspend()
                while process.status() != psutil.STATUS_STOPPED:
                    await anyio.sleep(0.001)
            count = int.from_bytes(await sandbox.read_file("/workspace/printed"), "little")
            (bwrap if role == "bwrap" else wait_for(bwrap, role)).kill()
            await run.wait()
    assert count > 0
    flood.check(["lambda n: f'{n}\\n'"], [count])


async def test_interpreter_that_outlives_its_supervisor_says_nothing_of_it(counters: Counters) -> None:  # noqa: F811
    begin = _BEGIN.format(path=str(counters.path))
    maker = "lambda n: f'{n}\\n'"
    code = f"{begin}\nctypes.CDLL(None).prctl(1, 0, 0, 0, 0)  # does not end with its parent\nprint(os.getpid())\n"
    for stream in ("sys.stdout", "sys.stderr"):
        counters.reset()
        flood = Flood()
        async with ProcessSandbox() as sandbox, Session(sandbox, on_event=flood.take) as session:
            run = await session.start_run(f"{code}flood(0, {maker}, {stream})")
            with anyio.fail_after(60):
                await flood.began.wait()
                await anyio.sleep(0.05)
                os.kill(session.runner_info["pid"], signal.SIGKILL)
                await run.wait()
                pid, _, rest = flood.text["stdout"].partition("\n")
                while psutil.pid_exists(int(pid)):
                    await anyio.sleep(0.01)
        flood.text["stdout"] = rest
        flood.check([maker], counters.values())


async def test_count_goes_on_over_the_lives_of_interpreters() -> None:
    flood = Flood()
    async with LocalSandbox() as sandbox, Session(sandbox, on_event=flood.take) as session:
        before = "import os, signal\nprint('shown', flush=True)\nos.system('echo by a program')\n"
        for _ in range(3):
            assert (await (await session.start_run(before)).wait())["status"] == "ok"
            died = await (await session.start_run("print('last')\nsignal.raise_signal(signal.SIGKILL)")).wait()
            assert died["reason"] == "died"
            session.refresh()
        with anyio.fail_after(60):
            run = await session.start_run("print('x' * 100)\ninput()", allow_stdin=True)
            while "x\n" not in flood.text["stdout"]:
                await anyio.sleep(0.01)
            assert sandbox._spawned is not None
            wait_for(psutil.Process(sandbox._spawned.process.pid), "supervisor").kill()
            await run.wait()
    assert flood.text["stdout"].count("shown\nby a program\nlast\n") == 3
    assert told_of(flood.error) == (0, 0)


async def test_text_of_a_thread_that_nobody_waits_for_is_counted_too() -> None:
    told: list[Message] = []

    async def take(event: Message) -> None:
        if event.msg_type == "stream":
            told.append(event)

    code = """
import threading, time
def work():
    for line in range(10 ** 9):
        print(line)
threading.Thread(target=work, daemon=True).start()
"""
    async with LocalSandbox() as sandbox, Session(sandbox, on_event=take) as session:
        with anyio.fail_after(60):
            run = await session.start_run(code)
            await run.wait()
            assert sandbox._spawned is not None
            supervisor = wait_for(psutil.Process(sandbox._spawned.process.pid), "supervisor")
            while not told:
                await anyio.sleep(0.01)
            supervisor.suspend()
            last = -1
            while last != (last := len(told)):  # until the threads' memory is full, and what was sent has come
                await anyio.sleep(0.2)
            supervisor.kill()
            await session.wait_lost()
    assert told[-1].parent_id == run.msg_id and told[-1].content["name"] == "stderr"
    lines, _ = told_of(told[-1].content["text"])
    assert lines > 0


async def lose(sandbox: ScriptedSandbox, seconds: float = 30.0) -> tuple[list[Message], float]:
    """Two runs whose sandbox is lost: what they are told, and how long that took, in seconds."""
    seen: list[Message] = []

    async def take(event: Message) -> None:
        seen.append(event)

    async with Session(sandbox, on_event=take) as session:
        first = await session.start_run("a", msg_id="run-1")
        second = await session.start_run("b", msg_id="run-2")
        sandbox.runner.emit(Message("stream", {"name": "stdout", "text": "one\ntwo"}, parent_id="run-1"))
        began = time.monotonic()
        sandbox.runner.end(broken=True)
        with anyio.fail_after(seconds):
            await first.wait()
            await second.wait()
    return [event for event in seen if event.msg_type == "error"], time.monotonic() - began


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (None, "What was printed last may be missing."),
        (
            (1, 7),
            "Nothing that Python has printed is missing; what it has displayed or programs have written last may be.",
        ),
        ((0, 0), "Nothing that Python has printed is missing;"),  # a claim that cannot be
        ((1, 8), "Of what was printed before, 1 character did not come through;"),
        ((2, 9), "Of what was printed before, 1 line (2 characters) did not come through;"),
        ((12_001, 2_000_007), "Of what was printed before, 12,000 lines (2,000,000 characters) did not come through;"),
    ],
)
async def test_run_that_was_going_is_told_how_much(written: tuple[int, int] | None, words: str) -> None:
    sandbox = ScriptedSandbox(lambda _: ())
    sandbox.written = written
    (first, second), _ = await lose(sandbox)
    assert first.parent_id == "run-1" and words in first.content["evalue"]
    assert second.parent_id == "run-2" and "missing" not in second.content["evalue"]
    assert "did not come" not in second.content["evalue"]


class EndlessSandbox(ScriptedSandbox):
    """Its code goes on writing after its end, as what its kind cannot end does."""

    @property
    def written(self) -> tuple[int, int] | None:
        return time.monotonic_ns(), time.monotonic_ns()

    @written.setter
    def written(self, written: tuple[int, int] | None) -> None:
        del written


async def test_count_that_never_stays_the_same_delays_the_end_by_little() -> None:
    (first, _), _ = await lose(EndlessSandbox(lambda _: ()), seconds=20)
    assert told_of(first.content["evalue"])[0] > 0


async def test_end_that_was_wanted_is_not_told() -> None:
    sandbox = ScriptedSandbox()
    sandbox.written = (100, 1000)
    seen: list[Message] = []

    async def take(event: Message) -> None:
        seen.append(event)

    async with Session(sandbox, on_event=take) as session:
        await (await session.start_run("a")).wait()
    assert [event.msg_type for event in seen] == ["stream", "execute_reply"]


@pytest.mark.parametrize("kind", [LocalSandbox, ProcessSandbox])
async def test_nothing_is_left_open(kind: type[BaseSandbox]) -> None:
    counts = []
    for _ in range(4):
        async with kind() as sandbox, Session(sandbox) as session:
            await (await session.start_run("print(1)")).wait()
        assert sandbox.state is SandboxState.KILLED
        del sandbox, session
        gc.collect()
        counts.append(psutil.Process().num_fds())
    assert len(set(counts[1:])) == 1, counts  # the first opens what stays


@pytest.mark.parametrize("kind", [LocalSandbox, ProcessSandbox])
async def test_session_that_was_left_holds_nothing_open(kind: type[BaseSandbox]) -> None:
    left, counts = [], []
    async with kind() as sandbox:
        for number in range(4):
            async with Session(sandbox) as session:
                run = await session.start_run("import os, signal; os.kill(os.getppid(), signal.SIGKILL)")
                if number % 2:
                    with anyio.fail_after(60):
                        await run.wait()
            left.append(session)
            gc.collect()
            counts.append(psutil.Process().num_fds())
    assert len(set(counts)) == 1, counts


async def test_process_is_closed_whoever_is_being_cancelled() -> None:
    async with LocalSandbox() as sandbox:
        before = psutil.Process().num_fds()
        process = await sandbox.start_runner(RunnerOptions())
        with anyio.CancelScope() as scope:
            scope.cancel()
            await process.aclose()
        assert psutil.Process().num_fds() == before


async def test_code_that_runs_before_the_runner_does_cannot_make_the_file_larger() -> None:
    """What is installed in the sandbox is imported by every Python there, and has the runner's descriptors."""
    code = f"""
import os, sys
if sys.argv[-1:] == ["{TEXT_FD}"]:
    for way in (lambda: os.ftruncate({TEXT_FD}, 1 << 33), lambda: os.ftruncate({TEXT_FD}, 0),
                lambda: os.pwrite({TEXT_FD}, b"x", 1 << 20), lambda: os.posix_fallocate({TEXT_FD}, 1 << 20, 1 << 20)):
        try:
            way()
        except OSError as exc:
            print(exc.errno, file=sys.stderr, flush=True)
    os._exit(7)
"""
    async with LocalSandbox() as sandbox:
        found = await python(sandbox, "import sys; print(next(path for path in sys.path if path.startswith('/tmp/')))")
        await sandbox.write_file(f"{found.stdout.strip()}/sitecustomize.py", code.encode())
        process = await sandbox.start_runner(RunnerOptions())
        assert process.stderr is not None
        with anyio.fail_after(60):
            assert await process.wait() == 7
            told = await read_all(process.stderr)
        assert told.split() == [b"%d" % errno.EPERM] * 4
        assert isinstance(process, LocalProcess) and process._text is not None
        assert os.fstat(process._text.fileno()).st_size == TEXT_BYTES
        await process.aclose()


async def test_system_without_such_files_says_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    flood = Flood()
    async with ProcessSandbox() as sandbox, Session(sandbox, on_event=flood.take) as session:
        with anyio.fail_after(60):
            run = await session.start_run("print('x')\ninput()", allow_stdin=True)
            await flood.began.wait()
            os.kill(session.runner_info["pid"], signal.SIGKILL)
            await run.wait()
            with pytest.raises(SandboxLostError):
                run.raise_for_error()
    assert "What was printed last may be missing." in flood.error
