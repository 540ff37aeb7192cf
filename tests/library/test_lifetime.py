"""No sandbox is left, whatever ends it or the program that made it."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import psutil
import pytest

from hopx_kernel import Sandbox, SandboxLostError, SandboxStartError

pytestmark = pytest.mark.anyio


def processes_with(marker: str) -> list[int]:
    """Processes of this computer, sandboxes and all, whose command line holds a marker."""
    processes = psutil.process_iter(["pid", "cmdline"])
    return [process.pid for process in processes if any(marker in word for word in process.info["cmdline"] or [])]


@contextmanager
def marked() -> Iterator[str]:
    """A marker for a sandbox's processes, which are all gone at the end, two seconds later at most."""
    marker = uuid.uuid4().hex
    yield marker
    deadline = time.monotonic() + 2
    while left := processes_with(marker):
        assert time.monotonic() < deadline, left


def keep_busy(sandbox: Sandbox, marker: str) -> None:
    """Have something run in the sandbox that can be found by its marker and that nobody ends."""
    busy = ["bash", "-c", "setsid bash -c 'echo ok; while sleep 1; do :; done' $0 &", marker]
    assert sandbox.commands.run(busy).stdout == "ok\n"
    assert processes_with(marker)


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
    before = {child.pid for child in psutil.Process().children()}
    for seconds in (0.0, 0.001, 0.01, 0.03, 0.05):
        with anyio.move_on_after(seconds):
            await Sandbox.create_async()
    gc.collect()
    deadline = time.monotonic() + 5
    while {child.pid for child in psutil.Process().children() if child.status() != "zombie"} - before:
        assert time.monotonic() < deadline
        await anyio.sleep(0.05)


# ------------------------------------------------------------------ the program's own end

PROGRAM = """
import sys
from hopx_kernel import Sandbox
sandbox = Sandbox.create()
busy = sandbox.commands.run(["bash", "-c", "setsid bash -c 'echo ok; while sleep 1; do :; done' $0 &", sys.argv[1]])
print("ready" if busy.stdout == "ok\\n" else busy, flush=True)
sys.stdin.readline()
"""


def run_program(marker: str, end: str, program: str = PROGRAM) -> subprocess.Popen[str]:
    """A program that has a busy sandbox, up to where it goes on to its end."""
    command = [sys.executable, "-W", "error", "-c", program + textwrap.dedent(end), marker]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        assert len(processes_with(marker)) > 1
        process.stdin.write("\n")
        process.stdin.flush()
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return process


@pytest.mark.parametrize(
    ("end", "returncode"),
    [
        ("", 0),
        ("raise SystemExit(3)", 3),
        ("raise LookupError", 1),
        ("stream = iter(sandbox.commands.stream('yes')); next(stream)", 0),
        ("session = sandbox.session(); session.execute('while True: pass')", 0),
        ("import os; os._exit(4)", 4),
        ("import os; os.abort()", -signal.SIGABRT),
    ],
)
def test_program_that_ends_leaves_nothing(end: str, returncode: int) -> None:
    with marked() as marker:
        process = run_program(marker, end)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == returncode, errors
        if returncode == 0:
            assert errors == ""


def test_program_killed_by_kill_9_leaves_nothing() -> None:
    with marked() as marker:
        process = run_program(marker, "while True: sandbox.commands.run('sleep 0.01')")
        process.kill()
        process.communicate()


def test_program_killed_while_sandboxes_start_leaves_nothing() -> None:
    end = """
        import threading
        for _ in range(8):
            threading.Thread(target=Sandbox.create, kwargs={"env": {"MARKER": sys.argv[1]}}, daemon=True).start()
        print("starting", flush=True)
        threading.Event().wait()
    """
    with marked() as marker:
        process = run_program(marker, end)
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        process.communicate()


def test_sandbox_made_in_a_thread_outlives_it() -> None:
    end = """
        import threading
        made = []
        thread = threading.Thread(target=lambda: made.append(Sandbox.create()))
        thread.start()
        thread.join()
        print(made[0].commands.run("sleep 0.5; echo still").stdout)
    """
    with marked() as marker:
        output, errors = run_program(marker, end).communicate(timeout=30)
        assert (output.strip(), errors) == ("still", "")


def test_forked_child_leaves_its_parent_s_sandbox_alone() -> None:
    end = """
        import os
        pid = os.fork()
        if not pid:
            try:
                sandbox.commands.run("true")
            except Exception as exc:
                print(type(exc).__name__, flush=True)
            with Sandbox.create() as own:
                print(own.commands.run("echo own").stdout, end="", flush=True)
            raise SystemExit
        os.waitpid(pid, 0)
        print(sandbox.commands.run("echo alive").stdout, end="", flush=True)
    """
    with marked() as marker:
        output, errors = run_program(marker, end).communicate(timeout=30)
        assert output == "SandboxLostError\nown\nalive\n", errors


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


def test_interrupted_blocking_call_can_be_followed_by_others() -> None:
    with Sandbox.create() as sandbox:
        with pytest.raises(KeyboardInterrupt):
            _interrupt_soon()
            sandbox.commands.run("sleep 30")
        assert sandbox.commands.run("echo a").stdout == "a\n"


def _interrupt_soon() -> None:
    import threading

    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()


def test_interrupt_of_the_whole_process_group_leaves_the_sandbox_alive() -> None:
    end = """
        import signal, time
        try:
            os.killpg(0, signal.SIGINT)
            time.sleep(10)
        except KeyboardInterrupt:
            print(sandbox.commands.run("sleep 0.2; echo alive").stdout, end="", flush=True)
    """
    program = PROGRAM.replace("sandbox = ", "import os; os.setpgid(0, 0)\nsandbox = ")
    assert program != PROGRAM
    with marked() as marker:
        output, errors = run_program(marker, end, program).communicate(timeout=30)
        assert (output, errors) == ("alive\n", "")


def test_sandboxes_thrown_away_in_other_threads_keep_nobody_waiting() -> None:
    """The collector may run in the very thread that starts sandboxes, while the library's loop waits for it."""
    end = """
        import gc, threading
        gc.set_threshold(5)
        def make():
            for _ in range(3):
                cycle = [Sandbox.create()]
                cycle.append(cycle)
                lines = iter(cycle[0].commands.stream("yes"))
                next(lines)
                cycle.append(lines)
        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print("done")
    """
    with marked() as marker:
        output, errors = run_program(marker, end).communicate(timeout=60)
        assert (output, errors) == ("done\n", "")
