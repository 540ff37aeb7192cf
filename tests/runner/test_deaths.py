"""Whatever becomes of the interpreter: the run ends with the truth, what was printed is shown, the next cell runs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hopx_kernel.protocol import RunnerOptions

from .client import TIMEOUT_SECONDS, RunnerClient, RunResult, open_runner

ENDS = {
    "os._exit(3)": "exited with code 3",
    "os.kill(os.getpid(), 9)": "SIGKILL",
    "os.kill(os.getpid(), 15)": "SIGTERM",
    "import ctypes; ctypes.string_at(0)": "SIGSEGV",
    "os.abort()": "SIGABRT",
    "os.closerange(3, 100000); import time; time.sleep(1)": "file descriptors were closed",
    "os.system('kill -9 %d' % os.getpid())": "SIGKILL",
}


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_gone(pid: int) -> bool:
    """Whether a process is dead, soon at the latest: a kill takes a moment."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_alive(pid)


def check_death(result: RunResult, words: str) -> None:
    assert result.error["ename"] == "InterpreterDied"
    assert words in result.error["evalue"]
    reply = result.reply
    assert (reply["status"], reply["reason"], reply["stopped"], reply["kept"]) == ("error", "died", True, False)
    assert reply["evalue"] == result.error["evalue"]
    assert result.events[-1].msg_type == "execute_reply"


@pytest.mark.parametrize("code", ENDS)
def test_death_is_told_and_the_next_cell_runs(runner: RunnerClient, code: str) -> None:
    result = runner.run(f"import os\nfor i in range(3000): print(i)\nprint('before', end='')\n{code}")
    assert result.stream("stdout") == "".join(f"{i}\n" for i in range(3000)) + "before"
    check_death(result, ENDS[code])
    died = [event.content for event in runner.events if event.msg_type == "interpreter_died"]
    assert runner.run("1 + 1").value == "2"
    started = [event.content for event in runner.events if event.msg_type == "interpreter_started"]
    assert [one["generation"] for one in started] == [1, 2]
    assert len(died) <= 1


def test_death_names_signal_or_exit_code(runner: RunnerClient) -> None:
    runner.run("import os; os._exit(3)")
    runner.run("import os; os.kill(os.getpid(), 9)")
    deaths = [event.content for event in runner.events if event.msg_type == "interpreter_died"]
    assert [(death.get("exit_code"), death.get("signal")) for death in deaths] == [(3, None), (None, "SIGKILL")]


def test_death_is_told_before_the_end_of_its_run(runner: RunnerClient) -> None:
    reply = runner.run("import os; os._exit(3)").reply
    ends = [event.msg_type for event in runner.events if event.msg_type in ("interpreter_died", "execute_reply")]
    assert reply["reason"] == "died"
    assert ends == ["interpreter_died", "execute_reply"]


@pytest.mark.parametrize("fd", [0, 1, 2])
def test_closed_standard_fd_harms_nothing(runner: RunnerClient, fd: int) -> None:
    assert runner.run(f"import os; os.close({fd}); print('x')").text == "x\n"
    result = runner.run("import subprocess; subprocess.run(['sh', '-c', 'echo out; echo err >&2']); print('y')")
    assert sorted(result.text.split()) == ["err", "out", "y"]


def test_all_low_fds_closed_at_once_harms_nothing(runner: RunnerClient) -> None:
    runner.run("import os; os.closerange(0, 3); print('x')")
    assert runner.run("print('y'); 3").value == "3"


def test_garbage_on_the_channel_ends_the_interpreter_only(runner: RunnerClient) -> None:
    code = """
import os
print('before', flush=True)
for name in range(3000):
    if 'socket' in os.path.realpath(f'/proc/self/fd/{name}'):
        try: os.write(int(name), b'\\x00garbage\\n{"msg_type": "execute_reply"}\\n')
        except OSError: pass
import time; time.sleep(10)
"""
    result = runner.run(code)
    assert result.text == "before\n"
    check_death(result, "garbled")
    assert runner.run("1 + 1").value == "2"


SHUT = """
import os, socket
print('before', flush=True)
for name in range(3000):
    if 'socket' in os.path.realpath(f'/proc/self/fd/{name}'):
        try: socket.socket(fileno=os.dup(name)).shutdown(socket.SHUT_WR)
        except OSError: pass
"""


@pytest.mark.parametrize(
    ("then", "words"),
    [("import time; time.sleep(600)", "was closed; it was ended"), ("os._exit(3)", "exited with code 3")],
)
def test_closed_channel_ends_the_interpreter_and_is_told(runner: RunnerClient, then: str, words: str) -> None:
    result = runner.run(SHUT + then)
    assert result.text == "before\n"
    check_death(result, words)
    assert runner.run("1 + 1").value == "2"


