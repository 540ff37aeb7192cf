"""Limits: each gives an error that names it, and the next cell runs. Those that could harm the machine run in a namespace."""

from __future__ import annotations

import pytest

from hopx_kernel.protocol import RunnerOptions

from .client import RunnerClient, open_runner

GIB = 1 << 30


def test_memory_limit_is_named_in_a_memory_error() -> None:
    with open_runner(RunnerOptions(cwd="/tmp", memory_bytes=GIB)) as runner:
        runner.run("x = 5")
        result = runner.run("data = bytearray(4 << 30)")
        assert result.error["ename"] == "MemoryError"
        assert "memory limit of 1 GiB" in result.error["evalue"]
        assert "memory limit of 1 GiB" in result.error["traceback"][-1]
        assert "memory_limit" in result.error["evalue"] and "memory_bytes" in result.error["evalue"]
        assert (result.reply["reason"], result.reply["limit"], result.reply["kept"]) == ("raised", "memory", True)
        assert runner.run("x").value == "5"


def test_memory_limit_of_growing_data_is_named() -> None:
    with open_runner(RunnerOptions(cwd="/tmp", memory_bytes=GIB // 2)) as runner:
        result = runner.run("data = []\nwhile True: data.append(bytearray(1 << 24))")
        assert "memory limit of 512 MiB" in result.error["evalue"]
        assert runner.run("del data; 1").reply["status"] == "ok"


TAKE = """
import threading
kept, go_on = [], threading.Event()
def take():
    while True:
        try: kept.append(bytearray(SIZE))
        except MemoryError: return go_on.wait()
threads = [threading.Thread(target=take, daemon=True) for _ in range(4)]
for thread in threads: thread.start()
"""


@pytest.mark.parametrize("size", [1 << 16, 1 << 20])
def test_code_that_keeps_all_memory_does_not_silence_its_interpreter(size: int) -> None:
    with open_runner(RunnerOptions(cwd="/tmp", memory_bytes=GIB // 4)) as runner:
        runner.run(TAKE.replace("SIZE", str(size)))
        for _ in range(5):
            result = runner.run("print('x' * 10)", timeout=30)
            assert result.reply["status"] == "ok" or "memory" in (result.text + result.reply["evalue"]).lower()
        # Each of these may still meet the end of the memory, until the threads have given theirs back.
        values: list[str] = []
        for _ in range(100):
            runner.run("kept.clear(); go_on.set()")
            values += [data["data"]["text/plain"] for data in runner.run("1 + 1").of("execute_result")]
            if values:
                break
        assert values == ["2"]


def test_memory_of_all_processes_together_is_limited(namespace: tuple[str, ...]) -> None:
    code = """
import os, time
for i in range(4):
    if not os.fork():
        data = bytearray(os.urandom(1 << 20)) * 100
        time.sleep(20)
        os._exit(0)
print('forked')
time.sleep(20)
"""
    with open_runner(RunnerOptions(cwd="/tmp", memory_bytes=250 << 20), prefix=namespace) as runner:
        result = runner.run(code)
        assert result.text == "forked\n"
        assert "memory limit of 250 MiB" in result.error["evalue"]
        assert (result.reply["reason"], result.reply["limit"], result.reply["kept"]) == ("limit", "memory", False)
        assert runner.run("1 + 1").value == "2"


def test_memory_shared_by_forks_counts_once(namespace: tuple[str, ...]) -> None:
    code = """
import os, time
data = bytearray(b'x') * (150 << 20)
pids = []
for i in range(4):
    pid = os.fork()
    if not pid:
        time.sleep(0.5)
        os._exit(0)
    pids.append(pid)
for pid in pids: os.waitpid(pid, 0)
'fine'
"""
    with open_runner(RunnerOptions(cwd="/tmp", memory_bytes=300 << 20), prefix=namespace) as runner:
        assert runner.run(code).value == "'fine'"


def test_open_files_limit_is_named() -> None:
    with open_runner(RunnerOptions(cwd="/tmp", open_files=100)) as runner:
        result = runner.run("files = []\nwhile True: files.append(open('/dev/null'))")
        assert result.error["ename"] == "OSError"
        assert "limit of 100 open files" in result.error["evalue"] and "open_files_limit" in result.error["evalue"]
        assert result.reply["limit"] == "open_files"
        assert runner.run("for f in files: f.close()\n1").value == "1"


def test_disk_limit_is_named(namespace: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = str(tmp_path_factory.mktemp("disk"))
    prefix = [*namespace, "--size", str(1 << 20), "--tmpfs", directory]
    with open_runner(RunnerOptions(cwd=directory, disk_bytes=1 << 20), prefix=prefix) as runner:
        result = runner.run("with open('big', 'wb') as f: f.write(b'x' * (4 << 20))")
        assert "disk limit of 1 MiB" in result.error["evalue"] and "disk_limit" in result.error["evalue"]
        assert result.reply["limit"] == "disk"
        assert runner.run("1").value == "1"


@pytest.mark.parametrize("as_pid_1", [True, False])
def test_fork_bomb_is_stopped(namespace: tuple[str, ...], as_pid_1: bool) -> None:
    prefix = [part for part in namespace if as_pid_1 or part != "--as-pid-1"]
    options = RunnerOptions(cwd="/tmp", processes=64)
    with open_runner(options, prefix=prefix) as runner:
        code = "import os\nprint('before', flush=True)\nwhile True:\n    try: os.fork()\n    except OSError: pass"
        result = runner.run(code)
        assert result.text.startswith("before\n")
        assert "limit of 64 processes" in result.error["evalue"]
        assert (result.reply["reason"], result.reply["limit"]) == ("limit", "processes")
        assert runner.run("1 + 1").value == "2"


def test_shell_fork_bomb_is_stopped(namespace: tuple[str, ...]) -> None:
    with open_runner(RunnerOptions(cwd="/tmp", processes=64), prefix=namespace) as runner:
        result = runner.run(
            "import subprocess; subprocess.run(['bash', '-c', ':(){ :|:& };:; sleep 5'])\nimport time; time.sleep(5)"
        )
        assert result.reply["reason"] in ("limit", "completed")
        assert runner.run("1 + 1").value == "2"


def test_many_threads_are_limited(namespace: tuple[str, ...]) -> None:
    code = "import threading, time\nfor i in range(200): threading.Thread(target=time.sleep, args=(20,), daemon=True).start()\ntime.sleep(5)"
    with open_runner(RunnerOptions(cwd="/tmp", processes=64), prefix=namespace) as runner:
        result = runner.run(code)
        assert "limit of 64 processes" in result.error["evalue"]
        assert result.reply["limit"] == "processes"
        assert runner.run("1 + 1").value == "2"


def test_error_that_comes_from_no_limit_names_none(runner: RunnerClient) -> None:
    result = runner.run("1 / 0")
    assert "limit" not in result.reply and "limit" not in result.error["evalue"]


def test_heartbeat_comes_a_second_into_a_run(runner: RunnerClient) -> None:
    msg_id = runner.request("execute_request", code="data = bytearray(b'x') * (64 << 20)\nwhile True: pass")
    beat = runner.wait_for(lambda event: event.msg_type == "heartbeat", timeout=4)
    assert beat.parent_id == msg_id
    assert beat.content["state"] == "busy"
    assert 0.8 < beat.content["elapsed_seconds"] < 3
    assert 0.5 < beat.content["quiet_seconds"] < 3
    assert beat.content["cpu_seconds"] > 0.2
    assert beat.content["memory_bytes"] > 64 << 20
    assert beat.content["processes"] >= 1
    runner.request("interrupt_request")
    runner.finish(msg_id)


def test_heartbeats_come_while_the_gil_is_held() -> None:
    with open_runner(RunnerOptions(cwd="/tmp", heartbeat_seconds=0.2)) as runner:
        code = "import ctypes; ctypes.PyDLL(None).usleep(900_000)"
        runner.run(code)
        beats = [event for event in runner.events if event.msg_type == "heartbeat"]
        assert len(beats) >= 3
