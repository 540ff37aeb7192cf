"""No sandbox is left of a program that ends, however it ends, forks or is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from .processes import BUSY, marked, processes_with, wait_gone

#: For programs that are started elsewhere than in this checkout.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}


#: Whoever runs the tests may ignore SIGHUP (nohup does) or SIGINT (a shell does in the background), and what is ignored
#: is inherited.
PROGRAM = f"""
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
from hopx_kernel import Sandbox
sandbox = Sandbox.create()
busy = sandbox.commands.run(["bash", "-c", {BUSY!r}, sys.argv[1]])
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
        _, errors = process.communicate(timeout=90)
        assert process.returncode == returncode, errors
        if returncode == 0:
            assert errors == ""


def test_program_killed_by_kill_9_leaves_nothing() -> None:
    with marked() as marker:
        process = run_program(marker, "while True: sandbox.commands.run('sleep 0.01')")
        process.kill()
        process.communicate()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_program_ended_by_a_signal_leaves_nothing(signum: signal.Signals) -> None:
    with marked() as marker:
        process = run_program(marker, "import threading; threading.Event().wait()")
        process.send_signal(signum)
        process.communicate(timeout=90)
        assert process.returncode == -signum


def test_asyncio_program_that_is_interrupted_leaves_nothing() -> None:
    end = """
        import asyncio
        async def main():
            async with await Sandbox.create_async() as other:
                async for line in other.commands.stream_async("echo first; sleep 1000"):
                    print(line, flush=True)
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    with marked() as marker:
        process = run_program(marker, end)
        assert process.stdout is not None
        assert process.stdout.readline() == "first\n"
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=90)
        assert (output, errors) == ("interrupted\n", "")


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
        output, errors = run_program(marker, end).communicate(timeout=90)
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
        output, errors = run_program(marker, end).communicate(timeout=90)
        assert output == "SandboxLostError\nown\nalive\n", errors


def test_forked_child_that_lives_on_does_not_keep_the_sandbox() -> None:
    """Neither when its parent kills a sandbox, nor when its parent is killed."""
    end = """
        import os, time, uuid
        from hopx_kernel.sandboxes import local
        local._END_SECONDS = 1000  # what a kill may wait for in vain
        inside = uuid.uuid4().hex
        sandbox.commands.run(["bash", "-c", "setsid bash -c 'while sleep 1; do :; done' $0 &", inside])
        other = Sandbox.create()
        if not os.fork():
            sys.stdin.readline()
            os._exit(0)
        started = time.monotonic()
        other.kill()
        print(inside, time.monotonic() - started < 500, flush=True)
        os.kill(os.getpid(), 9)
    """
    with marked() as marker:
        process = run_program(marker, end)
        assert process.stdout is not None and process.stdin is not None
        inside, was_fast = process.stdout.readline().split()
        assert was_fast == "True"
        process.wait()
        wait_gone(inside)
        assert processes_with(marker), "the forked child was to live on"
        process.communicate("\n", timeout=90)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_multiprocessing_have_sandboxes_of_their_own(method: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(f"""
            import multiprocessing, sys
            from hopx_kernel import Sandbox

            def work(number):
                with Sandbox.create() as sandbox:
                    return sandbox.commands.run(["echo", str(number)]).stdout

            def leave_one(marker):
                kept = Sandbox.create()
                kept.commands.run(["bash", "-c", "setsid bash -c 'while sleep 1; do :; done' $0 &", marker])

            if __name__ == "__main__":
                context = multiprocessing.get_context({method!r})
                with Sandbox.create() as sandbox:
                    with context.Pool(2) as pool:
                        print(pool.map(work, range(3)))
                    worker = context.Process(target=leave_one, args=(sys.argv[1],))
                    worker.start()
                    worker.join()
                    print(worker.exitcode, sandbox.commands.run("echo alive").stdout, end="")
        """),
        encoding="utf-8",
    )
    with marked() as marker:
        command = [sys.executable, "-W", "error", str(program), marker]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False, env=ENVIRONMENT)
        assert (ended.stdout, ended.stderr) == ("['0\\n', '1\\n', '2\\n']\n0 alive\n", "")


def test_sandboxes_of_a_test_suite_leave_nothing(tmp_path: Path) -> None:
    """As programs' tests use it: a fixture, a test that fails, a session that is broken off."""
    with marked() as marker:
        (tmp_path / "test_it.py").write_text(
            textwrap.dedent(f"""
                import pytest
                from hopx_kernel import Sandbox

                @pytest.fixture(scope="session")
                def sandbox():
                    with Sandbox.create() as sandbox:
                        busy = "setsid bash -c 'while sleep 1; do :; done' $0 &"
                        sandbox.commands.run(["bash", "-c", busy, {marker!r}])
                        yield sandbox

                def test_answers(sandbox):
                    assert sandbox.commands.run("echo a").stdout == "a\\n"

                def test_fails(sandbox):
                    forgotten = Sandbox.create()
                    assert forgotten.commands.run("echo a").stdout == "b"

                def test_ends_everything(sandbox):
                    pytest.exit("enough")
            """),
            encoding="utf-8",
        )
        command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False, env=ENVIRONMENT)
        assert "1 failed, 1 passed" in ended.stdout, ended.stdout + ended.stderr
        assert "Warning" not in ended.stdout + ended.stderr


def test_interrupt_of_the_whole_process_group_leaves_the_sandbox_alive() -> None:
    end = """
        import signal, time
        try:
            os.killpg(0, signal.SIGINT)
            time.sleep(60)
        except KeyboardInterrupt:
            print(sandbox.commands.run("sleep 0.2; echo alive").stdout, end="", flush=True)
    """
    program = PROGRAM.replace("sandbox = ", "import os; os.setpgid(0, 0)\nsandbox = ")
    assert program != PROGRAM
    with marked() as marker:
        output, errors = run_program(marker, end, program).communicate(timeout=90)
        assert (output, errors) == ("alive\n", "")


def test_sandboxes_thrown_away_in_other_threads_keep_nobody_waiting() -> None:
    """The collector may run in the very thread that starts sandboxes, while the library's loop waits for it."""
    end = """
        import gc, threading
        gc.set_threshold(20)
        def make():
            for _ in range(3):
                cycle = [Sandbox.create(start_timeout_seconds=150)]
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
        output, errors = run_program(marker, end).communicate(timeout=200)
        assert (output, errors) == ("done\n", "")