def test_forged_reply_for_another_run_is_ignored(runner: RunnerClient) -> None:
    code = """
import os
for name in range(3000):
    if 'socket' in os.path.realpath(f'/proc/self/fd/{name}'):
        try: os.write(int(name), b'{"msg_type":"execute_reply","parent_id":"x","content":{"status":"ok"}}\\n')
        except OSError: pass
print('alive')
"""
    assert runner.run(code).text == "alive\n"


def test_death_between_cells_is_told(runner: RunnerClient, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    runner.run(
        "import os, threading, time\ndef end():\n"
        f"    while not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
        "    os._exit(7)\nthreading.Thread(target=end).start()"
    )
    gate.touch()
    died = runner.wait_for(lambda event: event.msg_type == "interpreter_died")
    assert died.content["exit_code"] == 7
    assert died.parent_id == ""
    assert runner.run("1 + 1").value == "2"


def test_queued_run_goes_on_in_the_next_interpreter(runner: RunnerClient) -> None:
    first = runner.request("execute_request", code="import os; os._exit(1)")
    second = runner.request("execute_request", code="'alive'")
    assert runner.finish(second).value == "'alive'"
    check_death(runner.result(first), "code 1")


def test_children_of_a_dead_interpreter_end_with_it(runner: RunnerClient) -> None:
    code = "import subprocess, os\np = subprocess.Popen(['sleep', '1000'], start_new_session=True); print(p.pid, flush=True)\nos._exit(1)"
    pid = int(runner.run(code).text)
    assert wait_gone(pid)
    assert runner.run("1").value == "1"


def test_restart_gives_a_fresh_interpreter(runner: RunnerClient) -> None:
    runner.run("x = 1")
    assert runner.ask("restart_request")["status"] == "ok"
    assert runner.run("x").error["ename"] == "NameError"


def test_restart_during_a_run_ends_it(runner: RunnerClient) -> None:
    msg_id = runner.request("execute_request", code="print('on'); import time; time.sleep(60)")
    queued = runner.request("execute_request", code="1")
    runner.wait_text(msg_id, "on\n")
    restart = runner.request("restart_request")
    runner.reply_to(restart)
    for one in (msg_id, queued):
        reply = runner.result(one).reply
        assert (reply["reason"], reply["stopped"], reply["kept"]) == ("restarted", True, False)
    assert runner.run("2").value == "2"


def test_restart_before_the_interpreter_is_up_ends_what_waits_for_it() -> None:
    with open_runner(greet=False) as runner:
        runner.hello()
        queued = runner.request("execute_request", code="while True: pass")
        restart = runner.request("restart_request")
        assert runner.finish(queued).reply["reason"] == "restarted"
        assert runner.reply_to(restart)["status"] == "ok"
        assert runner.run("2").value == "2"


def test_many_restarts_at_once_are_all_answered(runner: RunnerClient) -> None:
    requests = [runner.request("restart_request") for _ in range(5)]
    waiting = set(requests)
    while waiting:
        event = runner.receive()
        if event.msg_type == "restart_reply":
            waiting.remove(event.parent_id)
    assert runner.run("1").value == "1"


def test_end_of_stdin_ends_everything() -> None:
    with open_runner() as runner:
        code = "import subprocess\np = subprocess.Popen(['sleep', '1000'], start_new_session=True); print(p.pid, flush=True)\nwhile True: pass"
        msg_id = runner.request("execute_request", code=code)
        runner.wait_text(msg_id, "\n")
        pid = int(runner.result(msg_id).text)
        assert runner.process.stdin is not None
        runner.process.stdin.close()
        runner.process.wait(TIMEOUT_SECONDS)
        assert wait_gone(pid)


def test_shutdown_is_answered_and_ends_the_process(runner: RunnerClient) -> None:
    assert runner.ask("shutdown_request")["status"] == "ok"
    assert runner.process.wait(TIMEOUT_SECONDS) == 0


def test_kill_of_everything_spares_the_runner(namespace: tuple[str, ...]) -> None:
    options = RunnerOptions(cwd="/tmp")
    with open_runner(options, prefix=namespace) as runner:
        result = runner.run("print('before')\n!kill -9 -1\nimport time; time.sleep(5)")
        assert result.stream("stdout").startswith("before\n")
        check_death(result, "SIGKILL")
        assert runner.run("1 + 1").value == "2"


def test_kill_of_everything_by_os_kill_spares_the_runner(namespace: tuple[str, ...]) -> None:
    prefix = [part for part in namespace if part != "--as-pid-1"]
    with open_runner(RunnerOptions(cwd="/tmp"), prefix=prefix) as runner:
        runner.run("import os; os.kill(-1, 9)")
        assert runner.run("1 + 1").value == "2"
